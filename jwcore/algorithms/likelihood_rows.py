"""Kernel that fits all ramps of an exposure by maximum likelihood, row by row in blocks of columns.

The fits run for a whole block at once. A quick test picks the ramps in which a jump may hide, and only those go through the
exact search of `jwcore.algorithms.likelihood_ramp`.
"""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms._numba import inner_kernel, kernel
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, NO_GAIN_VALUE, PERSISTENCE, SATURATED
from jwcore.algorithms.likelihood_block import empty_block, find_suspects, rate_variances, solve_columns
from jwcore.algorithms.likelihood_ramp import RampScratch, find_jumps
from jwcore.algorithms.medians import median_columns, select_median
from jwcore.algorithms.ramp_fit_rows import row_of_ramps

__all__ = ["fit_rows_by_likelihood"]


class _Partial(NamedTuple):
    """What the combination of integrations needs of each, for a row of pixels (nints, nx)."""

    rate: np.ndarray
    photon: np.ndarray  # variance for a flux of 1 DN/s
    read: np.ndarray  # variance


class _Loaded(NamedTuple):
    """What a block is loaded through, (columns,) but for ``steps``."""

    steps: np.ndarray  # differences (n, columns) float32, unusable ones replaced for the median
    unusable: np.ndarray  # their number, int32
    medians: np.ndarray  # float32
    collected: np.ndarray  # flags of all groups, or-ed, uint8
    value: np.ndarray  # the last resultant, DN float64
    sound: np.ndarray  # whether it is
    jump: np.ndarray  # whether a jump is flagged there


_JUMP = np.uint8(JUMP_DET)
_HARMLESS = np.uint8(0xFF & ~(JUMP_DET | PERSISTENCE))
_PROPAGATED = np.uint8(JUMP_DET | PERSISTENCE | SATURATED)
_BAD_PIXEL = np.uint32(DO_NOT_USE)
_BAD_GAIN = np.uint32(DO_NOT_USE | NO_GAIN_VALUE)
_INFINITY = np.float32(np.inf)
_COMBINATIONS = 2  # the weights of the integrations depend on the combined rate


@inner_kernel
def _load_zero_frame(source, start, width, loaded):
    """Begin with the first read of the first group; where it is invalid, the group is unsound, too."""
    for column in range(width):
        zero = np.float64(source.zeroframe[start + column])
        loaded.value[column] = zero
        loaded.sound[column] = zero != 0 and abs(zero) < np.inf
        loaded.jump[column] = False


@inner_kernel
def _load_block(source, rules, covariance, split, start, width, block, loaded):
    """
    Fill the differences of a block of ramps.

    A flagged jump spoils the difference into its group. If the group averages several reads the jump may lie between
    them, so that the difference out of it is spoilt, too.

    ``split`` is the number of reads in the first group if its first read is known from the zero frame, else 0.
    """
    loaded.unusable[:] = 0
    loaded.collected[:] = 0
    if split > 0:
        _load_zero_frame(source, start, width, loaded)
    j = -1 if split > 0 else -2
    for group in range(rules.kept_flags.size):
        j += 1
        data, groupdq = source.data[group, start : start + width], source.groupdq[group, start : start + width]
        kept, added = rules.kept_flags[group], rules.added_flags[group]
        within = j > 0 and covariance.averaged[j - 1]
        pair = max(j, 0)
        interval = covariance.interval[j] if j >= 0 else 1.0
        rates, used, steps = block.rates[pair], block.used[pair], loaded.steps[pair]
        for column in range(width):
            flag = groupdq[column] & kept | added
            value = np.float64(data[column])
            sound = flag & _HARMLESS == 0 and abs(value) < np.inf
            jump = flag & _JUMP != 0
            if group == 0 and split > 0:
                value = (value * split - loaded.value[column]) / (split - 1)
                sound = sound and loaded.sound[column]
            loaded.collected[column] |= flag
            if j >= 0:
                good = sound and loaded.sound[column] and not jump and not (within and loaded.jump[column])
                rates[column] = (value - loaded.value[column]) / interval if good else 0.0
                used[column] = 1.0 if good else 0.0
                replacement = _INFINITY if loaded.unusable[column] & 1 == 0 else -_INFINITY
                steps[column] = np.float32(rates[column]) if good else replacement
                loaded.unusable[column] += not good
            loaded.value[column], loaded.sound[column], loaded.jump[column] = value, sound, jump


