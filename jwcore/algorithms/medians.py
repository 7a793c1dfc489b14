"""Medians and sorting of many short samples side by side.

A detector ramp asks for the median of a few differences in each of millions of pixels. Sorting the samples of one
pixel after the other costs a mispredicted branch per comparison. A *sorting network* is a fixed list of
compare-and-exchange operations, the same for every pixel, so that it can run over whole blocks of columns at once
with packed minimum and maximum instructions.

Samples are laid out as ``block[sample, column]``.

References
----------
K. E. Batcher, "Sorting networks and their applications", AFIPS Spring Joint Computer Conference 32, 307 (1968).
"""

from collections.abc import Collection

import numpy as np

from jwcore.algorithms._numba import kernel

__all__ = ["median_columns", "median_network", "select_median", "sort_columns", "sorting_network"]


def sorting_network(n: int, *, outputs: Collection[int] | None = None) -> np.ndarray:
    """
    List the comparators that sort ``n`` samples (Batcher's odd-even merge sort).

    Parameters
    ----------
    n : int
        Number of samples.
    outputs : collection of int, optional
        Ranks (0 = smallest) that must end in their place. Comparators that influence none of them are left out. Default: all.

    Returns
    -------
    ndarray of int32, shape (m, 2)
        Pairs (low, high), in order: after each, the smaller of the two samples is at ``low``.
    """
    pairs = []
    merge = 1
    while merge < n:
        step = merge
        while step >= 1:
            low = np.arange(step % merge, n - step)
            low = low[(low - step % merge) % (2 * step) < step]
            same = low // (2 * merge) == (low + step) // (2 * merge)
            low = low[same]
            pairs.append(np.column_stack([low, low + step]))
            step //= 2
        merge *= 2
    network = np.concatenate(pairs).astype(np.int32) if pairs else np.empty((0, 2), np.int32)
    return network if outputs is None else _prune(network, set(outputs))


def _prune(network: np.ndarray, needed: set[int]) -> np.ndarray:
    """Keep the comparators that influence the needed outputs, looking from the last to the first."""
    kept = []
    for pair in reversed(network.tolist()):
        if not needed.isdisjoint(pair):
            needed.update(pair)
            kept.append(pair)
    return np.array(kept[::-1], np.int32).reshape(-1, 2)


def median_network(n: int) -> np.ndarray:
    """
    List the comparators that `median_columns` needs for ``n`` samples.

    Parameters
    ----------
    n : int
        Number of samples, usable or not.

    Returns
    -------
    ndarray of int32, shape (m, 2)
        Comparators that bring the two central ranks, ``n // 2 - 1`` and ``n // 2``, to their places.
    """
    return sorting_network(n, outputs={max(n // 2 - 1, 0), n // 2})


@kernel
def sort_columns(block, network, width):
    """
    Sort the samples of each column in place.

    Parameters
    ----------
    block : ndarray, shape (n, >= width)
        Samples; changed in place.
    network : ndarray of int32, shape (m, 2)
        Comparators from `sorting_network`.
    width : int
        Number of columns to work on.
    """
    for pair in range(network.shape[0]):
        low = block[network[pair, 0]]
        high = block[network[pair, 1]]
        for column in range(width):
            a = low[column]
            b = high[column]
            low[column] = a if a < b else b
            high[column] = b if a < b else a


@kernel
def median_columns(block, network, width, unusable, median):
    """
    Find the median of the usable samples of each column.

    Unusable samples must have been replaced by +infinity and -infinity in turn, beginning with +infinity. They then
    cancel about the centre, and the median sits in the two central ranks, whatever their number.

    Parameters
    ----------
    block : ndarray of float32, shape (n, >= width)
        Samples; their order is lost.
    network : ndarray of int32, shape (m, 2)
        Comparators from `median_network`.
    width : int
        Number of columns to work on.
    unusable : ndarray of int32, shape (>= width,)
        Number of unusable samples in each column.
    median : ndarray of float32, shape (>= width,)
        Receives the medians; NaN where no sample is usable.
    """
    n = block.shape[0]
    sort_columns(block, network, width)
    upper = block[n // 2]
    lower = block[max(n // 2 - 1, 0)]
    for column in range(width):
        usable = n - unusable[column]
        if usable % 2 == 0:
            middle = np.float32(0.5) * (lower[column] + upper[column])
        elif n % 2 == 0:
            middle = lower[column]
        else:
            middle = upper[column]
        median[column] = middle if usable > 0 else np.float32(np.nan)


@kernel
def select_median(values, n):
    """
    Find the median of the first ``n`` values by repeated partition (Hoare's selection).

    Parameters
    ----------
    values : ndarray of float32
        Finite samples; their order is changed.
    n : int
        Number of samples.

    Returns
    -------
    float32
        Median, the mean of the two central values for even ``n``; NaN for none.
    """
    if n == 0:
        return np.float32(np.nan)
    rank = n // 2
    first, last = 0, n - 1
    while first < last:
        pivot = values[(first + last) // 2]
        i, j = first, last
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if rank <= j:
            last = j
        elif rank >= i:
            first = i
        else:
            break
    upper = values[rank]
    if n % 2 == 1:
        return upper
    lower = values[0]
    for k in range(1, rank):
        lower = max(lower, values[k])
    return np.float32(0.5) * (lower + upper)
