"""Kernel that fits all ramps of an exposure, row by row.

Undisturbed ramps, by far the most, are fitted in blocks of columns: their weighted slope is a fixed linear combination of differences. Ramps with
a flag go through the exact code of `jwcore.algorithms.ramp_fit_segments`. Median rates come from a sorting network for all ramps.
"""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.dq import CHARGELOSS, DO_NOT_USE, JUMP_DET, NO_GAIN_VALUE, PERSISTENCE, SATURATED
from jwcore.algorithms.medians import median_columns
from jwcore.algorithms.ramp_fit_segments import read_weight, segment_sums, snr_class, total_variance

__all__ = ["Plan", "Ramps", "Rates", "fit_rows", "prepare_ramp"]


class Ramps(NamedTuple):
    """Input arrays: float32 (nints, ngroups, ny, nx) or (ny, nx), flags unsigned."""

    data: np.ndarray
    """Linear ramps, DN."""
    groupdq: np.ndarray
    """Group flags, uint8."""
    pixeldq: np.ndarray
    """Pixel flags, uint32."""
    gain: np.ndarray
    """Gain, electron/DN."""
    noise: np.ndarray
    """Read noise of a group, electron."""
    dark: np.ndarray
    """Average dark rate, added to the rate that the photon noise is taken from."""
    zeroframe: np.ndarray
    """First frames, DN (nints, ny, nx); size 0 when there are none."""


class Plan(NamedTuple):
    """What is the same for all pixels."""

    group_time: float
    """Seconds between groups."""
    frame_time: float
    """Seconds between frames."""
    first_group_time: float
    """Mean time since the reset of the frames in the first group, s."""
    suppress_one_group: bool
    """Give up ramps with a single good group."""
    first: int
    """First group to look at."""
    last: int
    """End (exclusive) of the groups to look at."""
    added_flags: np.ndarray
    """Flags to add to each group, uint8 (ngroups,)."""
    hull: np.ndarray
    """First and end (exclusive) of the groups that have usable pixels, int (nints, 2)."""
    table: np.ndarray
    """Which of the tables serves each integration, int (nints,)."""
    coefficients: np.ndarray
    """`difference_coefficients`, float32 (tables, longest, 6)."""
    networks: np.ndarray
    """Comparators of all median networks, one after the other, int32 (m, 2)."""
    network_range: np.ndarray
    """First and end (exclusive) comparator of each network, int (tables, 2)."""
    powers: np.ndarray
    """`weight_powers`, float64 (6, ngroups)."""


class Rates(NamedTuple):
    """Output arrays: DN/s, float32; flags uint32. Integrations have a leading axis."""

    slope: np.ndarray
    err: np.ndarray
    dq: np.ndarray
    var_poisson: np.ndarray
    var_rnoise: np.ndarray


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


_UNUSABLE = np.uint8(DO_NOT_USE | SATURATED)
_DO_NOT_USE = np.uint8(DO_NOT_USE)
_SATURATED = np.uint8(SATURATED)
_JUMP = np.uint8(JUMP_DET)
_NOT_JUMP = np.uint8(0xFF & ~JUMP_DET)
_NOT_PERSISTENCE = np.uint8(0xFF & ~PERSISTENCE)
_CHARGELOSS = np.uint8(CHARGELOSS)
_NOT_CHARGELOSS = np.uint8(0xFF & ~(CHARGELOSS | DO_NOT_USE))
_PROPAGATED = np.uint8(JUMP_DET | PERSISTENCE | SATURATED)
_PIXEL_DO_NOT_USE = np.uint32(DO_NOT_USE)
_BAD_GAIN = np.uint32(DO_NOT_USE | NO_GAIN_VALUE)
_INFINITY = np.float32(np.inf)
_LARGEST_VARIANCE = 1e6  # beyond, nothing is known


