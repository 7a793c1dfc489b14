"""Table of the segments of all ramps, for those who want to look at the fit of single segments."""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms._numba import kernel
from jwcore.algorithms.bands import over_rows
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.algorithms.ramp_fit_rows import Ramps, Rates, Tables, Times, prepare_ramp, row_of_ramps
from jwcore.algorithms.ramp_fit_segments import find_segments, line_slope, read_weight, snr_class

__all__ = ["SegmentTable", "tabulate_segments"]

_JUMP = np.uint8(JUMP_DET)
_SATURATED = np.uint8(SATURATED)
_PIXEL_DO_NOT_USE = np.uint32(DO_NOT_USE)


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
    """Signal of the ramp at the reset, DN (nints, ny, nx)."""
    crmag: np.ndarray
    """Heights of the jumps, DN (nints, njumps, ny, nx)."""


@kernel
def _count(first, last, ramps, times, tables, integrations, counts):
    """Find the largest numbers of segments and of jumps in a ramp."""
    ngroups = tables.kept_flags.size
    values, flags = np.empty(ngroups), np.empty(ngroups, np.uint8)
    starts, stops = np.empty(ngroups, np.int64), np.empty(ngroups, np.int64)
    for row in range(first, last):
        for integration in range(ramps.data.shape[0]):
            source = row_of_ramps(ramps, tables.window, integration, row)
            for column in range(ramps.data.shape[3]):
                prepare_ramp(
                    source.data, source.groupdq, source.zeroframe, times, tables.kept_flags, tables.added_flags,
                    column, values, flags,
                )  # fmt: skip
                jumps = 0
                for flag in flags:
                    jumps += flag & _JUMP != 0
                counts[row, 0] = max(counts[row, 0], find_segments(flags, starts, stops))
                counts[row, 1] = max(counts[row, 1], jumps)


@kernel
def _line_errors(start, stop, rise, gain, noise, powers):
    """Standard errors of slope (DN/group) and of the value at group 0 (DN) of a weighted line, by read noise."""
    weights = powers[snr_class(rise, gain, noise)]
    scale = max(stop - start - 1, 1)
    total, square = 0.0, 0.0
    for group in range(start, stop):
        offset = 2 * group - (start + stop - 1)
        weight = weights[abs(offset)] / weights[scale]
        total += weight
        square += weight * offset * offset / 4
    centre = 0.5 * (start + stop - 1)
    return noise / gain / np.sqrt(square), noise / gain * np.sqrt(1 / total + centre * centre / square)


@kernel
def _intercept(values, start, stop, slope, gain, noise, powers):
    """Value at group 0 of the line with a slope (DN/group) through the weighted mean of a segment."""
    weights = powers[snr_class(values[stop - 1] - values[start], gain, noise)]
    total, mean = 0.0, 0.0
    for group in range(start, stop):
        weight = weights[abs(2 * group - (start + stop - 1))]
        total += weight
        mean += weight * values[group]
    return mean / total - slope * 0.5 * (start + stop - 1)


@kernel
def _tabulate(first, last, ramps, times, tables, integrations, table):
    """Fill the table."""
    ngroups = tables.kept_flags.size
    values, flags = np.empty(ngroups), np.empty(ngroups, np.uint8)
    starts, stops = np.empty(ngroups, np.int64), np.empty(ngroups, np.int64)
    for row in range(first, last):
        for i in range(ramps.data.shape[0]):
            source = row_of_ramps(ramps, tables.window, i, row)
            for x in range(ramps.data.shape[3]):
                gain, noise = source.gain[x], source.noise[x]
                usable, single_time = prepare_ramp(
                    source.data, source.groupdq, source.zeroframe, times, tables.kept_flags, tables.added_flags,
                    x, values, flags,
                )  # fmt: skip
                jump = 0
                for group in range(1, ngroups):
                    if flags[group] & _JUMP:
                        table.crmag[i, jump, row, x] = values[group] - values[group - 1]
                        jump += 1
                if np.isnan(integrations.slope[i, row, x]):
                    continue
                count = find_segments(flags, starts, stops)
                if flags[0] == 0:
                    table.pedestal[i, row, x] = values[0] - integrations.slope[i, row, x] * times.since_reset
                factors = 0.0
                for segment in range(count):
                    start, stop = starts[segment], stops[segment]
                    time = single_time if stop - start == 1 else times.group
                    factors += time * gain * max(stop - start - 1, 1)
                for segment in range(count):
                    start, stop = starts[segment], stops[segment]
                    index = (i, segment, row, x)
                    time = single_time if stop - start == 1 else times.group
                    weight = read_weight(max(stop - start, 2), time, gain, noise)
                    table.weights[index] = weight
                    table.var_rnoise[index] = 1 / weight
                    flux = integrations.var_poisson[i, row, x] * factors
                    table.var_poisson[index] = flux / (time * gain * max(stop - start - 1, 1))
                    if stop - start == 1:
                        table.slope[index] = values[start] / time
                        table.sigslope[index] = np.sqrt(1 / weight)
                        continue
                    slope = line_slope(values, start, stop, gain, noise, tables.powers)
                    rise = values[stop - 1] - values[start]
                    sigslope, sigyint = _line_errors(start, stop, rise, gain, noise, tables.powers)
                    table.slope[index] = slope / time
                    table.sigslope[index] = sigslope / time
                    table.yint[index] = _intercept(values, start, stop, slope, gain, noise, tables.powers)
                    table.sigyint[index] = sigyint
