"""Saturation: find the groups in which a pixel is at the end of its range, or only part-way through the average.

A saturated pixel stays saturated until the reset, so that saturation in one integration is described by a single number
per pixel, the *first saturated group*. Growing the flags to neighbours in every group is then a running minimum of that
number, and one pass over the ramp is enough.
"""

import numpy as np

from jwcore.algorithms import dq, rows
from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.constant import constant
from jwcore.algorithms.readout import frame_numbers

__all__ = ["flag_saturated_groups", "thresholds", "zero_saturated_frames"]

NEVER_SATURATED = 65536.0
"""Threshold of pixels that are not checked, in DN: one more than the converter can give."""


def thresholds(level: np.ndarray, level_dq: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Prepare the saturation levels: pixels that cannot be checked get a level beyond the converter's range.

    Parameters
    ----------
    level : ndarray of float32, shape (ny, nx)
        Saturation level in DN, bias included.
    level_dq : ndarray of uint32, shape (ny, nx)
        Pixel flags of the reference.

    Returns
    -------
    level : ndarray of float32, shape (ny, nx)
    flags : ndarray of uint32, shape (ny, nx)
        Flags to add to the pixel flags of the exposure, NO_SAT_CHECK where the level is NaN included.
    """
    unchecked = np.isnan(level) | (level_dq & dq.NO_SAT_CHECK != 0)
    flags = np.where(unchecked, level_dq | np.uint32(dq.NO_SAT_CHECK), level_dq)
    return np.where(unchecked, np.float32(NEVER_SATURATED), level), flags


def flag_saturated_groups(
    data: np.ndarray,
    groupdq: np.ndarray,
    *,
    level: np.ndarray,
    bias: np.ndarray | None = None,
    grow: int = 1,
    nframes: int = 1,
    groupgap: int = 0,
    use_readpatt: bool = True,
    lines: np.ndarray | None = None,
) -> np.ndarray:
    r"""Flag saturation, the converter's floor and partly saturated averages in ``groupdq``, in place.

    1. From the first group with :math:`D_g \ge S` on, and in the box of ``2 grow + 1`` pixels around: SATURATED.
    2. :math:`D_g \le 0`: AD_FLOOR and DO_NOT_USE in that group.
    3. With ``use_readpatt``, in the group before the first saturated one: a mean of frames :math:`k` whose last frame
       must have reached saturation, :math:`D_g \ge S\,\bar k_g / \max k_g`, gets DO_NOT_USE, as do its neighbours.
    4. With ``use_readpatt``, for a pixel that saturates in the third group: DO_NOT_USE in the second group when the
       flux of the first one, :math:`(D_0 - b)\,\max k_2 / \bar k_0 + b < S`, cannot be the reason and the second
       holds at least one frame's share of a jump to saturation, :math:`D_1 - D_0 > (S - D_0) / n`.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Ramp in DN, bias included.
    groupdq : ndarray of uint8, same shape
        Group flags.
    level : ndarray of float32, shape (ny, nx)
        Saturation level S in DN, for the rows of the detector; see `thresholds`.
    bias : ndarray of float32, shape (ny, nx), optional
        Superbias b in DN (default 0); NaN counts as zero.
    grow : int
        Layers of neighbours that are flagged too.
    nframes, groupgap : int
        Frames n averaged into a group and dropped between groups.
    use_readpatt : bool
        Apply rules 3 and 4; they matter for averages only.
    lines : ndarray of int, shape (ny,), optional
        Rows of the ramp in which the ny rows of the detector are stored (default: all, one after the other). Others are
        left alone; see `jwcore.algorithms.irs2`.

    Returns
    -------
    saturated : ndarray of int64, shape (ny,)
        Number of pixels of each row with a saturated group, summed over integrations.
    """
    if lines is None:
        lines = np.arange(data.shape[2])
    frames = frame_numbers(ngroups=data.shape[1], nframes=nframes, groupgap=groupgap)
    last = frames[:, -1]
    partial = (frames.mean(axis=1) / last).astype(np.float32)
    check_third = use_readpatt and data.shape[1] > 2
    return _flag(
        data,
        groupdq,
        constant(level),
        constant(np.zeros_like(level) if bias is None else bias),
        grow,
        partial if use_readpatt and nframes > 1 else np.ones(data.shape[1], np.float32),
        np.float32(last[2] / frames[0].mean()) if check_third else np.float32(np.nan),
        nframes,
        lines,
    )


def zero_saturated_frames(frames: np.ndarray, *, level: np.ndarray, grow: int = 1) -> None:
    """Set saturated pixels, their neighbours and pixels at the converter's floor to zero, in place.

    Parameters
    ----------
    frames : ndarray of float32, shape (nints, ny, nx)
        First frame of every integration in DN; zero means "no value".
    level : ndarray of float32, shape (ny, nx)
        Saturation level in DN.
    grow : int
        Layers of neighbours that are zeroed too.
    """
    _zero(frames[:, None], constant(level), grow)


@parallel_kernel
def _flag(data, groupdq, level, bias, grow, partial, reach, nframes, lines):
    nints, ngroups, _, nx = data.shape
    ny = lines.size
    averaged = rows.smallest(partial) < 1
    first = np.empty((ny, nx), np.int16)
    partly = np.empty((ny if averaged else 0, nx), np.int16)
    saturated = np.zeros(ny, np.int64)
    for i in range(nints):
        for y in prange(ny):
            _first_saturated(data, level[y], i, lines[y], first[y])
            _flag_floor(data, groupdq, i, lines[y])
        for y in prange(ny):
            grown = np.empty(nx, np.int16)
            _box_minimum(first, y, grow, ngroups, grown)
            saturated[y] += _flag_from(groupdq, i, lines[y], grown)
            if averaged:
                _partly_saturated(data, groupdq, level[y], partial, i, lines[y], grown, partly[y])
            if not np.isnan(reach):
                _flag_second(data, groupdq, level[y], bias[y], i, lines[y], grown, reach, nframes)
        if averaged:
            for y in prange(ny):
                _flag_box(groupdq, i, y, lines[y], partly, grow)
    return saturated


@parallel_kernel
def _zero(frames, level, grow):
    nints, _, ny, nx = frames.shape
    first = np.empty((ny, nx), np.int16)
    for i in range(nints):
        for y in prange(ny):
            _first_saturated(frames, level[y], i, y, first[y])
        for y in prange(ny):
            grown = np.empty(nx, np.int16)
            _box_minimum(first, y, grow, 1, grown)
            row = frames[i, 0, y]
            for x in range(nx):
                value = row[x]
                row[x] = np.float32(0) if grown[x] == 0 or value <= 0 else value


@kernel
def _first_saturated(data, level, i, line, first):
    """Find the first group at or above the level for one row; ``ngroups`` where there is none."""
    ngroups, nx = data.shape[1], data.shape[3]
    group = np.empty(nx, np.float32)  # as wide as the data, so that both share vector lanes
    group[:] = ngroups
    for g in range(ngroups - 1, -1, -1):
        _set_where_reached(group, data[i, g, line], level, np.float32(g))
    for x in range(nx):
        first[x] = np.int16(group[x])


@kernel
def _set_where_reached(target, row, limit, value):
    for x in range(target.size):
        measured, before = row[x], target[x]
        target[x] = value if measured >= limit[x] else before


@kernel
def _flag_floor(data, groupdq, i, line):
    """Flag values at the converter's floor; the flags of rows without any, nearly all, are not even read."""
    lowest = np.empty(data.shape[3], np.float32)
    lowest[:] = np.inf
    for g in range(data.shape[1]):
        rows.lower(lowest, data[i, g, line])
    if rows.smallest(lowest) <= 0:
        for g in range(data.shape[1]):
            _flag_row(groupdq[i, g, line], data[i, g, line], np.float32(0), np.uint8(dq.AD_FLOOR | dq.DO_NOT_USE))


@kernel
def _flag_row(flags, row, limit, flag):
    """Set a flag where a row does not exceed the limit."""
    for x in range(flags.size):
        flags[x] |= flag if row[x] <= limit else np.uint8(0)


@kernel
def _box_minimum(first, y, grow, never, grown):
    """Take the minimum of ``first`` over a square box around every pixel of one row, cut at the edges."""
    ny, nx = first.shape
    lowest = np.empty(nx + 2 * grow, np.int16)
    lowest[:] = never
    for k in range(max(0, y - grow), min(ny, y + grow + 1)):
        rows.lower(lowest[grow : grow + nx], first[k])
    rows.copy(grown, lowest)
    for k in range(1, 2 * grow + 1):
        rows.lower(grown, lowest[k : k + nx])


@kernel
def _flag_from(groupdq, i, line, grown):
    """Flag one row from the first saturated group on and count its saturated pixels."""
    ngroups = groupdq.shape[1]
    for g in range(rows.smallest(grown), ngroups):
        _flag_row(groupdq[i, g, line], grown, np.int16(g), np.uint8(dq.SATURATED))
    count = 0
    for x in range(grown.size):
        count += grown[x] < ngroups
    return count


@kernel
def _partly_saturated(data, groupdq, level, partial, i, line, grown, partly):
    """Note, per pixel of one row, the group before saturation whose last frames must be saturated; -1 for none."""
    partly[:] = -1
    for x in np.flatnonzero(grown < data.shape[1]):
        g = grown[x] - 1
        if g >= 0 and partial[g] < 1 and level[x] < np.float32(NEVER_SATURATED):
            usable = groupdq[i, g, line, x] & np.uint8(dq.DO_NOT_USE) == 0
            if usable and data[i, g, line, x] >= partial[g] * level[x]:
                partly[x] = g


@kernel
def _flag_second(data, groupdq, level, bias, i, line, grown, reach, nframes):
    """Flag the second group of pixels that a jump in it, not their flux, drives into saturation in the third."""
    for x in np.flatnonzero(grown == 2):
        offset = bias[x]
        if np.isnan(offset):
            offset = np.float32(0)
        start = data[i, 0, line, x]
        predicted = (start - offset) * reach + offset
        step = (level[x] - start) / np.float32(nframes)
        if predicted < level[x] and data[i, 1, line, x] - start > step:
            groupdq[i, 1, line, x] |= np.uint8(dq.DO_NOT_USE)


@kernel
def _flag_box(groupdq, i, y, line, partly, grow):
    """Flag DO_NOT_USE around partly saturated pixels, in their group, as far as the box reaches into one row."""
    ny, nx = partly.shape
    for k in range(max(0, y - grow), min(ny, y + grow + 1)):
        for x in np.flatnonzero(partly[k] >= 0):
            for column in range(max(0, x - grow), min(nx, x + grow + 1)):
                groupdq[i, partly[k, x], line, column] |= np.uint8(dq.DO_NOT_USE)