@kernel
def _load_block(ramps, plan, integration, row, start, width, block):
    """Fill differences, flags and numbers of unusable differences of a block."""
    end = start + width
    first, stop = plan.hull[integration]
    block.unusable[:] = 0
    block.seen[:] = 0
    block.outside[:] = 0
    for group in range(plan.first, plan.last):
        flags = ramps.groupdq[integration, group, row, start:end]
        collected = block.seen if first <= group < stop else block.outside
        for column in range(width):
            collected[column] |= flags[column]
    for group in range(first, stop - 1):
        earlier = ramps.data[integration, group, row, start:end]
        later = ramps.data[integration, group + 1, row, start:end]
        earlier_dq = ramps.groupdq[integration, group, row, start:end]
        later_dq = ramps.groupdq[integration, group + 1, row, start:end]
        step = block.steps[group - first]
        for column in range(width):
            difference = later[column] - earlier[column]
            spoilt = (earlier_dq[column] | later_dq[column]) & _UNUSABLE | later_dq[column] & _JUMP
            good = spoilt == 0 and abs(difference) < _INFINITY
            replacement = _INFINITY if block.unusable[column] & 1 == 0 else -_INFINITY
            step[column] = difference if good else replacement
            block.unusable[column] += not good


@kernel
def _fit_block(ramps, plan, integration, row, start, width, block):
    """Find slopes and medians of a block that `_load_block` filled, DN per group."""
    first, stop = plan.hull[integration]
    pairs = stop - first - 1
    if pairs < 1:
        block.medians[:] = np.nan
        return
    low = ramps.data[integration, first, row, start : start + width]
    high = ramps.data[integration, stop - 1, row, start : start + width]
    gain = ramps.gain[row, start : start + width]
    noise = ramps.noise[row, start : start + width]
    for column in range(width):
        block.classes[column] = snr_class(high[column] - low[column], gain[column], noise[column])
    coefficients = plan.coefficients[plan.table[integration]]
    block.slopes[:] = 0
    for pair in range(pairs):
        step = block.steps[pair]
        coefficient = coefficients[pair]
        for column in range(width):
            block.slopes[column] += coefficient[block.classes[column]] * step[column]
    begin, end = plan.network_range[plan.table[integration]]
    median_columns(block.steps[:pairs], plan.networks[begin:end], width, block.unusable, block.medians)


@kernel
def prepare_ramp(ramps, plan, integration, row, column, values, flags):
    """
    Copy the ramp of one pixel, and decide how to treat a single good group.

    Parameters
    ----------
    ramps, plan : Ramps, Plan
        Input.
    integration, row, column : int
        Which ramp.
    values, flags : ndarray, shape (plan.last - plan.first,)
        Receive the ramp (float64, DN) and its flags (uint8).

    Returns
    -------
    float
        Exposure time (s) of a single group: the mean time of its frames if it is the first of the integration, that of one frame if the zero frame
        takes its place, else the group time.
    """
    good = 0
    for group in range(plan.first, plan.last):
        value = ramps.data[integration, group, row, column]
        flag = ramps.groupdq[integration, group, row, column] | plan.added_flags[group]
        if not abs(value) < _INFINITY:
            flag |= _DO_NOT_USE
        if group == plan.first and group > 0:
            flag &= _NOT_JUMP  # a jump into the first group that is left disturbs nothing
        values[group - plan.first] = value
        flags[group - plan.first] = flag
        good += flag & _NOT_PERSISTENCE == 0
    if flags.size == 1:
        return plan.first_group_time
    if plan.suppress_one_group:
        if good == 1:
            flags |= _DO_NOT_USE
    elif good == 1 and flags[0] & _NOT_PERSISTENCE == 0:
        return plan.first_group_time
    elif good == 0 and ramps.zeroframe.size > 0:
        zero = ramps.zeroframe[integration, row, column]
        if abs(zero) < _INFINITY and zero != 0:
            values[0] = zero
            flags[0] = 0
            return plan.frame_time
    return plan.group_time


@kernel
def _first_group_rate(ramps, plan, integration, row, column, pixel):
    """Rate (DN/s) of a ramp without usable differences, from its first group; NaN if that is unusable too."""
    time = prepare_ramp(ramps, plan, integration, row, column, pixel.values, pixel.flags)
    return np.nan if pixel.flags[0] & _UNUSABLE else pixel.values[0] / time


