"""Interleaved reference pixels: find the bad ones, replace them, and subtract their mean levels."""

from collections.abc import Iterable

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.irs2 import BEFORE, BETWEEN, BLOCK, LENGTH, OUTPUTS, REFERENCE, SECTION, Irs2Layout
from jwcore.algorithms.refpix import clipped_means, subtract_profiles
from jwcore.algorithms.sorted_sample import SortedSample

__all__ = ["listed_lines", "noisy_lines", "replace_lines", "subtract_edge_means"]

EDGE = 4
"""Reference rows at the start and the end of the detector."""


def noisy_lines(
    data: np.ndarray, *, layout: Irs2Layout, limit: float, known: np.ndarray | tuple[()] = ()
) -> np.ndarray:
    """Find reference pixels that differ from the others.

    Four references between two blocks are two pairs. Over the groups and columns of an integration, a pair has a mean
    difference ``|p1 - p0|``, a mean, and a standard deviation. Among the 64 pairs of a section, those are bad for which one
    of the three exceeds the clipped mean of all by more than ``limit`` clipped standard deviations.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, 3200, nx)
        Ramp in DN.
    layout : Irs2Layout
        Where references are stored.
    limit : float
        Standard deviations, for clipping and for the result.
    known : ndarray of int
        Stored lines that are known to be bad: others are not measured by them.

    Returns
    -------
    lines : ndarray of int64
        Stored lines of pixels that are bad in some integration, or known to be.
    """
    lines = np.sort(layout.reference_lines.ravel()).reshape(OUTPUTS, -1)
    bad = np.isin(lines, known)
    left_out = bad.reshape(OUTPUTS, -1, 2).any(axis=2)
    for groups in data:
        values = _pair_statistics(groups, lines.reshape(-1, 2)).reshape(3, OUTPUTS, -1)
        values[:, left_out] = np.nan
        for kind, section in np.ndindex(values.shape[:2]):
            clipped = SortedSample(values[kind, section].astype(np.float32)).clipped(limit)
            bad[section] |= np.repeat(values[kind, section] > clipped.mean + limit * clipped.std, 2)
    return lines[bad]


