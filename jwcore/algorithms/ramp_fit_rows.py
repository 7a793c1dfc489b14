"""Kernel that fits all ramps of an exposure, row by row.

Undisturbed ramps, by far the most, are fitted in blocks of columns: their weighted slope is a fixed linear
combination of differences. Disturbed ramps go through the exact code of `jwcore.algorithms.ramp_fit_segments`. Median
rates come from a sorting network for all ramps.

The photon noise is taken from the median rate over all integrations, so each row is passed twice while it is in the
cache: for rates, then for variances and disturbed ramps.
"""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms._numba import inner_kernel, kernel
from jwcore.algorithms.dq import CHARGELOSS, DO_NOT_USE, JUMP_DET, NO_GAIN_VALUE, PERSISTENCE, SATURATED
from jwcore.algorithms.medians import median_columns
from jwcore.algorithms.ramp_fit_arrays import Ramps, Rates
from jwcore.algorithms.ramp_fit_segments import read_weight, segment_sums, snr_class

__all__ = ["fit_rows", "prepare_ramp", "row_of_ramps"]


class _Block(NamedTuple):
    """Scratch of a block of columns."""

    steps: np.ndarray  # differences, unusable ones replaced
    unusable: np.ndarray  # number of unusable differences
    seen: np.ndarray  # flags of the groups in the hull, or-ed
    outside: np.ndarray  # flags of the other groups, or-ed
    classes: np.ndarray
    slopes: np.ndarray  # DN per group
    medians: np.ndarray  # DN per group


class _Pixel(NamedTuple):
    """Scratch of one ramp."""

    values: np.ndarray
    flags: np.ndarray
    starts: np.ndarray
    stops: np.ndarray


class _Sums(NamedTuple):
    """Sums over the segments of all integrations, and numbers, for a row of pixels."""

    rate: np.ndarray  # median rates
    rates: np.ndarray  # number of median rates
    weight: np.ndarray
    weighted_slope: np.ndarray
    flux_factor: np.ndarray
    read: np.ndarray  # weights with the groups that lost charge


_UNUSABLE = np.uint8(DO_NOT_USE | SATURATED)
_SATURATED = np.uint8(SATURATED)
_JUMP = np.uint8(JUMP_DET)
_NOT_PERSISTENCE = np.uint8(0xFF & ~PERSISTENCE)
_CHARGELOSS = np.uint8(CHARGELOSS)
_NOT_CHARGELOSS = np.uint8(0xFF & ~(CHARGELOSS | DO_NOT_USE))
_PROPAGATED = np.uint8(JUMP_DET | PERSISTENCE | SATURATED)
_PIXEL_DO_NOT_USE = np.uint32(DO_NOT_USE)
_BAD_GAIN = np.uint32(DO_NOT_USE | NO_GAIN_VALUE)
_INFINITY = np.float32(np.inf)
_LARGEST_VARIANCE = 1e6  # beyond, nothing is known


@inner_kernel
def row_of_ramps(ramps, window, integration, row):
    """Views of one row of one integration, with the groups of the window."""
    first, end = window
    return Ramps(
        ramps.data[integration, first:end, row],
        ramps.groupdq[integration, first:end, row],
        ramps.pixeldq[row],
        ramps.gain[row],
        ramps.noise[row],
        ramps.dark[row % ramps.dark.shape[0]],
        ramps.zeroframe[integration % ramps.zeroframe.shape[0], row % ramps.zeroframe.shape[1]],
    )


@inner_kernel
def _row_of_rates(rates, integration, row):
    """Views of one row of one integration."""
    return Rates(
        rates.slope[integration, row],
        rates.err[integration, row],
        rates.dq[integration, row],
        rates.var_poisson[integration, row],
        rates.var_rnoise[integration, row],
    )


