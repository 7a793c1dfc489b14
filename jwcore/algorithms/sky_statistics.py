"""Sky level of a sample of pixels: mean, median, mode or midpoint of the clipped values.

The clipping and the histogram follow IRAF's ``imstatistics``: values beyond `lower_sigma` and `upper_sigma` standard
deviations from the running mean are dropped; the histogram of the rest has bins of a fraction of their standard
deviation. As there, bins are filled with their width rounded to divide the range, but positions are counted in the
nominal width: ``mode`` and ``midpt`` come out low by up to half a bin, which is 0.05 standard deviations by default.
``median`` has no such bias.
"""

from dataclasses import dataclass

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange

__all__ = ["STATISTICS", "SkyStatistic", "usable_values"]

STATISTICS = ("median", "midpt", "mean", "mode")
CHUNK = 1 << 19
"""Values summed by one thread at a time; fixed, so that sums do not depend on the number of threads."""


@parallel_kernel
def _count_usable(data, dq, bad_bits, area, low, high, counts):
    for y in prange(data.shape[0]):
        total = 0
        for x in range(data.shape[1]):
            value = data[y, x]
            good = value >= low and value <= high and not dq[y, x] & bad_bits
            if good and (area.size == 0 or area[y, x]):
                total += 1
        counts[y] = total


@parallel_kernel
def _gather_usable(data, dq, bad_bits, area, low, high, starts, values):
    for y in prange(data.shape[0]):
        k = starts[y]
        for x in range(data.shape[1]):
            value = data[y, x]
            good = value >= low and value <= high and not dq[y, x] & bad_bits
            if good and (area.size == 0 or area[y, x]):
                values[k] = value
                k += 1


def usable_values(
    data: np.ndarray,
    dq: np.ndarray,
    *,
    bad_bits: int,
    area: np.ndarray | None = None,
    lower: float | None = None,
    upper: float | None = None,
) -> np.ndarray:
    """Collect the finite values of good pixels.

    Parameters
    ----------
    data : ndarray of float32 [ny, nx]
        Image.
    dq : ndarray of uint32 [ny, nx]
        Data quality.
    bad_bits : int
        Pixels with any of these bits are left out.
    area : ndarray of bool [ny, nx], optional
        Part of the image to look at.
    lower, upper : float, optional
        Range of usable values.

    Returns
    -------
    ndarray of float32 [n]
        In image order.
    """
    largest = np.finfo(np.float32).max
    area = np.empty((0, 0), dtype=np.bool_) if area is None else area
    low = np.float32(-largest if lower is None else lower)
    high = np.float32(largest if upper is None else upper)
    counts = np.empty(data.shape[0], dtype=np.int64)
    _count_usable(data, dq, np.uint32(bad_bits), area, low, high, counts)
    starts = np.concatenate([[0], np.cumsum(counts)])
    values = np.empty(starts[-1], dtype=np.float32)
    _gather_usable(data, dq, np.uint32(bad_bits), area, low, high, starts, values)
    return values


@kernel
def _chunk_moments(values, start, stop, low, high, pivot):
    """Count, sums of (v - pivot) and its square, smallest and largest of the values within [low, high]."""
    count, total, squares = 0, 0.0, 0.0
    smallest, largest = np.inf, -np.inf
    for k in range(start, stop):
        value = np.float64(values[k])
        if value >= low and value <= high:
            difference = value - pivot
            count += 1
            total += difference
            squares += difference * difference
            smallest = min(smallest, value)
            largest = max(largest, value)
    return count, total, squares, smallest, largest


@parallel_kernel
def _moments(values, low, high, pivot, partial):
    for chunk in prange(partial.shape[0]):
        stop = min(values.size, (chunk + 1) * CHUNK)
        count, total, squares, smallest, largest = _chunk_moments(values, chunk * CHUNK, stop, low, high, pivot)
        partial[chunk, 0] = count
        partial[chunk, 1] = total
        partial[chunk, 2] = squares
        partial[chunk, 3] = smallest
        partial[chunk, 4] = largest


