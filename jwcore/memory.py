"""How much memory a plan node will take: an estimate from facts of headers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from jwcore.models.sizes import exposure_bytes, length, plane_bytes, science_bytes
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
    nints = length(meta, "NINTS") if dimensions > 2 else 1
    planes = IMAGES + (PLANES * nints if nints > 1 else 0)
    exposures = sum(exposure_bytes(*member) for member in members)
    return int(LIBRARIES + exposures + planes * plane_bytes(meta) + scratch * science_bytes(meta, dimensions))


def exceeds(peak: int, cap: int | None) -> bool:
    """Tell whether a node would not stay below a cap, even if kernels must be compiled."""
    return cap is not None and peak + COMPILING > cap
