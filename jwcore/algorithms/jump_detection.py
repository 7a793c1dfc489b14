"""Kernels that find cosmic-ray jumps in ramps by the differences of neighbouring groups.

All kernels work on one row at a time in blocks of columns. The expensive part, sorting the differences of each pixel,
runs over the block with packed instructions; a test with a small safety margin then picks the few pixels that can
hold a jump, and only those go through the exact definition. The margin covers rounding, so the flags are those of the
exact definition everywhere.

Shapes and units: ramp (nints, ngroups, ny, nx) in DN; gain (ny, nx) in electron/DN; variance (ny, nx) is the
read-noise variance of a difference in electron^2; pairs (n, 2) holds (integration, group) of the earlier group of
each difference to use.
"""

import numpy as np

from jwcore.algorithms._numba import inner_kernel, kernel
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.algorithms.medians import median_columns, sort_columns

__all__ = [
    "UNUSABLE",
    "block_medians",
    "block_moments",
    "block_size",
    "clip_ranks",
    "detect_clipped",
    "detect_iterative",
    "detect_single_pass",
    "load_differences",
    "order_columns",
]

UNUSABLE = np.uint8(DO_NOT_USE | SATURATED)
"""Flags of groups in which no jump can be found."""
_JUMP = np.uint8(JUMP_DET)
_NAN = np.float32(np.nan)
_INFINITY = np.float32(np.inf)
_MARGIN = np.float32(1 - 1e-5)
_CLIP_PASSES = 5
_BLOCK_BYTES = 128 * 1024  # one block of differences stays in the second-level cache


