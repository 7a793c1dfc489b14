"""Count rates from ramps by maximum likelihood, with a search for the jumps that were missed before.

The fit knows that the photon noise of a group is in all groups after it, and that averaged reads share theirs; its errors are
right at all count rates, and no power laws of the signal-to-noise ratio are needed. The covariance depends on the count
rate that is sought, so every ramp is fitted twice: for jumps and a first rate, with the median of its differences as a
guess, and then with that rate. See `jwcore.algorithms.likelihood_ramp` for the formulas.

A flagged jump spoils the difference into its group alone, unless the group averages several reads; groups with other flags
than those of jumps and persistence spoil both differences that they take part in.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jwcore.algorithms.bands import over_rows
from jwcore.algorithms.constant import constant
from jwcore.algorithms.groups import usable_groups
from jwcore.algorithms.likelihood_ramp import Covariance
from jwcore.algorithms.likelihood_rows import fit_rows_by_likelihood
from jwcore.algorithms.medians import median_network
from jwcore.algorithms.ramp_fit_arrays import Ramps, Rates
from jwcore.algorithms.ramp_fit_setup import allocate_rates, dark_in_counts, rules_of_groups

__all__ = ["LikelihoodFit", "fit_ramps_by_likelihood"]

_BLOCK_BYTES = 128 * 1024  # one block of ramps and factors stays in the second-level cache
_BYTES_OF_DIFFERENCE = 52


class LikelihoodFit(NamedTuple):
    """Count rates of an exposure and of its integrations."""

    exposure: Rates
    """Arrays (ny, nx)."""
    integrations: Rates
    """Arrays (nints, ny, nx)."""
    chi_squared: np.ndarray
    """Sum over the integrations, float32 (ny, nx)."""
    ramps_with_jumps: int
    """Ramps in which the search found jumps."""


def fit_ramps_by_likelihood(
    *,
    data: np.ndarray,
    groupdq: np.ndarray,
    pixeldq: np.ndarray,
    gain: np.ndarray,
    readnoise: np.ndarray,
    read_times: Sequence[np.ndarray],
    dark: np.ndarray | None = None,
    zeroframe: np.ndarray | None = None,
    firstgroup: int | None = None,
    lastgroup: int | None = None,
    trim_unusable: bool = False,
    usable: np.ndarray | None = None,
) -> LikelihoodFit:
    """
    Fit the ramps of an exposure.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Linear ramps, DN.
    groupdq : ndarray of uint8, same shape
        Group flags.
    pixeldq : ndarray of uint32, shape (ny, nx)
        Pixel flags.
    gain : ndarray of float32, shape (ny, nx)
        Gain, electron/DN.
    readnoise : ndarray of float32, shape (ny, nx)
        Noise of the difference of two single reads (correlated double sample), DN.
    read_times : sequence of ndarray
        Times (s) of the reads that are averaged into each group, increasing.
    dark : ndarray of float32, shape (ny, nx), optional
        Average dark rate, electron/s; adds to the photon noise.
    zeroframe : ndarray of float32, shape (nints, ny, nx), optional
        First read of each integration, DN; 0 = invalid. Of a first group that averages several reads it makes two
        resultants: the first read, and the average of the others.
    firstgroup, lastgroup, trim_unusable, usable
        As in `jwcore.algorithms.ramp_fit.fit_ramps`.

    Returns
    -------
    LikelihoodFit
        Rates in DN/s; NaN and DO_NOT_USE where a ramp has no usable difference. With a single integration, both parts
        share all arrays but ``err``.
    """
    ny, nx = data.shape[2:]
    usable = usable_groups(groupdq) if usable is None else usable
    rules, _ = rules_of_groups(usable, firstgroup=firstgroup, lastgroup=lastgroup, trim_unusable=trim_unusable)
    resultants = [np.asarray(times, float) for times in read_times[slice(*rules.window)]]
    split = 0
    if zeroframe is not None and rules.window[0] == 0 and len(resultants[0]) > 1:
        split = len(resultants[0])
        resultants = [resultants[0][:1], resultants[0][1:], *resultants[1:]]
    ramps = Ramps(
        data=data,
        groupdq=groupdq,
        pixeldq=pixeldq,
        gain=constant(gain),
        noise=readnoise * np.float32(np.sqrt(0.5)),
        dark=dark_in_counts(dark, gain),
        zeroframe=zeroframe if zeroframe is not None and split else np.zeros((1, 1, 1), np.float32),
    )
    exposure, integrations = allocate_rates(data.shape)
    chi_squared = np.zeros((ny, nx), np.float32)
    covariance = _covariance(resultants)
    n = len(covariance.interval)
    columns = min(max(_BLOCK_BYTES // (_BYTES_OF_DIFFERENCE * max(n, 1)) // 16 * 16, 32), 256)
    scheme = median_network(n), columns, split
    found = over_rows(
        fit_rows_by_likelihood, ny, ramps, rules, covariance, *scheme, integrations, exposure, chi_squared
    )
    return LikelihoodFit(exposure, integrations, chi_squared, sum(found))


def _covariance(resultants: Sequence[np.ndarray]) -> Covariance:
    r"""
    Tabulate the covariance of the differences of resultants, given the times of their reads.

    A resultant of reads :math:`t_1 \dots t_n` has the mean time t and, as the photon noise of a read is in all reads
    after it, the variance :math:`\tau = \sum_k (2 (n - k) + 1) t_k / n^2` per unit of flux.
    """
    reads = np.array([len(times) for times in resultants], float)
    mean = np.array([times.mean() for times in resultants])
    tau = np.array(
        [np.sum((2 * np.arange(len(times))[::-1] + 1) * np.sort(times)) / len(times) ** 2 for times in resultants]
    )
    interval = np.diff(mean)
    beside = interval * np.append(interval[1:], np.inf)[: interval.size]
    return Covariance(
        interval=interval,
        photon=(tau[1:] + tau[:-1] - 2 * mean[:-1]) / interval**2,
        read=(1 / reads[1:] + 1 / reads[:-1]) / interval**2,
        photon_next=(mean[1:] - tau[1:]) / beside,
        read_next=-1 / (reads[1:] * beside),
        averaged=np.append(reads[1:-1] > 1, False)[: interval.size],
    )
