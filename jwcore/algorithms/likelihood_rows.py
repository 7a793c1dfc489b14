"""Kernel that fits all ramps of an exposure by maximum likelihood, row by row."""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms._numba import inner_kernel, kernel
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, NO_GAIN_VALUE, PERSISTENCE, SATURATED
from jwcore.algorithms.likelihood_ramp import RampScratch, find_jumps, fit_rate
from jwcore.algorithms.medians import select_median
from jwcore.algorithms.ramp_fit_rows import row_of_ramps

__all__ = ["fit_rows_by_likelihood"]


class _Partial(NamedTuple):
    """What the combination of integrations needs of each, for a row of pixels (nints, nx)."""

    rate: np.ndarray
    photon: np.ndarray  # variance for a flux of 1 DN/s
    read: np.ndarray  # variance


_JUMP = np.uint8(JUMP_DET)
_HARMLESS = np.uint8(0xFF & ~(JUMP_DET | PERSISTENCE))
_PROPAGATED = np.uint8(JUMP_DET | PERSISTENCE | SATURATED)
_BAD_PIXEL = np.uint32(DO_NOT_USE)
_BAD_GAIN = np.uint32(DO_NOT_USE | NO_GAIN_VALUE)
_COMBINATIONS = 2  # the weights of the integrations depend on the combined rate


@inner_kernel
def _load_ramp(source, rules, interval, split, column, ramp, medians):
    """
    Fill the differences of one pixel.

    ``split`` is the number of reads in the first group if its first read is known from the zero frame, else 0.

    Returns
    -------
    used : int
        Number of differences that count; so many values of ``medians`` are set to them.
    collected : uint8
        Flags of all groups, or-ed.
    """
    ngroups = rules.kept_flags.size
    used = 0
    j = -1
    collected = np.uint8(0)
    before, sound_before = 0.0, False
    for group in range(ngroups):
        value = np.float64(source.data[group, column])
        flag = source.groupdq[group, column] & rules.kept_flags[group] | rules.added_flags[group]
        sound = bool(flag & _HARMLESS == 0 and abs(value) < np.inf)
        collected |= flag
        if group == 0 and split > 0:
            zero = np.float64(source.zeroframe[column])
            value = (value * split - zero) / (split - 1)
            sound = bool(sound and zero != 0 and abs(zero) < np.inf)
            before, sound_before, j = zero, sound, 0
        if j >= 0:
            good = sound and sound_before and flag & _JUMP == 0
            rate = (value - before) / interval[j] if good else 0.0
            ramp.rates[j] = rate
            ramp.used[j] = good
            if good:
                medians[used] = rate
                used += 1
        before, sound_before = value, sound
        j += 1
    return used, collected


@inner_kernel
def _fit_row(source, rules, covariance, split, ramp, medians, integration, row, partial, rates, chi_squared):
    """Fit the ramps of one row of one integration; return the number of ramps with a jump that was found."""
    found = 0
    for column in range(source.gain.size):
        used, collected = _load_ramp(source, rules, covariance.interval, split, column, ramp, medians)
        gain, noise, dark = np.float64(source.gain[column]), np.float64(source.noise[column]), source.dark[column]
        rate, weight, photon, read, flux = np.nan, 0.0, 0.0, 0.0, 0.0
        if used > 0 and gain > 0 and noise > 0:
            guess = max(max(select_median(medians, used), 0.0) + dark, 0.0)
            rate, jumps = find_jumps(covariance, guess / gain, noise * noise, ramp)
            flux = max(max(rate, 0.0) + dark, 0.0)
            rate, weight, remainder, photon, read = fit_rate(covariance, flux, gain, noise * noise, ramp)
            chi_squared[row, column] += remainder
            collected |= _JUMP if jumps > 0 else np.uint8(0)
            found += jumps > 0
        lost = not weight > 0
        dq = source.pixeldq[column] | collected & _PROPAGATED
        if lost:
            dq |= _BAD_PIXEL if gain > 0 else _BAD_GAIN
        partial.rate[integration, column] = rate
        partial.photon[integration, column] = photon
        partial.read[integration, column] = read
        rates.slope[integration, row, column] = rate
        rates.err[integration, row, column] = 0.0 if lost else np.sqrt(1 / weight)
        rates.dq[integration, row, column] = dq
        rates.var_poisson[integration, row, column] = photon * flux
        rates.var_rnoise[integration, row, column] = read
    return found


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
def fit_rows_by_likelihood(first, last, ramps, rules, covariance, split, integrations, exposure, chi_squared):
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
    medians = np.empty(max(n, nints), np.float32)
    sums = np.empty((3, nints, nx))
    partial = _Partial(sums[0], sums[1], sums[2])
    found = 0
    for row in range(first, last):
        for integration in range(nints):
            source = row_of_ramps(ramps, rules.window, integration, row)
            found += _fit_row(
                source, rules, covariance, split, ramp, medians, integration, row, partial, integrations, chi_squared
            )
        _combine_row(row_of_ramps(ramps, rules.window, 0, row), row, partial, medians, integrations, exposure)
    return found
