"""1/f noise as a Fourier series of few frequencies, fitted to the pixels without sources.

A line of the detector, or a stretch of the read-out in time, is ``d(t) = sum_k p_k exp(2 pi i k t / n) + noise`` with frequencies
of both signs, ``p_-k = conj(p_k)``. The amplitudes minimise ``sum_t w(t) |d(t) - model(t)|^2 + penalty``. The weights w are the
inverse of the local density of usable pixels, so that the sum stands for an integral. The penalty is the prior knowledge that
the power of the noise falls like 1/f: without it the frequencies that fit into a gap of the mask are free, and noise is added
where the sources are. It grows with the part of a line that is masked; in complete lines there is none.

References
----------
B. J. Rauscher, "NSClean: An Algorithm for Removing Correlated Noise from JWST NIRSpec Images", PASP 136, 015001 (2024). There
the series has positive frequencies alone, which describes real data only where there are no gaps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms._numba import numba
from jwcore.algorithms.line_statistics import line_medians

__all__ = ["block_rows", "fit_series", "frame_noise", "low_pass", "stripe_noise"]

RIDGE = 0.4
"""Penalty of the power at the cut-off frequency in a line that is all gap, relative to the weight of a complete line."""
MAD_TO_SIGMA = 1.4826

CUTOFF = 1 / 256
"""Frequency of half gain in lines of a full frame, cycles per pixel."""
CUTOFF_WIDTH = 1 / 1024
FRAME_DENSITY_SIGMA = 32.0
"""Width of the local density of usable pixels, pixel."""
FRAME_OUTLIER = 3.0
"""Limit of outliers in a line, sigma."""
SMOOTHING = 1.5
"""Lines over which the model of a full frame is smoothed (Gaussian sigma)."""
LEAST_WEIGHT = 0.02
"""Sum of the weights of neighbouring lines below which the model fades."""

PIXEL_TIME = 10e-6
"""Seconds between two pixels."""
LINE_OVERHEAD = 12
"""Pixel times between two lines."""
LONG_LINE = 200
"""Pixels from which on a line is long."""
BAND, BAND_OF_LONG_LINES = (1061.0, 1211.0), (150.0, 200.0)
"""The gain falls from 1 to 0 between these frequencies, Hz; few lines make a block of long ones."""
ALTERNATION = (49943.0, 49957.0)
"""Frequencies from which on the difference of even and odd columns is fitted, Hz: gain 0 and 1."""
STRIPE_OUTLIER = 4.0
BLOCK_PIXELS = 512
"""Usable pixels in a block of lines of a sub-array."""
BATCH = 128
"""Blocks fitted side by side."""
LEAST_USABLE = 0.05
"""Fraction of usable pixels below which a block is left alone."""


def frame_noise(lines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Model the noise of a full frame: the lowest frequencies of every line, smoothed over neighbouring lines.

    Parameters
    ----------
    lines : ndarray of float32, shape (nlines, n)
        Image in read-out order, without its background; NaN where pixels must not be used.

    Returns
    -------
    ndarray of float32, shape (nlines, n)
    """
    from scipy.ndimage import gaussian_filter1d

    deviation = np.abs(lines - line_medians(lines, along_x=True))
    reach = FRAME_OUTLIER * MAD_TO_SIGMA * line_medians(deviation, along_x=True)
    mask = (deviation <= reach).astype(np.float32)
    values = np.where(mask > 0, lines, np.float32(0))
    n = lines.shape[1]
    frequencies = np.fft.rfftfreq(n)
    gain = low_pass(frequencies, CUTOFF, CUTOFF_WIDTH)
    share = mask.mean(axis=1, dtype=np.float64)[:, None]
    penalty = RIDGE * np.sqrt(1 - share) * frequencies / CUTOFF
    amplitudes = fit_series(values, mask, gain=gain, penalty=penalty, density_sigma=FRAME_DENSITY_SIGMA)
    # lines count by their usable pixels; into lines that are masked as a whole the model fades
    weight = gaussian_filter1d(share, SMOOTHING, axis=0, mode="constant")
    smooth = gaussian_filter1d(amplitudes * share, SMOOTHING, axis=0, mode="constant")
    return _series(smooth / np.maximum(weight, LEAST_WEIGHT), gain, n)


