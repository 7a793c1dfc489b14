"""Help for the segmentation of an image: smoothing before the detection, and a screen before the deblending."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms._numba import kernel, parallel_kernel, prange

__all__ = ["possible_blends", "smooth"]


def smooth(image: NDArray[np.float32], mask: NDArray[np.bool_], *, fwhm: float) -> NDArray[np.float32]:
    """Convolve an image with a Gaussian, replacing lost pixels by what the kernel gathers from the others.

    Equal to `astropy.convolution.convolve` with a ``Gaussian2DKernel``: the sum over usable pixels is divided by the
    sum of the kernel over them, pixels beyond the edge counting as usable zeros.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        The image.
    mask : ndarray of bool, shape (ny, nx)
        Pixels to leave out, in addition to NaN.
    fwhm : float
        FWHM of the Gaussian in pixels.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
        The convolved image; pixels without any usable pixel in reach are NaN.
    """
    sigma = fwhm / (2.0 * np.sqrt(2.0 * np.log(2.0)))
    half = int(np.ceil(8.0 * sigma)) // 2
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    smoothed = np.empty(image.shape, dtype=np.float32)
    _smooth_rows(np.ascontiguousarray(image), mask, weights / weights.sum(), smoothed)
    return smoothed


@parallel_kernel
def _smooth_rows(image, mask, weights, smoothed):  # pragma: no cover - compiled
    ny, nx = image.shape
    half = weights.size // 2
    for y in prange(ny):
        # one row summed over the rows around it, with a margin of zeros that count as usable
        total = np.zeros(nx + 2 * half)
        usable = np.ones(nx + 2 * half)
        for k in range(weights.size):
            j = y + k - half
            if 0 <= j < ny:
                for x in range(nx):
                    value = image[j, x]
                    if mask[j, x] or not np.isfinite(value):
                        usable[half + x] -= weights[k]
                    else:
                        total[half + x] += weights[k] * value
        for x in range(nx):
            above = 0.0
            below = 0.0
            for k in range(weights.size):
                above += weights[k] * total[x + k]
                below += weights[k] * usable[x + k]
            smoothed[y, x] = above / below if below > 1e-12 else np.nan


def possible_blends(
    image: NDArray[np.float32], labels: NDArray[np.int32], *, min_pixels: int, connectivity: int
) -> NDArray[np.int32]:
    """Select the segments that some threshold can split into two parts of sufficient size.

    Deblending looks for such a threshold at some tens of levels, which is slow, while nearly all segments are single
    sources. Here the pixels of a segment are added from the brightest to the faintest. Every part that exists at any
    level grows in this way, and two parts meet at their saddle; a segment in which two parts of ``min_pixels`` never
    meet cannot be split at any level.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        The image in which the segments were detected.
    labels : ndarray of int32, shape (ny, nx)
        Label of the segment of each pixel, 0 for none.
    min_pixels : int
        Smallest number of pixels of a part.
    connectivity : {4, 8}
        Which pixels count as connected.

    Returns
    -------
    ndarray of int32
        Labels of these segments, increasing.
    """
    member = labels.ravel() > 0
    pixels = np.flatnonzero(member)
    owner = labels.ravel()[pixels]
    order = np.lexsort((-image.ravel()[pixels], owner))
    pixels, owner = pixels[order], owner[order]
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    ends = np.append(starts[1:], len(owner))
    position = np.full(labels.size, -1, dtype=np.int32)  # place of a pixel in the order; -1 before it is reached
    large = (ends - starts) >= 2 * min_pixels
    split = np.zeros(len(starts), dtype=np.bool_)
    neighbours = np.array([(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)])[:connectivity]
    _find_splits(labels, pixels, starts[large], ends[large], position, neighbours, min_pixels, split)
    return owner[starts[large][split[: large.sum()]]]


@kernel
def _root(parent, i):  # pragma: no cover - compiled
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@parallel_kernel
def _find_splits(labels, pixels, starts, ends, position, neighbours, min_pixels, split):  # pragma: no cover - compiled
    ny, nx = labels.shape
    for s in prange(starts.size):
        first = starts[s]
        n = ends[s] - first
        parent = np.arange(n)
        size = np.ones(n, dtype=np.int64)
        for i in range(n):
            pixel = pixels[first + i]
            y = pixel // nx
            x = pixel - y * nx
            label = labels[y, x]
            position[pixel] = i
            for k in range(neighbours.shape[0]):
                yk = y + neighbours[k, 0]
                xk = x + neighbours[k, 1]
                if yk < 0 or yk >= ny or xk < 0 or xk >= nx or labels[yk, xk] != label:
                    continue
                other = position[yk * nx + xk]
                if other < 0:
                    continue
                a = _root(parent, i)
                b = _root(parent, other)
                if a == b:
                    continue
                if size[a] >= min_pixels and size[b] >= min_pixels:
                    split[s] = True
                parent[b] = a
                size[a] += size[b]
