"""Background of an image: sigma-clipped medians in boxes, median filtered and interpolated by a spline.

The work is done by `photutils.background.Background2D`, with two of its parts replaced by faster equals. Clipping
sorts the pixels of a box once, after which every iteration only moves the two ends. The cubic-spline zoom over the
whole frame is linear and separable, so it is a product of two small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Background", "SortedSigmaClip", "background_map", "spline_zoom"]

CLIP_SIGMA = 3.0
FILTER_SIZE = (3, 3)


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
    mask: NDArray[np.bool_],
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
    mask : ndarray of bool, shape (ny, nx)
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
    from photutils.background import Background2D

    mask = mask | ~np.isfinite(image)
    if mask.all():
        raise ValueError("every pixel of the image is masked")
    try:
        measured = Background2D(
            image,
            box_size,
            mask=mask,
            filter_size=filter_size,
            sigma_clip=SortedSigmaClip(CLIP_SIGMA),
            bkg_estimator=sorted_median,
        )
    except ValueError:  # no box keeps enough pixels
        return _single_level(image, mask)
    height, width = (int(side) for side in measured.box_size)
    return Background(
        level=spline_zoom(measured.background_mesh, shape=image.shape, box_size=(height, width)),
        noise=float(measured.background_rms_median),
        noise_mesh=measured.background_rms_mesh,
        box=(height, width),
    )


class SortedSigmaClip:
    """Iterative sigma clipping about the median, for `Background2D`.

    Keeps what ``astropy.stats.SigmaClip(sigma)`` keeps, but sorted, with NaN behind.

    Parameters
    ----------
    sigma : float
        Clip values that deviate by more than this many standard deviations from the median.
    maxiters : int
        Number of iterations at most.
    """

    def __init__(self, sigma: float, *, maxiters: int = 5):
        self.sigma = sigma
        self.maxiters = maxiters

    def __call__(self, data: NDArray[np.floating], *, axis: int | None = None, **_: Any) -> NDArray[np.floating]:
        """Sort ``data`` along its last axis (or all of it) in place and drop the clipped values."""
        boxes = _as_rows(data, axis)
        boxes.sort(axis=-1)
        for box in boxes:
            first, last = self._kept(box)
            box[: last - first] = box[first:last].copy()
            box[last - first :] = np.nan
        return boxes.reshape(data.shape)

    def _kept(self, box: NDArray[np.floating]) -> tuple[int, int]:
        """Range of the sorted values that survive the clipping."""
        first, last = 0, int(np.searchsorted(box, np.nan))
        if last == 0:
            return first, last
        centre = float(box[last // 2])  # sums about it do not cancel
        deviation = box[:last] - np.float64(centre)
        sums = np.concatenate([[0.0], np.cumsum(deviation)])
        squares = np.concatenate([[0.0], np.cumsum(np.square(deviation))])
        for _ in range(self.maxiters):
            n = last - first
            mean = (sums[last] - sums[first]) / n
            std = np.sqrt(max((squares[last] - squares[first]) / n - mean * mean, 0.0))
            median = _middle(box[first:last])
            low = first + int(np.searchsorted(box[first:last], median - self.sigma * std, side="left"))
            high = first + int(np.searchsorted(box[first:last], median + self.sigma * std, side="right"))
            if (low, high) == (first, last):
                break
            first, last = low, high
        return first, last


def sorted_median(data: NDArray[np.floating], *, axis: int | None = None, **_: Any) -> Any:
    """Median along the last axis (or of all) of values that are sorted, with NaN behind."""
    medians = np.array([_middle(row[: np.searchsorted(row, np.nan)]) for row in _as_rows(data, axis)], dtype=data.dtype)
    return medians[0] if axis is None else medians.reshape(data.shape[:-1])


def _as_rows(data: NDArray[np.floating], axis: int | None) -> NDArray[np.floating]:
    """Arrange the values that belong together in rows."""
    return data.reshape(1, -1) if axis is None else data.reshape(-1, data.shape[-1])


def _middle(ordered: NDArray[np.floating]) -> float:
    """Median of sorted values, NaN for none."""
    n = len(ordered)
    return 0.5 * (float(ordered[(n - 1) // 2]) + float(ordered[n // 2])) if n else np.nan


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


def _spline_basis(boxes: int, box_size: int) -> NDArray[np.float64]:
    """Response of every pixel along one axis to a unit value in each box, shape (boxes * box_size, boxes)."""
    from scipy.ndimage import zoom

    responses = [zoom(unit, box_size, order=3, mode="reflect", grid_mode=True) for unit in np.eye(boxes)]
    return np.stack(responses, axis=1)


def _single_level(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> Background:
    """Give one level and one noise from all usable pixels."""
    kept = SortedSigmaClip(CLIP_SIGMA)(image[~mask])
    level = np.full(image.shape, sorted_median(kept), dtype=np.float32)
    noise = np.nanstd(kept)
    return Background(level, float(noise), np.full((1, 1), noise, dtype=np.float32), (image.shape[0], image.shape[1]))
