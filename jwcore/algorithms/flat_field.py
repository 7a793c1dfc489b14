"""Division by a two-dimensional flat field, with errors, flags and NaN in one pass."""

import numpy as np

from jwcore.algorithms._numba import parallel_kernel, prange
from jwcore.algorithms.dq import DO_NOT_USE, NO_FLAT_FIELD

__all__ = ["apply_flat"]


def apply_flat(
    *,
    data: np.ndarray,
    err: np.ndarray,
    var_poisson: np.ndarray,
    var_rnoise: np.ndarray,
    dq: np.ndarray,
    flat: np.ndarray,
    flat_err: np.ndarray,
    flat_dq: np.ndarray,
    inverse: bool = False,
) -> tuple[np.ndarray, int]:
    """Divide an image, or every plane of a cube, by a flat field F with error s; in place.

    ``S' = S / F``, ``VAR_FLAT = (S' s / F)^2``, the other variances are divided by ``F^2`` and
    ``ERR = sqrt(VAR_POISSON + VAR_RNOISE + VAR_FLAT)``. The inverse multiplies and leaves no VAR_FLAT.

    Pixels whose flat is NaN, 0 or flagged NO_FLAT_FIELD become DO_NOT_USE and NO_FLAT_FIELD; the other flags of the
    flat are passed on. Pixels that are DO_NOT_USE, or NaN in any plane but the old error, end as both.

    Parameters
    ----------
    data, err : ndarray of float32 [ny, nx] or [n, ny, nx]
        Science and error, DN/s; the error is made anew.
    var_poisson, var_rnoise : ndarray of float32
        Variances, shape of `data`.
    dq : ndarray of uint32
        Flags, shape of `data`.
    flat, flat_err : ndarray of float32 [ny, nx]
        Flat field and its error.
    flat_dq : ndarray of uint32 [ny, nx]
        Flags of the flat.
    inverse : bool
        Multiply, to undo the correction.

    Returns
    -------
    var_flat : ndarray of float32
        Shape of `data`.
    no_flat : int
        Number of pixels (of all planes) without a usable flat.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    if any(plane.shape != data.shape[-2:] for plane in (flat, flat_err, flat_dq)):
        raise ValueError(f"the flat field has shape {flat.shape}, the image {data.shape[-2:]}")
    var_flat = np.empty_like(data)
    planes = (data, err, var_poisson, var_rnoise, var_flat, dq)
    if not all(plane.shape == data.shape and plane.flags.c_contiguous for plane in planes):
        raise ValueError("science, error, variances and flags must be C-contiguous and of one shape")
    rows = [plane.reshape(-1, data.shape[-1]) for plane in planes]
    no_flat = _divide(*rows, flat, flat_err, flat_dq, inverse)
    return var_flat, int(no_flat)


@parallel_kernel
def _divide(data, err, var_poisson, var_rnoise, var_flat, dq, flat, flat_err, flat_dq, inverse):
    """Correct all rows; row k of a cube uses row k mod ny of the flat. Bad pixels are rare, hence the one branch."""
    bad_bits = np.uint32(DO_NOT_USE | NO_FLAT_FIELD)
    total = 0
    for row in prange(data.shape[0]):
        r = row % flat.shape[0]
        count = 0
        for x in range(data.shape[1]):
            f = flat[r, x]
            flags = flat_dq[r, x]
            missing = np.isnan(f) or f == 0 or (flags & np.uint32(NO_FLAT_FIELD)) != 0
            if missing:
                flags |= bad_bits
                count += 1
            flags |= dq[row, x]
            factor = f if inverse else np.float32(1.0) / f
            value = data[row, x] * factor if inverse else data[row, x] / f
            relative = np.float32(0.0) if inverse else value * flat_err[r, x] * factor
            square = factor * factor
            poisson, read, of_flat = var_poisson[row, x] * square, var_rnoise[row, x] * square, relative * relative
            total_variance = poisson + read + of_flat
            if np.isnan(value) or np.isnan(total_variance) or (flags & np.uint32(DO_NOT_USE)) != 0:
                flags |= np.uint32(DO_NOT_USE)
                value = poisson = read = of_flat = total_variance = np.float32(np.nan)
            data[row, x] = value
            err[row, x] = np.sqrt(total_variance)
            var_poisson[row, x] = poisson
            var_rnoise[row, x] = read
            var_flat[row, x] = of_flat
            dq[row, x] = flags
        total += count
    return total
