r"""Most likely count rate of one ramp, and the jumps in it.

What is fitted are the *scaled differences* of neighbouring resultants (averages of reads), each of which measures the
count rate:

.. math:: d_j = (D_{j+1} - D_j) / (t_{j+1} - t_j)

Neighbours share a resultant, so their covariance C is tridiagonal, and all that is asked of its inverse is found in two
sweeps over the ramp. With the Cholesky factors :math:`C = L\,\mathrm{diag}(p)\,L^T` and
:math:`u = L^{-1} d`, :math:`v = L^{-1} 1`, ::

    A = d' C^-1 d = sum u u / p     B = sum u v / p     C = 1' C^-1 1 = sum v v / p
    rate = B / C     variance = 1 / C     chi squared = A - B B / C

To leave out a difference is to give the ramp a jump of free height there. The gain in chi squared is the square of the
weighted residual :math:`s = C^{-1}(d - \mathrm{rate})` over its variance, so one more sweep backwards gives the gains of
all differences, and of all pairs of neighbours, at once. A difference that is left out, or spoilt by flags, is
decoupled from its neighbours and has no weight.

Units: DN, s; variances per DN^2.

References
----------
T. D. Brandt, "Optimal Fitting and Debiasing for Detectors Read Out Up-the-Ramp", PASP 136, 045004 (2024).
T. D. Brandt, "Likelihood-based Jump Detection and Cosmic Ray Rejection for Detectors Read Out Up-the-Ramp", PASP 136,
045005 (2024).
"""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms._numba import inner_kernel

__all__ = ["THRESHOLD_ONE", "THRESHOLD_TWO", "Covariance", "RampScratch", "find_jumps", "solve"]

THRESHOLD_ONE = 20.25
"""Gain in chi squared that justifies leaving out one difference: 4.5 sigma."""
THRESHOLD_TWO = 23.8
"""Gain that justifies leaving out two, at the same rate of false alarms."""
_FEWEST = 2  # differences that must agree on the rate, before another is called the outlier
_FEWEST_TO_REPEAT = 4  # differences that are left, for the search to go on


class Covariance(NamedTuple):
    """Covariance of the scaled differences j = 0 ... n-1 of a read-out; variances per unit of photon and read noise.

    The photon noise is the count rate in DN/s over the gain, the read noise the variance of a single read in DN^2.
    """

    interval: np.ndarray
    """Time between the two resultants, s (n,)."""
    photon: np.ndarray
    """Variance by photon noise (n,)."""
    read: np.ndarray
    """Variance by read noise (n,)."""
    photon_next: np.ndarray
    """Covariance with the difference j + 1 by photon noise (n,)."""
    read_next: np.ndarray
    """Covariance with the difference j + 1 by read noise (n,)."""
    averaged: np.ndarray
    """Whether the resultant between the differences j and j + 1 averages several reads, bool (n,)."""


class RampScratch(NamedTuple):
    """Scratch of one ramp of n differences."""

    rates: np.ndarray
    """The differences, DN/s (n,)."""
    used: np.ndarray
    """Which of them count, bool (n,); the others must be finite."""
    pivot: np.ndarray
    """1 / p (n,)."""
    ratio: np.ndarray
    """Below the diagonal of L: covariance of j and j + 1 over p (n,)."""
    u: np.ndarray
    v: np.ndarray


@inner_kernel
def solve(covariance, photon, read, ramp):
    """
    Factorise the covariance and find the most likely rate.

    Parameters
    ----------
    covariance : Covariance
        Of the read-out.
    photon, read : float
        Count rate over gain, and variance of a read.
    ramp : RampScratch
        Differences; receives the factors.

    Returns
    -------
    rate, weight : float
        Rate (DN/s), and the inverse of its variance; NaN and 0 if no difference counts.
    """
    b, c = 0.0, 0.0
    ratio, u, v = 0.0, 0.0, 0.0
    beside = 0.0  # covariance with the difference before
    for j in range(ramp.rates.size):
        here = 1.0 if ramp.used[j] else 0.0
        diagonal = photon * covariance.photon[j] + read * covariance.read[j]
        pivot = 1.0 / (diagonal - beside * ratio * here)
        u = here * (ramp.rates[j] - ratio * u)
        v = here * (1.0 - ratio * v)
        beside = here * (photon * covariance.photon_next[j] + read * covariance.read_next[j])
        ratio = beside * pivot
        ramp.pivot[j], ramp.ratio[j], ramp.u[j], ramp.v[j] = pivot, ratio, u, v
        b += u * v * pivot
        c += v * v * pivot
    return b / c if c > 0 else np.nan, c


@inner_kernel
def _best_omission(covariance, ramp, rate, weight, left):
    """
    Find the difference, or the pair of neighbours, that is most worth leaving out.

    Returns
    -------
    first, number : int
        First difference to leave out, and how many: 0, 1 or 2.
    """
    best, first, number = 0.0, 0, 0
    variance_of_rate = 1 / weight
    x, y, inverse = 0.0, 0.0, 0.0  # solutions for d and 1, and diagonal of the inverse of C
    residual, variance, influence, after = 0.0, 0.0, 0.0, False  # of the difference after j
    for j in range(ramp.rates.size - 1, -1, -1):
        if not ramp.used[j]:
            x, y, inverse, after = 0.0, 0.0, 0.0, False
            continue
        pivot, ratio = ramp.pivot[j], ramp.ratio[j]
        beside = -ratio * inverse
        x = ramp.u[j] * pivot - ratio * x
        y = ramp.v[j] * pivot - ratio * y
        inverse = pivot + ratio * ratio * inverse
        s = x - rate * y
        m = inverse - y * y * variance_of_rate
        if s * s > (best + THRESHOLD_ONE) * m:
            best, first, number = s * s / m - THRESHOLD_ONE, j, 1
        if after and covariance.averaged[j] and left - 2 >= _FEWEST:
            both = beside - y * influence * variance_of_rate
            square = s * s * variance - 2 * s * residual * both + residual * residual * m
            determinant = m * variance - both * both
            if square > (best + THRESHOLD_TWO) * determinant:
                best, first, number = square / determinant - THRESHOLD_TWO, j, 2
        residual, variance, influence, after = s, m, y, True
    return first, number


@inner_kernel
def find_jumps(covariance, photon, read, ramp):
    """
    Leave out the differences that a jump has spoilt, the worst first.

    The rate is free in every comparison, so at least two differences must be left to agree on it.

    Parameters
    ----------
    covariance, photon, read, ramp
        As in `solve`; ``ramp.used`` is changed.

    Returns
    -------
    rate : float
        Rate of what is left, DN/s.
    jumps : int
        Number of differences left out.
    """
    left = 0
    for j in range(ramp.used.size):
        left += ramp.used[j]
    jumps = 0
    while True:
        rate, weight = solve(covariance, photon, read, ramp)
        if left - 1 < _FEWEST or (jumps > 0 and left < _FEWEST_TO_REPEAT):
            return rate, jumps
        first, number = _best_omission(covariance, ramp, rate, weight, left)
        if number == 0:
            return rate, jumps
        for j in range(first, first + number):
            ramp.used[j] = False
        left -= number
        jumps += number
