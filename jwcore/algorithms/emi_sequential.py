"""Measurement of an interfering wave by folding the data with its period.

What is left of a ramp without its slope and its median is averaged in bins of phase. The wave found in this way is used as
it is, or tells by how much a reference wave is to be shifted and scaled.
"""

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.emi import OUTPUTS, Phases, evaluate
from jwcore.algorithms.emi_joint import vertex
from jwcore.algorithms.medians import median_columns, median_network, select_median

__all__ = ["clipped_bin_means", "folded_wave", "match_reference", "residuals"]

CONVERTER_TOP = np.float32(65535)
CLIP_LIMIT = 3.0
CLIP_ROUNDS = 5


def folded_wave(data: np.ndarray, phases: Phases, *, steps: np.ndarray, nbins: int) -> np.ndarray | None:
    """Measure a wave by averaging what is left of the ramps in bins of phase.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Integrations to use, in DN, with at least four groups.
    phases : Phases
        Phase of every sample.
    steps : ndarray of bool, shape (nsteps,)
        Groups of four columns that count.
    nbins : int
        Number of bins.

    Returns
    -------
    wave : ndarray of float64, shape (nbins,)
        The wave in DN at the phases ``(j + 1/2) / nbins``, its median zero; None where nothing could be measured.
    """
    nints, ngroups = data.shape[:2]
    starts = phases.starts(phases.of_integrations(nints), ngroups)
    left = np.stack([residuals(ramps, steps) for ramps in data])
    means, centres = clipped_bin_means(left, phases.pixel, starts, nbins)
    known = np.isfinite(means)
    if not known.any():
        return None
    wave = means[known] - np.median(means[known])
    # commensurate clocks sample few phases, which lie anywhere in their bins
    return np.interp((np.arange(nbins) + 0.5) / nbins, centres[known], wave, period=1.0)


def match_reference(wave: np.ndarray, spline: np.ndarray) -> tuple[float, float]:
    """Find the shift at which a reference wave correlates best with a measured one, and the factor on it.

    Parameters
    ----------
    wave : ndarray of float64, shape (nbins,)
        Measured wave, from `folded_wave`.
    spline : ndarray of float64, shape (m, 4)
        Reference wave, from `emi.wave_spline`.

    Returns
    -------
    phase : float
        Phase of the reference wave where the measured one has phase zero, in cycles.
    amplitude : float
        Slope of the straight-line fit of the measured to the shifted reference wave.
    """
    n = wave.size
    reference = evaluate(np.zeros(1), n, spline)[0]
    transformed = np.conj(np.fft.rfft(wave - wave.mean())) * np.fft.rfft(reference - reference.mean())
    cross = np.fft.irfft(transformed, n=n)
    best = int(np.argmax(cross))
    phase = (best + vertex(cross[best - 1], cross[best], cross[(best + 1) % n])) / n % 1.0
    shifted = evaluate(np.array([phase]), n, spline)[0]
    shifted -= shifted.mean()
    power = np.sum(shifted**2)
    return phase, float(np.sum(shifted * wave) / power) if power > 0 else 0.0


