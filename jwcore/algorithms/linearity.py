"""Linearity: turn measured counts into counts of an ideal detector, by one polynomial per pixel.

Averaged groups are not on the polynomial: the mean of corrected frames is not the correction of their mean. Where the
reference gives the inverse polynomial too, the frames inside a group are rebuilt from the slope of the ramp, corrected
one by one and averaged again.
"""

import numpy as np

from jwcore.algorithms import dq, rows
from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.constant import constant
from jwcore.algorithms.readout import frame_numbers

__all__ = ["correct_frames", "correct_groups", "correct_reads"]


def correct_groups(data: np.ndarray, groupdq: np.ndarray, *, coefficients: np.ndarray, flags: np.ndarray) -> None:
    r"""Apply the polynomial :math:`D' = \sum_k c_k D^k` to every group that is not saturated, in place.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Ramp in DN.
    groupdq : ndarray of uint8, same shape
        Group flags; saturated groups keep their value.
    coefficients : ndarray of float32, shape (ncoefficients, ny, nx)
        Coefficients, constant term first.
    flags : ndarray of uint32, shape (ny, nx)
        Pixel flags of the reference. Pixels with NO_LIN_CORR keep their values; pixels with a coefficient that is NaN
        or a linear one that is 0 do so too and get that flag here.
    """
    _check(coefficients)
    _groups(data, groupdq, constant(coefficients), flags)


def correct_frames(frames: np.ndarray, *, coefficients: np.ndarray, flags: np.ndarray) -> None:
    """Apply the polynomial to zero frames float32 (nints, ny, nx), in place; zero means "no value" and stays."""
    missing = np.where(frames == 0, np.uint8(dq.SATURATED), np.uint8(0))
    correct_groups(frames[:, None], missing[:, None], coefficients=coefficients, flags=flags)


def correct_reads(
    data: np.ndarray,
    groupdq: np.ndarray,
    *,
    coefficients: np.ndarray,
    inverse: np.ndarray,
    flags: np.ndarray,
    nframes: int,
    groupgap: int,
) -> None:
    r"""Correct the frames inside every averaged group and average them again, in place.

    With P the polynomial, Q its inverse and frame numbers k (group means m), the slope of the corrected ramp is
    :math:`r = (P(D_L) - P(D_0)) / (m_L - m_0)`, L being the last group but one before saturation. The frames of group g
    are :math:`u_k = Q(P(D_0) + r (k - m_0))`, shifted so that their mean is :math:`D_g`; the result is the mean of
    :math:`P(u_k)`. An integration of one group has no slope and gets the plain polynomial.

    Parameters
    ----------
    data, groupdq, coefficients, flags
        As in `correct_groups`.
    inverse : ndarray of float32, shape (ninverse, ny, nx)
        Coefficients of the inverse polynomial, constant term first; a pixel with NaN gets straight frames.
    nframes, groupgap : int
        Frames averaged into a group and dropped between groups.
    """
    _check(coefficients)
    _check(inverse)
    if data.shape[1] == 1:
        _groups(data, groupdq, constant(coefficients), flags)
        return
    frames = frame_numbers(ngroups=data.shape[1], nframes=nframes, groupgap=groupgap)
    elapsed = (frames - frames[0].mean()).astype(np.float32)
    _reads(data, groupdq, constant(coefficients), constant(inverse), flags, elapsed)


def _check(coefficients: np.ndarray) -> None:
    if coefficients.ndim != 3 or coefficients.shape[0] < 2:
        raise ValueError(
            f"linearity coefficients of shape {coefficients.shape}: at least a constant and a linear plane are needed"
        )


@parallel_kernel
def _groups(data, groupdq, coefficients, flags):
    nints, ngroups, ny, nx = data.shape
    for y in prange(ny):
        forward = np.empty((coefficients.shape[0], nx), np.float32)
        _usable_coefficients(coefficients, y, flags[y], forward)
        linear = np.empty(nx, np.float32)
        for i in range(nints):
            for g in range(ngroups):
                row = data[i, g, y]
                _polynomial(forward, row, linear)
                _keep_saturated(linear, groupdq[i, g, y], row)


@parallel_kernel
def _reads(data, groupdq, coefficients, inverse, flags, elapsed):
    nints, ngroups, ny, nx = data.shape
    for y in prange(ny):
        forward = np.empty((coefficients.shape[0], nx), np.float32)
        backward = np.empty((inverse.shape[0], nx), np.float32)
        _usable_coefficients(coefficients, y, flags[y], forward)
        _usable_inverse(inverse, y, backward)
        start = np.empty(nx, np.float32)
        slope = np.empty(nx, np.float32)
        for i in range(nints):
            _linear_ramp(data, groupdq, i, y, forward, elapsed, start, slope)
            for g in range(ngroups):
                _correct_average(forward, backward, start, slope, elapsed[g], groupdq[i, g, y], data[i, g, y])


