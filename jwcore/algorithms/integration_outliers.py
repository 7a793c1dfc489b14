"""Outliers among integrations: pixels that disagree with the median of the same pixel over time.

While integrations follow one another the telescope keeps its pointing, so that nothing has to be resampled and the
median over time is a model of the scene. Where the scene changes, as in a transit, the median of a window that moves with
the integrations follows it. The window is kept sorted: one value leaves and one enters with each integration, which costs
a search and a shift in place of a sort.
"""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.medians import select_median

__all__ = ["IntegrationOutliers", "flag_integrations"]

COLUMNS = 16
"""Pixels of a row whose time series are worked on together: as many as a line of the processor's cache holds."""


class IntegrationOutliers(NamedTuple):
    """What `flag_integrations` found.

    ``number`` of outliers of each pixel, int32 [ny, nx]; ``scene``, the median at the middle integration, float32 [ny, nx];
    ``medians``, all of them, float32 [nints, ny, nx], or None.
    """

    number: np.ndarray
    scene: np.ndarray
    medians: np.ndarray | None


@kernel
def _position(ordered, count, value):
    """Number of values that are smaller."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _enter(ordered, count, value):
    """Put a value in its place, NaN nowhere; return the new number of values."""
    if np.isnan(value):
        return count
    place = _position(ordered, count, value)
    for k in range(count, place, -1):
        ordered[k] = ordered[k - 1]
    ordered[place] = value
    return count + 1


@kernel
def _leave(ordered, count, value):
    """Take a value out, unless it is NaN; return the new number of values."""
    if np.isnan(value):
        return count
    for k in range(_position(ordered, count, value), count - 1):
        ordered[k] = ordered[k + 1]
    return count - 1


@kernel
def _exchange(ordered, count, old, new):
    """Take one value out and put another in, by a shift of what lies between; return the new number of values."""
    if np.isnan(old) or np.isnan(new):
        return _enter(ordered, _leave(ordered, count, old), new)
    k = _position(ordered, count, old)
    while k + 1 < count and ordered[k + 1] < new:
        ordered[k] = ordered[k + 1]
        k += 1
    while k > 0 and ordered[k - 1] > new:
        ordered[k] = ordered[k - 1]
        k -= 1
    ordered[k] = new
    return count


@kernel
def _middle(ordered, count):
    if count == 0:
        return np.float32(np.nan)
    return np.float32(0.5) * (ordered[(count - 1) // 2] + ordered[count // 2])


@kernel
def _moving_medians(values, window, ordered, medians):
    """Median of the window around every value; at the ends that of the first and the last whole window."""
    n, count, start = values.size, 0, 0
    if window == n:
        for k in range(n):
            if not np.isnan(values[k]):
                ordered[count] = values[k]
                count += 1
        medians[:n] = select_median(ordered, count)
        return
    for k in range(window):
        count = _enter(ordered, count, values[k])
    for k in range(n):
        if start < min(k - window // 2, n - window):
            count = _exchange(ordered, count, values[start], values[start + window])
            start += 1
        medians[k] = _middle(ordered, count)


@parallel_kernel
def _flag_rows(data, err, dq, bad_bits, window, snr, flags, number, scene, kept):
    nints, ny, nx = data.shape
    for y in prange(ny):
        series = np.empty((COLUMNS, nints), np.float32)
        medians = np.empty((COLUMNS, nints), np.float32)
        ordered = np.empty(window, np.float32)
        for first in range(0, nx, COLUMNS):
            width = min(COLUMNS, nx - first)
            for k in range(nints):
                for i in range(width):
                    bad = dq[k, y, first + i] & bad_bits
                    series[i, k] = np.float32(np.nan) if bad else data[k, y, first + i]
            for i in range(width):
                _moving_medians(series[i], window, ordered, medians[i])
                scene[y, first + i] = medians[i, nints // 2]
            for k in range(nints):
                for i in range(width):
                    x = first + i
                    noise = err[k, y, x]
                    if noise > 0.0 and abs(data[k, y, x] - medians[i, k]) > snr * noise:
                        dq[k, y, x] |= flags
                        number[y, x] += 1
                    if kept.size:
                        kept[k, y, x] = medians[i, k]


def flag_integrations(
    data: np.ndarray,
    err: np.ndarray,
    dq: np.ndarray,
    *,
    snr: float,
    flags: int,
    bad_bits: int = 0,
    window: int | None = None,
    keep_medians: bool = False,
) -> IntegrationOutliers:
    """Flag values further than `snr` times their error from the median over time of their pixel.

    Parameters
    ----------
    data, err : ndarray of float32 [nints, ny, nx]
        Integrations and their errors; a value whose error is NaN or 0, which is unknown, is no outlier.
    dq : ndarray of uint32 [nints, ny, nx]
        Flags, edited in place.
    snr : float
        Threshold.
    flags : int
        What outliers are flagged with.
    bad_bits : int
        Values with any of these bits stay out of the median, like NaN.
    window : int, optional
        Integrations of a median that moves with time: that of integration k begins ``window // 2`` before it, or at the
        first or last place where it is whole. None, 1, and a window that is not shorter than the cube: one median of all.
    keep_medians : bool
        Return the medians too, which takes the memory of the data.

    Returns
    -------
    IntegrationOutliers
    """
    nints, ny, nx = data.shape
    whole = window is None or not 1 < window < nints
    number, scene = np.zeros((ny, nx), np.int32), np.empty((ny, nx), np.float32)
    kept = np.empty(data.shape if keep_medians else (0, ny, nx), np.float32)
    _flag_rows(
        data, err, dq, np.uint32(bad_bits), nints if whole else window, np.float32(snr), np.uint32(flags),
        number, scene, kept,
    )  # fmt: skip
    return IntegrationOutliers(number, scene, kept if keep_medians else None)
