"""The thermal picture frame: a pattern, bright towards the edges of a detector, whose strength drifts with temperature.

With the medians c of the centre and e of the edges of an image, and c0 and e0 of the pattern P on the same pixels, the pattern
in the image is ``(c - e) / (c0 - e0) * (P - e0) + e``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms._numba import numba, parallel_kernel, prange
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED

__all__ = ["Pattern", "prepare_pattern", "remove_from_image", "remove_from_ramp"]

Plane = NDArray[np.float32]

CENTRE = slice(76, 1984)
"""Rows and columns of the centre of a detector with 2048 pixels on a side."""
EDGES = (slice(4, 75), slice(1985, 2043))
"""Rows or columns of its edges."""
ACTIVE = slice(4, 2043)
_LOST = np.uint8(DO_NOT_USE | SATURATED)


class Pattern(NamedTuple):
    """A picture frame ready for use.

    Attributes
    ----------
    image : ndarray of float32, shape (ny, nx)
        The pattern, NaN where it is unknown.
    centre, edges : ndarray of bool, shape (ny, nx)
        Background pixels of the two regions where it is known.
    """

    image: Plane
    centre: NDArray[np.bool_]
    edges: NDArray[np.bool_]


def prepare_pattern(image: Plane, background: NDArray[np.bool_]) -> Pattern:
    """Find the pixels on which a pattern is measured.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        The pattern; NaN where it is unknown.
    background : ndarray of bool, shape (ny, nx)
        Pixels of the exposure that hold background.

    Raises
    ------
    ValueError
        When the pattern has no contrast, or no background pixel is left in a region.
    """
    centre, edges = _regions(image.shape)
    known = np.isfinite(image)
    if not (known & centre).any() or not (known & edges).any():
        raise ValueError("the pattern is unknown in its centre or at its edges")
    if np.median(image[known & centre]) == np.median(image[known & edges]):
        raise ValueError("the pattern is as bright at its edges as in its centre")
    known &= background
    if not (known & centre).any() or not (known & edges).any():
        raise ValueError("no background pixel is left in the centre or at the edges")
    return Pattern(image.copy(), centre & known, edges & known)  # a copy: references are read-only


def remove_from_ramp(
    groups: NDArray[np.float32],
    flags: NDArray[np.uint8],
    pattern: Pattern,
    *,
    correction: NDArray[np.float32] | None = None,
) -> int:
    """Remove the change of the pattern since the first group, in place.

    Parameters
    ----------
    groups : ndarray of float32, shape (ngroups, ny, nx)
        Ramps of one integration, DN. The first group stays as it is.
    flags : ndarray of uint8, same shape
        Group flags. A pixel counts until a jump, unless it is DO_NOT_USE or SATURATED.
    pattern : Pattern
        The pattern, in any unit.
    correction : ndarray of float32, same shape, optional
        Receives what is subtracted.

    Returns
    -------
    int
        Number of groups that were corrected.
    """
    first, hit = groups[0], (flags[0] & _LOST) != 0
    image, corrected = np.empty_like(first), 0
    for number in range(1, len(groups)):
        np.logical_or(hit, flags[number] & np.uint8(JUMP_DET), out=hit)
        _difference(groups[number], first, hit, flags[number] & _LOST, image)
        corrected += _remove(image, groups[number], pattern, None if correction is None else correction[number])
    return corrected


def remove_from_image(
    image: Plane, usable: NDArray[np.bool_], pattern: Pattern, *, correction: Plane | None = None
) -> int:
    """Remove the pattern from rates, in place.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Rates.
    usable : ndarray of bool, shape (ny, nx)
        Pixels that count.
    pattern, correction
        As in `remove_from_ramp`.

    Returns
    -------
    int
        1 if it was corrected, else 0.
    """
    return _remove(np.where(usable, image, np.float32(np.nan)), image, pattern, correction)


def _regions(shape: tuple[int, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pixels of centre and edges, bool (ny, nx)."""
    centre, edges = np.zeros(shape, bool), np.zeros(shape, bool)
    centre[CENTRE, CENTRE] = True
    for span in EDGES:
        edges[span, ACTIVE] = True
        edges[ACTIVE, span] = True
    return centre, edges


def _remove(measured: Plane, target: Plane, pattern: Pattern, correction: Plane | None) -> int:
    """Measure the pattern in one image (NaN where pixels do not count), and subtract it from another."""
    with ThreadPoolExecutor(numba.get_num_threads()) as threads:
        regions = pattern.centre, pattern.edges
        (c, c0), (e, e0) = threads.map(lambda region: _medians(measured, pattern.image, region), regions)
    scale = (c - e) / (c0 - e0) if c0 != e0 else np.nan
    if not np.isfinite(scale):
        return 0
    found = np.empty_like(measured) if correction is None else correction
    _scaled(pattern.image, scale, e0, e, found)
    target -= found
    return 1


def _medians(image: Plane, pattern: Plane, region: NDArray[np.bool_]) -> tuple[float, float]:
    """Medians of an image and of the pattern on the same pixels, NaN without one."""
    region = region & np.isfinite(image)
    if not region.any():
        return np.nan, np.nan
    return float(np.median(image[region])), float(np.median(pattern[region]))


@parallel_kernel
def _scaled(pattern, scale, floor, level, found):
    """Scale what the pattern has above a floor and add a level; the level alone where it is unknown."""
    for y in prange(pattern.shape[0]):
        for x in range(pattern.shape[1]):
            above = np.float64(pattern[y, x]) - floor
            found[y, x] = level + scale * above if np.isfinite(above) else level


@parallel_kernel
def _difference(later, earlier, hit, lost, image):
    """Difference of two groups, NaN where it does not count."""
    for y in prange(image.shape[0]):
        for x in range(image.shape[1]):
            image[y, x] = np.float32(np.nan) if hit[y, x] or lost[y, x] else later[y, x] - earlier[y, x]
