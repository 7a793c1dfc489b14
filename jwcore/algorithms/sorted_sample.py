"""Statistics of many values within changing limits, as sigma clipping asks for them.

The values are sorted once, in pieces side by side. After that a median or a standard deviation between any two limits costs
next to nothing, so that clipping may iterate as long as it likes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms._numba import kernel, numba, parallel_kernel, prange

__all__ = ["Moments", "SortedSample", "bisect"]

PIECE = 1 << 19
"""Values sorted by one thread at a time; fixed, so that sums do not depend on the number of threads."""
BLOCK = 1 << 10
"""Neighbouring sorted values whose sums are kept."""


class Moments(NamedTuple):
    """Number, mean, median and standard deviation of values."""

    number: int
    mean: float
    median: float
    std: float


class SortedSample:
    """The finite values of an array, sorted.

    Parameters
    ----------
    values : ndarray of float32
        Values, NaN where there is none; the order is lost.
    """

    def __init__(self, values: NDArray[np.float32]):
        self._values = values.reshape(-1)
        first: NDArray[np.int64] = np.arange(0, max(self._values.size, 1), PIECE)
        pieces = [self._values[k : k + PIECE] for k in first]
        if len(pieces) == 1:
            pieces[0].sort()
        else:
            with ThreadPoolExecutor(numba.get_num_threads()) as threads:
                list(threads.map(np.ndarray.sort, pieces))
        self._starts = first + np.array([np.searchsorted(piece, np.float32(-np.inf), "right") for piece in pieces])
        self._ends = first + np.array([np.searchsorted(piece, np.float32(np.inf), "left") for piece in pieces])
        self._pivot = self._some_value()
        self._sums = np.empty((-(-self._values.size // BLOCK), 2))
        _sum_blocks(self._values, self._pivot, self._sums)

    def _some_value(self) -> float:
        """A value in the middle, about which sums of squares do not cancel."""
        middles = [self._values[(a + b) // 2] for a, b in zip(self._starts, self._ends, strict=True) if b > a]
        middle = float(np.median(middles)) if middles else 0.0
        return middle if np.isfinite(middle) else 0.0

    def count(self, low: float = -np.inf, high: float = np.inf) -> int:
        """Count the values within [low, high]."""
        first, last = self._between(low, high)
        return int((last - first).sum())

    def moments(self, low: float = -np.inf, high: float = np.inf) -> Moments:
        """Return number, mean, median and standard deviation of the values within [low, high]; NaN for none."""
        first, last = self._between(low, high)
        count = int((last - first).sum())
        if count == 0:
            return Moments(0, np.nan, np.nan, np.nan)
        total, squares = _sums_between(self._values, self._sums, self._pivot, first, last)
        offset = total / count
        variance = max(squares / count - offset * offset, 0.0)
        return Moments(count, self._pivot + offset, self._middle(first, last, count), float(np.sqrt(variance)))

    def median(self, low: float = -np.inf, high: float = np.inf) -> float:
        """Return the median of the values within [low, high]; NaN for none."""
        first, last = self._between(low, high)
        count = int((last - first).sum())
        return self._middle(first, last, count) if count else np.nan

    def rms_about(self, centre: float, low: float, high: float) -> float:
        """Return the root mean square deviation from `centre` of the values within [low, high]; NaN for none."""
        found = self.moments(low, high)
        return float(np.hypot(found.std, found.mean - centre))

    def histogram(self, edges: NDArray[np.float64]) -> NDArray[np.int64]:
        """Count the values between neighbouring edges; the last bin includes its upper edge."""
        below = np.zeros(edges.size, np.int64)
        for start, end in zip(self._starts, self._ends, strict=True):
            piece = self._values[start:end]
            below[:-1] += np.searchsorted(piece, edges[:-1].astype(np.float32), "left")
            below[-1] += np.searchsorted(piece, np.float32(edges[-1]), "right")
        return np.diff(below)

    def clipped(self, sigma: float, *, maxiters: int = 5, low: float = -np.inf, high: float = np.inf) -> Moments:
        """Return the moments after sigma clipping about the median.

        Parameters
        ----------
        sigma : float
            Values farther than this many standard deviations from the median are rejected, over and over.
        maxiters : int
            Rounds at most.
        low, high : float
            Limits before the first round.
        """
        found = self.moments(low, high)
        for _ in range(maxiters):
            if not found.number:
                break
            low = max(low, found.median - sigma * found.std)
            high = min(high, found.median + sigma * found.std)
            before = found.number
            found = self.moments(low, high)
            if found.number == before:
                break
        return found

    def _between(self, low: float, high: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and one past the last value within the limits, in every piece."""
        first, last = np.empty_like(self._starts), np.empty_like(self._ends)
        _find(self._values, self._starts, self._ends, float(low), float(high), first, last)
        return first, last

    def _middle(self, first: NDArray[np.int64], last: NDArray[np.int64], count: int) -> float:
        upper = _ranked(self._values, first.copy(), last.copy(), count // 2)
        lower = upper if count % 2 else _ranked(self._values, first.copy(), last.copy(), count // 2 - 1)
        return 0.5 * (float(lower) + float(upper))


@parallel_kernel
def _sum_blocks(values, pivot, sums):
    """Sum of (v - pivot) and of its square for every block; what is not finite counts as zero."""
    for block in prange(sums.shape[0]):
        total, squares = 0.0, 0.0
        for value in values[block * BLOCK : (block + 1) * BLOCK]:
            difference = np.float64(value) - pivot
            difference = difference if np.isfinite(difference) else 0.0
            total += difference
            squares += difference * difference
        sums[block, 0] = total
        sums[block, 1] = squares


@kernel
def _sums_between(values, sums, pivot, first, last):
    """Sum of (v - pivot) and of its square over ranges of values, whole blocks from the table."""
    total, squares = 0.0, 0.0
    for piece in range(first.size):
        k, stop = first[piece], last[piece]
        while k < stop:
            if k % BLOCK == 0 and k + BLOCK <= stop:
                total += sums[k // BLOCK, 0]
                squares += sums[k // BLOCK, 1]
                k += BLOCK
            else:
                difference = np.float64(values[k]) - pivot
                total += difference
                squares += difference * difference
                k += 1
    return total, squares


@kernel
def bisect(values, start, stop, limit, inclusive):
    """First place in a sorted range whose value is above the limit, or not below it."""
    while start < stop:
        middle = (start + stop) // 2
        if values[middle] < limit or (inclusive and values[middle] == limit):
            start = middle + 1
        else:
            stop = middle
    return start


@kernel
def _find(values, starts, ends, low, high, first, last):
    for piece in range(starts.size):
        first[piece] = bisect(values, starts[piece], ends[piece], low, False)
        last[piece] = max(first[piece], bisect(values, starts[piece], ends[piece], high, True))


@kernel
def _ranked(values, first, last, rank):
    """Value of a rank (0 = smallest) among the sorted ranges of all pieces; narrows the ranges down."""
    while True:
        widest = 0
        for piece in range(first.size):
            if last[piece] - first[piece] > last[widest] - first[widest]:
                widest = piece
        pivot = np.float64(values[(first[widest] + last[widest]) // 2])
        under, equal = 0, 0
        for piece in range(first.size):
            below = bisect(values, first[piece], last[piece], pivot, False)
            under += below - first[piece]
            equal += bisect(values, below, last[piece], pivot, True) - below
        if under <= rank < under + equal:
            return pivot
        for piece in range(first.size):
            if rank < under:
                last[piece] = bisect(values, first[piece], last[piece], pivot, False)
            else:
                first[piece] = bisect(values, first[piece], last[piece], pivot, True)
        if rank >= under:
            rank -= under + equal
