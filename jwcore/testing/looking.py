"""Looking at products before and after a step, in memory or on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from jwcore import models
from jwcore.models import ExposureSet

DO_NOT_USE = 1
WRITERS_KEYWORDS = ("filename", "model_type", "date")
"""Paths of keywords that are set where products are made and written, not by steps."""


def exposures_of(product: Any) -> list[Any]:
    """List the exposures of a product: of a set all members, of a mapping those that are exposures."""
    if isinstance(product, ExposureSet):
        return list(product)
    if isinstance(product, Mapping):
        return [item for item in product.values() if isinstance(item, models.Exposure)]
    return [product] if isinstance(product, models.Exposure) else []


def arrays_of(product: Any) -> dict[str, np.ndarray]:
    """Collect the arrays of a product by name; those of several exposures are numbered."""
    exposures = exposures_of(product)
    prefix = len(exposures) > 1
    return {
        (f"{number}.{name}" if prefix else name): getattr(exposure, name)
        for number, exposure in enumerate(exposures)
        for name in exposure.arrays()
        if getattr(exposure, name).dtype.names is None
    }


def headers_of(product: Any) -> list[dict[str, Any]]:
    """Collect the keywords of every exposure of a product by path, but for those that change with every file."""
    return [
        {path: value for path, value in exposure.meta.items() if path not in WRITERS_KEYWORDS}
        for exposure in exposures_of(product)
    ]


class Snapshot:
    """What a product was like: copies of its arrays, its keywords, and whether each exposure had a WCS."""

    def __init__(self, product: Any):
        self.arrays = {name: array.copy() for name, array in arrays_of(product).items()}
        self.headers = headers_of(product)
        self.had_wcs = [exposure.has_wcs for exposure in exposures_of(product)]


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Digest of arrays and their names."""
    total = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        total.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def differences(one: Any, other: Any) -> list[str]:
    """Name the arrays and keywords in which two products differ, and the WCS if its zero point does."""
    first, second = (_content(product) for product in (one, other))
    return sorted(name for name in first.keys() | second.keys() if not _equal(first.get(name), second.get(name)))


def _content(product: Any) -> dict[str, Any]:
    content: dict[str, Any] = dict(arrays_of(product))
    for number, (exposure, header) in enumerate(zip(exposures_of(product), headers_of(product), strict=True)):
        content |= {f"{number}.meta.{path}": value for path, value in header.items()}
        if exposure.has_wcs:
            content[f"{number}.wcs"] = np.array(exposure.wcs(0.0, 0.0, with_bounding_box=False))
    return content


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return type(one) is type(other) and one == other


def equal_to_pieces(whole: Any, joined: Mapping[str, np.ndarray]) -> bool:
    """Tell whether arrays that were joined of pieces equal those of the whole."""
    arrays = arrays_of(whole)
    return all(_equal(arrays[name], array) for name, array in joined.items())


def part_of(exposure: Any, first: int, last: int, *, rows: bool) -> Any:
    """Cut rows, or integrations, out of an exposure."""
    part = type(exposure)(meta=exposure.meta.copy())
    if rows:
        part.meta.set("subarray.ystart", first + 1)
        part.meta.set("subarray.ysize", last - first)
    for name, array in arrays_of(exposure).items():
        if rows:
            setattr(part, name, array[..., first:last, :].copy())
        else:
            split = array.ndim == exposure.data.ndim
            setattr(part, name, array[first:last].copy() if split else array.copy())
    return part


def mark_flags(product: Any) -> None:
    """Set every bit of the pixel flags somewhere, alone, beside its neighbour and with all others.

    Flags that went through a narrower or a floating-point type on their way are not the same afterwards.
    """
    for exposure in exposures_of(product):
        for name in ("dq", "pixeldq"):
            flags = getattr(exposure, name) if name in exposure.arrays() else None
            if flags is not None:
                bits = np.arange(32, dtype=np.uint32)
                flags[..., 5, bits] |= np.uint32(1) << bits
                flags[..., 6, bits[:-1]] |= np.uint32(3) << bits[:-1]
                flags[..., 7, 0] = ~np.uint32(0)


def unflagged_gaps(exposure: Any) -> int:
    """Count the pixels, or the samples of a ramp, that are NaN without a flag that says so."""
    names = exposure.arrays()
    empty = np.isnan(exposure.data)
    for name in ("dq", "pixeldq", "groupdq"):
        flags = getattr(exposure, name) if name in names else None
        if flags is not None and flags.shape[-2:] == empty.shape[-2:]:
            empty &= (flags & DO_NOT_USE == 0) if name != "groupdq" else (flags == 0)
    return int(empty.sum())