@inner_kernel
def _load_block(data, groupdq, hull, start, width, block):
    """Fill differences, flags and numbers of unusable differences of a block."""
    first, stop = hull
    end = start + width
    unusable = block.unusable
    unusable[:] = 0
    block.seen[:] = 0
    block.outside[:] = 0
    for group in range(groupdq.shape[0]):
        flags = groupdq[group, start:end]
        collected = block.seen if first <= group < stop else block.outside
        for column in range(width):
            collected[column] |= flags[column]
    for group in range(first, stop - 1):
        earlier = data[group, start:end]
        later = data[group + 1, start:end]
        earlier_dq = groupdq[group, start:end]
        later_dq = groupdq[group + 1, start:end]
        step = block.steps[group - first]
        for column in range(width):
            difference = later[column] - earlier[column]
            spoilt = (earlier_dq[column] | later_dq[column]) & _UNUSABLE | later_dq[column] & _JUMP
            good = spoilt == 0 and abs(difference) < _INFINITY
            replacement = _INFINITY if unusable[column] & 1 == 0 else -_INFINITY
            step[column] = difference if good else replacement
            unusable[column] += not good


@inner_kernel
def _fit_block(steps, low, high, gain, noise, coefficients, network, block):
    """Find slopes and medians of a loaded block, DN per group."""
    classes, slopes = block.classes, block.slopes
    width = low.size
    for column in range(width):
        classes[column] = snr_class(high[column] - low[column], gain[column], noise[column])
    slopes[:] = 0
    for pair in range(steps.shape[0]):
        step = steps[pair]
        coefficient = coefficients[pair]
        for column in range(width):
            slopes[column] += coefficient[classes[column]] * step[column]
    median_columns(steps, network, width, block.unusable, block.medians)


@inner_kernel
def prepare_ramp(source, times, rules, column, values, flags):
    """
    Copy the ramp of one pixel, and decide how to treat a single good group.

    Parameters
    ----------
    source : Ramps
        One row of one integration.
    times : Times
        Times.
    rules : GroupRules
        Groups and flags.
    column : int
        Which ramp.
    values, flags : ndarray, shape (ngroups,)
        Receive the ramp (float64, DN) and its flags (uint8).

    Returns
    -------
    usable : bool
        False for a single good group, if such ramps are to be given up.
    first : int
        First good group; -1 if there is none.
    time : float
        Time (s) from the reset to the mean of its frames, or to the zero frame that takes the place of the first group
        if no group is good.
    collected : uint8
        Flags of all groups, or-ed.
    """
    data, groupdq = source.data, source.groupdq
    kept_flags, added_flags = rules.kept_flags, rules.added_flags
    good = 0
    first = -1
    collected = np.uint8(0)
    for group in range(values.size):
        value = data[group, column]
        flag = groupdq[group, column] & kept_flags[group] | added_flags[group]
        if not abs(value) < _INFINITY:
            flag |= np.uint8(DO_NOT_USE)
        values[group] = value
        flags[group] = flag
        collected |= flag
        if flag & _NOT_PERSISTENCE == 0:
            good += 1
            first = group if first < 0 else first
    time = times.first_group + max(first, 0) * times.group
    if times.suppress_one_group and values.size > 1:
        return good != 1, first, time, collected
    zero = source.zeroframe[column % source.zeroframe.size]
    if good == 0 and values.size > 1 and zero != 0 and abs(zero) < _INFINITY:
        values[0] = zero
        flags[0] = 0
        return True, 0, times.frame, collected
    return True, first, time, collected


@inner_kernel
def _rates_of_row(ramps, times, tables, integration, block, plain, medians, rates):
    """Set slope and flags of the undisturbed ramps, mark them in ``plain``, and find the median rates of all ramps."""
    first, stop = tables.hull[integration]
    choice = tables.choice[integration]
    network = tables.networks[tables.network_range[choice, 0] : tables.network_range[choice, 1]]
    nx = ramps.gain.size
    for start in range(0, nx, block.seen.size):
        end = min(start + block.seen.size, nx)
        _load_block(ramps.data, ramps.groupdq, (first, stop), start, end - start, block)
        if stop - first > 1:
            low, high = ramps.data[first, start:end], ramps.data[stop - 1, start:end]
            steps = block.steps[: stop - first - 1]
            gain, noise = ramps.gain[start:end], ramps.noise[start:end]
            _fit_block(steps, low, high, gain, noise, tables.coefficients[choice], network, block)
        else:
            block.medians[:] = np.nan
        for column in range(end - start):
            x = start + column
            medians[x] = block.medians[column] / times.group
            clean = block.unusable[column] == 0 and block.seen[column] & _NOT_PERSISTENCE == 0
            sound = ramps.pixeldq[x] & _PIXEL_DO_NOT_USE == 0 and ramps.gain[x] > 0 and ramps.noise[x] > 0
            plain[x] = stop - first > 1 and clean and sound and block.outside[column] & _SATURATED == 0
            rates.slope[x] = block.slopes[column] / times.group
            rates.dq[x] = ramps.pixeldq[x] | (block.seen[column] | block.outside[column]) & _PROPAGATED


