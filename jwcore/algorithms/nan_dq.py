"""Keeping NaN and DO_NOT_USE in step: a calibrated pixel is bad in all of its planes or in none."""

import warnings
from collections.abc import Sequence

import numpy as np

from jwcore.algorithms import dq as flags
from jwcore.algorithms._numba import parallel_kernel, prange

MAX_VARIANCES = 3
"""Photon noise, read noise, flat field."""


def match_nans_and_flags(
    data: np.ndarray, dq: np.ndarray, *, err: np.ndarray | None = None, variances: Sequence[np.ndarray | None] = ()
) -> int:
    """Flag pixels that are NaN in any plane as DO_NOT_USE, and set DO_NOT_USE pixels to NaN in all planes.

    Works in place, in one pass over C-contiguous arrays.

    Parameters
    ----------
    data : ndarray of float32
        Science, any shape.
    dq : ndarray of uint32
        Flags, shape of `data`.
    err : ndarray of float32, optional
        Error; an array whose shape is not that of `data` is left alone with a warning.
    variances : sequence of ndarray of float32 or None
        At most three; None stands for an absent one.

    Returns
    -------
    int
        Number of pixels that are DO_NOT_USE afterwards.
    """
    if len(variances) > MAX_VARIANCES:
        raise ValueError(f"at most {MAX_VARIANCES} variances, got {len(variances)}")
    planes = [data]
    for name, plane in zip(("err", "variance 1", "variance 2", "variance 3"), (err, *variances), strict=False):
        if plane is not None and plane.shape != data.shape:
            warnings.warn(f"{name} has shape {plane.shape}, not {data.shape}; its NaN are not matched", stacklevel=2)
        elif plane is not None:
            planes.append(plane)
    planes += [data] * (MAX_VARIANCES + 2 - len(planes))  # repeating the science changes nothing: one signature
    if not all(plane.flags.c_contiguous for plane in (*planes, dq)):
        raise ValueError("the arrays must be C-contiguous to be edited in place")
    rows = [plane.reshape(-1, data.shape[-1]) for plane in planes]
    return int(_match(rows[0], rows[1], rows[2], rows[3], rows[4], dq.reshape(rows[0].shape)))


@parallel_kernel
def _match(data, err, first, second, third, dq):
    """Match the planes row by row; see `match_nans_and_flags`."""
    total = 0
    for y in prange(data.shape[0]):
        bad = 0
        for x in range(data.shape[1]):
            nan = np.isnan(data[y, x]) or np.isnan(err[y, x]) or np.isnan(first[y, x])
            if nan or np.isnan(second[y, x]) or np.isnan(third[y, x]) or dq[y, x] & np.uint32(flags.DO_NOT_USE):
                dq[y, x] |= np.uint32(flags.DO_NOT_USE)
                data[y, x] = np.nan
                err[y, x] = np.nan
                first[y, x] = np.nan
                second[y, x] = np.nan
                third[y, x] = np.nan
                bad += 1
        total += bad
    return total