@kernel
def _rates_of_row(ramps, plan, integration, row, block, pixel, plain, rate, integrations):
    """Set slope and flags of the undisturbed ramps of a row, mark them in ``plain``, and add up the rates of all ramps (sum and number)."""
    nx = ramps.data.shape[3]
    first, stop = plan.hull[integration]
    for start in range(0, nx, block.seen.size):
        width = min(block.seen.size, nx - start)
        _load_block(ramps, plan, integration, row, start, width, block)
        _fit_block(ramps, plan, integration, row, start, width, block)
        for column in range(width):
            x = start + column
            good = stop - first > 1 and block.unusable[column] == 0 and block.seen[column] & _NOT_PERSISTENCE == 0
            good = good and block.outside[column] & _SATURATED == 0 and ramps.pixeldq[row, x] & _PIXEL_DO_NOT_USE == 0
            good = good and ramps.gain[row, x] > 0 and ramps.noise[row, x] > 0
            plain[integration, x] = good
            integrations.slope[integration, row, x] = block.slopes[column] / plan.group_time
            integrations.dq[integration, row, x] = ramps.pixeldq[row, x] | (block.seen[column] | block.outside[column]) & _PROPAGATED
            median = block.medians[column] / plan.group_time
            if not median == median:
                median = _first_group_rate(ramps, plan, integration, row, x, pixel)
            if median == median:
                rate[0, x] += median
                rate[1, x] += 1


@kernel
def _without_charge_loss(flags):
    """Re-admit the groups that are left out for charge migration; tell whether there were any."""
    found = False
    for group in range(flags.size):
        if flags[group] & _CHARGELOSS:
            flags[group] &= _NOT_CHARGELOSS
            found = True
    return found


@kernel
def _fit_disturbed(ramps, plan, integration, row, column, flux, pixel, sums, integrations):
    """Fit one ramp exactly; set its results and add to the sums of its pixel."""
    values, flags, starts, stops = pixel
    gain, noise = ramps.gain[row, column], ramps.noise[row, column]
    single_time = prepare_ramp(ramps, plan, integration, row, column, values, flags)
    lost = ramps.pixeldq[row, column] & _PIXEL_DO_NOT_USE != 0 or flags[0] & _SATURATED != 0 or not gain > 0
    unusable = True
    collected = np.uint8(0)
    for group in range(flags.size):
        unusable = unusable and flags[group] & _UNUSABLE != 0
        collected |= flags[group] & _PROPAGATED

    index = (integration, row, column)
    integrations.dq[index] = ramps.pixeldq[row, column] | collected
    count, weight, weighted_slope, flux_factor = 0, 0.0, 0.0, 0.0
    if not (lost or unusable):
        count, weight, weighted_slope, flux_factor = segment_sums(
            values, flags, gain, noise, plan.group_time, single_time, plan.powers, starts, stops
        )
    if count == 0:
        integrations.dq[index] |= _PIXEL_DO_NOT_USE if gain > 0 else _BAD_GAIN
        _store(integrations, index, np.nan, 0.0, 0.0, 0.0)
        return
    variance = total_variance(starts, stops, count, flux, gain, noise, plan.group_time, single_time)
    read = weight
    if _without_charge_loss(flags):
        _, read, _, _ = segment_sums(values, flags, gain, noise, plan.group_time, single_time, plan.powers, starts, stops)
    _store(integrations, index, weighted_slope / weight, variance, max(flux, 0.0) / flux_factor, 1 / read)
    sums[0, column] += weight
    sums[1, column] += weighted_slope
    sums[2, column] += flux_factor
    sums[3, column] += read


@kernel
def _store(rates, index, slope, variance, var_poisson, var_rnoise):
    """Store one result; variances so large that nothing is known become 0."""
    rates.slope[index] = slope
    rates.err[index] = np.sqrt(variance) if variance < _LARGEST_VARIANCE else 0.0
    rates.var_poisson[index] = var_poisson if var_poisson < _LARGEST_VARIANCE else 0.0
    rates.var_rnoise[index] = var_rnoise if var_rnoise < _LARGEST_VARIANCE else 0.0