def stripe_noise(lines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Model the noise of a sub-array: low frequencies of the read-out in time, and alternating columns.

    Blocks of lines that overlap by half are fitted one by one and averaged with triangular weights.

    Parameters
    ----------
    lines : ndarray of float32, shape (nlines, n)
        Image in read-out order, without its background; NaN where pixels must not be used.

    Returns
    -------
    ndarray of float32, shape (nlines, n)
    """
    band = BAND_OF_LONG_LINES if lines.shape[1] >= LONG_LINE else BAND
    usable = _without_neighbours_of_outliers(lines)
    values = np.pad(np.where(usable, lines, np.float32(0)), ((0, 0), (0, LINE_OVERHEAD)))
    mask = np.pad(usable.astype(np.float32), ((0, 0), (0, LINE_OVERHEAD)))
    model, weights = np.zeros(values.shape), np.zeros((len(lines), 1))
    for height, firsts in _alike(block_rows(usable.sum(axis=1))):
        rows = firsts[:, None] + np.arange(height)
        rows = rows[usable[rows].mean(axis=(1, 2)) > LEAST_USABLE]
        fitted = _fit_blocks(values[rows], mask[rows], band)
        u = np.linspace(-1, 1, height) if height > 1 else np.zeros(1)
        weight = np.broadcast_to(1.001 - np.abs(u), rows.shape)[..., None]
        np.add.at(model, rows, weight * fitted)
        np.add.at(weights, rows, weight)
    return np.divide(model, weights, out=model, where=weights > 0)[:, : lines.shape[1]].astype(np.float32)


def block_rows(counts: NDArray[np.integer], least: int = BLOCK_PIXELS) -> Iterator[tuple[int, int]]:
    """Divide lines into blocks with more than `least` usable pixels that overlap by half.

    Parameters
    ----------
    counts : ndarray of int, shape (nlines,)
        Usable pixels of every line.
    least : int
        Usable pixels that a block must exceed; the last one takes all lines when less than half as many would remain.

    Yields
    ------
    first, last : int
        Range of lines, the last one not included.
    """
    below = np.concatenate([[0], np.cumsum(counts)])
    first = 0
    while True:
        last = min(int(np.searchsorted(below, below[first] + least, "right")), len(counts))
        if below[-1] - below[last] < least / 2:
            last = len(counts)
        yield first, last
        if last == len(counts):
            return
        first += max(1, (last - first) // 2)


def low_pass(frequencies: NDArray[np.floating], half: float, width: float) -> NDArray[np.float64]:
    """Gain that falls like a half cosine from 1 to 0 in a band of the given width, 1/2 at the frequency `half`."""
    phase = ((np.asarray(frequencies, np.float64) - half) / width + 0.5).clip(0, 1)
    return 0.5 * (1 + np.cos(np.pi * phase))


def fit_series(
    values: NDArray[np.float32],
    mask: NDArray[np.float32],
    *,
    gain: NDArray[np.float64],
    penalty: NDArray[np.float64],
    density_sigma: float,
) -> NDArray[np.complex128]:
    """Fit Fourier series to lines with gaps.

    Parameters
    ----------
    values : ndarray of float32, shape (nlines, n)
        Lines, 0 where there is no usable pixel.
    mask : ndarray of float32, shape (nlines, n)
        1 for usable pixels, 0 for others.
    gain : ndarray of float64, shape (n // 2 + 1,)
        Frequencies with a gain above zero are fitted.
    penalty : ndarray of float64, shape (nlines, n // 2 + 1)
        Penalty of the power at each frequency, relative to the weight of a complete line.
    density_sigma : float
        Width of the Gaussian that measures the local density of usable pixels.

    Returns
    -------
    ndarray of complex128, shape (nlines, number of fitted frequencies)
        Amplitudes of the positive frequencies in the convention of ``numpy.fft.rfft``, the gain not applied.
    """
    n = values.shape[1]
    weights = _inverse_density(mask, density_sigma)
    fitted = np.flatnonzero(gain > 0)
    transform = _transform(weights)
    right = _transform(weights * values)[:, fitted]
    # the model is sum_k a_k cos(k t) + b_k sin(k t); frequencies 0 and n/2 have no sine
    sines = (fitted > 0) & (2 * fitted != n)
    total, difference = np.add.outer(fitted, fitted), np.subtract.outer(fitted, fitted)
    plus, minus = _at(transform, total % n, n), _at(transform, difference % n, n)
    cos_cos, sin_sin = 0.5 * (minus + plus).real, 0.5 * (minus - plus).real
    cos_sin = 0.5 * (minus - plus).imag  # row: cosine, column: sine
    matrix = np.block([[cos_cos, cos_sin[:, :, sines]],
                       [cos_sin.swapaxes(1, 2)[:, sines], sin_sin[:, sines][:, :, sines]]])  # fmt: skip
    penalty = penalty[:, fitted]
    diagonal = np.arange(matrix.shape[-1])
    matrix[:, diagonal, diagonal] += n * np.maximum(np.concatenate([penalty, penalty[:, sines]], axis=1) / 2, 1e-9)
    known = np.concatenate([right.real, -right.imag[:, sines]], axis=1)
    solved = np.linalg.solve(matrix, known[..., None])[..., 0]
    amplitudes = solved[:, : fitted.size].astype(np.complex128)
    amplitudes[:, sines] -= 1j * solved[:, fitted.size :]
    return amplitudes * np.where(sines, n / 2, n)


def _alike(blocks: Iterator[tuple[int, int]]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Group blocks of the same height: height and first lines, not too many at a time."""
    by_height: dict[int, list[int]] = {}
    for first, last in blocks:
        by_height.setdefault(last - first, []).append(first)
    for height, firsts in by_height.items():
        for k in range(0, len(firsts), BATCH):
            yield height, np.array(firsts[k : k + BATCH])


def _fit_blocks(
    values: NDArray[np.float32], mask: NDArray[np.float32], band: tuple[float, float]
) -> NDArray[np.float32]:
    """Fit blocks of lines, float32 (nblocks, height, columns with overhead), each as one series in time."""
    n = values.shape[1] * values.shape[2]
    frequencies = np.fft.rfftfreq(n, PIXEL_TIME)
    half = sum(band) / 2
    gain = low_pass(frequencies, half, band[1] - band[0])
    gain += low_pass(-frequencies, -sum(ALTERNATION) / 2, ALTERNATION[1] - ALTERNATION[0])
    pixels = n - values.shape[1] * LINE_OVERHEAD
    gaps = 1 - mask.sum(axis=(1, 2), dtype=np.float64)[:, None] / pixels
    amplitudes = fit_series(
        values.reshape(-1, n),
        mask.reshape(-1, n),
        gain=gain,
        penalty=RIDGE * np.sqrt(gaps) * np.minimum(frequencies, frequencies[-1] - frequencies) / half,
        density_sigma=1 / (8 * half * PIXEL_TIME),
    )
    return _series(amplitudes, gain, n).reshape(values.shape)


def _series(amplitudes: NDArray[np.complex128], gain: NDArray[np.float64], n: int) -> NDArray[np.float32]:
    """Evaluate the series with its gain, float32 (nlines, n)."""
    from scipy import fft

    fitted = gain > 0
    spectrum = np.zeros((len(amplitudes), gain.size), np.complex64)
    spectrum[:, fitted] = amplitudes * gain[fitted]
    return fft.irfft(spectrum, n, axis=1, workers=numba.get_num_threads())


def _inverse_density(mask: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Weights of usable pixels: the inverse of how many there are nearby (circular Gaussian)."""
    from scipy import fft

    if mask.all():
        return mask
    threads = numba.get_num_threads()
    n = mask.shape[1]
    response = np.exp(-2 * np.square(np.pi * sigma * np.fft.rfftfreq(n))).astype(np.float32)
    density = fft.irfft(fft.rfft(mask, axis=1, workers=threads) * response, n, axis=1, workers=threads)
    return np.divide(mask, density, out=density, where=mask > 0) * mask


def _transform(lines: NDArray[np.float32]) -> NDArray[np.complex64]:
    from scipy import fft

    return fft.rfft(lines, axis=1, workers=numba.get_num_threads())


def _at(transform: NDArray[np.complex64], index: NDArray[np.intp], n: int) -> NDArray[np.complex128]:
    """Elements of a full Fourier transform of real lines, of which the upper half is not stored."""
    mirrored = 2 * index > n
    found = transform[:, np.where(mirrored, n - index, index)].astype(np.complex128)
    return np.where(mirrored, found.conj(), found)


def _without_neighbours_of_outliers(lines: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Usable pixels that are no outliers of the image, nor next to one along an axis."""
    usable = np.isfinite(lines)
    if not usable.any():
        return usable
    deviation = np.abs(lines - np.median(lines[usable]))
    bad = usable & (deviation > STRIPE_OUTLIER * MAD_TO_SIGMA * np.median(deviation[usable]))
    grown = bad.copy()
    grown[1:] |= bad[:-1]
    grown[:-1] |= bad[1:]
    grown[:, 1:] |= bad[:, :-1]
    grown[:, :-1] |= bad[:, 1:]
    return usable & ~grown
