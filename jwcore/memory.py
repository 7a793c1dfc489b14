"""How much memory a plan node will take: an estimate from facts of headers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from jwcore.plan_model import PlannedEntry, PlannedStep

if TYPE_CHECKING:
    from jwcore.models import Meta

LIBRARIES = 200_000_000
"""What the interpreter, the libraries and the compiled kernels take, bytes."""
COMPILING = 150_000_000
"""What the compilation of kernels takes on top of that, at their first use."""
IMAGES = 8
"""Planes of the size of the detector that live at the same time: those of a product, flags, and references."""
PLANES = 5
"""Planes of a product of one integration: data, error, flags, two variances."""


def plane_bytes(meta: Meta) -> int:
    """Size of one image as float32."""
    return 4 * int(meta.keyword("SUBSIZE1") or 0) * int(meta.keyword("SUBSIZE2") or 0)


def science_bytes(meta: Meta, dimensions: int) -> int:
    """Size of the science array of an exposure as float32."""
    lengths = {4: ("NINTS", "NGROUPS"), 3: ("NINTS",)}.get(dimensions, ())
    size = plane_bytes(meta)
    for keyword in lengths:
        size *= _length(meta, keyword)
    return size


def exposure_bytes(meta: Meta, dimensions: int) -> int:
    """Size of all arrays of an exposure: a ramp with its group flags, or images with flags, error and variances."""
    science = science_bytes(meta, dimensions)
    return science * 5 // 4 if dimensions == 4 else science * 7


def peak_bytes(
    members: Iterable[tuple[Meta, int]], meta: Meta, dimensions: int, entries: Sequence[PlannedEntry]
) -> int:
    """Estimate the peak of a node: libraries, exposures, products, and the largest working memory of a step.

    Parameters
    ----------
    members : iterable of (Meta, int)
        Metadata and dimensions of all exposures that are in memory at the same time.
    meta, dimensions : Meta, int
        Of the first science exposure.
    entries : sequence
        What is planned.
    """
    scratch = max((step.scratch for step in entries if isinstance(step, PlannedStep) and step.runs), default=0.0)
    nints = _length(meta, "NINTS") if dimensions > 2 else 1
    planes = IMAGES + (PLANES * nints if nints > 1 else 0)
    exposures = sum(exposure_bytes(*member) for member in members)
    return int(LIBRARIES + exposures + planes * plane_bytes(meta) + scratch * science_bytes(meta, dimensions))


def exceeds(peak: int, cap: int | None) -> bool:
    """Tell whether a node would not stay below a cap, even if kernels must be compiled."""
    return cap is not None and peak + COMPILING > cap


def _length(meta: Any, keyword: str) -> int:
    return max(int(meta.keyword(keyword) or 1), 1)