@inner_kernel
def _add_median_rates(ramps, times, tables, medians, pixel, sums):
    """Add the median rate of each ramp; where no difference is usable, that of its first good group."""
    total, count = sums.rate, sums.rates
    for column in range(medians.size):
        rate = medians[column]
        if np.isnan(rate):
            usable, first, time, _ = prepare_ramp(ramps, times, tables.rules, column, pixel.values, pixel.flags)
            if not usable or first < 0:
                continue
            rate = pixel.values[first] / time
        total[column] += rate
        count[column] += 1


@inner_kernel
def _known(variance):
    """A variance, 0 where it is so large that nothing is known."""
    return variance if variance < _LARGEST_VARIANCE else 0.0


@inner_kernel
def _store(rates, column, slope, variance, var_poisson, var_rnoise):
    """Store one result."""
    rates.slope[column] = slope
    rates.err[column] = np.sqrt(variance)
    rates.var_poisson[column] = _known(var_poisson)
    rates.var_rnoise[column] = _known(var_rnoise)


@inner_kernel
def _finish_plain(ramps, times, length, plain, flux, sums, rates):
    """Set the variances of undisturbed ramps, and add to the sums."""
    for column in range(flux.size):
        gain, noise = ramps.gain[column], ramps.noise[column]
        chosen = plain[column]
        weight = read_weight(length, times.group, gain, noise)
        flux_factor = times.group * gain * (length - 1)
        poisson = flux[column] / flux_factor
        slope = rates.slope[column]
        _store(rates, column, slope, _known(1 / weight + poisson), poisson, 1 / weight)
        sums.weight[column] += weight if chosen else 0.0
        sums.weighted_slope[column] += weight * slope if chosen else 0.0
        sums.flux_factor[column] += flux_factor if chosen else 0.0
        sums.read[column] += weight if chosen else 0.0


@inner_kernel
def _fit_disturbed(ramps, times, tables, plain, flux, pixel, sums, rates):
    """Fit the other ramps of a row exactly; set their results and add to the sums."""
    pixeldq, gains, noises, powers = ramps.pixeldq, ramps.gain, ramps.noise, tables.powers
    values, flags, starts, stops = pixel
    for column in range(plain.size):
        if plain[column]:
            continue
        gain, noise = gains[column], noises[column]
        usable, _, time, collected = prepare_ramp(ramps, times, tables.rules, column, values, flags)
        usable = usable and gain > 0 and noise > 0
        usable = usable and flags[0] & _SATURATED == 0 and pixeldq[column] & _PIXEL_DO_NOT_USE == 0

        weight, weighted_slope, flux_factor, information = 0.0, 0.0, 0.0, 0.0
        if usable:
            weight, weighted_slope, flux_factor, information = segment_sums(
                values, flags, starts, stops, gain, noise, flux[column], times.group, time, powers
            )
        read = weight
        if collected & _CHARGELOSS and gain > 0 and noise > 0:  # the read noise as if charge had not migrated
            for group in range(flags.size):
                if flags[group] & _CHARGELOSS:
                    flags[group] &= _NOT_CHARGELOSS
            read = segment_sums(values, flags, starts, stops, gain, noise, flux[column], times.group, time, powers)[0]
        var_rnoise = 1 / read if read > 0 else 0.0
        dq = pixeldq[column] | collected & _PROPAGATED
        if weight > 0:
            poisson = flux[column] / flux_factor
            _store(rates, column, weighted_slope / weight, _known(1 / information), poisson, var_rnoise)
        else:
            dq |= _PIXEL_DO_NOT_USE if gain > 0 else _BAD_GAIN
            _store(rates, column, np.nan, 0.0, 0.0, var_rnoise)
        rates.dq[column] = dq
        sums.weight[column] += weight
        sums.weighted_slope[column] += weighted_slope
        sums.flux_factor[column] += flux_factor
        sums.read[column] += read


