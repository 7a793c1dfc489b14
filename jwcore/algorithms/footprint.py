"""Footprints of images: polygons on the sphere (S_REGION) and in the pixel plane.

A sky polygon is an array [n, 2] of RA, Dec in degrees, either way round, its sides great circles; the first vertex is
not repeated. A plane polygon is an array [n, 2] of x, y.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from jwcore.algorithms._numba import parallel_kernel, prange

__all__ = [
    "box_outline",
    "convex_outline",
    "footprint",
    "format_s_region",
    "parse_s_region",
    "pixels_inside",
    "sky_area",
    "sky_intersection",
    "union_outlines",
]

Box = tuple[tuple[float, float], tuple[float, float]]


def box_outline(box: Box, *, step: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixel coordinates around a bounding box: lower left, upper left, upper right, lower right.

    Parameters
    ----------
    box : pair of pairs of float
        ((x_low, x_high), (y_low, y_high)), outer pixel edges.
    step : float, optional
        Largest distance of vertices along the sides in pixels; None gives the four corners.

    Returns
    -------
    x, y : ndarray of float64 [n]
    """
    (x0, x1), (y0, y1) = box
    along_y = np.linspace(y0, y1, _parts(y1 - y0, step) + 1)
    along_x = np.linspace(x0, x1, _parts(x1 - x0, step) + 1)
    left, right = np.full(along_y.size - 1, x0), np.full(along_y.size - 1, x1)
    bottom, top = np.full(along_x.size - 1, y0), np.full(along_x.size - 1, y1)
    x = np.concatenate([left, along_x[:-1], right, along_x[:0:-1]])
    y = np.concatenate([along_y[:-1], top, along_y[:0:-1], bottom])
    return x, y


def _parts(length: float, step: float | None) -> int:
    return 1 if step is None else max(1, int(np.ceil(length / step)))


def footprint(wcs: Any, *, box: Box | None = None, step: float | None = None) -> np.ndarray:
    """Return the sky polygon of an image.

    Parameters
    ----------
    wcs : gwcs.WCS
        Pixel to sky in degrees; evaluated without its bounding box, as the vertices lie on the border.
    box : pair of pairs of float, optional
        The pixel area (default: the bounding box of `wcs`).
    step : float, optional
        As in :func:`box_outline`.

    Returns
    -------
    ndarray of float64 [n, 2]
        RA in [0, 360) and Dec; NaN where the WCS is undefined.
    """
    x, y = box_outline(box or wcs.bounding_box.bounding_box(order="F"), step=step)
    ra, dec = wcs(x, y, with_bounding_box=False)
    return np.stack([np.mod(ra, 360.0), dec], axis=1)


def format_s_region(polygon: np.ndarray) -> str:
    """Write a sky polygon as the value of S_REGION, nine decimals (4 micro-arcseconds)."""
    return "POLYGON ICRS  " + " ".join(f"{value:.9f}" for value in np.asarray(polygon).ravel())


def parse_s_region(text: str) -> np.ndarray:
    """Read the first polygon of an S_REGION value.

    Raises
    ------
    ValueError
        If the text is not ``POLYGON ICRS ra1 dec1 ra2 dec2 ra3 dec3 ...``.
    """
    words = text.upper().split("POLYGON", 2)
    numbers = words[1].split()[1:] if len(words) > 1 else []
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError(f"S_REGION is not a polygon: {text!r}")
    return np.array(numbers, dtype=np.float64).reshape(-1, 2)


def _vectors(polygon: np.ndarray) -> np.ndarray:
    """Turn a sky polygon into unit vectors [n, 3]."""
    lon, lat = np.deg2rad(np.asarray(polygon, dtype=np.float64)).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def _solid_angle(vectors: np.ndarray) -> float:
    """Signed solid angle of a spherical polygon, positive when it runs counter-clockwise seen from outside.

    Sum over the triangles (a, b, c) at the first vertex of ``2 atan[a.(b x c) / (1 + a.b + b.c + c.a)]``;
    Van Oosterom & Strackee 1983, IEEE Trans. Biomed. Eng. 30, 125.
    """
    a, b, c = vectors[0], vectors[1:-1], vectors[2:]
    triple = np.cross(b - a, c - a) @ a  # differences first: small polygons lose no digits
    return float(2.0 * np.sum(np.arctan2(triple, 1.0 + b @ a + c @ a + np.sum(b * c, axis=1))))