@kernel
def _fit_row_of_integration(ramps, plan, integration, row, pixel, plain, flux, sums, integrations):
    """Set the variances of the undisturbed ramps of a row, and fit the others."""
    first, stop = plan.hull[integration]
    for column in range(flux.size):
        if not plain[integration, column]:
            _fit_disturbed(ramps, plan, integration, row, column, flux[column], pixel, sums, integrations)
            continue
        gain, noise = ramps.gain[row, column], ramps.noise[row, column]
        weight = read_weight(stop - first, plan.group_time, gain, noise)
        flux_factor = plan.group_time * gain * (stop - first - 1)
        read = 1 / weight
        poisson = max(flux[column], 0.0) / flux_factor
        slope = integrations.slope[integration, row, column]
        _store(integrations, (integration, row, column), slope, read + poisson, poisson, read)
        sums[0, column] += weight
        sums[1, column] += weight * slope
        sums[2, column] += flux_factor
        sums[3, column] += weight


@kernel
def _combine_row(ramps, row, flux, sums, integrations, exposure):
    """Combine the integrations of a row."""
    for column in range(flux.size):
        flags = np.uint32(0)
        for integration in range(integrations.dq.shape[0]):
            flags |= integrations.dq[integration, row, column]
        dq = ramps.pixeldq[row, column] | flags & ~_PIXEL_DO_NOT_USE
        weight, weighted_slope, flux_factor, read = sums[:, column]
        if weight == 0:
            dq |= _PIXEL_DO_NOT_USE
            _store(exposure, (row, column), np.nan, 0.0, 0.0, 0.0)
        else:
            poisson = max(flux[column], 0.0) / flux_factor
            _store(exposure, (row, column), weighted_slope / weight, poisson + 1 / weight, poisson, 1 / read)
        exposure.dq[row, column] = dq


@kernel
def _fit_row(ramps, plan, row, block_size, integrations, exposure):
    nints, _, _, nx = ramps.data.shape
    longest = max(plan.coefficients.shape[1], 1)
    block = _Block(
        np.empty((longest, block_size), np.float32),
        np.empty(block_size, np.int32),
        np.empty(block_size, np.uint8),
        np.empty(block_size, np.uint8),
        np.empty(block_size, np.int32),
        np.empty(block_size, np.float32),
        np.empty(block_size, np.float32),
    )
    n = plan.last - plan.first
    pixel = _Pixel(np.empty(n), np.empty(n, np.uint8), np.empty(n, np.int64), np.empty(n, np.int64))
    plain = np.empty((nints, nx), np.bool_)
    rate = np.zeros((2, nx))
    sums = np.zeros((4, nx))
    for integration in range(nints):
        _rates_of_row(ramps, plan, integration, row, block, pixel, plain, rate, integrations)
    flux = np.empty(nx)
    for column in range(nx):
        flux[column] = max(rate[0, column] / max(rate[1, column], 1.0), 0.0) + ramps.dark[row % ramps.dark.shape[0], column]
    for integration in range(nints):
        _fit_row_of_integration(ramps, plan, integration, row, pixel, plain, flux, sums, integrations)
    _combine_row(ramps, row, flux, sums, integrations, exposure)


@parallel_kernel
def fit_rows(ramps, plan, block_size, integrations, exposure):
    """
    Fit all ramps.

    Parameters
    ----------
    ramps : Ramps
        Input.
    plan : Plan
        What is the same for all pixels.
    block_size : int
        Number of columns handled together.
    integrations, exposure : Rates
        Receive the results of each integration, and of the exposure. They may share memory if there is one integration: its results are equal, but for
        ``err``, whose definitions differ.
    """
    for row in prange(ramps.data.shape[2]):
        _fit_row(ramps, plan, row, block_size, integrations, exposure)