@inner_kernel
def _guess_noise(source, start, width, block, loaded):
    """Take the photon noise from the median differences; leave out the pixels without gain or noise."""
    for column in range(width):
        gain, noise = np.float64(source.gain[start + column]), np.float64(source.noise[start + column])
        known = loaded.unusable[column] < block.used.shape[0] and gain > 0 and noise > 0
        median = loaded.medians[column] if known else 0.0
        flux = max(max(median, 0.0) + source.dark[start + column], 0.0)
        block.photon[column] = flux / gain if known else 0.0
        block.read[column] = noise * noise if known else 1.0
        if not known:
            block.used[:, column] = 0.0


@inner_kernel
def _search_column(covariance, block, column, ramp):
    """Search one ramp of a block for jumps; return whether there are any."""
    for j in range(covariance.interval.size):
        ramp.rates[j] = block.rates[j, column]
        ramp.used[j] = block.used[j, column] > 0
    rate, jumps = find_jumps(covariance, block.photon[column], block.read[column], ramp)
    block.rate[column] = rate
    for j in range(covariance.interval.size):
        block.used[j, column] = 1.0 if ramp.used[j] else 0.0
    return jumps > 0


@inner_kernel
def _fit_block(source, covariance, start, width, block, loaded, suspect, ramp):
    """Find jumps and rates of a loaded block; ``block.photon`` holds the flux on return. Count the ramps with new jumps."""
    _guess_noise(source, start, width, block, loaded)
    solve_columns(covariance, block, width)
    find_suspects(covariance, block, width, suspect)
    found = 0
    for column in range(width):
        if suspect[column] and _search_column(covariance, block, column, ramp):
            loaded.collected[column] |= _JUMP
            found += 1
    for column in range(width):
        flux = max(max(block.rate[column], 0.0) + source.dark[start + column], 0.0)
        block.photon[column] = flux / source.gain[start + column] if block.weight[column] > 0 else 0.0
    solve_columns(covariance, block, width)
    return found


@inner_kernel
def _store_block(source, start, width, block, loaded, variances, integration, row, partial, rates, chi_squared):
    """Store the results of a fitted block."""
    for column in range(width):
        x = start + column
        gain, lost = source.gain[x], not block.weight[column] > 0
        dq = source.pixeldq[x] | loaded.collected[column] & _PROPAGATED
        if lost:
            dq |= _BAD_PIXEL if gain > 0 else _BAD_GAIN
        rate = np.nan if lost else block.rate[column]
        photon = 0.0 if lost else variances[0, column]
        read = 0.0 if lost else variances[1, column] * block.read[column]
        partial.rate[integration, x] = rate
        partial.photon[integration, x] = photon / gain
        partial.read[integration, x] = read
        rates.slope[integration, row, x] = rate
        rates.err[integration, row, x] = 0.0 if lost else np.sqrt(1 / block.weight[column])
        rates.dq[integration, row, x] = dq
        rates.var_poisson[integration, row, x] = photon * block.photon[column]
        rates.var_rnoise[integration, row, x] = read
        chi_squared[row, x] += 0.0 if lost else block.chi_squared[column]


