"""Kernels that follow jump detection: flags for the neighbours of a jump and for the groups after a bright one.

Shapes and units as in `jwcore.algorithms.jump_detection`. ``spread`` holds one bit for every group but the first: bit
``j % 8`` of ``spread[integration, j // 8, y, x]`` says that the jump in group ``j + 1`` is handed on to the pixel's
neighbours.
"""

import numpy as np

from jwcore.algorithms._numba import inner_kernel, kernel
from jwcore.algorithms.dq import JUMP_DET
from jwcore.algorithms.jump_detection import UNUSABLE, block_medians, load_differences
from jwcore.algorithms.medians import select_median

__all__ = ["flag_after_jumps", "flag_neighbours", "mark_spreading_jumps"]

_JUMP = np.uint8(JUMP_DET)
_SPARSE = 64  # one pixel takes about as long as so many in a block


@inner_kernel
def _find_jumps(groupdq, row, found):
    """Drop the jump flags of unusable groups, mark the columns that have a jump in any other group, and count the jumps."""
    nints, ngroups, _, nx = groupdq.shape
    found[:] = 0
    count = 0
    for integration in range(nints):
        for group in range(ngroups):
            flags = groupdq[integration, group, row]
            for column in range(nx):
                jump = flags[column] & _JUMP
                if flags[column] & UNUSABLE and jump:
                    flags[column] ^= _JUMP
                    jump = np.uint8(0)
                found[column] |= jump
                count += jump != 0
    return count


@inner_kernel
def _pixel_median(differences, scratch):
    """Median of the usable differences of one pixel."""
    n = np.int64(0)
    for pair in range(differences.shape[0]):
        if abs(differences[pair, 0]) < np.inf:
            scratch[n] = differences[pair, 0]
            n += 1
    return select_median(scratch, n)