def residuals(ramps: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Take slope, bias and mean level off the groups of one integration and average the outputs.

    Slope (least squares) and bias (median of what is left) of every pixel come from all groups but the first and the last;
    the level of a group is its median.

    Parameters
    ----------
    ramps : ndarray of float32, shape (ngroups, ny, nx)
        One integration in DN, with at least four groups.
    steps : ndarray of bool, shape (nsteps,)
        Groups of four columns that count.

    Returns
    -------
    ndarray of float32, shape (ngroups, ny, nsteps)
        NaN in steps that do not count, or one of whose pixels reaches the end of the converter's range.
    """
    left = _residual_rows(ramps, steps, median_network(len(ramps) - 2))
    _subtract_medians(left)
    return left


def clipped_bin_means(
    values: np.ndarray, pixel: np.ndarray, starts: np.ndarray, nbins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Average samples in bins of phase, clipped five times at three standard deviations from the median.

    Parameters
    ----------
    values : ndarray of float32, shape (nints, ngroups, ny, nsteps)
        Samples; NaN are left out.
    pixel : ndarray of float64, shape (ny, nsteps)
        Phase within a frame, in cycles.
    starts : ndarray of float64, shape (nints, ngroups)
        Phase at the start of each group.
    nbins : int
        Number of bins.

    Returns
    -------
    means, centres : ndarray of float64, shape (nbins,)
        Clipped mean of the samples and mean of the phases in each bin; NaN in empty ones.
    """
    planes = values.reshape(-1, *values.shape[2:])
    number, total = _count_phases(planes, pixel, starts.ravel(), nbins)
    ends = np.cumsum(number.T).reshape(number.T.shape).T
    ordered = _sort_by_phase(planes, pixel, starts.ravel(), np.ascontiguousarray(ends - number), number.sum())
    limits = np.append(0, ends[-1])
    count = number.sum(axis=0)
    centres = np.divide(total.sum(axis=0), count, out=np.full(nbins, np.nan), where=count > 0)
    return _clipped_means(ordered, limits), centres


@parallel_kernel
def _residual_rows(ramps, steps, network):
    ngroups, ny, nx = ramps.shape
    left = np.empty((ngroups, ny, steps.size), np.float32)
    middle = 0.5 * (ngroups - 1)
    norm = 0.0
    for g in range(1, ngroups - 1):
        norm += (g - middle) ** 2
    for y in prange(ny):
        block = np.empty((ngroups, nx), np.float32)
        sorted_block = np.empty((ngroups - 2, nx), np.float32)
        slope, bias = np.zeros(nx, np.float32), np.empty(nx, np.float32)
        unusable = np.zeros(nx, np.int32)
        for g in range(ngroups):
            _subtract_first(block[g], ramps[g, y], ramps[0, y])
            if 0 < g < ngroups - 1:
                _add_scaled(slope, block[g], np.float32((g - middle) / norm))
        for g in range(ngroups):
            _add_scaled(block[g], slope, np.float32(-g))
        sorted_block[:] = block[1 : ngroups - 1]
        median_columns(sorted_block, network, nx, unusable, bias)
        for g in range(ngroups):
            _leave_out_clipped(bias, ramps[g, y])
        for g in range(ngroups):
            _average_outputs(left[g, y], block[g], bias, steps)
    return left


@kernel
def _subtract_first(target, row, first):
    for x in range(row.size):
        target[x] = row[x] - first[x]


@kernel
def _add_scaled(total, row, factor):
    for x in range(row.size):
        total[x] += factor * row[x]


@kernel
def _leave_out_clipped(bias, row):
    """Leave out ramps that reach the end of the converter's range: they bend where no straight line fits."""
    for x in range(row.size):
        if row[x] >= CONVERTER_TOP:
            bias[x] = np.nan


@kernel
def _average_outputs(left, row, bias, steps):
    for step in range(steps.size):
        total = np.float32(0)
        for x in range(OUTPUTS * step, OUTPUTS * step + OUTPUTS):
            total += row[x] - bias[x]
        left[step] = total / np.float32(OUTPUTS) if steps[step] else np.float32(np.nan)


@parallel_kernel
def _subtract_medians(planes):
    for n in prange(planes.shape[0]):
        values = np.empty(planes[n].size, np.float32)
        count = 0
        for value in planes[n].flat:
            if np.isfinite(value):
                values[count] = value
                count += 1
        planes[n] -= select_median(values, count)


@kernel
def _bin_of(phase, nbins):
    return min(int((phase - np.floor(phase)) * nbins), nbins - 1)


@parallel_kernel
def _count_phases(planes, pixel, starts, nbins):
    """Count the samples of each plane and bin, and add their phases up."""
    nplanes, ny, nsteps = planes.shape
    number = np.zeros((nplanes, nbins), np.int64)
    total = np.zeros((nplanes, nbins))
    for n in prange(nplanes):
        for y in range(ny):
            for step in range(nsteps):
                if np.isfinite(planes[n, y, step]):
                    phase = pixel[y, step] + starts[n]
                    phase -= np.floor(phase)
                    place = _bin_of(phase, nbins)
                    number[n, place] += 1
                    total[n, place] += phase
    return number, total


@parallel_kernel
def _sort_by_phase(planes, pixel, starts, places, size):
    """Bring samples of the same bin together; ``places`` says where those of each plane and bin begin."""
    nplanes, ny, nsteps = planes.shape
    ordered = np.empty(size, np.float32)
    for n in prange(nplanes):
        place = places[n].copy()
        for y in range(ny):
            for step in range(nsteps):
                value = planes[n, y, step]
                if np.isfinite(value):
                    b = _bin_of(pixel[y, step] + starts[n], place.size)
                    ordered[place[b]] = value
                    place[b] += 1
    return ordered


@parallel_kernel
def _clipped_means(ordered, limits):
    means = np.empty(limits.size - 1)
    for b in prange(means.size):
        means[b] = _clipped_mean(ordered[limits[b] : limits[b + 1]])
    return means


@kernel
def _clipped_mean(values):
    """Average values within three standard deviations of their median, found five times; their order is lost."""
    count = values.size
    for _ in range(CLIP_ROUNDS):
        mean, spread = _moments(values, count)
        centre = select_median(values, count)
        kept = 0
        for value in values[:count]:
            if abs(value - centre) <= CLIP_LIMIT * spread:
                values[kept] = value
                kept += 1
        if kept in (count, 0):
            break
        count = kept
    mean, _ = _moments(values, count)
    return mean


@kernel
def _moments(values, count):
    total = squares = 0.0
    for value in values[:count]:
        total += value
        squares += value * value
    mean = total / count if count > 0 else np.nan
    return mean, np.sqrt(max(squares / count - mean * mean, 0.0)) if count > 0 else np.nan
