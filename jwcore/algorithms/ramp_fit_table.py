"""Table of the segments of all ramps, for those who want to look at the fit of single segments."""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms._numba import inner_kernel, kernel
from jwcore.algorithms.bands import over_rows
from jwcore.algorithms.dq import JUMP_DET, PERSISTENCE
from jwcore.algorithms.ramp_fit_arrays import Ramps, Rates, Tables, Times
from jwcore.algorithms.ramp_fit_rows import prepare_ramp, row_of_ramps
from jwcore.algorithms.ramp_fit_segments import find_segments, read_weight, snr_class

__all__ = ["SegmentTable", "tabulate_segments"]

_JUMP = np.uint8(JUMP_DET)


class SegmentTable(NamedTuple):
    """Fits of segments, float32 (nints, nsegments, ny, nx) unless said otherwise; 0 where a ramp has fewer."""

    slope: np.ndarray
    """DN/s."""
    sigslope: np.ndarray
    """Error of the slope by read noise, with the weights of the fit, DN/s."""
    var_poisson: np.ndarray
    """(DN/s)^2."""
    var_rnoise: np.ndarray
    """(DN/s)^2."""
    yint: np.ndarray
    """Value of the line at the first group of the integration, DN."""
    sigyint: np.ndarray
    """Error of that by read noise, DN."""
    weights: np.ndarray
    """1 / var_rnoise."""
    pedestal: np.ndarray
    """Signal at the reset, DN (nints, ny, nx); 0 where the first group is not good."""
    crmag: np.ndarray
    """Heights of the jumps in order, DN (nints, njumps, ny, nx)."""


def tabulate_segments(
    ramps: Ramps, times: Times, tables: Tables, integrations: Rates, since_reset: float
) -> SegmentTable:
    """
    Tabulate the segments of a fitted exposure.

    Parameters
    ----------
    ramps, times, tables, integrations
        Input and results of `jwcore.algorithms.ramp_fit_rows.fit_rows`.
    since_reset : float
        Seconds from the reset to the mean of the first group.

    Returns
    -------
    SegmentTable
        With as many segments and jumps as the richest ramp has.
    """
    nints, _, ny, nx = ramps.data.shape
    groups = slice(*tables.rules.window)
    flags = ramps.groupdq[:, groups] & tables.rules.kept_flags[:, None, None] | tables.rules.added_flags[:, None, None]
    good = (flags & (0xFF ^ PERSISTENCE) == 0) & np.isfinite(ramps.data[:, groups])
    begins = good & ~np.pad(good, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
    segments, jumps = int(begins.sum(axis=1).max()), int((flags & JUMP_DET != 0).sum(axis=1).max())
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(SegmentTable._fields, (nints, max(segments, 1), ny, nx))
    shapes |= {"pedestal": (nints, ny, nx), "crmag": (nints, max(jumps, 1), ny, nx)}
    table = SegmentTable(**{name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    over_rows(_tabulate_rows, ny, ramps, times, tables, integrations, since_reset, table)
    return SegmentTable(*(array if array.ndim == 3 else _without_empty_planes(array, table) for array in table))


def _without_empty_planes(array: np.ndarray, table: SegmentTable) -> np.ndarray:
    """Drop the planes of segments, or of jumps, after the last one that any ramp has."""
    filled = np.any(array if array is table.crmag else table.weights, axis=(0, 2, 3))
    return array[:, : max(1, int(np.max(np.flatnonzero(filled), initial=0)) + 1)]


@inner_kernel
def _fit_line(values, start, stop, gain, noise, powers):
    """
    Fit a line to one segment; x is the group, 0 at the first of the integration.

    Returns
    -------
    slope, intercept, sigslope, sigyint : float
        DN per group, DN, and their standard errors by read noise.
    """
    powers_of_class = powers[snr_class(values[stop - 1] - values[start], gain, noise)]
    centre = 0.5 * (start + stop - 1)
    total, square, mean, rise = 0.0, 0.0, 0.0, 0.0
    for group in range(start, stop):
        weight = (
            powers_of_class[abs(2 * group - (start + stop - 1))] / powers_of_class[stop - start - 1]
        )  # 1 at the ends
        total += weight
        square += weight * (group - centre) ** 2
        mean += weight * values[group]
        rise += weight * (group - centre) * values[group]
    slope = rise / square
    sigma = noise / gain
    return (
        slope,
        mean / total - slope * centre,
        sigma / np.sqrt(square),
        sigma * np.sqrt(1 / total + centre**2 / square),
    )


@kernel
def _tabulate_rows(first, last, ramps, times, tables, integrations, since_reset, table):
    ngroups = tables.powers.shape[1]
    values, flags = np.empty(ngroups), np.empty(ngroups, np.uint8)
    starts, stops, factors = np.empty(ngroups, np.int64), np.empty(ngroups, np.int64), np.empty(ngroups)
    for row in range(first, last):
        for i in range(ramps.data.shape[0]):
            source = row_of_ramps(ramps, tables.rules.window, i, row)
            for x in range(source.gain.size):
                gain, noise = source.gain[x], source.noise[x]
                _, _, single_time, _ = prepare_ramp(source, times, tables.rules, x, values, flags)
                jump = 0
                for group in range(1, ngroups):
                    if flags[group] & _JUMP:
                        table.crmag[i, jump, row, x] = values[group] - values[group - 1]
                        jump += 1
                if np.isnan(integrations.slope[i, row, x]):
                    continue
                if flags[0] == 0:
                    table.pedestal[i, row, x] = values[0] - integrations.slope[i, row, x] * since_reset
                count = find_segments(flags, starts, stops)
                total = 0.0
                for segment in range(count):
                    length = stops[segment] - starts[segment]
                    factors[segment] = single_time * gain if length == 1 else times.group * gain * (length - 1)
                    total += factors[segment]
                for segment in range(count):
                    start, stop = starts[segment], stops[segment]
                    index = (i, segment, row, x)
                    time = single_time if stop - start == 1 else times.group
                    weight = read_weight(max(stop - start, 2), time, gain, noise)
                    slope, intercept, sigslope, sigyint = values[start], 0.0, time / np.sqrt(weight), 0.0
                    if stop - start > 1:
                        slope, intercept, sigslope, sigyint = _fit_line(values, start, stop, gain, noise, tables.powers)
                    table.slope[index] = slope / time
                    table.sigslope[index] = sigslope / time
                    table.var_poisson[index] = integrations.var_poisson[i, row, x] * total / factors[segment]
                    table.var_rnoise[index] = 1 / weight
                    table.yint[index] = intercept
                    table.sigyint[index] = sigyint
                    table.weights[index] = weight
