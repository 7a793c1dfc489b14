"""Clipped mean of background exposures."""

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.dq import DO_NOT_USE

__all__ = ["clipped_mean", "place", "subtract"]


def place(image: np.ndarray, *, start: tuple[int, int], shape: tuple[int, int], target: tuple[int, int]) -> np.ndarray:
    """Lay an image on another sub-array of the same detector.

    Parameters
    ----------
    image : ndarray [..., ny, nx]
        An image or a stack of images.
    start, target : tuple of int
        (xstart, ystart) of the image and of the wanted sub-array, on the detector.
    shape : tuple of int
        (ny, nx) of the wanted sub-array.

    Returns
    -------
    ndarray [..., shape]
        The common part; elsewhere NaN, or 0 for integers. The image itself where nothing changes.
    """
    if start == target and image.shape[-2:] == shape:
        return image
    dx, dy = start[0] - target[0], start[1] - target[1]
    placed = np.full((*image.shape[:-2], *shape), np.nan if image.dtype.kind == "f" else 0, image.dtype)
    rows, columns = (
        slice(max(0, offset), max(0, min(size, offset + length)))
        for offset, size, length in zip((dy, dx), shape, image.shape[-2:], strict=True)
    )
    placed[..., rows, columns] = image[
        ..., rows.start - dy : max(0, rows.stop - dy), columns.start - dx : max(0, columns.stop - dx)
    ]
    return placed


def clipped_mean(
    values: np.ndarray, errors: np.ndarray, *, sigma: float = 3.0, maxiters: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Average a stack of images pixel by pixel after sigma clipping about the median.

    Values farther than `sigma` standard deviations from the median are rejected, and both are computed anew, until
    nothing changes or `maxiters` is reached. The error is ``sqrt(sum e^2) / n`` of the n values kept.

    Parameters
    ----------
    values, errors : ndarray of float32 [n, ny, nx]
        Images and their errors; values that are not finite are left out.
    sigma : float
        Limit in standard deviations of the values that are left.
    maxiters : int, optional
        Largest number of rejections; None: until convergence.

    Returns
    -------
    mean, error : ndarray of float32 [ny, nx]
        NaN where no value is left.
    """
    if values.shape != errors.shape:
        raise ValueError(f"values have shape {values.shape}, errors {errors.shape}")
    mean, error = np.empty(values.shape[1:], np.float32), np.empty(values.shape[1:], np.float32)
    rounds = values.shape[0] if maxiters is None else maxiters
    _average(np.ascontiguousarray(values), np.ascontiguousarray(errors), float(sigma), rounds, mean, error)
    return mean, error


@parallel_kernel
def _average(values, errors, sigma, rounds, mean, error):
    for row in prange(mean.shape[0]):
        scratch = np.empty(values.shape[0], np.float64)
        for x in range(mean.shape[1]):
            count = 0
            for k in range(values.shape[0]):
                if np.isfinite(values[k, row, x]):
                    scratch[count] = values[k, row, x]
                    count += 1
            ordered = scratch[:count]
            ordered.sort()
            first, last = _kept(ordered, sigma, rounds)
            if last == first:
                mean[row, x] = error[row, x] = np.nan
                continue
            mean[row, x] = ordered[first:last].mean()
            variance = 0.0
            for k in range(values.shape[0]):
                if ordered[first] <= values[k, row, x] <= ordered[last - 1]:
                    variance += np.float64(errors[k, row, x]) ** 2
            error[row, x] = np.sqrt(variance) / (last - first)


@kernel
def _kept(ordered, sigma, rounds):
    """Range [first, last) of the sorted values that survive the clipping."""
    first, last = 0, ordered.size
    for _ in range(rounds):
        if last == first:
            break
        kept = ordered[first:last]
        median = 0.5 * (kept[(kept.size - 1) // 2] + kept[kept.size // 2])
        reach = sigma * np.sqrt(np.mean((kept - kept.mean()) ** 2))
        low, high = first, last
        while low < high and ordered[low] < median - reach:
            low += 1
        while high > low and ordered[high - 1] > median + reach:
            high -= 1
        if low == first and high == last:
            break
        first, last = low, high
    return first, last


def subtract(data: np.ndarray, dq: np.ndarray, *, background: np.ndarray, flags: np.ndarray) -> int:
    """Subtract a background from an image or from every plane of a cube, and add its flags, in place.

    Pixels without a background stay as they are and become DO_NOT_USE.

    Parameters
    ----------
    data : ndarray of float32 [..., ny, nx]
    dq : ndarray of uint32, shape of `data`
    background : ndarray of float32 [ny, nx]
        NaN where there is none.
    flags : ndarray of uint32 [ny, nx]

    Returns
    -------
    int
        Number of pixels without a background.
    """
    missing = np.isnan(background)
    data -= np.where(missing, np.float32(0.0), background)
    dq |= flags | np.where(missing, np.uint32(DO_NOT_USE), np.uint32(0))
    return int(np.count_nonzero(missing))