@inner_kernel
def _mark_pixel(groupdq, pairs, limits, spread, row, column, differences, index, median, variance):
    """Mark the jumps of one pixel, whose differences are in a column of a block, that are handed on."""
    sigma = np.sqrt(abs(median) + variance)
    for pair in range(pairs.shape[0]):
        integration, group = pairs[pair, 0], pairs[pair, 1]
        if groupdq[integration, group + 1, row, column] & _JUMP:
            ratio = abs(differences[pair, index] - median) / sigma
            if limits[0] < ratio < limits[1]:
                spread[integration, group // 8, row, column] |= np.uint8(1 << (group % 8))


@kernel
def mark_spreading_jumps(first, last, ramp, groupdq, gain, variance, pairs, network, block, limits, spread, jumps):
    """
    Drop the jumps of unusable groups, count the others and mark those whose ratio lies between two limits.

    The ratio is abs(d - m) / sqrt(abs(m) + variance), with the median difference m of the pixel. Where many pixels of a
    block of columns have jumps their medians are found together, otherwise one by one.

    Parameters
    ----------
    first, last : int
        Range of rows to work on.
    ramp, groupdq, gain, variance, pairs : ndarray
        As for `detect_iterative`.
    network : ndarray
        Comparators of `median_network` for ``len(pairs)`` samples.
    block : int
        Number of columns handled together.
    limits : ndarray of float32, shape (2,)
        Smallest and largest ratio that is handed on, in sigma.
    spread : ndarray of uint8, shape (nints, ceil((ngroups - 1) / 8), ny, nx)
        Receives the marks; see the module's head.
    jumps : ndarray of int64, shape (ny,)
        Receives the number of groups flagged JUMP_DET in each row.
    """
    n, nx = pairs.shape[0], ramp.shape[3]
    found = np.empty(nx, np.uint8)
    one = np.empty((n, 1), np.float32)
    scratch = np.empty(n, np.float32)
    many = np.empty((n, block), np.float32)
    work = np.empty((n, block), np.float32)
    unusable = np.empty(block, np.int32)
    medians = np.empty(block, np.float32)
    for row in range(first, last):
        jumps[row] = _find_jumps(groupdq, row, found)
        for start in range(0, nx, block):
            width = min(block, nx - start)
            hit = 0
            for column in range(start, start + width):
                hit += found[column] != 0
            together = hit * _SPARSE > width
            if together:
                load_differences(ramp, groupdq, gain, pairs, row, start, width, UNUSABLE, many)
                block_medians(many, network, width, work, unusable, medians)
            for index in range(width if hit else 0):
                column = start + index
                if not found[column]:
                    continue
                noise = variance[row, column]
                if together:
                    _mark_pixel(groupdq, pairs, limits, spread, row, column, many, index, medians[index], noise)
                else:
                    load_differences(ramp, groupdq, gain, pairs, row, column, one.shape[1], UNUSABLE, one)
                    median = _pixel_median(one, scratch)
                    _mark_pixel(groupdq, pairs, limits, spread, row, column, one, 0, median, noise)


@kernel
def flag_neighbours(first, last, groupdq, spread):
    """
    Flag the four neighbours of the marked jumps in the same group, where they are usable.

    Parameters
    ----------
    first, last : int
        Range of rows to work on; the neighbours of a row are read, not changed.
    groupdq : ndarray of uint8, shape (nints, ngroups, ny, nx)
        Group flags; JUMP_DET is set.
    spread : ndarray of uint8
        Marks of `mark_spreading_jumps`.
    """
    nints, ngroups, ny, nx = groupdq.shape
    received = np.empty(nx, np.uint8)
    for row in range(first, last):
        for integration in range(nints):
            for byte in range(spread.shape[1]):
                own = spread[integration, byte, row]
                # at the edges the row or column itself, whose jumps are flagged already
                above = spread[integration, byte, min(row + 1, ny - 1)]
                below = spread[integration, byte, max(row - 1, 0)]
                anything = np.uint8(0)
                for column in range(nx):
                    beside = own[max(column - 1, 0)] | own[min(column + 1, nx - 1)]
                    received[column] = beside | above[column] | below[column]
                    anything |= received[column]
                if anything == 0:
                    continue
                for group in range(8 * byte, min(8 * byte + 8, ngroups - 1)):
                    flags = groupdq[integration, group + 1, row]
                    bit = np.uint8(1 << (group - 8 * byte))
                    for column in range(nx):
                        if received[column] & bit and flags[column] & UNUSABLE == 0:
                            flags[column] |= _JUMP


@kernel
def flag_after_jumps(first, last, ramp, groupdq, gain, pairs, heights, lengths):
    """
    Flag the groups that follow a bright jump, where they are usable.

    Parameters
    ----------
    first, last : int
        Range of rows to work on.
    ramp, groupdq, gain, pairs : ndarray
        As for `detect_iterative`; pairs in order of groups within each integration.
    heights : ndarray of float32
        Least height of a jump above the median difference, DN.
    lengths : ndarray of int
        Number of groups to flag after a jump of that height.
    """
    ngroups, nx = ramp.shape[1], ramp.shape[3]
    found = np.empty(nx, np.uint8)
    differences = np.empty((pairs.shape[0], 1), np.float32)
    scratch = np.empty(pairs.shape[0], np.float32)
    for row in range(first, last):
        _find_jumps(groupdq, row, found)
        for column in range(nx):
            if not found[column]:
                continue
            load_differences(ramp, groupdq, gain, pairs, row, column, differences.shape[1], UNUSABLE, differences)
            median = _pixel_median(differences, scratch)
            for pair in range(pairs.shape[0] - 1, -1, -1):  # backwards: flags that are set here start nothing
                integration, jump = pairs[pair, 0], pairs[pair, 1] + 1
                if groupdq[integration, jump, row, column] & _JUMP == 0:
                    continue
                height = (differences[pair, 0] - median) / gain[row, column]
                for kind in range(heights.size):
                    end = min(jump + lengths[kind], ngroups - 1) + 1 if height >= heights[kind] else 0
                    for group in range(jump + 1, end):
                        if groupdq[integration, group, row, column] & UNUSABLE == 0:
                            groupdq[integration, group, row, column] |= _JUMP
