"""Subtraction of reference frames from ramps, shared by the bias and dark corrections."""

import numpy as np

from jwcore.algorithms import rows
from jwcore.algorithms._numba import parallel_kernel, prange

__all__ = ["add_scaled", "subtract_from_nonzero", "subtract_plane"]


@parallel_kernel
def subtract_plane(data, plane, start, stop):
    """Subtract one frame from groups ``start`` to ``stop - 1`` of every integration, in place.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Ramp in DN.
    plane : ndarray of float32, shape (ny, nx)
        Frame in DN; NaN counts as zero.
    start, stop : int
        Range of groups.
    """
    for y in prange(plane.shape[0]):
        for i in range(data.shape[0]):
            for g in range(start, stop):
                rows.add_scaled_known(data[i, g, y], plane[y], np.float32(-1))


@parallel_kernel
def subtract_from_nonzero(frames, plane):
    """Subtract one frame from images in which exactly zero means "no value", in place; zeros stay.

    Parameters
    ----------
    frames : ndarray of float32, shape (nints, ny, nx)
        Zero frames in DN.
    plane : ndarray of float32, shape (ny, nx)
        Frame in DN; NaN counts as zero.
    """
    ny, nx = plane.shape
    for y in prange(ny):
        for i in range(frames.shape[0]):
            row = frames[i, y]
            for x in range(nx):
                value = plane[y, x]
                if row[x] != 0 and not np.isnan(value):
                    row[x] -= value


@parallel_kernel
def add_scaled(total, plane, weight):
    """Add ``weight * plane`` to ``total`` in place; both float32 (ny, nx), NaN in ``plane`` counts as zero."""
    for y in prange(plane.shape[0]):
        rows.add_scaled_known(total[y], plane[y], np.float32(weight))
