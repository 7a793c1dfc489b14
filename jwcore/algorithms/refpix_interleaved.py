"""Reference pixels of detectors whose amplifiers are interleaved: amplifier k reads every fourth column, from column k."""

import numpy as np

from jwcore.algorithms import rows
from jwcore.algorithms._numba import parallel_kernel, prange
from jwcore.algorithms.refpix import clipped_means

__all__ = ["correct_interleaved"]


def correct_interleaved(
    data: np.ndarray, bad: np.ndarray, *, amplifiers: int = 4, odd_even_rows: bool = True, siglimit: float = 3.0
) -> None:
    """Correct the groups of one integration for the drifts since its first group, in place.

    For each amplifier, and for even and odd rows apart, the change of the reference pixels since the first group is
    averaged with clipping on the left and on the right; the mean of the two sides is subtracted from all pixels of the
    amplifier. Where one side has no usable pixel the other one counts; where neither has, the pixels stay.

    Parameters
    ----------
    data : ndarray of float32, shape (ngroups, ny, nx)
        Full frames in DN; the first and the last columns, one of each amplifier, are reference pixels.
    bad : ndarray of bool, shape (ny, nx)
        Pixels that must not be used.
    amplifiers : int
        Number of amplifiers.
    odd_even_rows : bool
        Treat even and odd rows apart.
    siglimit : float
        Clipping limit of the means, in standard deviations.
    """
    if len(data) < 2:
        return
    parities = 2 if odd_even_rows else 1
    nx = data.shape[-1]
    left, right = (
        _changes(data, bad, columns, parities, siglimit)
        for columns in (slice(0, amplifiers), slice(nx - amplifiers, nx))
    )
    offsets = np.where(np.isnan(left), right, np.where(np.isnan(right), left, np.float32(0.5) * (left + right)))
    offsets = np.nan_to_num(offsets, copy=False)
    _subtract_by_row(data, np.tile(offsets, nx // amplifiers))


def _changes(data: np.ndarray, bad: np.ndarray, columns: slice, parities: int, siglimit: float) -> np.ndarray:
    """Average the changes since the first group, (ngroups - 1, parities, ncolumns); NaN without usable pixels."""
    samples = np.where(bad[:, columns], np.float32(np.nan), data[1:, :, columns] - data[0, :, columns])
    of_parity = [clipped_means(np.swapaxes(samples[:, p::parities], 1, 2), siglimit) for p in range(parities)]
    return np.stack(of_parity, axis=1)


@parallel_kernel
def _subtract_by_row(data, profiles):
    """Subtract from row y of all groups but the first the profile (ngroups - 1, nparities, nx) of its parity."""
    ngroups, ny, _ = data.shape
    for y in prange(ny):
        for g in range(1, ngroups):
            rows.add_scaled(data[g, y], profiles[g - 1, y % profiles.shape[1]], np.float32(-1))
