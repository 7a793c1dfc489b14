"""Simple improved reference subtraction (SIRS): predict the 1/f drift of every amplifier from the side reference pixels.

The reference columns on both sides are two streams that record the drift with noise of their own. The prediction of least
squares is a linear filter of each, measured on dark exposures as a function of frequency (Rauscher et al. 2022, JATIS 8,
028002): it follows the drift where that is stronger than the noise of the reference pixels, and no further.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["SideKernels", "real_kernels"]

MAD_TO_SIGMA = 1.48


@dataclass(frozen=True, eq=False)
class SideKernels:
    """Filters of the side pixels, one per amplifier.

    Parameters
    ----------
    left, right : ndarray of float64, shape (amplifiers, 2 * halfwidth + 1)
        Kernels in read-out order, from `real_kernels`.
    limit : float
        Side pixels further than this from their median, in standard deviations, are left out.
    """

    left: np.ndarray
    right: np.ndarray
    limit: float = 4.0

    def signal(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        r"""Predict the drift of every amplifier along the rows.

        With the sum :math:`s` of the good pixels of a row and their part :math:`n` of all, the drift is
        :math:`\sum (s * k) (1 * k) / (n * k)` over both sides; the quotient makes up for the pixels that are left out.

        Parameters
        ----------
        left, right : ndarray of float32, shape (ngroups, nrows, ncolumns)
            Pixels of the reference columns that are read first and last, DN; NaN are left out.

        Returns
        -------
        ndarray of float32, shape (ngroups, amplifiers, nrows)
            Drift, DN; a side without good pixels adds nothing.
        """
        drift = np.zeros((len(left), len(self.left), left.shape[1]))
        for pixels, kernels in ((left, self.left), (right, self.right)):
            for group in range(len(pixels)):
                drift[group] += _predict(*_good_pixels(pixels[group], self.limit), kernels)
        return drift.astype(np.float32)


def real_kernels(coefficients: np.ndarray, *, halfwidth: int, gaussmooth: float) -> np.ndarray:
    """Turn transfer functions into kernels of finite length, smoothed by a Gaussian.

    Parameters
    ----------
    coefficients : ndarray of complex128, shape (amplifiers, n // 2 + 1)
        Weight of every frequency, from zero to half a cycle per row.
    halfwidth : int
        Rows that a kernel reaches on either side.
    gaussmooth : float
        Standard deviation of the Gaussian, in rows.

    Returns
    -------
    ndarray of float64, shape (amplifiers, 2 * halfwidth + 1)

    Raises
    ------
    ValueError
        When the kernels are shorter than that.
    """
    kernels = np.fft.fftshift(np.fft.irfft(coefficients, axis=-1), axes=-1)
    centre = kernels.shape[-1] // 2
    if not halfwidth < centre:
        raise ValueError(f"kernels of {2 * centre} rows do not reach {halfwidth} rows on either side")
    offsets = np.arange(-halfwidth, halfwidth + 1)
    gaussian = np.exp(-0.5 * (offsets / gaussmooth) ** 2)
    gaussian /= gaussian.sum()
    return np.stack([np.convolve(kernel, gaussian, "same") for kernel in kernels[:, centre + offsets]])


def _good_pixels(pixels: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Give the sum and the number of the good pixels of every row, both divided by the number of columns."""
    values = pixels.astype(np.float64)
    seen = ~np.isnan(values)
    if not seen.any():
        return np.zeros(len(values)), np.zeros(len(values))
    distance = values - np.median(values[seen])
    good = np.abs(distance) <= limit * MAD_TO_SIGMA * np.median(np.abs(distance[seen]))  # NaN are no good
    return np.where(good, values, 0.0).mean(axis=1), good.mean(axis=1)


def _predict(sums: np.ndarray, parts: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Filter a stream with the kernel of every amplifier, (amplifiers, nrows); zero where it has no weight."""
    drift = np.zeros((len(kernels), sums.size))
    for kernel, predicted in zip(kernels, drift, strict=True):
        weight, whole = (np.convolve(part, kernel, "same") for part in (parts, np.ones_like(parts)))
        np.divide(np.convolve(sums, kernel, "same") * whole, weight, out=predicted, where=weight != 0)
    return drift
