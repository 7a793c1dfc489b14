"""Fit of an interfering wave of known shape to all pixels and groups of an exposure at once.

Every ramp is modelled as ``offset + slope * g + c * Z(phase)`` with the wave Z. Pixels of nearly equal phase share one
ramp, the sum of their data, since the model is linear in offset and slope. Let Q take the straight line off a ramp of
ngroups values. With ``r = Q y`` for the data of a bin of n pixels and ``q = Q z`` for the wave at the phases of its groups,
a trial phase p lowers the sum of squares by ``C(p)^2 / A(p)``, where ::

    C(p) = sum over bins, groups  r q(p)        A(p) = sum over bins  n sum over groups  q(p)^2

and the amplitude is ``c = C / A``. When trial phases are as far apart as the bins, both sums are circular correlations,
which Fourier transforms give for all of them at once. The best phase is then refined with the exact sums.
"""

from dataclasses import dataclass

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.emi import OUTPUTS, Phases, evaluate

__all__ = ["PhaseSums", "WaveFit", "fit_wave", "phase_sums", "scatter", "usable_pixels"]

SCATTER_LIMIT = 2.0
"""Pixels whose groups scatter more than this many times the median are left out: stars, cosmic rays, bad pixels."""
LEAST_SEEN = 1e-3
"""Part of its variance that a wave has to keep when straight lines are taken off; otherwise its amplitude would be noise."""
_DEGENERATE = 1e-9
_REFINEMENT = 1 / 500


@dataclass(frozen=True)
class PhaseSums:
    """Data added up over the pixels of nearly equal phase.

    Attributes
    ----------
    data : ndarray of float64, shape (nints, ngroups, m)
        Sums in DN.
    number : ndarray of float64, shape (nints, m)
        Pixels that were added.
    """

    data: np.ndarray
    number: np.ndarray


@dataclass(frozen=True)
class WaveFit:
    """What a wave must be shifted and scaled by to agree with the data.

    Attributes
    ----------
    phases : ndarray of float64, shape (nints,)
        Phase at the first sample of each integration, in cycles.
    amplitudes : ndarray of float64, shape (nints,)
        Factor on the wave; 0 where it can hardly be told from an offset and a slope, because frames take close to a whole
        number of its periods.
    """

    phases: np.ndarray
    amplitudes: np.ndarray


