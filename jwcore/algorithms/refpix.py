"""Reference pixels: measure the drifts of the read-out electronics on pixels that see no light.

In read-out order, where amplifiers are stripes of columns, all corrections are a sum of a profile along the rows (the
offsets of amplifiers, of even and of odd columns) and one along the columns (the 1/f drift that the side pixels see).
Both follow from the few reference pixels alone; one pass over the ramp subtracts them.

Samples are kept as float32 with NaN for pixels that must not be used.
"""

import math

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.readout import ReadoutLayout
from jwcore.algorithms.sirs import SideKernels

__all__ = ["clipped_means", "correct_amplifiers", "correct_columns", "running_median", "subtract_profiles"]


def correct_amplifiers(
    data: np.ndarray,
    bad: np.ndarray,
    *,
    layout: ReadoutLayout,
    amplifiers: int = 4,
    odd_even_columns: bool = True,
    use_side_pixels: bool = True,
    smoothing_length: int = 11,
    side_gain: float = 1.0,
    kernels: SideKernels | None = None,
    siglimit: float = 3.0,
) -> None:
    """Correct groups read through several amplifiers with the reference pixels on all four edges, in place.

    1. From each amplifier, the mean of its clipped means of the reference rows at the start and end of the read-out is
       subtracted, for even and odd columns apart.
    2. The running median of the reference columns on either side, both sides averaged, is subtracted from every row; or,
       with `kernels`, what they predict for every amplifier.

    Parameters
    ----------
    data : ndarray of float32, shape (ngroups, ny, nx)
        Groups of one integration in DN; a sub-array where `layout` says so.
    bad : ndarray of bool, shape (ny, nx) or (ngroups, ny, nx)
        Pixels that must not be used.
    layout : ReadoutLayout
        Orientation and place on the detector.
    amplifiers : int
        Number of amplifiers, equal stripes of detector columns.
    odd_even_columns : bool
        Treat even and odd columns apart.
    use_side_pixels : bool
        Do the second correction.
    smoothing_length : int
        Rows in the running median.
    side_gain : float
        Factor on the second correction.
    kernels : SideKernels, optional
        Filters of the reference columns in place of the running median; for whole detectors.
    siglimit : float
        Clipping limit of the means, in standard deviations.
    """
    image, mask = layout.view(data), layout.view(np.broadcast_to(bad, data.shape))
    nrows, ncolumns = layout.size
    parities = 2 if odd_even_columns else 1
    offsets = _amplifier_offsets(image, mask, layout, amplifiers * parities, parities, siglimit)
    along_fast = offsets.reshape(-1, amplifiers, 1, parities)
    along_fast = np.broadcast_to(along_fast, (len(data), amplifiers, ncolumns // amplifiers // parities, parities))
    along_fast = along_fast.reshape(len(data), ncolumns)
    along_slow = np.zeros((len(data), 1, nrows), np.float32)
    if use_side_pixels:
        left, right = _side_pixels(image, mask, layout, along_fast)
        drift = _median_signal(left, right, smoothing_length) if kernels is None else kernels.signal(left, right)
        along_slow = np.float32(side_gain) * drift
    profiles = layout.stored(along_slow[:, :, layout.rows], along_fast[:, None, layout.columns])
    subtract_profiles(data, *(profile.astype(np.float32, copy=False) for profile in profiles))


def correct_columns(
    data: np.ndarray,
    bad: np.ndarray,
    *,
    layout: ReadoutLayout,
    reference: np.ndarray,
    amplifiers: int = 1,
    odd_even_columns: bool = True,
    siglimit: float = 3.0,
) -> None:
    """Correct groups with whatever reference pixels they hold, in place.

    The clipped mean of the reference pixels in even columns of an amplifier is subtracted from all its even columns, likewise
    for odd ones, counted on the whole detector in read-out order. Where either has no usable pixel they stay as they are.

    Parameters
    ----------
    data, bad, layout, odd_even_columns, siglimit
        As in `correct_amplifiers`.
    reference : ndarray of bool, shape (ny, nx)
        Which pixels are reference pixels.
    amplifiers : int
        Number of amplifiers, equal stripes of the columns of the whole detector.
    """
    image, mask = layout.view(data), layout.view(np.broadcast_to(bad, data.shape))
    rows, columns = np.nonzero(layout.view(reference))
    samples = np.where(mask[:, rows, columns], np.float32(np.nan), image[:, rows, columns])
    parities = 2 if odd_even_columns else 1
    covered = np.arange(layout.columns.start, layout.columns.stop)
    section = covered * amplifiers // layout.size[1] * parities + covered % parities
    means = np.stack(
        [clipped_means(samples[:, section[columns] == k], siglimit) for k in range(amplifiers * parities)], axis=-1
    )
    unknown = np.isnan(means).reshape(len(data), amplifiers, parities).any(axis=-1)
    means[np.repeat(unknown, parities, axis=-1)] = 0
    along_slow = np.zeros((len(data), 1, image.shape[-2]), np.float32)
    subtract_profiles(data, *layout.stored(along_slow, means[:, None, section]))


def clipped_means(samples: np.ndarray, siglimit: float) -> np.ndarray:
    """Average samples within ``siglimit`` standard deviations of their mean, iterated until nothing more is clipped.

    Parameters
    ----------
    samples : ndarray of float32, shape (..., n)
        Samples; NaN are left out.
    siglimit : float
        Clipping limit in standard deviations.

    Returns
    -------
    means : ndarray of float32, shape (...)
        NaN where there is no sample.
    """
    flat = np.ascontiguousarray(samples, np.float32).reshape(math.prod(samples.shape[:-1]), samples.shape[-1])
    return _clipped_means(flat, float(siglimit)).reshape(samples.shape[:-1])


def running_median(samples: np.ndarray, length: int) -> np.ndarray:
    """Take the median of all samples in a window of rows that slides along the rows.

    Parameters
    ----------
    samples : ndarray of float32, shape (nimages, nrows, ncolumns)
        Samples; NaN are left out.
    length : int
        Rows in the window. At both ends rows are mirrored about the first and the last one. A window of an even length
        reaches one row further down than up.

    Returns
    -------
    median : ndarray of float32, shape (nimages, nrows)
        NaN where the window holds no sample.
    """
    if not 1 <= length < samples.shape[1]:
        raise ValueError(f"a running median over {length} rows does not fit into {samples.shape[1]} rows")
    return _running_median(np.ascontiguousarray(samples, np.float32), length)


@parallel_kernel
def subtract_profiles(data, along_y, along_x):
    """Subtract the sum of a profile along y and one along x from every image, in place.

    There may be several of either: each belongs to an equal section of the other axis, as the amplifiers do.

    Parameters
    ----------
    data : ndarray of float32, shape (nimages, ny, nx)
        Images in DN.
    along_y, along_x : ndarray of float32, shape (nimages, sections of x, ny) and (nimages, sections of y, nx)
        Profiles in DN.
    """
    nimages, ny, nx = data.shape
    nsections = along_y.shape[1]
    for y in prange(ny):
        for n in range(nimages):
            row = data[n, y]
            profile = along_x[n, y * along_x.shape[1] // ny]
            for section in range(nsections):
                offset = along_y[n, section, y]
                for x in range(section * nx // nsections, (section + 1) * nx // nsections):
                    row[x] -= profile[x] + offset


def _amplifier_offsets(image, mask, layout, sections, parities, siglimit):
    """Average the reference rows of each amplifier and parity, (ngroups, sections); 0 where one parity has no pixel."""
    first, last = layout.row_border
    nrows, ncolumns = layout.size
    edges = []
    for edge in (slice(0, first), slice(nrows - last, nrows)):
        samples = _samples(image, mask, layout, edge, slice(0, ncolumns))
        samples = samples.reshape(len(image), -1, sections // parities, ncolumns // sections, parities)
        samples = np.moveaxis(samples, (2, 4), (1, 2)).reshape(len(image), sections, -1)
        edges.append(clipped_means(samples, siglimit))
    offsets = _mean_of_valid(*edges).reshape(len(image), -1, parities)
    offsets[np.isnan(offsets).any(axis=-1)] = 0
    return offsets.reshape(len(image), sections)


def _side_pixels(image, mask, layout, along_fast):
    """Copy the reference columns on either side, from which ``along_fast`` is taken off; twice (ngroups, nrows, border)."""
    first, last = layout.column_border
    nrows, ncolumns = layout.size
    sides = (slice(0, first), slice(ncolumns - last, ncolumns))
    return [_samples(image, mask, layout, slice(0, nrows), side) - along_fast[:, None, side] for side in sides]


def _median_signal(left, right, length):
    """Smooth the reference columns; (ngroups, 1, nrows), 0 where there is no pixel."""
    smooth = _mean_of_valid(*(running_median(side, length) for side in (left, right)))
    return np.nan_to_num(smooth, copy=False)[:, None]


def _samples(image, mask, layout, rows, columns):
    """Copy a region of the whole detector; NaN where the image does not reach and where pixels are bad."""
    shape = (len(image), rows.stop - rows.start, columns.stop - columns.start)
    samples = np.full(shape, np.nan, np.float32)
    to_rows, from_rows = _overlap(rows, layout.rows)
    to_columns, from_columns = _overlap(columns, layout.columns)
    part = image[:, from_rows, from_columns]
    samples[:, to_rows, to_columns] = np.where(mask[:, from_rows, from_columns], np.float32(np.nan), part)
    return samples


def _overlap(wanted: slice, covered: slice) -> tuple[slice, slice]:
    """Find the common part of two ranges, counted from the start of each."""
    start = max(wanted.start, covered.start)
    stop = max(start, min(wanted.stop, covered.stop))
    return slice(start - wanted.start, stop - wanted.start), slice(start - covered.start, stop - covered.start)


def _mean_of_valid(one, other):
    """Average two estimates; where one is NaN take the other."""
    return np.where(np.isnan(one), other, np.where(np.isnan(other), one, np.float32(0.5) * (one + other)))


@parallel_kernel
def _clipped_means(samples, siglimit):
    means = np.empty(samples.shape[0], np.float32)
    for n in prange(samples.shape[0]):
        means[n] = _clipped_mean(samples[n], siglimit)
    return means


@kernel
def _clipped_mean(samples, siglimit):
    low, high = -np.inf, np.inf
    before, count = -2, -1
    mean = np.nan
    while count != before:
        before = count
        count, total = 0, 0.0
        for value in samples:
            if low <= value <= high:
                count += 1
                total += value
        if count == 0:
            return np.nan
        mean = total / count
        squares = 0.0
        for value in samples:
            if low <= value <= high:
                squares += (value - mean) ** 2
        spread = siglimit * np.sqrt(squares / count)
        low, high = max(low, mean - spread), min(high, mean + spread)
    return mean


@parallel_kernel
def _running_median(samples, length):
    nimages, nrows, ncolumns = samples.shape
    median = np.empty((nimages, nrows), np.float32)
    for n in prange(nimages):
        window = np.empty(length * ncolumns, np.float32)
        for row in range(nrows):
            count = 0
            for k in range(row - length // 2, row - length // 2 + length):
                mirrored = nrows - 1 - abs(nrows - 1 - abs(k))
                for value in samples[n, mirrored]:
                    if not np.isnan(value):
                        count = _insert(window, count, value)
            upper = window[count // 2] if count > 0 else np.float32(np.nan)
            lower = window[(count - 1) // 2] if count > 0 else upper
            median[n, row] = np.float32(0.5) * (lower + upper)
    return median


@kernel
def _insert(ordered, count, value):
    """Insert a value into the first ``count`` sorted ones and return how many there are now."""
    place = count
    while place > 0 and ordered[place - 1] > value:
        ordered[place] = ordered[place - 1]
        place -= 1
    ordered[place] = value
    return count + 1