@kernel
def _usable_coefficients(coefficients, y, flags, forward):
    """Copy one row of coefficients; pixels without a valid correction get the identity and the flag NO_LIN_CORR."""
    order, nx = forward.shape
    for k in range(order):
        rows.copy(forward[k], coefficients[k, y])
    for x in range(nx):
        broken = forward[1, x] == 0
        for k in range(order):
            broken |= forward[k, x] != forward[k, x]
        if broken:
            flags[x] |= np.uint32(dq.NO_LIN_CORR)
        if flags[x] & np.uint32(dq.NO_LIN_CORR) != 0:
            _identity(forward, x)


@kernel
def _usable_inverse(inverse, y, backward):
    """Copy one row of inverse coefficients; pixels with NaN get the identity."""
    for k in range(backward.shape[0]):
        rows.copy(backward[k], inverse[k, y])
    for x in range(backward.shape[1]):
        for k in range(backward.shape[0]):
            if np.isnan(backward[k, x]):
                _identity(backward, x)


@kernel
def _identity(coefficients, x):
    coefficients[:, x] = 0
    coefficients[1, x] = 1


@kernel
def _linear_ramp(data, groupdq, i, y, forward, elapsed, start, slope):
    """Find, per pixel of one row, the corrected first group and the corrected slope in DN per frame."""
    ngroups, nx = data.shape[1], data.shape[3]
    unsaturated = np.zeros(nx, np.int16)
    for g in range(ngroups):
        _count_unsaturated(unsaturated, groupdq[i, g, y])
    measured = np.empty(nx, np.float32)
    flags = np.empty(nx, np.uint8)
    duration = np.empty(nx, np.float32)
    for x in range(nx):
        end = max(2, unsaturated[x] - 1) - 1
        measured[x] = data[i, end, y, x]
        flags[x] = groupdq[i, end, y, x]
        duration[x] = elapsed[end, 0] - elapsed[0, 0]
    stop = np.empty(nx, np.float32)
    _corrected(forward, measured, flags, stop)
    _corrected(forward, data[i, 0, y], groupdq[i, 0, y], start)
    for x in range(nx):
        slope[x] = (stop[x] - start[x]) / duration[x]


@kernel
def _corrected(forward, measured, flags, result):
    """Apply the polynomial to one row, except where it is saturated."""
    linear = np.empty(measured.size, np.float32)
    _polynomial(forward, measured, linear)
    rows.copy(result, measured)
    _keep_saturated(linear, flags, result)


@kernel
def _correct_average(forward, backward, start, slope, elapsed, flags, row):
    """Rebuild the frames of one averaged group, shift them to its mean, correct them and average again."""
    nframes, nx = elapsed.size, row.size
    reads = np.empty((nframes, nx), np.float32)
    linear = np.empty(nx, np.float32)
    shift = row.copy()
    share = np.float32(1 / nframes)
    for k in range(nframes):
        rows.copy(linear, start)
        rows.add_scaled(linear, slope, elapsed[k])
        _polynomial(backward, linear, reads[k])
        rows.add_scaled(shift, reads[k], -share)
    mean = np.zeros(nx, np.float32)
    for k in range(nframes):
        rows.add_scaled(reads[k], shift, np.float32(1))
        _polynomial(forward, reads[k], linear)
        rows.add_scaled(mean, linear, share)
    _keep_saturated(mean, flags, row)


@kernel
def _polynomial(coefficients, values, result):
    """Evaluate one polynomial per column by Horner's rule; ``result`` must not be ``values``."""
    order = coefficients.shape[0]
    rows.copy(result, coefficients[order - 1])
    for k in range(order - 2, -1, -1):
        _horner(result, values, coefficients[k])


@kernel
def _horner(result, values, term):
    for x in range(result.size):
        result[x] = result[x] * values[x] + term[x]


@kernel
def _count_unsaturated(count, flags):
    for x in range(count.size):
        count[x] += np.int16(1) if flags[x] & np.uint8(dq.SATURATED) == 0 else np.int16(0)


@kernel
def _keep_saturated(linear, flags, row):
    for x in range(row.size):
        measured, corrected = row[x], linear[x]  # both loaded, so that the choice is a vector select
        row[x] = measured if flags[x] & np.uint8(dq.SATURATED) else corrected
