"""Sky levels that make overlapping exposures agree.

Every exposure group (all detectors of one exposure) gets one level. Where two groups overlap, the same statistic is
measured on the pixels of both, and the levels are those that minimise the weighted sum of the squared disagreements.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jwcore.algorithms.footprint import convex_outline, pixels_inside, sky_intersection
from jwcore.algorithms.sky_statistics import SkyStatistic

__all__ = ["Overlap", "global_levels", "local_levels", "match_levels", "measure_overlaps"]


@dataclass(frozen=True)
class Overlap:
    """Sky level of one group where it overlaps another, and the number of pixels behind it."""

    level: float
    pixels: int

    def __add__(self, other: "Overlap") -> "Overlap":
        """Join two overlaps by the mean weighted with the pixels."""
        pixels = self.pixels + other.pixels
        if not pixels:
            return self
        parts = [part.pixels * part.level for part in (self, other) if part.pixels]
        return Overlap(sum(parts) / pixels, pixels)


def measure_overlaps(
    usable: Callable[..., np.ndarray],
    *,
    shape: tuple[int, int],
    footprint: np.ndarray,
    others: Mapping[int, np.ndarray],
    to_pixels: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    statistic: SkyStatistic,
) -> dict[int, Overlap]:
    """Measure one exposure where other exposures overlap it.

    Parameters
    ----------
    usable : callable
        ``usable(area=mask)`` collects the sky pixels of the exposure inside a mask, see
        :func:`~jwcore.algorithms.sky_statistics.usable_values`.
    shape : tuple of int
        (ny, nx) of the exposure.
    footprint : ndarray of float [n, 2]
        Sky polygon of the exposure.
    others : mapping of int to ndarray of float [n, 2]
        Sky polygons of the other exposures.
    to_pixels : callable
        ``(ra, dec) -> (x, y)`` of the exposure.
    statistic : SkyStatistic
        How the level is made.

    Returns
    -------
    dict of int to Overlap
        Only the exposures with usable pixels in common.
    """
    outline = convex_outline(footprint)  # distortion bends the sides of a footprint with many vertices inwards
    common = {key: sky_intersection(other, outline) for key, other in others.items()}
    common = {key: polygon for key, polygon in common.items() if len(polygon)}
    if not common:
        return {}
    polygons = [footprint, *common.values()]
    corners = np.stack(to_pixels(*np.concatenate(polygons).T), axis=1)
    own, *places = np.split(corners, np.cumsum([len(polygon) for polygon in polygons])[:-1])
    inside = pixels_inside(own, shape=shape)
    found = {}
    for key, place in zip(common, places, strict=True):
        level, pixels = statistic(usable(area=inside & pixels_inside(place, shape=shape)))
        if pixels and np.isfinite(level):
            found[key] = Overlap(level, pixels)
    return found


def match_levels(overlaps: Mapping[tuple[int, int], Overlap], *, count: int, lower_all: bool = True) -> np.ndarray:
    """Levels that bring overlapping groups into agreement.

    They minimise ``sum W_ij (L_i - L_j - (s_ij - s_ji))^2`` over the overlapping pairs, ``s_ij`` being the level of group i
    where it overlaps j and ``W_ij`` the mean number of pixels of both.

    Parameters
    ----------
    overlaps : mapping of (int, int) to Overlap
        ``s_ij`` by (i, j).
    count : int
        Number of groups.
    lower_all : bool
        Shift the levels so that the smallest is 0 (all are lowered to the lowest), else so that the largest is 0.

    Returns
    -------
    ndarray of float64 [count]
        NaN for groups without any overlap. Groups that hang together only among themselves are shifted alone.
    """
    pairs = [(i, j) for i, j in overlaps if i < j and (j, i) in overlaps]
    levels = np.full(count, np.nan)
    for members in _connected(pairs):
        place = {member: k for k, member in enumerate(members)}
        inside = [pair for pair in pairs if pair[0] in place]
        matrix, right = np.zeros((len(inside), len(members))), np.zeros(len(inside))
        for row, (i, j) in enumerate(inside):
            weight = 0.5 * (overlaps[i, j].pixels + overlaps[j, i].pixels)
            matrix[row, place[i]], matrix[row, place[j]] = weight, -weight
            right[row] = weight * (overlaps[i, j].level - overlaps[j, i].level)
        solution = np.linalg.pinv(matrix, rcond=1e-12) @ right
        levels[members] = solution - (solution.min() if lower_all else solution.max())
    return levels


def _connected(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Sets of groups that are linked by overlaps."""
    parts: list[set[int]] = []
    for pair in pairs:
        joined = set(pair).union(*(part for part in parts if part & set(pair)))
        parts = [part for part in parts if not part & joined] + [joined]
    return [sorted(part) for part in parts]


def local_levels(statistics: Sequence[Sequence[float]]) -> np.ndarray:
    """Level of every group on its own: the smallest among its members.

    Parameters
    ----------
    statistics : sequence of sequences of float
        Levels of the members of every group; NaN where there is none.

    Returns
    -------
    ndarray of float64 [groups]
    """
    finite = [[level for level in members if np.isfinite(level)] for members in statistics]
    return np.array([min(members, default=np.nan) for members in finite])


def global_levels(levels: np.ndarray) -> np.ndarray:
    """Give the smallest level to all groups."""
    finite = levels[np.isfinite(levels)]
    return np.full(levels.shape, finite.min() if finite.size else np.nan)
