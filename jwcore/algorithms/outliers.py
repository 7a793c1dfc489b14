"""Outliers of dithered images: pixels that disagree with the median of all exposures.

The exposures are resampled to one grid, their median is taken there and interpolated back to every detector ("blot").
The gradient of the blotted median allows for what resampling does to sharp sources: the pixels of a star core may differ
from the model by a multiple of it (Fruchter & Hook 2002, PASP 114, 144, section 5).
"""

import math
from pathlib import Path

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.medians import median_columns, median_network, sort_columns
from jwcore.algorithms.pixel_map import PixelMap, interpolate_row

__all__ = [
    "ImageStack",
    "absolute_derivative",
    "blot",
    "derivative_at",
    "deviants",
    "drop_low_weight",
    "find_outliers",
    "source_level",
    "weight_threshold",
]

BLOCK = 256
"""Columns whose medians are found side by side."""


class ImageStack:
    """Images of parts of one grid, of which the median is wanted.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx) of the grid.
    folder : Path, optional
        Keep the images in files of this folder instead of in memory.
    """

    def __init__(self, *, shape: tuple[int, int], folder: Path | None = None) -> None:
        self.shape = shape
        self._folder = folder
        self._images: list[tuple[int, int, np.ndarray]] = []

    def append(self, image: np.ndarray, *, origin: tuple[int, int] = (0, 0)) -> None:
        """Add a float32 image whose first pixel lies at `origin` (y, x) of the grid; NaN is "no value"."""
        if self._folder is not None:
            path = self._folder / f"image{len(self._images):05d}.npy"
            np.save(path, image)
            image = np.load(path, mmap_mode="r")
        self._images.append((*origin, image))

    def excess(self, index: int, median: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """Return an image less the median under it, and the image's origin."""
        y, x, image = self._images[index]
        return image - median[y : y + image.shape[0], x : x + image.shape[1]], (y, x)

    def median(self, *, lower: bool = False, rows: int = 128) -> np.ndarray:
        """Return the median of the values at every pixel of the grid, NaN where there is none.

        Parameters
        ----------
        lower : bool
            Of an even number of values take the lower one of the two in the middle, not their mean. Light that is in one
            of two exposures only, like that of a cosmic ray, then is not in the median.
        rows : int
            Height of the bands in which the grid is worked through, which bounds the memory.

        Returns
        -------
        ndarray of float32 [ny, nx]
        """
        result = np.empty(self.shape, dtype=np.float32)
        network = median_network(len(self._images))
        band = np.empty((len(self._images), rows, self.shape[1]), dtype=np.float32)
        for first in range(0, self.shape[0], rows):
            stop = min(first + rows, self.shape[0])
            for plane, (y, x, image) in zip(band, self._images, strict=True):
                plane[...] = np.nan
                low, high = max(first, y), min(stop, y + image.shape[0])
                if low < high:
                    plane[low - first : high - first, x : x + image.shape[1]] = image[low - y : high - y]
            _median_rows(band, network, lower, first, stop, result)
        return result


@parallel_kernel
def _median_rows(band, network, lower, first, stop, result):
    planes, _, nx = band.shape
    for row in prange(stop - first):
        block = np.empty((planes, BLOCK), np.float32)
        unusable = np.empty(BLOCK, np.int32)
        for start in range(0, nx, BLOCK):
            width = min(BLOCK, nx - start)
            unusable[:] = 0
            for plane in range(planes):
                for k in range(width):
                    value = band[plane, row, start + k]
                    if np.isnan(value):
                        value = np.float32(np.inf) if unusable[k] % 2 == 0 else np.float32(-np.inf)
                        unusable[k] += 1
                    block[plane, k] = value
            median = result[first + row, start : start + width]
            if lower:
                _lower_median_columns(block, network, width, unusable, median)
            else:
                median_columns(block, network, width, unusable, median)


@kernel
def _lower_median_columns(block, network, width, unusable, median):
    """Find the lower median of the usable samples of each column; the arguments are those of `median_columns`."""
    n = block.shape[0]
    sort_columns(block, network, width)
    for column in range(width):
        usable = n - unusable[column]
        rank = unusable[column] // 2 + (usable - 1) // 2  # half of the unusable samples are -infinity
        median[column] = block[rank, column] if usable > 0 else np.float32(np.nan)


KEY_BITS = 12
"""Bits of the mantissa that tell weights apart in the histogram: 2.4e-4 of their value."""


@parallel_kernel
def _count_keys(bits, counts):
    blocks = counts.shape[0]
    for block in prange(blocks):
        for k in range(block * bits.size // blocks, (block + 1) * bits.size // blocks):
            counts[block, bits[k] >> np.uint32(23 - KEY_BITS)] += 1


def weight_threshold(weight: np.ndarray, *, fraction: float, sigma: float = 3.0, iterations: int = 5) -> float:
    """Fraction of the typical weight: the mean of the positive weights, clipped about their median.

    Parameters
    ----------
    weight : ndarray of float32
        Non-negative weights, any shape.
    fraction : float
        Wanted part of the mean.
    sigma : float, optional
        Clipping limit in standard deviations.
    iterations : int, optional
        Rounds of clipping.

    Returns
    -------
    float
        NaN when no weight is positive.
    """
    counts = np.zeros((4, 1 << (8 + KEY_BITS)), dtype=np.int32)
    _count_keys(weight.reshape(-1).view(np.uint32), counts)
    totals = counts.sum(axis=0)
    totals[0] = 0
    keys = np.flatnonzero(totals[: 255 << KEY_BITS])  # beyond are infinities and NaN
    number = totals[keys].astype(np.float64)
    middle = np.uint32(1 << (22 - KEY_BITS))
    value = ((keys.astype(np.uint32) << np.uint32(23 - KEY_BITS)) + middle).view(np.float32).astype(np.float64)
    for _ in range(iterations):
        if not number.size:
            break
        below = np.cumsum(number)
        median = value[np.searchsorted(below, 0.5 * below[-1])]
        mean = np.average(value, weights=number)
        spread = math.sqrt(np.average((value - mean) ** 2, weights=number))
        kept = np.abs(value - median) <= sigma * spread
        if kept.all():
            break
        value, number = value[kept], number[kept]
    return fraction * float(np.average(value, weights=number)) if number.size else math.nan


@parallel_kernel
def drop_low_weight(image, weight, threshold):
    """Set the pixels of an image whose weight is below the threshold, or not positive, to NaN, in place.

    Parameters
    ----------
    image, weight : ndarray of float32 [ny, nx]
        Image and its weights.
    threshold : float
        Smallest weight that is kept; NaN keeps nothing.
    """
    for y in prange(image.shape[0]):
        for x in range(image.shape[1]):
            if not (weight[y, x] > 0.0 and weight[y, x] >= threshold):
                image[y, x] = np.nan


@kernel
def _bilinear(image, x, y):
    """Interpolate an image at a point; NaN outside, and where one of the four pixels around is NaN, whatever its weight."""
    ny, nx = image.shape
    if not (x >= 0.0 and y >= 0.0 and x <= nx - 1.0 and y <= ny - 1.0):
        return np.nan
    column, row = min(int(x), nx - 2), min(int(y), ny - 2)
    u, v = x - column, y - row
    below = image[row, column] * (1.0 - u) + image[row, column + 1] * u
    above = image[row + 1, column] * (1.0 - u) + image[row + 1, column + 1] * u
    return below * (1.0 - v) + above * v


@parallel_kernel
def _blot_rows(image, grid_x, grid_y, step, x_origin, y_origin, blotted):
    nx = blotted.shape[1]
    for row in prange(blotted.shape[0]):
        x, y = np.empty(nx), np.empty(nx)
        interpolate_row(grid_x, grid_y, step, x_origin, y_origin, 0.0, float(row), x, y)
        for column in range(nx):
            blotted[row, column] = _bilinear(image, x[column], y[column])


def blot(image: np.ndarray, *, pixel_map: PixelMap) -> np.ndarray:
    """Interpolate a mosaic back to the pixels of an exposure, bilinearly.

    Parameters
    ----------
    image : ndarray of float32 [ny, nx]
        The mosaic.
    pixel_map : PixelMap
        From pixels of the exposure to pixels of the mosaic, as used for resampling.

    Returns
    -------
    ndarray of float32
        Image of the exposure's shape, NaN outside the mosaic and within a pixel of its holes.
    """
    blotted = np.empty(pixel_map.shape, dtype=np.float32)
    _blot_rows(image, *pixel_map.kernel_arguments, blotted)
    return blotted


@kernel
def derivative_at(image, y, x):
    """Largest absolute difference from those of the four neighbours that have a value."""
    value, largest = image[y, x], np.float32(0.0)
    if np.isnan(value):
        return value
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        if 0 <= y + dy < image.shape[0] and 0 <= x + dx < image.shape[1]:
            difference = abs(value - image[y + dy, x + dx])
            if difference > largest:  # noqa: PLR1730  (max would let NaN in)
                largest = difference
    return largest


@parallel_kernel
def _derivative_rows(image, derivative):
    for y in prange(image.shape[0]):
        for x in range(image.shape[1]):
            derivative[y, x] = derivative_at(image, y, x)


def absolute_derivative(image: np.ndarray) -> np.ndarray:
    """Largest absolute difference of every pixel from its four neighbours.

    Parameters
    ----------
    image : ndarray of float32 [ny, nx]
        Neighbours that are NaN or outside do not count; a NaN pixel gives NaN.

    Returns
    -------
    ndarray of float32 [ny, nx]
    """
    derivative = np.empty_like(image)
    _derivative_rows(image, derivative)
    return derivative


@parallel_kernel
def _two_passes(data, err, model, background, snr1, snr2, scale1, scale2, first, second):
    for y in prange(data.shape[0]):
        for x in range(data.shape[1]):
            difference = abs(data[y, x] - model[y, x] - background)
            noise = err[y, x]
            if np.isnan(noise):
                noise = np.float32(0.0)
            slope = derivative_at(model, y, x)
            first[y, x] = difference > scale1 * slope + snr1 * noise
            second[y, x] = difference > scale2 * slope + snr2 * noise


@parallel_kernel
def _near_first(first, second, outliers):
    """Keep pixels of the second pass that touch one of the first, diagonally too."""
    ny, nx = first.shape
    for y in prange(ny):
        for x in range(nx):
            found = False
            if second[y, x]:
                for j in range(max(y - 1, 0), min(y + 2, ny)):
                    for i in range(max(x - 1, 0), min(x + 2, nx)):
                        found = found or first[j, i]
            outliers[y, x] = found


def find_outliers(
    data: np.ndarray,
    err: np.ndarray,
    model: np.ndarray,
    *,
    background: float,
    snr: tuple[float, float],
    scale: tuple[float, float],
) -> np.ndarray:
    """Find pixels that stand out from a model.

    With ``D`` the derivative of the model, a pixel is suspect in pass k when ``|data - model - background| > scale_k D +
    snr_k err``. Outliers are the suspects of the second pass that are, or touch, suspects of the first.

    Parameters
    ----------
    data, err : ndarray of float32 [ny, nx]
        Exposure and its error; a NaN error counts as 0.
    model : ndarray of float32 [ny, nx]
        Blotted median.
    background : float
        Level that the data have and the model lacks.
    snr, scale : tuple of float
        Thresholds of the two passes.

    Returns
    -------
    ndarray of bool [ny, nx]
    """
    first, second = np.empty(data.shape, dtype=np.bool_), np.empty(data.shape, dtype=np.bool_)
    numbers = [np.float32(value) for value in (background, *snr, *scale)]
    _two_passes(data, err, model, *numbers, first, second)
    outliers = np.empty(data.shape, dtype=np.bool_)
    _near_first(first, second, outliers)
    return outliers


def deviants(data: np.ndarray, err: np.ndarray, model: np.ndarray, *, snr: float) -> np.ndarray:
    """Find pixels further than `snr` times their error from a model on the same pixels; all float32 [ny, nx].

    A pixel whose error is NaN or 0, which is unknown, is none.
    """
    return (np.abs(data - model) > np.float32(snr) * err) & (err > 0.0)


def source_level(image: np.ndarray, *, sigma: float = 5.0, sample: int = 100_000) -> float:
    """Level from which on a pixel of a median image counts as part of a source: that many sigma above the sky.

    The sky is the median of the image, its noise 1.4826 times the median absolute deviation.

    Parameters
    ----------
    image : ndarray of float32
        Any shape; NaN does not count.
    sigma : float
        Height above the sky.
    sample : int
        Pixels that are looked at, about.

    Returns
    -------
    float
        NaN where no pixel has a value.
    """
    values = image.reshape(-1)[:: max(1, image.size // sample)]
    values = values[np.isfinite(values)]
    if not values.size:
        return math.nan
    sky = float(np.median(values))
    return sky + sigma * 1.4826 * float(np.median(np.abs(values - sky)))
