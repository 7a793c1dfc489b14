"""Photometry in circular apertures with a local background from an annulus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms._numba import kernel, parallel_kernel, prange

__all__ = ["AnnulusBackground", "annulus_background", "aperture_fluxes"]

CLIP_SIGMA = 3.0
CLIP_ITERATIONS = 5


class AnnulusBackground(NamedTuple):
    """Local background of each source: level and error per pixel, and the number of pixels left after clipping."""

    level: NDArray[np.float64]
    error: NDArray[np.float64]
    pixels: NDArray[np.int64]


def aperture_fluxes(
    image: NDArray[np.float32],
    error: NDArray[np.float32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    radii: Sequence[float],
    background: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum the image in circles with exact pixel overlaps and subtract the local background.

    Parameters
    ----------
    image, error : ndarray of float32, shape (ny, nx)
        Flux of each pixel and its error (1 sigma); NaN in a circle makes its sum NaN.
    x, y : ndarray of float64, shape (n,)
        Centres in 0-based pixels.
    radii : sequence of float
        Radii in pixels.
    background : ndarray of float64, shape (n,)
        Local background per pixel.

    Returns
    -------
    flux, flux_error : ndarray of float64, shape (len(radii), n)
        Net flux, and the root of the summed variances; the error of the background is not included.
    """
    from photutils.aperture import CircularAperture, aperture_photometry

    apertures = [CircularAperture(np.column_stack([x, y]), radius) for radius in radii]
    table = aperture_photometry(image, apertures, error=error)
    flux = np.stack([np.asarray(table[f"aperture_sum_{i}"], dtype=np.float64) for i in range(len(radii))])
    flux_error = np.stack([np.asarray(table[f"aperture_sum_err_{i}"], dtype=np.float64) for i in range(len(radii))])
    area = np.array([aperture.area for aperture in apertures])
    return flux - area[:, None] * background, flux_error


def annulus_background(
    image: NDArray[np.float32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    inner: float,
    outer: float,
) -> AnnulusBackground:
    """Take the 3-sigma clipped median of the pixels whose centres lie in an annulus.

    The error of the median is ``std sqrt(pi / (2 n))`` with the clipped standard deviation of the n remaining pixels.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Flux of each pixel; NaN pixels are left out.
    x, y : ndarray of float64, shape (n,)
        Centres in 0-based pixels.
    inner, outer : float
        Radii of the annulus in pixels.

    Returns
    -------
    AnnulusBackground
        NaN where no pixel is usable.
    """
    level = np.full(len(x), np.nan)
    error = np.full(len(x), np.nan)
    pixels = np.zeros(len(x), dtype=np.int64)
    _clipped_medians(np.ascontiguousarray(image), x, y, float(inner), float(outer), level, error, pixels)
    return AnnulusBackground(level, error, pixels)


@kernel
def _clip(values, sigma, iterations):  # pragma: no cover - compiled
    """Range [first, last) of sorted values that survives sigma clipping about the median, and their deviation."""
    first = 0
    last = values.size
    std = np.nan
    for iteration in range(iterations + 1):
        n = last - first
        mean = 0.0
        for i in range(first, last):
            mean += values[i]
        mean /= n
        variance = 0.0
        for i in range(first, last):
            variance += (values[i] - mean) ** 2
        std = np.sqrt(variance / n)
        if iteration == iterations:
            break
        median = 0.5 * (values[(first + last - 1) // 2] + values[(first + last) // 2])
        low = first
        high = last
        while values[low] < median - sigma * std:
            low += 1
        while values[high - 1] > median + sigma * std:
            high -= 1
        if low == first and high == last:
            break
        first = low
        last = high
    return first, last, std


@parallel_kernel
def _clipped_medians(image, x, y, inner, outer, level, error, pixels):  # pragma: no cover - compiled
    ny, nx = image.shape
    for s in prange(x.size):
        if not (np.isfinite(x[s]) and np.isfinite(y[s])):
            continue
        x0 = max(int(np.ceil(x[s] - outer)), 0)
        x1 = min(int(np.floor(x[s] + outer)), nx - 1)
        y0 = max(int(np.ceil(y[s] - outer)), 0)
        y1 = min(int(np.floor(y[s] + outer)), ny - 1)
        values = np.empty(max(x1 - x0 + 1, 0) * max(y1 - y0 + 1, 0))
        n = 0
        for j in range(y0, y1 + 1):
            for i in range(x0, x1 + 1):
                distance = (i - x[s]) ** 2 + (j - y[s]) ** 2
                if inner * inner <= distance < outer * outer and np.isfinite(image[j, i]):
                    values[n] = image[j, i]
                    n += 1
        if n == 0:
            continue
        values = np.sort(values[:n])
        first, last, std = _clip(values, CLIP_SIGMA, CLIP_ITERATIONS)
        pixels[s] = last - first
        level[s] = 0.5 * (values[(first + last - 1) // 2] + values[(first + last) // 2])
        error[s] = std * np.sqrt(np.pi / (2.0 * (last - first)))