def sky_area(polygon: np.ndarray) -> float:
    """Solid angle of a sky polygon in steradians; 0 for fewer than three vertices."""
    return abs(_solid_angle(_vectors(polygon))) if len(polygon) > 2 else 0.0


def convex_outline(polygon: np.ndarray) -> np.ndarray:
    """Return the smallest convex sky polygon around a sky polygon that is smaller than a hemisphere."""
    from scipy.spatial import ConvexHull

    vectors = _vectors(polygon)
    centre = vectors.sum(axis=0)
    east = np.cross(centre, np.eye(3)[np.argmin(np.abs(centre))])
    axes = np.stack([east, np.cross(centre, east)], axis=1)
    plane = vectors @ axes / (vectors @ centre)[:, None]  # gnomonic: great circles become straight lines
    return np.asarray(polygon)[ConvexHull(plane).vertices]


def sky_intersection(polygon: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the common part of two sky polygons, the second of which is convex.

    Every side of `other` cuts `polygon` along its great circle (Sutherland & Hodgman 1974, CACM 17, 32).

    Parameters
    ----------
    polygon, other : ndarray of float [n, 2]
        Each smaller than a hemisphere.

    Returns
    -------
    ndarray of float64 [n, 2]
        Without vertices when there is no overlap.
    """
    kept, knife = _vectors(polygon), _vectors(other)
    if _solid_angle(knife) < 0:
        knife = knife[::-1]
    for normal in np.cross(knife, np.roll(knife, -1, axis=0)):
        kept = _cut(kept, normal)
        if len(kept) < 3:
            return np.empty((0, 2))
    x, y, z = kept.T
    return np.rad2deg(np.stack([np.mod(np.arctan2(y, x), 2 * np.pi), np.arctan2(z, np.hypot(x, y))], axis=1))


def _cut(vectors: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Keep the part of a spherical polygon [n, 3] on the positive side of a plane through the centre."""
    heights = vectors @ normal
    kept = []
    for k in range(len(vectors)):
        here, before = heights[k], heights[k - 1]
        if (here >= 0) != (before >= 0):
            crossing = before * vectors[k] - here * vectors[k - 1]
            kept.append(np.sign(before - here) * crossing / np.linalg.norm(crossing))
        if here >= 0:
            kept.append(vectors[k])
    return np.array(kept)


def pixels_inside(polygon: np.ndarray, *, shape: tuple[int, int]) -> np.ndarray:
    """Mark the pixels whose centres lie inside a plane polygon (even-odd rule).

    Parameters
    ----------
    polygon : ndarray of float [n, 2]
        Pixel coordinates, counted from 0.
    shape : tuple of int
        (ny, nx) of the mask.

    Returns
    -------
    ndarray of bool [ny, nx]
    """
    mask = np.zeros(shape, dtype=np.bool_)
    vertices = np.ascontiguousarray(polygon, dtype=np.float64)
    if len(vertices) > 2:
        _fill(vertices, mask)
    return mask


@parallel_kernel
def _fill(vertices, mask):
    n = vertices.shape[0]
    for row in prange(mask.shape[0]):
        crossings = np.empty(n)
        count = 0
        for k in range(n):
            x0, y0 = vertices[k - 1, 0], vertices[k - 1, 1]
            x1, y1 = vertices[k, 0], vertices[k, 1]
            if (y0 > row) != (y1 > row):
                crossings[count] = x0 + (row - y0) * (x1 - x0) / (y1 - y0)
                count += 1
        ordered = np.sort(crossings[:count])
        for k in range(0, count - 1, 2):
            first = max(0, int(np.ceil(ordered[k])))
            mask[row, first : max(first, min(mask.shape[1], int(np.ceil(ordered[k + 1]))))] = True


def union_outlines(polygons: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the outer borders of the union of plane polygons.

    Sides are split where they cross other polygons; a piece belongs to the border when the point just outside it is
    in no polygon.

    Parameters
    ----------
    polygons : sequence of ndarray of float [n, 2]
        Simple polygons in units of pixels, either way round.

    Returns
    -------
    list of ndarray of float64 [n, 2]
        One counter-clockwise polygon per connected part, the largest first; holes are left out.
    """
    rings = [_counter_clockwise(np.asarray(p, dtype=np.float64)) for p in polygons]
    starts = np.concatenate(rings)
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    pieces = _pieces(starts, ends)
    along = pieces[:, 1] - pieces[:, 0]
    outwards = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.linalg.norm(along, axis=1)[:, None]
    probes = pieces.mean(axis=1) + _TINY * outwards
    inside = np.any([_inside(ring, probes) for ring in rings], axis=0)
    loops = _chain(pieces[~inside])
    outlines = [_without_straight_corners(loop) for loop in loops if _plane_area(loop) > 0]
    return sorted(outlines, key=_plane_area, reverse=True)


_TINY = 1e-6
"""Pixels: the distance below which points of a border count as one."""


def _plane_area(ring: np.ndarray) -> float:
    x, y = (ring - ring[0]).T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def _counter_clockwise(ring: np.ndarray) -> np.ndarray:
    return ring if _plane_area(ring) > 0 else ring[::-1]


def _inside(ring: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Even-odd test of points [n, 2]."""
    x, y = points.T
    inside = np.zeros(len(points), dtype=bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def _pieces(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Split sides at every crossing and touching vertex: pieces [n, 2 ends, 2]."""
    pieces = []
    for start, end in zip(starts, ends, strict=True):
        along = end - start
        length2 = along @ along
        if length2 < _TINY**2:
            continue
        t = np.sort(np.concatenate([[0.0, 1.0], _crossings(start, along, starts, ends)]))
        t = t[np.concatenate([[True], np.diff(t) * np.sqrt(length2) > _TINY])]
        t[-1] = 1.0
        corners = start + t[:, None] * along
        pieces.append(np.stack([corners[:-1], corners[1:]], axis=1))
    return np.concatenate(pieces)


def _crossings(start: np.ndarray, along: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Positions 0 < t < 1 on one side where other sides cross it or have an end on it."""
    others = ends - starts
    gap = starts - start
    determinant = along[0] * others[:, 1] - along[1] * others[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (gap[:, 0] * others[:, 1] - gap[:, 1] * others[:, 0]) / determinant
        s = (gap[:, 0] * along[1] - gap[:, 1] * along[0]) / determinant
    crossing = t[(s >= 0) & (s <= 1)]
    length2 = along @ along
    distance = np.abs(gap[:, 0] * along[1] - gap[:, 1] * along[0]) / np.sqrt(length2)
    touching = (gap @ along / length2)[distance < _TINY]
    t = np.concatenate([crossing, touching])
    return t[(t > 0) & (t < 1)]


def _chain(pieces: np.ndarray) -> list[np.ndarray]:
    """Join pieces end to start into closed loops; of pieces that coincide one is used."""
    following: defaultdict[tuple, dict[tuple, np.ndarray]] = defaultdict(dict)
    for start, end in pieces:
        following[_key(start)][_key(end)] = end
    loops = []
    while following:
        first = key = next(iter(following))
        loop = []
        while following.get(key):
            key, point = following[key].popitem()
            loop.append(point)
            if key == first:
                break
        following = defaultdict(dict, {k: v for k, v in following.items() if v})
        if len(loop) > 2:
            loops.append(np.array(loop))
    return loops


def _key(point: np.ndarray) -> tuple:
    """Cell of a fine lattice; it is shifted, so that usual coordinates (n/2 ...) are far from the borders of cells."""
    return tuple(np.floor(point / (10 * _TINY) + 0.377).astype(int))


def _without_straight_corners(ring: np.ndarray) -> np.ndarray:
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    scale = np.linalg.norm(before, axis=1) + np.linalg.norm(after, axis=1)
    return ring[np.abs(turn) > 10 * _TINY * scale]