@inner_kernel
def _combine_pixel(partial, column, dark, medians):
    """
    Average the rates of all integrations, with weights by their variance at the common rate.

    Returns
    -------
    rate, photon, read : float
        Rate, and its variances by photon and read noise; NaN and 0 without any.
    """
    usable = 0
    for i in range(partial.rate.shape[0]):
        if partial.rate[i, column] == partial.rate[i, column]:
            medians[usable] = partial.rate[i, column]
            usable += 1
    rate, photon, read = float(select_median(medians, usable)), 0.0, 0.0
    if usable == 0:
        return rate, photon, read
    for _ in range(_COMBINATIONS):
        flux = max(max(rate, 0.0) + dark, 0.0)
        total, weighted, photon, read = 0.0, 0.0, 0.0, 0.0
        for i in range(partial.rate.shape[0]):
            if partial.rate[i, column] == partial.rate[i, column]:
                photon_of_one = partial.photon[i, column] * flux
                weight = 1 / (photon_of_one + partial.read[i, column])
                total += weight
                weighted += weight * partial.rate[i, column]
                photon += weight * weight * photon_of_one
                read += weight * weight * partial.read[i, column]
        rate, photon, read = weighted / total, photon / total**2, read / total**2
    return rate, photon, read


@inner_kernel
def _combine_row(source, row, partial, medians, integrations, exposure):
    """Combine the integrations of a row; a single one is the exposure."""
    nints = partial.rate.shape[0]
    for column in range(source.gain.size):
        if nints == 1:
            exposure.err[row, column] = integrations.err[0, row, column]
            continue
        rate, photon, read = _combine_pixel(partial, column, source.dark[column], medians)
        seen, everywhere = np.uint32(0), _BAD_PIXEL
        for i in range(nints):
            seen |= integrations.dq[i, row, column]
            everywhere &= integrations.dq[i, row, column]
        exposure.slope[row, column] = rate
        exposure.err[row, column] = np.sqrt(photon + read)
        exposure.dq[row, column] = seen & ~_BAD_PIXEL | everywhere
        exposure.var_poisson[row, column] = photon
        exposure.var_rnoise[row, column] = read


@kernel
def fit_rows_by_likelihood(
    first, last, ramps, rules, covariance, network, width, split, integrations, exposure, chi_squared
):
    """
    Fit all ramps.

    Parameters
    ----------
    first, last : int
        Range of rows to work on.
    ramps : Ramps
        Input; ``noise`` is that of a single read in DN.
    rules : GroupRules
        Groups and flags.
    covariance : Covariance
        Of the differences.
    network : ndarray
        Comparators of `median_network` for as many samples as there are differences.
    width : int
        Number of columns handled together.
    split : int
        Number of reads in the first group if its first read is known from the zero frame, else 0.
    integrations, exposure : Rates
        Receive the results. They may share memory if there is one integration.
    chi_squared : ndarray of float32, shape (ny, nx)
        Receives the sum of chi squared of all integrations; must be 0 before.

    Returns
    -------
    int
        Number of ramps with jumps that were found here.
    """
    nints, _, _, nx = ramps.data.shape
    n = covariance.interval.size
    scratch = np.empty((5, n))
    ramp = RampScratch(scratch[0], np.empty(n, np.bool_), scratch[1], scratch[2], scratch[3], scratch[4])
    block = empty_block(n, width)
    marks = np.empty((3, width), np.bool_)
    loaded = _Loaded(
        np.empty((max(n, 1), width), np.float32), np.empty(width, np.int32), np.empty(width, np.float32),
        np.empty(width, np.uint8), np.empty(width), marks[0], marks[1],
    )  # fmt: skip
    variances = np.empty((2, width))
    medians = np.empty(nints, np.float32)
    sums = np.empty((3, nints, nx))
    partial = _Partial(sums[0], sums[1], sums[2])
    found = 0
    for row in range(first, last):
        for integration in range(nints):
            source = row_of_ramps(ramps, rules.window, integration, row)
            for start in range(0, nx, width):
                columns = min(width, nx - start)
                _load_block(source, rules, covariance, split, start, columns, block, loaded)
                median_columns(loaded.steps, network, columns, loaded.unusable, loaded.medians)
                found += _fit_block(source, covariance, start, columns, block, loaded, marks[2], ramp)
                rate_variances(covariance, block, columns, variances[0], variances[1])
                _store_block(
                    source,
                    start,
                    columns,
                    block,
                    loaded,
                    variances,
                    integration,
                    row,
                    partial,
                    integrations,
                    chi_squared,
                )
        _combine_row(row_of_ramps(ramps, rules.window, 0, row), row, partial, medians, integrations, exposure)
    return found
