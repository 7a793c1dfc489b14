"""The likelihood fit for blocks of columns: the same sweeps for many ramps side by side, with packed instructions.

See `jwcore.algorithms.likelihood_ramp` for the formulas. A difference that does not count has the weight 0 in place of 1, so
that loops over columns need no branches; and they are short, for the compiler packs only loops over few arrays.
"""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms._numba import inner_kernel
from jwcore.algorithms.likelihood_ramp import THRESHOLD_ONE, THRESHOLD_TWO

__all__ = ["Block", "empty_block", "find_suspects", "rate_variances", "solve_columns"]

_TINY = 1e-150
_MARGIN = 1 - 1e-9  # covers rounding: what is left to the search of single ramps may be too much, never too little
_ONE, _TWO = THRESHOLD_ONE * _MARGIN, THRESHOLD_TWO * _MARGIN


class Block(NamedTuple):
    """A block of ramps of n differences; float64 arrays (n, columns), (n + 1, columns) or (columns,).

    Arrays of n + 1 have a row of zeros ahead of the first difference.
    """

    rates: np.ndarray
    """Differences, DN/s (n); finite."""
    used: np.ndarray
    """1 where they count, else 0 (n)."""
    pivot: np.ndarray
    """1 / p (n)."""
    ratio: np.ndarray
    """Below the diagonal of L: covariance of neighbours over p (n + 1)."""
    u: np.ndarray
    """Of (n + 1)."""
    v: np.ndarray
    """Of (n + 1)."""
    photon: np.ndarray
    """Count rate over gain."""
    read: np.ndarray
    """Variance of a read."""
    rate: np.ndarray
    """Most likely rate, DN/s; 0 where no difference counts."""
    weight: np.ndarray
    """The inverse of its variance; 0 there."""
    chi_squared: np.ndarray
    """Of the differences that count."""
    work: np.ndarray
    """Scratch (11, columns)."""


@inner_kernel
def empty_block(n, columns):
    """Allocate a block for ramps of n differences."""
    tables = np.zeros((6, n + 1, columns))
    lines = np.zeros((5, columns))
    return Block(
        tables[0, :n], tables[1, :n], tables[2, :n], tables[3], tables[4], tables[5],
        lines[0], lines[1], lines[2], lines[3], lines[4], np.zeros((11, columns)),
    )  # fmt: skip


@inner_kernel
def solve_columns(covariance, block, width):
    """
    Factorise the covariance of every ramp and find its most likely rate.

    Parameters
    ----------
    covariance : Covariance
        Of the read-out.
    block : Block
        Differences and noise; receives factors, rates, weights and chi squared.
    width : int
        Number of columns to work on.
    """
    photon, read, beside = block.photon, block.read, block.work[0]
    a, b, c = block.chi_squared, block.rate, block.weight
    a[:], b[:], c[:], beside[:] = 0, 0, 0, 0
    for j in range(covariance.interval.size):
        used, rates, pivot = block.used[j], block.rates[j], block.pivot[j]
        ratio_before, u_before, v_before = block.ratio[j], block.u[j], block.v[j]
        ratio, u, v = block.ratio[j + 1], block.u[j + 1], block.v[j + 1]
        photon_here, read_here = covariance.photon[j], covariance.read[j]
        photon_next, read_next = covariance.photon_next[j], covariance.read_next[j]
        for column in range(width):
            pivot[column] = photon[column] * photon_here + read[column] * read_here
        for column in range(width):
            pivot[column] = 1.0 / (pivot[column] - beside[column] * ratio_before[column] * used[column])
        for column in range(width):
            u[column] = used[column] * (rates[column] - ratio_before[column] * u_before[column])
        for column in range(width):
            v[column] = used[column] * (1.0 - ratio_before[column] * v_before[column])
        for column in range(width):
            beside[column] = used[column] * (photon[column] * photon_next + read[column] * read_next)
        for column in range(width):
            ratio[column] = beside[column] * pivot[column]
        for column in range(width):
            a[column] += u[column] * u[column] * pivot[column]
        for column in range(width):
            b[column] += u[column] * v[column] * pivot[column]
        for column in range(width):
            c[column] += v[column] * v[column] * pivot[column]
    for column in range(width):
        mixed = b[column]
        b[column] = mixed / max(c[column], _TINY)
        a[column] -= mixed * b[column]


