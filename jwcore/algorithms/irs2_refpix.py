r"""Correction with interleaved reference pixels, "improved reference sampling and subtraction" (IRS2).

All outputs of a detector are sampled at the same time, so that they share noise. The samples of an output are laid out on
a line of 2048 rows times 712 clocks. With the Fourier transforms :math:`\hat r` of the reference pixels that are interleaved
with an output, and :math:`\hat s` of the reference output, the noise of that output is

.. math:: \hat n = \beta\, \hat r + \alpha\, \hat s

(Rauscher et al. 2017, PASP 129, 105003; Moseley et al. 2010, Proc. SPIE 7742, 77421B). Since all lines are real, only the
part of the transfer functions :math:`\alpha, \beta` matters that makes a real line, and half of the frequencies are enough.

The mean of the groups is taken off first: what is the same in all of them is no noise.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft

from jwcore.algorithms import rows
from jwcore.algorithms._numba import kernel, numba, parallel_kernel, prange
from jwcore.algorithms.irs2 import LENGTH, NORMAL, OUTPUTS, REFERENCE, ROW_CLOCKS, SECTION, Irs2Layout, sample_clocks

__all__ = ["Transfer", "correct_integration", "fill_reference_output", "real_part", "reference_line", "subtract_trend"]

EDGE = 4
"""Rows at the start and the end of the detector in which all samples are references."""
REPEATED = np.array([0, 2, 0, 2, 1, 3, 1, 3])
"""Which of four references stands at each of eight neighbouring clocks; the first two come before them."""
REACH = 15
"""Samples on either side from which a gap is interpolated."""
ROUNDS = 3
TAPER = 5000
"""Frequencies over which the low pass falls off."""
BANDS = 32
"""Columns that are turned from lines in time to stored lines at once, so that they stay in the cache."""


@dataclass(frozen=True)
class Transfer:
    """Weights in Fourier space, complex64 (4, n / 2 + 1), for the lines of each output; n samples.

    Attributes
    ----------
    alpha : ndarray
        Of the reference output.
    beta : ndarray
        Of the interleaved reference pixels.
    """

    alpha: np.ndarray
    beta: np.ndarray


def real_part(function: np.ndarray) -> np.ndarray:
    """Reduce a transfer function to what the real part of a product in Fourier space depends on.

    Parameters
    ----------
    function : ndarray of complex, shape (..., n)
        All frequencies, in the order of the discrete Fourier transform; n is even.

    Returns
    -------
    ndarray of complex64, shape (..., n / 2 + 1)
        Frequencies from zero up of ``(f(k) + conj(f(-k))) / 2``.
    """
    half = function.shape[-1] // 2 + 1
    mirrored = np.roll(function[..., ::-1], 1, axis=-1)[..., :half]
    return (0.5 * (function[..., :half] + np.conj(mirrored))).astype(np.complex64)


def correct_integration(groups: np.ndarray, corrected: np.ndarray, *, layout: Irs2Layout, transfer: Transfer) -> None:
    """Correct the groups of one integration.

    Parameters
    ----------
    groups : ndarray of float32, shape (ngroups, 3200, nx)
        Groups in DN; bad reference pixels are replaced already.
    corrected : ndarray of float32, shape (ngroups, 2048, nx) or (ngroups, 3200, nx)
        Takes the result, with the lines of the reference pixels and of the reference output or without. It may lie in the
        memory of ``groups``, if no plane reaches beyond the one that it comes from.
    layout : Irs2Layout
        Where samples are stored.
    transfer : Transfer
        Transfer functions.
    """
    stored = np.arange(LENGTH) if corrected.shape[1] == LENGTH else layout.normal_lines
    places = np.full(LENGTH, -1)
    places[stored] = np.arange(stored.size)
    sources = layout.lines_in_time
    targets, clocks, mean = places[sources], sample_clocks(), _mean(groups)
    at_once = min(numba.get_num_threads(), len(groups))
    room = np.zeros((at_once, OUTPUTS, groups.shape[2], ROW_CLOCKS), np.float32)
    for start in range(0, len(groups), at_once):
        lines = room[: len(groups) - start]
        _gather(lines, groups[start : start + at_once], mean, sources, clocks, layout.backwards)
        _subtract_trends(lines)
        for output, noise in _noise(lines, transfer):
            target = corrected[start : start + at_once]
            _put(target, lines, noise, output, mean, sources, targets, clocks, layout.backwards)


def subtract_trend(line: np.ndarray) -> None:
    """Subtract the straight line through the nonzero samples of the first and the last four rows, in place.

    Parameters
    ----------
    line : ndarray of float32, shape (nrows, 712)
        Samples in time; zeros, which say that there is no sample, stay.
    """
    _subtract_trends(line[None, None])


def reference_line(lines: np.ndarray) -> np.ndarray:
    """Lay out the interleaved references alone: each one also stands for its neighbours of the same parity.

    Parameters
    ----------
    lines : ndarray of float32, shape (..., nrows, 712)
        Samples of outputs in time.

    Returns
    -------
    ndarray of float32, same shape
    """
    clocks = sample_clocks()[REFERENCE].reshape(-1, 4)
    result = np.zeros_like(lines)
    for offset, source in enumerate(REPEATED):
        result[..., clocks[:, 0] - 2 + offset] = lines[..., clocks[:, source]]
    return result


def fill_reference_output(lines: np.ndarray) -> np.ndarray:
    """Interpolate the gaps in the line of the reference output.

    At first a gap gets the average of the nonzero samples around it with cosine weights. Then everything but normal pixels is
    replaced, three times over, by what passes a filter for low frequencies and those near the highest one: 1/f noise, and
    noise that alternates from column to column.

    Parameters
    ----------
    lines : ndarray of float32, shape (ngroups, nrows, 712)
        Samples in time, zero in gaps.

    Returns
    -------
    ndarray of float32, same shape
    """
    ngroups, nrows, _ = lines.shape
    known = _interpolate(lines.reshape(ngroups, -1), _cosine_weights()).reshape(lines.shape)
    normal = sample_clocks()[NORMAL]
    low_pass = _low_pass(nrows)
    filled = known.copy()
    for _ in range(ROUNDS):
        # a filter that treats frequencies alike that differ by half the sampling rate acts on even and odd samples apart,
        # which are the real and the imaginary part of a line half as long
        pairs = filled.reshape(ngroups, -1).view(np.complex64)
        spectrum = scipy.fft.fft(pairs, workers=numba.get_num_threads())
        spectrum *= low_pass
        passed = scipy.fft.ifft(spectrum, overwrite_x=True, workers=numba.get_num_threads())
        filled = passed.view(np.float32).reshape(lines.shape)
        filled[..., normal] = known[..., normal]
    return filled


@functools.cache
def _low_pass(nrows: int) -> np.ndarray:
    """Give the low pass for even and for odd samples: it falls about the highest frequency that the references sample."""
    length = nrows * ROW_CLOCKS // 2
    edge = nrows * (ROW_CLOCKS // 22) // 2 - TAPER * nrows // 4096
    width = TAPER * nrows // 2048
    frequency = np.abs(np.arange(length) - length * (np.arange(length) > length // 2))
    inside = np.clip((frequency - edge) / width, 0.0, 1.0)
    return (0.5 * (1.0 + np.cos(np.pi * inside))).astype(np.float32)


def _cosine_weights() -> np.ndarray:
    return np.cos(np.pi * np.arange(-REACH, REACH + 1) / (2 * REACH + 2))


def _noise(lines: np.ndarray, transfer: Transfer) -> Iterator[tuple[int, np.ndarray]]:
    """Iterate over outputs and their noise, float32 (ngroups, nrows, 712); there is none in the reference output."""
    ngroups, _, nrows, _ = lines.shape
    workers = numba.get_num_threads()
    filled = fill_reference_output(lines[:, 0])
    reference_output = scipy.fft.rfft(filled.reshape(ngroups, -1), workers=workers)
    yield 0, np.zeros((ngroups, nrows, ROW_CLOCKS), np.float32)
    for k in range(OUTPUTS - 1):
        interleaved = reference_line(lines[:, k + 1]).reshape(ngroups, -1)
        spectrum = scipy.fft.rfft(interleaved, workers=workers)
        _combine(spectrum, transfer.beta[k], reference_output, transfer.alpha[k])
        noise = scipy.fft.irfft(spectrum, n=interleaved.shape[-1], overwrite_x=True, workers=workers)
        yield k + 1, noise.reshape(ngroups, nrows, ROW_CLOCKS)


@parallel_kernel
def _mean(groups):
    """Average the groups, float64 (nlines, nx)."""
    ngroups, nlines, nx = groups.shape
    mean = np.zeros((nlines, nx))
    for y in prange(nlines):
        for g in range(ngroups):
            rows.add_scaled(mean[y], groups[g, y], 1.0)
        for x in range(nx):
            mean[y, x] /= ngroups
    return mean


@parallel_kernel
def _combine(spectrum, beta, other, alpha):
    """Replace a spectrum by ``beta * spectrum + alpha * other``, for each of several."""
    for n in range(spectrum.shape[0]):
        for k in prange(spectrum.shape[1]):
            spectrum[n, k] = beta[k] * spectrum[n, k] + alpha[k] * other[n, k]


@parallel_kernel
def _gather(lines, groups, mean, sources, clocks, backwards):
    """Lay the samples of all sections, less their mean, out in time."""
    nsections, nx = lines.shape[1:3]
    nbands = -(-nx // BANDS)
    for part in prange(len(groups) * nsections * nbands):
        g, section, band = part // (nsections * nbands), part // nbands % nsections, part % nbands
        columns = np.arange(band * BANDS, min(nx, band * BANDS + BANDS))
        for n in range(SECTION):
            line, clock = sources[section, n], clocks[n]
            for x in columns:
                row = nx - 1 - x if backwards else x
                lines[g, section, row, clock] = groups[g, line, x] - mean[line, x]


@parallel_kernel
def _put(target, lines, noise, section, mean, sources, targets, clocks, backwards):
    """Put the samples of a section, less their noise, back to where they are stored."""
    nx = lines.shape[2]
    nbands = -(-nx // BANDS)
    for part in prange(len(target) * nbands):
        g, band = part // nbands, part % nbands
        columns = np.arange(band * BANDS, min(nx, band * BANDS + BANDS))
        for n in range(SECTION):
            place, line, clock = targets[section, n], sources[section, n], clocks[n]
            if place >= 0:
                for x in columns:
                    row = nx - 1 - x if backwards else x
                    target[g, place, x] = lines[g, section, row, clock] - noise[g, row, clock] + mean[line, x]


@parallel_kernel
def _subtract_trends(lines):
    ngroups, nsections, nrows, _ = lines.shape
    for part in prange(ngroups * nsections):
        line = lines[part // nsections, part % nsections]
        start, slope = _fit_edges(line)
        for row in range(nrows):
            _subtract_from_nonzero(line[row], start + slope * (row * ROW_CLOCKS), slope)


@kernel
def _subtract_from_nonzero(row, start, slope):
    for clock in range(row.size):
        value = row[clock]
        row[clock] = value - (start + slope * clock) if value != 0 else value


@kernel
def _fit_edges(line):
    """Fit a straight line to the nonzero samples of the first and the last rows; give its start and its slope."""
    nrows, nclocks = line.shape
    middle = 0.5 * (line.size - 1)
    number = total = moment = times = squares = 0.0
    for edge in range(2 * EDGE):
        row = edge if edge < EDGE else nrows - 2 * EDGE + edge
        for clock in range(nclocks):
            value, time = line[row, clock], row * nclocks + clock - middle
            if value != 0:
                number += 1.0
                times += time
                squares += time * time
                total += value
                moment += time * value
    norm = number * squares - times * times
    if norm <= 0:
        return 0.0, 0.0
    slope = (number * moment - times * total) / norm
    return (total - slope * times) / number - slope * middle, slope


@parallel_kernel
def _interpolate(lines, weights):
    """Fill zeros in with the weighted average of the nonzero samples around them; the ends of a line meet."""
    nlines, length = lines.shape
    filled = np.empty_like(lines)
    reach = weights.size // 2
    nparts = 64
    for part in prange(nlines * nparts):
        line = lines[part // nparts]
        first, stop = part % nparts * length // nparts, (part % nparts + 1) * length // nparts
        for n in range(first, stop):
            value = line[n]
            if value == 0:
                total = weight = 0.0
                for k in range(-reach, reach + 1):
                    near = line[(n + k) % length]
                    if near != 0:
                        total += weights[k + reach] * near
                        weight += weights[k + reach]
                value = np.float32(total / weight) if weight > 0 else np.float32(0)
            filled[part // nparts, n] = value
    return filled
