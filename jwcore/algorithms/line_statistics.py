"""Medians of the lines of an image, along either axis."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms._numba import numba, parallel_kernel, prange

__all__ = ["line_medians", "transposed"]

TILE = 32
"""Side of the squares in which an image is transposed."""
PIECE = 256
"""Lines that one thread takes at a time."""


def line_medians(
    image: NDArray[np.float32], *, along_x: bool, channels: int = 1, low: float = -np.inf, high: float = np.inf
) -> NDArray[np.float32]:
    """Take the median of every line, or of equal parts of it.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Image; NaN do not count.
    along_x : bool
        Whether lines run along x (one value for each row), or along y (one for each column).
    channels : int
        Equal parts of every line that have a value each.
    low, high : float
        Range of values that count.

    Returns
    -------
    ndarray of float32, shape (nlines, channels)
        Medians, NaN where no pixel counts.

    Raises
    ------
    ValueError
        When lines do not divide into channels.
    """
    lines = np.ascontiguousarray(image) if along_x else transposed(image)
    nlines, length = lines.shape
    if length % channels:
        raise ValueError(f"{length} pixels do not divide into {channels} channels")
    parts = lines.reshape(nlines * channels, length // channels)
    samples, missing = np.empty_like(parts), np.empty(len(parts), np.int64)
    _fill_up(parts, float(low), float(high), samples, missing)
    return _medians(samples, missing).reshape(nlines, channels)


def transposed(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a contiguous copy with the axes exchanged."""
    turned = np.empty(image.shape[::-1], image.dtype)
    _transpose(np.ascontiguousarray(image), turned)
    return turned


def _medians(samples: NDArray[np.float32], missing: NDArray[np.int64]) -> NDArray[np.float32]:
    """Medians of rows in which what is missing was replaced by infinities that cancel; the order is lost."""
    n = samples.shape[1]
    pieces = [samples[k : k + PIECE] for k in range(0, len(samples), PIECE)]
    if len(pieces) > 1:
        with ThreadPoolExecutor(numba.get_num_threads()) as threads:
            lower = np.concatenate(list(threads.map(_part, pieces)))
    else:
        lower = _part(samples)
    upper = samples[:, n // 2]
    with np.errstate(invalid="ignore"):  # infinities of opposite sign where nothing is left
        middle = np.float32(0.5) * (lower + upper)
    median = np.where((n - missing) % 2 == 0, middle, lower if n % 2 == 0 else upper)
    return np.where(missing < n, median, np.float32(np.nan))


def _part(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring the upper middle of every row to its place, in place, and return the value that ranks before it."""
    middle = rows.shape[1] // 2
    rows.partition(middle, axis=1)
    return rows[:, :middle].max(axis=1, initial=-np.inf)


@parallel_kernel
def _fill_up(lines, low, high, samples, missing):
    """Copy values within the limits; replace others by +inf and -inf in turn, so that the median keeps its place."""
    for row in prange(lines.shape[0]):
        infinity = np.float32(np.inf)
        count = 0
        for x in range(lines.shape[1]):
            value = lines[row, x]
            if value >= low and value <= high:
                samples[row, x] = value
            else:
                samples[row, x] = infinity
                infinity = -infinity
                count += 1
        missing[row] = count


@parallel_kernel
def _transpose(image, turned):
    for tile in prange(-(-image.shape[0] // TILE)):
        first, last = tile * TILE, min((tile + 1) * TILE, image.shape[0])
        for left in range(0, image.shape[1], TILE):
            for x in range(left, min(left + TILE, image.shape[1])):
                for y in range(first, last):
                    turned[x, y] = image[y, x]