@inner_kernel
def _inverse_row(block, j, width, x, y, inverse, beside, influence):
    """Go from the difference j + 1 to j: solutions x and y for the differences and for 1, and elements of the inverse."""
    used, pivot, ratio, u, v = block.used[j], block.pivot[j], block.ratio[j + 1], block.u[j + 1], block.v[j + 1]
    for column in range(width):
        beside[column] = -used[column] * ratio[column] * inverse[column]
    for column in range(width):
        inverse[column] = used[column] * (pivot[column] + ratio[column] * ratio[column] * inverse[column])
    for column in range(width):
        x[column] = used[column] * (u[column] * pivot[column] - ratio[column] * x[column])
    for column in range(width):
        influence[column] = y[column]
    for column in range(width):
        y[column] = used[column] * (v[column] * pivot[column] - ratio[column] * y[column])


@inner_kernel
def find_suspects(covariance, block, width, suspect):
    """
    Mark the ramps in which leaving out one difference, or two neighbours, may be justified.

    Parameters
    ----------
    covariance, block, width
        As in `solve_columns`, which has been called.
    suspect : ndarray of bool, shape (>= width,)
        Receives the marks.
    """
    work, rate = block.work, block.rate
    work[:] = 0
    x, y, inverse, beside, influence = work[0], work[1], work[2], work[3], work[4]
    s, m, s_after, m_after, excess, variance_of_rate = work[5], work[6], work[7], work[8], work[9], work[10]
    for column in range(width):
        variance_of_rate[column] = 1.0 / max(block.weight[column], _TINY)
    for j in range(covariance.interval.size - 1, -1, -1):
        _inverse_row(block, j, width, x, y, inverse, beside, influence)
        for column in range(width):
            s_after[column], m_after[column] = s[column], m[column]
        for column in range(width):
            s[column] = x[column] - rate[column] * y[column]
        for column in range(width):
            m[column] = inverse[column] - y[column] * y[column] * variance_of_rate[column]
        for column in range(width):
            excess[column] = max(excess[column], s[column] * s[column] - _ONE * m[column])
        if not covariance.averaged[j]:
            continue
        for column in range(width):
            beside[column] -= y[column] * influence[column] * variance_of_rate[column]
        for column in range(width):
            here, after, link = s[column], s_after[column], beside[column]
            square = here * here * m_after[column] + after * after * m[column] - 2 * here * after * link
            excess[column] = max(excess[column], square - _TWO * (m[column] * m_after[column] - link * link))
    for column in range(width):
        suspect[column] = excess[column] > 0


@inner_kernel
def rate_variances(covariance, block, width, photon_variance, read_variance):
    """
    Split the variance of the rates into those by photon noise and by read noise.

    Parameters
    ----------
    covariance, block, width
        As in `solve_columns`, which has been called.
    photon_variance : ndarray of float64, shape (>= width,)
        Receives the variance for a count rate over gain of 1.
    read_variance : ndarray of float64, shape (>= width,)
        Receives the variance for a variance of 1 of a read.
    """
    share = block.work[0]
    share[:], photon_variance[:], read_variance[:] = 0, 0, 0
    for j in range(covariance.interval.size - 1, -1, -1):
        used, pivot, ratio, v = block.used[j], block.pivot[j], block.ratio[j + 1], block.v[j + 1]
        photon, read = covariance.photon[j], covariance.read[j]
        photon_next, read_next = 2 * covariance.photon_next[j], 2 * covariance.read_next[j]
        for column in range(width):
            after = share[column]
            own = used[column] * (v[column] * pivot[column] - ratio[column] * after)
            photon_variance[column] += own * (own * photon + after * photon_next)
            read_variance[column] += own * (own * read + after * read_next)
            share[column] = own
    for column in range(width):
        inverse = 1.0 / max(block.weight[column], _TINY)
        photon_variance[column] *= inverse * inverse
        read_variance[column] *= inverse * inverse