def listed_lines(rows: Iterable[tuple[int, int, int]], *, layout: Irs2Layout) -> np.ndarray:
    """Give the stored lines of reference pixels that a list names.

    Parameters
    ----------
    rows : iterable of tuple of int
        Output (1 to 4), 1 for odd or 2 for even pairs, and a mask whose bit k stands for block k.
    layout : Irs2Layout
        Where references are stored.

    Returns
    -------
    lines : ndarray of int64
    """
    samples: list[int] = []
    for output, parity, mask in rows:
        pair = parity - 1 if output % 2 else 2 - parity  # even outputs are read in the opposite direction
        first = output * SECTION + BEFORE + 2 * pair
        samples += [first + BLOCK * k + place for k in range(SECTION // BLOCK) if mask >> k & 1 for place in (0, 1)]
    return np.sort(layout.lines(np.array(samples, np.int64)))


def replace_lines(data: np.ndarray, bad: np.ndarray, *, replaced: np.ndarray | tuple[()] = ()) -> None:
    """Replace bad reference pixels of every group by good ones of the same parity nearby, in place.

    That is the mean of the corresponding pixels one block below and above, in the same section, or the one of them that is
    good; else the other pixel of the same parity between the same blocks; else zero.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, 3200, nx)
        Ramp in DN.
    bad : ndarray of int
        Stored lines of bad reference pixels.
    replaced : ndarray of int
        Those of other bad ones, which have been replaced already: they stay, and stand in for no other.
    """
    is_bad = np.zeros(LENGTH, bool)
    is_bad[np.union1d(bad, replaced).astype(int)] = True
    for line in np.setdiff1d(bad, replaced):
        sources = _sources(int(line), is_bad)
        data[:, :, line] = np.float32(sum(data[:, :, source] for source in sources)) / np.float32(max(1, len(sources)))


def subtract_edge_means(
    groups: np.ndarray, bad: np.ndarray, *, layout: Irs2Layout, odd_even: bool = True, siglimit: float = 3.0
) -> None:
    """Subtract the mean of the reference rows at both ends of the detector, for each section, in place.

    Odd and even samples are treated apart, where the first two of four references count as one parity and the last two as
    the other. A section in which one of them has no usable pixel stays.

    Parameters
    ----------
    groups : ndarray of float32, shape (ngroups, 3200, nx)
        Groups of one integration in DN.
    bad : ndarray of bool, shape (3200, nx)
        Pixels that must not be used.
    layout : Irs2Layout
        Where samples are stored.
    odd_even : bool
        Treat odd and even samples apart.
    siglimit : float
        Clipping limit of the means, in standard deviations.
    """
    parity = np.arange(SECTION) % 2
    parity[REFERENCE] = np.arange(REFERENCE.size) % BETWEEN // 2
    sets = [np.flatnonzero(parity == p) for p in (0, 1)] if odd_even else [np.arange(SECTION)]
    offsets = np.zeros(groups.shape[:2], np.float32)
    for output in range(OUTPUTS):
        lines = [layout.lines(output * SECTION + members) for members in sets]
        means = np.stack([_edge_means(groups, bad, members, siglimit) for members in lines])
        if np.isfinite(means).all():
            for members, mean in zip(lines, means, strict=True):
                offsets[:, members] = mean[:, None]
    subtract_profiles(groups, offsets[:, None], np.zeros((len(groups), 1, groups.shape[2]), np.float32))


def _edge_means(groups: np.ndarray, bad: np.ndarray, lines: np.ndarray, siglimit: float) -> np.ndarray:
    """Average the reference rows at both ends, (ngroups,); NaN where there is no usable pixel."""
    ends = []
    for columns in (slice(0, EDGE), slice(-EDGE, None)):
        samples = np.where(bad[lines, columns], np.float32(np.nan), groups[:, lines, columns])
        ends.append(clipped_means(samples.reshape(len(groups), -1), siglimit))
    first, last = ends
    return np.where(np.isnan(first), last, np.where(np.isnan(last), first, np.float32(0.5) * (first + last)))


def _sources(line: int, bad: np.ndarray) -> list[int]:
    """Name the good reference pixels that stand in for a bad one."""
    section = line // SECTION
    periodic = [n for n in (line - BLOCK, line + BLOCK) if 0 <= n < LENGTH and n // SECTION == section and not bad[n]]
    if periodic:
        return periodic
    place = line % BLOCK - BEFORE
    partner = line - 2 if place >= 2 else line + 2
    return [] if bad[partner] else [partner]


def _pair_statistics(groups: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Give mean difference, mean and standard deviation, float64 (3, npairs), of pairs of lines (npairs, 2)."""
    difference, total, squares = _pair_sums(groups, np.ascontiguousarray(pairs), _pivots(groups, pairs))
    number = groups.shape[0] * groups.shape[2]
    mean = total / (2 * number)
    spread = np.sqrt(np.maximum(squares / (2 * number) - mean**2, 0.0))
    return np.stack([difference / number, mean + _pivots(groups, pairs), spread])


def _pivots(groups: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Give some value of each pair, about which sums of squares do not cancel."""
    return groups[0, pairs[:, 0], 0].astype(np.float64)


@parallel_kernel
def _pair_sums(groups, pairs, pivots):
    difference, total, squares = np.zeros(len(pairs)), np.zeros(len(pairs)), np.zeros(len(pairs))
    for n in prange(len(pairs)):
        for g in range(groups.shape[0]):
            sums = _sums_of_rows(groups[g, pairs[n, 0]], groups[g, pairs[n, 1]], pivots[n])
            difference[n] += sums[0]
            total[n] += sums[1]
            squares[n] += sums[2]
    return difference, total, squares


@kernel
def _sums_of_rows(first, second, pivot):
    difference = total = squares = 0.0
    for x in range(first.size):
        a, b = first[x] - pivot, second[x] - pivot
        difference += abs(b - a)
        total += a + b
        squares += a * a + b * b
    return difference, total, squares