def block_size(pairs: np.ndarray) -> int:
    """Choose the number of columns handled together, a multiple of the packed width; see `detect_iterative`."""
    return min(max(_BLOCK_BYTES // (4 * len(pairs)) // 16 * 16, 32), 256)


@inner_kernel
def load_differences(ramp, groupdq, gain, pairs, row, start, width, lost, differences):
    """
    Fill ``differences[pair, column]`` (electron) for a block of one row; NaN where a group is lost.

    Parameters
    ----------
    ramp, groupdq, gain, pairs : ndarray
        See the module's head.
    row, start, width : int
        Row, first column and number of columns of the block.
    lost : uint8
        Flags of groups that are not to be used.
    differences : ndarray of float32, shape (n, >= width)
        Receives later group minus earlier group.
    """
    stop = start + width
    gain_row = gain[row, start:stop]
    for pair in range(pairs.shape[0]):
        integration = pairs[pair, 0]
        group = pairs[pair, 1]
        earlier = ramp[integration, group, row, start:stop]
        later = ramp[integration, group + 1, row, start:stop]
        earlier_dq = groupdq[integration, group, row, start:stop]
        later_dq = groupdq[integration, group + 1, row, start:stop]
        out = differences[pair]
        for column in range(width):
            step = later[column] * gain_row[column] - earlier[column] * gain_row[column]
            good = (earlier_dq[column] | later_dq[column]) & lost == 0 and abs(step) < _INFINITY
            out[column] = step if good else _NAN


@inner_kernel
def _flag(groupdq, pairs, pair, row, column):
    """Flag the later group of a difference."""
    groupdq[pairs[pair, 0], pairs[pair, 1] + 1, row, column] |= _JUMP


@inner_kernel
def block_medians(differences, network, width, work, unusable, median):
    """
    Take the median of the differences of every column; NaN where there are none.

    Parameters
    ----------
    differences : ndarray of float32, shape (n, >= width)
        From `load_differences`.
    network : ndarray
        Comparators of `median_network` for n samples.
    width : int
        Number of columns.
    work : ndarray of float32, shape of differences
        Scratch.
    unusable : ndarray of int32, shape (>= width,)
        Receives the number of NaN.
    median : ndarray of float32, shape (>= width,)
        Receives the medians.
    """
    unusable[:] = 0
    for pair in range(differences.shape[0]):
        source = differences[pair]
        target = work[pair]
        for column in range(width):
            good = abs(source[column]) < _INFINITY
            replacement = _INFINITY if unusable[column] & 1 == 0 else -_INFINITY
            target[column] = source[column] if good else replacement
            unusable[column] += not good
    median_columns(work, network, width, unusable, median)


@inner_kernel
def _clipped_median(ordered, column, low, high):
    """Median magnitude of the ordered samples low..high-1 without the largest (all its ties); see `detect_iterative`."""
    n = high - low
    if n == 2:
        return ordered[low, column]
    if n > 3:
        largest = ordered[high - 1, column]
        while high > low and ordered[high - 1, column] == largest:
            high -= 1
        n = high - low
        if n == 0:
            return _NAN
    middle = low + n // 2
    if n % 2 == 1:
        return ordered[middle, column]
    return np.float32(0.5) * (ordered[middle - 1, column] + ordered[middle, column])


@inner_kernel
def _reject_extremes(ordered, column, usable, variance, thresholds):
    """
    Reject the worst magnitude of one pixel again and again until none exceeds its threshold.

    The ratio grows with the distance from the median, so the worst is always the smallest or the largest that is left.

    Returns
    -------
    low, high : int
        Range of ranks that were kept.
    """
    low, high = np.int64(0), usable
    while high - low >= 2:
        median = _clipped_median(ordered, column, low, high)
        sigma = np.sqrt(abs(median) + variance)
        if not sigma > 0:
            break
        below = abs(ordered[low, column] - median) / sigma
        above = abs(ordered[high - 1, column] - median) / sigma
        worst = max(below, above)
        if not worst > thresholds[min(high - low, 4)]:
            break
        while high > low and abs(ordered[high - 1, column] - median) / sigma == worst:
            high -= 1
        while high > low and abs(ordered[low, column] - median) / sigma == worst:
            low += 1
    return low, high


@inner_kernel
def _screen_extremes(ordered, width, usable, variance, thresholds, suspect):
    """Mark the columns in which `_reject_extremes` could reject something."""
    n = ordered.shape[0]
    lowest = ordered[0]
    highest = ordered[n - 1]
    runner_up = ordered[n - 2]
    kept = n - 1 if n > 3 else n  # the samples whose median is taken
    lower = ordered[(kept - 1) // 2 if n > 2 else 0]
    upper = ordered[kept // 2 if n > 2 else 0]
    threshold = thresholds[min(n, 4)] * _MARGIN
    for column in range(width):
        median = np.float32(0.5) * (lower[column] + upper[column])
        limit = threshold * np.sqrt(median + variance[column])
        distance = max(highest[column] - median, median - lowest[column])
        tied = n > 3 and highest[column] == runner_up[column]
        suspect[column] = usable[column] < n or tied or distance > limit


@kernel
def detect_iterative(first, last, ramp, groupdq, gain, variance, pairs, network, thresholds, block):
    """
    Flag jumps by repeated rejection of the worst magnitude of difference, all integrations of a pixel together.

    With n magnitudes a left, mu is their median without the largest (n >= 4), their median (n = 3) or their minimum
    (n = 2). The magnitude(s) of the largest ratio abs(a - mu) / sqrt(abs(mu) + variance) are rejected when it exceeds
    the threshold for n; then the rest is looked at again.

    Parameters
    ----------
    first, last : int
        Range of rows to work on.
    ramp, groupdq, gain, variance, pairs : ndarray
        See the module's head; JUMP_DET is set in ``groupdq``.
    network : ndarray
        Comparators that sort ``len(pairs)`` samples; at least 2.
    thresholds : ndarray of float32, shape (5,)
        Threshold in sigma for n = 2, 3, and 4 or more at these indices.
    block : int
        Number of columns handled together.
    """
    n = pairs.shape[0]
    nx = ramp.shape[3]
    differences = np.empty((n, block), np.float32)
    ordered = np.empty((n, block), np.float32)
    usable = np.empty(block, np.int32)
    suspect = np.empty(block, np.bool_)
    for row in range(first, last):
        for start in range(0, nx, block):
            width = min(block, nx - start)
            load_differences(ramp, groupdq, gain, pairs, row, start, width, UNUSABLE, differences)
            usable[:] = 0
            for pair in range(n):
                source = differences[pair]
                target = ordered[pair]
                for column in range(width):
                    magnitude = abs(source[column])
                    good = magnitude < _INFINITY
                    target[column] = magnitude if good else _INFINITY
                    usable[column] += good
            sort_columns(ordered, network, width)
            noise = variance[row, start : start + width]
            _screen_extremes(ordered, width, usable, noise, thresholds, suspect)
            for column in range(width):
                if not suspect[column]:
                    continue
                low, high = _reject_extremes(ordered, column, usable[column], noise[column], thresholds)
                if high - low == usable[column]:
                    continue
                smallest = ordered[low, column] if low < high else _INFINITY
                largest = ordered[high - 1, column] if low < high else -_INFINITY
                for pair in range(n):
                    magnitude = abs(differences[pair, column])
                    if magnitude < smallest or magnitude > largest:
                        _flag(groupdq, pairs, pair, row, start + column)


@kernel
def detect_single_pass(first, last, ramp, groupdq, gain, variance, pairs, network, threshold, block):
    """
    Flag jumps by one comparison of all differences with their median.

    A difference d is a jump where abs(d - m) / sqrt(abs(m) + variance) exceeds the threshold; m is the median of the
    pixel, all integrations together.

    Parameters
    ----------
    first, last, ramp, groupdq, gain, variance, pairs, block
        As for `detect_iterative`.
    network : ndarray
        Comparators of `median_network` for ``len(pairs)`` samples.
    threshold : float32
        Threshold in sigma.
    """
    n = pairs.shape[0]
    nx = ramp.shape[3]
    differences = np.empty((n, block), np.float32)
    work = np.empty((n, block), np.float32)
    unusable = np.empty(block, np.int32)
    median = np.empty(block, np.float32)
    worst = np.empty(block, np.float32)
    for row in range(first, last):
        for start in range(0, nx, block):
            width = min(block, nx - start)
            load_differences(ramp, groupdq, gain, pairs, row, start, width, UNUSABLE, differences)
            block_medians(differences, network, width, work, unusable, median)
            worst[:] = 0
            for pair in range(n):
                source = differences[pair]
                for column in range(width):
                    distance = abs(source[column] - median[column])
                    worst[column] = distance if distance > worst[column] else worst[column]
            for column in range(width):
                sigma = np.sqrt(abs(median[column]) + variance[row, start + column])
                if not (sigma > 0 and worst[column] > threshold * sigma * _MARGIN):
                    continue
                for pair in range(n):
                    if abs(differences[pair, column] - median[column]) / sigma > threshold:
                        _flag(groupdq, pairs, pair, row, start + column)


@inner_kernel
def order_columns(differences, network, width, ordered, usable):
    """Sort the differences of every column of a block, NaN last as infinity, and count the others."""
    usable[:] = 0
    for pair in range(differences.shape[0]):
        source = differences[pair]
        target = ordered[pair]
        for column in range(width):
            good = abs(source[column]) < _INFINITY
            target[column] = source[column] if good else _INFINITY
            usable[column] += good
    sort_columns(ordered, network, width)


@inner_kernel
def block_moments(ordered, width, usable, centre, total, square):
    """
    Sum the distances of the samples of every column from a central one.

    Parameters
    ----------
    ordered, width, usable
        From `order_columns`.
    centre : ndarray of float64, shape (>= width,)
        Receives a sample next to the median.
    total, square : ndarray of float64, shape (>= width,)
        Receive the sums of distances and of their squares.
    """
    for column in range(width):
        centre[column] = ordered[max(usable[column] - 1, 0) // 2, column]
    total[:] = 0
    square[:] = 0
    for rank in range(ordered.shape[0]):
        samples = ordered[rank]
        for column in range(width):
            distance = samples[column] - centre[column] if samples[column] < _INFINITY else 0.0
            total[column] += distance
            square[column] += distance * distance


@inner_kernel
def clip_ranks(ordered, column, usable, threshold, centre, total, square):
    """
    Clip the ordered samples of one column about the median, in standard deviations, in at most five passes.

    Parameters
    ----------
    ordered : ndarray of float32, shape (n, ncolumns)
        Samples in ascending order along the first axis.
    column, usable : int
        Column, and number of its samples that count; at least one.
    threshold : float
        In standard deviations.
    centre, total, square : float
        Of the column, from `block_moments`.

    Returns
    -------
    low, high : int
        Range of ranks that were kept.
    median, spread : float
        Median and standard deviation of what was kept; NaN if nothing was.
    """
    low, high = np.int64(0), np.int64(usable)
    median, spread = np.nan, np.nan
    for clips in range(_CLIP_PASSES + 1):
        n = high - low
        if n == 0:
            return low, high, np.nan, np.nan
        spread = np.sqrt(max(square / n - (total / n) ** 2, 0.0))
        median = 0.5 * (np.float64(ordered[low + (n - 1) // 2, column]) + np.float64(ordered[low + n // 2, column]))
        if clips == _CLIP_PASSES:
            break
        lower, upper = median - threshold * spread, median + threshold * spread
        while low < high and ordered[low, column] < lower:
            distance = ordered[low, column] - centre
            total, square, low = total - distance, square - distance * distance, low + 1
        while low < high and ordered[high - 1, column] > upper:
            distance = ordered[high - 1, column] - centre
            total, square, high = total - distance, square - distance * distance, high - 1
        if high - low == n:
            break
    return low, high, median, spread


@kernel
def detect_clipped(first, last, ramp, groupdq, gain, pairs, network, threshold, block):
    """
    Flag the differences that a sigma clip over all given pairs rejects.

    The clip is about the median, in standard deviations, with at most five passes.

    Parameters
    ----------
    first, last, ramp, groupdq, gain, pairs, network, block
        As for `detect_iterative`.
    threshold : float
        Threshold in sigma.
    """
    n = pairs.shape[0]
    nx = ramp.shape[3]
    differences = np.empty((n, block), np.float32)
    ordered = np.empty((n, block), np.float32)
    usable = np.empty(block, np.int64)
    centre, total, square = np.empty(block), np.empty(block), np.empty(block)
    for row in range(first, last):
        for start in range(0, nx, block):
            width = min(block, nx - start)
            load_differences(ramp, groupdq, gain, pairs, row, start, width, UNUSABLE, differences)
            order_columns(differences, network, width, ordered, usable)
            block_moments(ordered, width, usable, centre, total, square)
            for column in range(width):
                if usable[column] == 0:
                    continue
                low, high, _, _ = clip_ranks(
                    ordered, column, usable[column], threshold, centre[column], total[column], square[column]
                )
                if high - low == usable[column]:
                    continue
                smallest = ordered[low, column] if low < high else _INFINITY
                largest = ordered[high - 1, column] if low < high else -_INFINITY
                for pair in range(n):
                    if differences[pair, column] < smallest or differences[pair, column] > largest:
                        _flag(groupdq, pairs, pair, row, start + column)
