"""Background of an image: sigma-clipped medians in boxes, median filtered and interpolated by a spline.

The recipe is that of `photutils.background.Background2D`. The pixels of a box are sorted once, after which every round of
clipping only moves the two ends; the cubic-spline zoom over the whole frame is linear and separable, so it is a product of
two small matrices.

References
----------
E. Bertin & S. Arnouts, "SExtractor: Software for source extraction", A&AS 117, 393 (1996).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms._numba import numba, parallel_kernel, prange
from jwcore.algorithms.sorted_sample import bisect

__all__ = ["Background", "background_map", "box_statistics", "spline_zoom"]

CLIP_SIGMA = 3.0
CLIP_ROUNDS = 5
FILTER_SIZE = (3, 3)
LEAST_KEPT = 0.9
"""Fraction of the pixels of a box that must be left for it to count."""
NEIGHBOURS = 10
"""Boxes from which one that does not count is filled."""
_PIECE = 1 << 18
"""Pixels sorted by one thread at a time, about."""


@dataclass(frozen=True)
class Background:
    """Background level of an image and its noise.

    Attributes
    ----------
    level : ndarray of float32, shape (ny, nx)
        Background in the unit of the image.
    noise : float
        Typical noise of the background: the median of the noise of all boxes.
    noise_mesh : ndarray of float32
        Noise (1 sigma) of every box.
    box : tuple of int
        Size of a box (ny, nx) in pixels.
    """

    level: NDArray[np.float32]
    noise: float
    noise_mesh: NDArray[np.float32]
    box: tuple[int, int]

    def noise_map(self) -> NDArray[np.float32]:
        """Return the noise of every pixel, interpolated between the boxes."""
        return spline_zoom(self.noise_mesh, shape=self.level.shape, box_size=self.box)


def background_map(
    image: NDArray[np.float32],
    mask: NDArray[np.bool_] | None = None,
    *,
    box_size: int | tuple[int, int],
    filter_size: tuple[int, int] = FILTER_SIZE,
) -> Background:
    """Measure the background of an image in boxes.

    Each box gives the median and the standard deviation of its pixels after 3-sigma clipping; boxes that lost more than
    10 per cent of their pixels are filled from their neighbours; the grid of boxes is median filtered and
    interpolated. An image for which that is impossible gets one level and one noise for all pixels.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        The image; NaN pixels need not be masked.
    mask : ndarray of bool, shape (ny, nx), optional
        Pixels to leave out.
    box_size : int or tuple of int
        Sides (ny, nx) of a box in pixels.
    filter_size : tuple of int
        Boxes (ny, nx) of which the median filter takes the median.

    Returns
    -------
    Background
        Level and noise.

    Raises
    ------
    ValueError
        When no pixel is usable.
    """
    usable = np.isfinite(image) if mask is None else np.isfinite(image) & ~mask
    if not usable.any():
        raise ValueError("every pixel of the image is masked")
    sides = (box_size, box_size) if isinstance(box_size, int) else box_size
    box = min(sides[0], image.shape[0]), min(sides[1], image.shape[1])
    median, deviation, kept = box_statistics(image, usable, box=box)
    lost = kept <= LEAST_KEPT * box[0] * box[1]
    if lost.all():
        return _single_level(image, usable)
    level, noise = (_filtered(_filled(mesh, lost), filter_size) for mesh in (median, deviation))
    return Background(
        level=spline_zoom(level, shape=image.shape, box_size=box),
        noise=float(np.median(noise)),
        noise_mesh=noise,
        box=box,
    )


def box_statistics(
    image: NDArray[np.float32], usable: NDArray[np.bool_], *, box: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Measure the pixels of every box after clipping.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        The image.
    usable : ndarray of bool, shape (ny, nx)
        Pixels that count.
    box : tuple of int
        Sides (ny, nx) of a box; those at the upper edges may be cut.

    Returns
    -------
    median, deviation : ndarray of float32, shape (my, mx)
        Median and standard deviation, NaN where nothing is left.
    kept : ndarray of int64, shape (my, mx)
        Number of pixels that are left.
    """
    my, mx = -(-image.shape[0] // box[0]), -(-image.shape[1] // box[1])
    margins = [(0, m * side - length) for m, side, length in zip((my, mx), box, image.shape, strict=True)]
    whole = np.where(usable, image, np.float32(np.nan))
    if any(after for _, after in margins):
        whole = np.pad(whole, margins, constant_values=np.nan)
    boxes = whole.reshape(my, box[0], mx, box[1]).swapaxes(1, 2).reshape(my * mx, -1)
    median, deviation, kept = (
        np.empty(len(boxes), np.float32),
        np.empty(len(boxes), np.float32),
        np.empty(len(boxes), int),
    )
    number = max(1, _PIECE // boxes.shape[1])
    with ThreadPoolExecutor(numba.get_num_threads()) as threads:
        list(threads.map(_sort, (boxes[k : k + number] for k in range(0, len(boxes), number))))
    _clip_boxes(boxes, median, deviation, kept)
    return median.reshape(my, mx), deviation.reshape(my, mx), kept.reshape(my, mx)


def _sort(rows: NDArray[np.float32]) -> None:
    rows.sort(axis=1)


def _filled(mesh: NDArray[np.float32], lost: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Replace boxes that do not count by the mean of the nearest others, weighted with the inverse of the distance."""
    if not lost.any():
        return mesh
    from scipy.spatial import KDTree

    known = mesh[~lost]
    distance, nearest = KDTree(np.argwhere(~lost)).query(
        np.argwhere(lost), k=np.arange(1, min(NEIGHBOURS, known.size) + 1)
    )
    filled = mesh.copy()
    filled[lost] = np.sum(known[nearest] / distance, axis=1) / np.sum(1 / distance, axis=1)
    return filled


def _filtered(mesh: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Median filter; at the edges the window is cut."""
    before = size[0] // 2, size[1] // 2
    margins = [(low, whole - 1 - low) for low, whole in zip(before, size, strict=True)]
    padded = np.pad(mesh, margins, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size).reshape(*mesh.shape, -1)
    ordered = np.sort(windows, axis=-1)  # NaN last
    count = np.isfinite(windows).sum(axis=-1, keepdims=True)
    lower, upper = (np.take_along_axis(ordered, place, axis=-1)[..., 0] for place in ((count - 1) // 2, count // 2))
    return np.float32(0.5) * (lower + upper)


def spline_zoom(mesh: NDArray[np.float32], *, shape: tuple[int, ...], box_size: tuple[int, int]) -> NDArray[np.float32]:
    """Interpolate values at the centres of boxes to all pixels with a cubic spline.

    Parameters
    ----------
    mesh : ndarray of float32, shape (my, mx)
        One value for each box.
    shape : tuple of int
        Size of the result (ny, nx); boxes may reach beyond it.
    box_size : tuple of int
        Pixels (ny, nx) in a box.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
        Interpolated values, kept within the range of the mesh.
    """
    low, high = mesh.min(), mesh.max()
    if low == high:
        return np.full(shape, low, dtype=np.float32)
    rows = _spline_basis(mesh.shape[0], box_size[0])[: shape[0]]
    columns = _spline_basis(mesh.shape[1], box_size[1])[: shape[1]]
    # the small product in float64, the large one in the type of the result
    along_rows = (rows @ mesh.astype(np.float64)).astype(np.float32)
    zoomed = along_rows @ columns.T.astype(np.float32)
    return np.clip(zoomed, low, high, out=zoomed)


@cache
def _spline_basis(boxes: int, box_size: int) -> NDArray[np.float64]:
    """Response of every pixel along one axis to a unit value in each box, shape (boxes * box_size, boxes)."""
    from scipy.ndimage import zoom

    responses = [zoom(unit, box_size, order=3, mode="reflect", grid_mode=True) for unit in np.eye(boxes)]
    return np.stack(responses, axis=1)


def _single_level(image: NDArray[np.float32], usable: NDArray[np.bool_]) -> Background:
    """Give one level and one noise from all usable pixels."""
    median, deviation, _ = box_statistics(image, usable, box=(image.shape[0], image.shape[1]))
    level = np.full(image.shape, median[0, 0], dtype=np.float32)
    return Background(level, float(deviation[0, 0]), deviation, (image.shape[0], image.shape[1]))


@parallel_kernel
def _clip_boxes(boxes, medians, deviations, kept):
    """Clip sorted values, NaN last, about their median until nothing changes; then median, deviation and number."""
    for row in prange(boxes.shape[0]):
        values = boxes[row]
        first, last = 0, bisect(values, 0, values.size, np.inf, True)
        sums, squares = np.empty(last + 1), np.empty(last + 1)  # of differences from a value in the middle
        sums[0] = squares[0] = 0.0
        centre = np.float64(values[last // 2]) if last else 0.0
        for k in range(last):
            difference = np.float64(values[k]) - centre
            sums[k + 1] = sums[k] + difference
            squares[k + 1] = squares[k] + difference * difference
        median, deviation = np.nan, np.nan
        for clipping in range(CLIP_ROUNDS + 1):
            n = last - first
            if n == 0:
                break
            mean = (sums[last] - sums[first]) / n
            deviation = np.sqrt(max((squares[last] - squares[first]) / n - mean * mean, 0.0))
            median = 0.5 * (np.float64(values[first + (n - 1) // 2]) + np.float64(values[first + n // 2]))
            low = max(first, bisect(values, 0, last, median - CLIP_SIGMA * deviation, False))
            high = bisect(values, 0, last, median + CLIP_SIGMA * deviation, True)
            if clipping == CLIP_ROUNDS or (low == first and high == last):
                break
            first, last = low, high
        medians[row], deviations[row], kept[row] = median, deviation, last - first
