"""Exact fit of one ramp: segments between jumps, weighted line fits and their variances, in double precision.

A ramp is split at its jumps and bad groups into *segments*; each is fitted by a line of its own. All that is asked of
the segments of a ramp is in four sums, so segments are never stored:

============================================  ============================================================
sum over segments                             use
============================================  ============================================================
weight = 1 / var_rnoise                       weights of the slopes; inverse of the combined read-noise variance
weighted slope = slope / var_rnoise           slope
flux factor = flux / var_poisson              Poisson variance = flux / sum
information = 1 / (var_rnoise + var_poisson)  total variance of one integration
============================================  ============================================================

Units: DN, s, electron. ``noise`` is the read noise of one group in electron.

References
----------
D. J. Fixsen et al., "Cosmic-ray rejection and readout efficiency for large-area arrays", PASP 112, 1350 (2000).
"""

import numpy as np

from jwcore.algorithms._numba import inner_kernel
from jwcore.algorithms.dq import JUMP_DET, PERSISTENCE

__all__ = [
    "SNR_LIMITS",
    "SNR_POWERS",
    "difference_coefficients",
    "find_segments",
    "line_slope",
    "read_weight",
    "segment_sums",
    "snr_class",
    "weight_powers",
]

SNR_LIMITS = (5.0, 10.0, 20.0, 50.0, 100.0)
"""Upper limits of the signal-to-noise classes of a segment."""
SNR_POWERS = (0.0, 0.4, 1.0, 3.0, 6.0, 10.0)
"""Power P of the weights abs(x - centre)^P in each class: the brighter, the more the ends count."""

_MASK = np.uint8(0xFF & ~PERSISTENCE)  # persistence does not spoil a group
_JUMP = np.uint8(JUMP_DET)


def weight_powers(ngroups: int) -> np.ndarray:
    """
    Tabulate k^P for k = abs(2 x - (L - 1)), twice the distance of a group from the centre of its segment.

    A common factor of the weights cancels in the slope, so one table serves segments of all lengths L.

    Returns
    -------
    ndarray of float64, shape (6, ngroups)
        One row for each signal-to-noise class.
    """
    distance = np.arange(ngroups, dtype=float)
    return np.stack([distance**power for power in SNR_POWERS])


def difference_coefficients(length: int) -> np.ndarray:
    """
    Tabulate the weighted slope of a segment as a linear combination of its differences.

    Parameters
    ----------
    length : int
        Number of groups, at least 2.

    Returns
    -------
    ndarray of float32, shape (length - 1, 6)
        Coefficients of the differences of neighbouring groups in each signal-to-noise class.
    """
    offset = 2 * np.arange(length) - (length - 1)
    weighted = weight_powers(length)[:, np.abs(offset)] * offset
    slope_of_groups = 2 * weighted / np.sum(weighted * offset, axis=1, keepdims=True)
    return np.ascontiguousarray(-np.cumsum(slope_of_groups, axis=1)[:, :-1].T.astype(np.float32))


@inner_kernel
def snr_class(rise, gain, noise):
    """
    Classify a segment by the signal-to-noise ratio of its rise.

    Parameters
    ----------
    rise : float
        Last minus first group, DN.
    gain, noise : float
        Gain (electron/DN) and read noise (electron).

    Returns
    -------
    int
        Row of `weight_powers`.
    """
    signal = np.float64(rise) * gain
    variance = np.float64(noise) * noise + signal
    squared = signal * signal / variance if signal > 0 and variance > 0 else 0.0
    rank = 0
    for limit in SNR_LIMITS:
        rank += squared >= limit * limit
    return rank


@inner_kernel
def find_segments(flags, starts, stops):
    """
    Split a ramp into segments of good groups.

    A group that is good but for its jump begins the segment that follows it: its level is sound, only the step to it
    is not. Segments of a single group count only where there is no longer one, and then the first alone.

    Parameters
    ----------
    flags : ndarray of uint8, shape (n,)
        Group flags.
    starts, stops : ndarray of int, shape (>= n / 2 + 1,)
        Receive first group and end (exclusive) of each segment.

    Returns
    -------
    int
        Number of segments.
    """
    count = 0
    longest = 0
    group = 0
    n = flags.size
    while group < n:
        if flags[group] & _MASK:
            group += 1
            continue
        start = group - 1 if group > 0 and flags[group - 1] & _MASK == _JUMP else group
        while group < n and flags[group] & _MASK == 0:
            group += 1
        starts[count], stops[count] = start, group
        longest = max(longest, group - start)
        count += 1
    if longest <= 1:
        return min(count, 1)
    kept = 0
    for segment in range(count):
        if stops[segment] - starts[segment] > 1:
            starts[kept], stops[kept] = starts[segment], stops[segment]
            kept += 1
    return kept


@inner_kernel
def line_slope(values, start, stop, gain, noise, powers):
    """
    Fit a line to one segment with the weights of its signal-to-noise class.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Ramp, DN.
    start, stop : int
        Range of groups, at least 2.
    gain, noise : float
        Gain (electron/DN) and read noise (electron).
    powers : ndarray
        Table of `weight_powers`.

    Returns
    -------
    float
        Slope, DN per group.
    """
    weights = powers[snr_class(values[stop - 1] - values[start], gain, noise)]
    weighted_rise = 0.0
    weighted_square = 0.0
    for group in range(start, stop):
        offset = 2 * group - (start + stop - 1)
        weight = weights[abs(offset)] * offset
        weighted_rise += weight * values[group]
        weighted_square += weight * offset
    return 2 * weighted_rise / weighted_square


@inner_kernel
def read_weight(length, time, gain, noise):
    """Weight 1 / var_rnoise of a segment; see `segment_sums`."""
    scaled = time * gain / noise
    return (length * length - 1) * length * scaled * scaled / 12.0


@inner_kernel
def segment_sums(values, flags, starts, stops, gain, noise, flux, group_time, single_time, powers):
    """
    Sum weights, slopes, flux factors and information over the segments of one ramp.

    With L groups in a segment and group time t, ::

        var_rnoise  = 12 (noise / t)^2 / ((L^3 - L) gain^2)        var_poisson = flux / (t gain (L - 1))

    and for a single group, whose slope is its value over ``single_time``, the same with L = 2 and t = ``single_time``.

    Parameters
    ----------
    values, flags : ndarray, shape (n,)
        Ramp (float64, DN) and group flags (uint8).
    starts, stops : ndarray of int
        Scratch, see `find_segments`; hold the segments on return.
    gain, noise : float
        Gain (electron/DN) and read noise (electron).
    flux : float
        Count rate that the photon noise is taken from, DN/s.
    group_time, single_time : float
        Seconds between groups, and exposure time of a single group.
    powers : ndarray
        Table of `weight_powers`.

    Returns
    -------
    weight, weighted_slope, flux_factor, information : float
        The sums of the module's table, slope in DN/s; all 0 without a segment.
    """
    weight, weighted_slope, flux_factor, information = 0.0, 0.0, 0.0, 0.0
    for segment in range(find_segments(flags, starts, stops)):
        start, stop = starts[segment], stops[segment]
        length = max(stop - start, 2)
        if stop - start == 1:
            time = single_time
            slope = values[start] / time
        else:
            time = group_time
            slope = line_slope(values, start, stop, gain, noise, powers) / time
        share = read_weight(length, time, gain, noise)
        factor = time * gain * (length - 1)
        weight += share
        weighted_slope += share * slope
        flux_factor += factor
        information += 1.0 / (1.0 / share + flux / factor)
    return weight, weighted_slope, flux_factor, information