def usable_pixels(data: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Choose the pixels that show the background.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Ramp in DN.
    bad : ndarray of bool, shape (ny, nx)
        Pixels that must not be used.

    Returns
    -------
    ndarray of bool, shape (nints, ny, nx)
        Pixels whose standard deviation over the groups is not zero, as it is at the end of the converter's range, and less
        than twice the median of all such pixels and integrations.
    """
    spread = scatter(data)
    varied = spread > 0  # not NaN either
    if not varied.any():
        return varied
    return varied & (spread < SCATTER_LIMIT * np.median(spread[varied])) & ~bad


def phase_sums(data: np.ndarray, usable: np.ndarray, *, pixel: np.ndarray, m: int) -> PhaseSums:
    """Add the data up in ``m`` bins of the phase within a frame.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Ramp in DN.
    usable : ndarray of bool, shape (nints, ny, nx)
        Pixels that count.
    pixel : ndarray of float64, shape (ny, nx / 4)
        Phase within a frame, in cycles.
    m : int
        Number of bins.

    Returns
    -------
    PhaseSums
    """
    bins = np.minimum((pixel * m).astype(np.int32), m - 1)
    counts = usable.reshape(len(usable), -1, OUTPUTS).sum(axis=-1)
    number = np.stack([np.bincount(bins.ravel(), weights=one, minlength=m) for one in counts])
    return PhaseSums(_phase_sums(data, usable, bins, m), number)


def fit_wave(sums: PhaseSums, phases: Phases, spline: np.ndarray, *, separately: bool = False) -> WaveFit:
    """Find phase and amplitude of a wave, common to all integrations or for each one apart.

    Parameters
    ----------
    sums : PhaseSums
        The data.
    phases : Phases
        How the phase advances.
    spline : ndarray of float64, shape (m, 4)
        The wave, from `emi.wave_spline`.
    separately : bool
        Fit every integration by itself.

    Returns
    -------
    WaveFit
    """
    nints, ngroups, _ = sums.data.shape
    rests = without_line(sums.data)
    advance = phases.of_integrations(nints)
    starts = phases.starts(advance, ngroups)
    found, amplitudes = np.empty(nints), np.empty(nints)
    for members in [slice(i, i + 1) for i in range(nints)] if separately else [slice(None)]:
        found[members], amplitudes[members] = _best_phase(rests[members], sums.number[members], starts[members], spline)
    return WaveFit((found + advance) % 1.0, amplitudes)


def without_line(ramps: np.ndarray) -> np.ndarray:
    """Take the best straight line along the next-to-last axis, the groups, off every ramp."""
    time = np.arange(ramps.shape[-2]) - (ramps.shape[-2] - 1) / 2
    level = ramps - ramps.mean(axis=-2, keepdims=True)
    slope = np.einsum("g,...gb->...b", time, level) / np.sum(time**2)
    return level - time[:, None] * slope[..., None, :]


def vertex(before: float, at: float, after: float) -> float:
    """Give the place of the extremum of the parabola through three neighbours, from the middle one in units of their step."""
    curvature = before - 2.0 * at + after
    place = 0.5 * (before - after) / curvature if curvature != 0 else 0.0
    return place if abs(place) <= 1.0 else 0.0


def _best_phase(rests: np.ndarray, number: np.ndarray, starts: np.ndarray, spline: np.ndarray) -> tuple[float, float]:
    """Search all phases by correlation, then refine; amplitude 0 where the wave cannot be measured."""
    m = rests.shape[-1]
    cross, power = np.zeros(m), np.zeros(m)
    for rest, count, start in zip(rests, number, starts, strict=True):
        wave = without_line(evaluate(start, m, spline))
        cross += _correlation(rest, wave)
        power += _correlation(count[None], np.sum(wave**2, axis=0)[None])
    if power.max() <= LEAST_SEEN * number.sum() * rests.shape[1] * np.var(spline[:, 3]):
        return 0.0, 0.0
    gain = cross**2 / np.maximum(power, _DEGENERATE * power.max())
    best = int(np.argmax(gain))
    phase = (best + vertex(gain[best - 1], gain[best], gain[(best + 1) % m])) / m
    trials = [_amplitude(rests, number, starts, spline, phase + shift) for shift in (-_REFINEMENT, 0.0, _REFINEMENT)]
    phase += _REFINEMENT * vertex(*(c * cross for c, cross in trials))
    return phase % 1.0, _amplitude(rests, number, starts, spline, phase % 1.0)[0]


def _correlation(values: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """Sum ``values[g, b] * waves[g, b + p]`` over groups and bins, for every shift p."""
    transformed = np.sum(np.conj(np.fft.rfft(values)) * np.fft.rfft(waves), axis=0)
    return np.fft.irfft(transformed, n=values.shape[-1])


def _amplitude(
    rests: np.ndarray, number: np.ndarray, starts: np.ndarray, spline: np.ndarray, phase: float
) -> tuple[float, float]:
    """Give the amplitude ``C / A`` at a phase, and C."""
    cross = power = 0.0
    for rest, count, start in zip(rests, number, starts, strict=True):
        wave = without_line(evaluate(start + phase, rest.shape[-1], spline))
        cross += float(np.sum(rest * wave))
        power += float(np.sum(count * np.sum(wave**2, axis=0)))
    return (cross / power if power > 0 else 0.0), cross


@parallel_kernel
def scatter(data):
    """Give the standard deviation over the groups, float32 (nints, ny, nx), of a ramp float32 (nints, ngroups, ny, nx)."""
    nints, ngroups, ny, nx = data.shape
    spread = np.empty((nints, ny, nx), np.float32)
    for y in prange(ny):
        total, squares = np.empty(nx), np.empty(nx)
        for i in range(nints):
            total[:] = 0
            squares[:] = 0
            for g in range(1, ngroups):
                _add_moments(total, squares, data[i, g, y], data[i, 0, y])
            _finish_scatter(spread[i, y], total, squares, ngroups)
    return spread


@kernel
def _add_moments(total, squares, row, first):
    for x in range(row.size):
        value = np.float64(row[x] - first[x])
        total[x] += value
        squares[x] += value * value


@kernel
def _finish_scatter(spread, total, squares, number):
    for x in range(total.size):
        mean = total[x] / number
        variance = squares[x] / number - mean * mean
        spread[x] = np.sqrt(variance) if variance > 0 else variance * 0  # NaN stays


@parallel_kernel
def _phase_sums(data, usable, bins, m):
    nints, ngroups, ny, nx = data.shape
    sums = np.zeros((nints, ngroups, m))
    for plane in prange(nints * ngroups):
        i, g = plane // ngroups, plane % ngroups
        row, steps = np.empty(nx, np.float32), np.empty(bins.shape[1], np.float32)
        for y in range(ny):
            _take_usable(row, data[i, g, y], usable[i, y])
            _add_outputs(steps, row)
            _add_to_bins(sums[i, g], steps, bins[y])
    return sums


@kernel
def _take_usable(target, row, usable):
    for x in range(row.size):
        value = row[x]
        target[x] = value if usable[x] else np.float32(0)


@kernel
def _add_outputs(steps, row):
    for step in range(steps.size):
        steps[step] = row[4 * step] + row[4 * step + 1] + row[4 * step + 2] + row[4 * step + 3]


@kernel
def _add_to_bins(sums, steps, bins):
    for step in range(steps.size):
        sums[bins[step]] += steps[step]
