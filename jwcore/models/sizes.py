"""Sizes of products, from facts of their headers."""

from jwcore.models.meta import Meta

__all__ = ["exposure_bytes", "length", "plane_bytes", "science_bytes"]


def plane_bytes(meta: Meta) -> int:
    """Size of one image as float32."""
    return 4 * int(meta.keyword("SUBSIZE1") or 0) * int(meta.keyword("SUBSIZE2") or 0)


def science_bytes(meta: Meta, dimensions: int) -> int:
    """Size of the science array of an exposure as float32."""
    lengths = {4: ("NINTS", "NGROUPS"), 3: ("NINTS",)}.get(dimensions, ())
    size = plane_bytes(meta)
    for keyword in lengths:
        size *= length(meta, keyword)
    return size


def exposure_bytes(meta: Meta, dimensions: int) -> int:
    """Size of all arrays of an exposure: a ramp with its group flags, or images with flags, error and variances."""
    science = science_bytes(meta, dimensions)
    return science * 5 // 4 if dimensions == 4 else science * 7


def length(meta: Meta, keyword: str) -> int:
    """Return a number of integrations or groups, at least 1."""
    return max(int(meta.keyword(keyword) or 1), 1)