@parallel_kernel
def _histogram(values, low, high, origin, scale, counts):
    """Count the values in bins of width 1 / scale; one histogram for every block of values."""
    blocks = counts.shape[0]
    for block in prange(blocks):
        for k in range(block * values.size // blocks, (block + 1) * values.size // blocks):
            value = np.float64(values[k])
            if value >= low and value <= high:
                counts[block, int((value - origin) * scale)] += 1


@dataclass(frozen=True)
class _Sample:
    """Moments of the values within [low, high]."""

    low: float
    high: float
    count: int
    mean: float
    sigma: float
    smallest: float
    largest: float


@dataclass(frozen=True)
class SkyStatistic:
    """How a sky level is made from pixel values.

    Attributes
    ----------
    kind : str
        One of :data:`STATISTICS`. ``midpt`` is the median estimated from the histogram; ``mode`` the position of its peak,
        from a parabola through the peak and its two neighbours.
    iterations : int
        Rounds of clipping.
    lower_sigma, upper_sigma : float
        Clipping limits in standard deviations.
    bin_width : float
        Width of a histogram bin in standard deviations.
    """

    kind: str = "mode"
    iterations: int = 5
    lower_sigma: float = 4.0
    upper_sigma: float = 4.0
    bin_width: float = 0.1

    def __call__(self, values: np.ndarray) -> tuple[float, int]:
        """Return the sky level of an array of float32 values and the number of values that it rests on.

        The level is NaN when there is no value.
        """
        if not values.size:
            return np.nan, 0
        sample = self._clipped(values)
        if self.kind == "mean" or sample.sigma == 0.0:
            return sample.mean, sample.count
        if self.kind == "median":
            kept = values[(values >= sample.low) & (values <= sample.high)]
            return float(np.median(kept)), sample.count
        counts, width = self._bins(values, sample)
        find = _peak if self.kind == "mode" else _middle
        return sample.low + width * find(counts), sample.count

    def _clipped(self, values: np.ndarray) -> _Sample:
        sample = _measure(values, -np.inf, np.inf, pivot=float(values[0]))
        sample = _measure(values, sample.smallest, sample.largest, pivot=sample.mean)
        for _ in range(self.iterations):
            low = max(sample.smallest, sample.mean - self.lower_sigma * sample.sigma)
            high = min(sample.largest, sample.mean + self.upper_sigma * sample.sigma)
            clipped = _measure(values, low, high, pivot=sample.mean)
            if clipped.count == 0:
                break
            settled = clipped.count == sample.count
            sample = clipped
            if settled:
                break
        return sample

    def _bins(self, values: np.ndarray, sample: _Sample) -> tuple[np.ndarray, float]:
        """Histogram of the sample and the width of its bins."""
        width = self.bin_width * sample.sigma
        bins = int((sample.high - sample.low) / width) + 1
        counts = np.zeros((8, bins), dtype=np.int64)
        scale = (bins - 1) / (sample.high - sample.low)  # the largest value falls into the last bin
        _histogram(values, sample.low, sample.high, sample.low, scale, counts)
        return counts.sum(axis=0), width


def _measure(values: np.ndarray, low: float, high: float, *, pivot: float) -> _Sample:
    partial = np.empty((-(-values.size // CHUNK), 5))
    if len(partial) == 1:  # waking a second thread would take longer
        partial[0] = _chunk_moments(values, 0, values.size, low, high, pivot)
    else:
        _moments(values, low, high, pivot, partial)
    count, total, squares = partial[:, :3].sum(axis=0)
    smallest, largest = float(partial[:, 3].min()), float(partial[:, 4].max())
    if count == 0:
        return _Sample(low, high, 0, np.nan, np.nan, np.nan, np.nan)
    offset = total / count
    variance = max(squares - total * offset, 0.0) / (count - 1) if count > 1 else 0.0
    return _Sample(low, high, int(count), pivot + offset, float(np.sqrt(variance)), smallest, largest)


def _peak(counts: np.ndarray) -> float:
    """Position of the highest bin of a histogram in bins, refined by a parabola."""
    top = int(np.argmax(counts))
    if 0 < top < counts.size - 1:
        rise, fall = counts[top] - counts[top - 1], counts[top] - counts[top + 1]
        if rise + fall > 0:
            return top + 0.5 + 0.5 * float(rise - fall) / float(rise + fall)
    return top + 0.5


def _middle(counts: np.ndarray) -> float:
    """Position in bins that halves the area of a histogram."""
    below = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    k = int(np.searchsorted(below, 0.5, side="right")) - 1
    return k + (0.5 - below[k]) / (below[k + 1] - below[k])