@inner_kernel
def _combine_row(pixeldq, row, flux, sums, integrations, exposure):
    """Combine the integrations of a row."""
    dq = exposure.dq
    for integration in range(integrations.dq.shape[0]):
        more = integrations.dq[integration, row]
        for column in range(dq.size):
            dq[column] = more[column] if integration == 0 else dq[column] | more[column]
    for column in range(dq.size):
        weight = sums.weight[column]
        lost = not weight > 0
        dq[column] = dq[column] & ~_PIXEL_DO_NOT_USE | pixeldq[column] | (_PIXEL_DO_NOT_USE if lost else np.uint32(0))
        poisson = 0.0 if lost else flux[column] / sums.flux_factor[column]
        variance = 0.0 if lost else _known(poisson) + _known(1 / weight)
        var_rnoise = 1 / sums.read[column] if sums.read[column] > 0 else 0.0
        slope = np.nan if lost else sums.weighted_slope[column] / weight
        _store(exposure, column, slope, variance, poisson, var_rnoise)


@kernel
def fit_rows(first, last, ramps, times, tables, block_size, integrations, exposure):
    """
    Fit all ramps.

    Parameters
    ----------
    first, last : int
        Range of rows to work on.
    ramps : Ramps
        Input.
    times : Times
        Times.
    tables : Tables
        What is the same for all pixels.
    block_size : int
        Number of columns handled together.
    integrations, exposure : Rates
        Receive the results of each integration, and of the exposure. They may share memory if there is one
        integration: its results are equal, but for ``err``, whose definitions differ.
    """
    nints, _, _, nx = ramps.data.shape
    ngroups = tables.powers.shape[1]
    floats = np.empty((tables.coefficients.shape[1] + 2, block_size), np.float32)
    integers = np.empty((2, block_size), np.int32)
    bytes_ = np.empty((2, block_size), np.uint8)
    block = _Block(floats[2:], integers[0], bytes_[0], bytes_[1], integers[1], floats[0], floats[1])
    limits = np.empty((2, ngroups), np.int64)
    pixel = _Pixel(np.empty(ngroups), np.empty(ngroups, np.uint8), limits[0], limits[1])
    totals = np.empty((7, nx))
    sums = _Sums(totals[0], totals[1], totals[2], totals[3], totals[4], totals[5])
    flux = totals[6]
    plain = np.empty((nints, nx), np.bool_)
    medians = np.empty(nx, np.float32)
    for row in range(first, last):
        totals[:] = 0
        for integration in range(nints):
            source = row_of_ramps(ramps, tables.rules.window, integration, row)
            result = _row_of_rates(integrations, integration, row)
            _rates_of_row(source, times, tables, integration, block, plain[integration], medians, result)
            _add_median_rates(source, times, tables, medians, pixel, sums)
        dark = ramps.dark[row % ramps.dark.shape[0]]
        for column in range(nx):
            rate = sums.rate[column] / max(sums.rates[column], 1.0)
            flux[column] = max(max(rate, 0.0) + dark[column], 0.0)
        for integration in range(nints):
            source = row_of_ramps(ramps, tables.rules.window, integration, row)
            result = _row_of_rates(integrations, integration, row)
            length = tables.hull[integration, 1] - tables.hull[integration, 0]
            _finish_plain(source, times, length, plain[integration], flux, sums, result)
            _fit_disturbed(source, times, tables, plain[integration], flux, pixel, sums, result)
        target = Rates(
            exposure.slope[row],
            exposure.err[row],
            exposure.dq[row],
            exposure.var_poisson[row],
            exposure.var_rnoise[row],
        )
        _combine_row(ramps.pixeldq[row], row, flux, sums, integrations, target)
