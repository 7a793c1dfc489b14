"""Correlated noise of the readout: banding and amplifier offsets, which reference pixels see too.

Banding has a power spectrum proportional to 1/f along the readout time (Moseley et al. 2010, Proc. SPIE 7742; Rauscher
2015, PASP 127, 1144). It is drawn on a time grid of one knot per 32 pixels and interpolated along the row; faster noise
is part of the white read noise.
"""

import numpy as np

from jwcore.algorithms._numba import parallel_kernel, prange
from jwcore.synth.effects import Effects
from jwcore.synth.instruments import DetectorSpec, Subarray

__all__ = ["KNOT_PIXELS", "knots_per_row", "pink_noise", "readout_noise"]

KNOT_PIXELS = 32
"""Pixels from one value of the banding to the next."""
_ROW_OVERHEAD = 12


def knots_per_row(pixels: int) -> int:
    """Number of knots from the start of a row of an output to the start of the next."""
    return -(-(pixels + _ROW_OVERHEAD) // KNOT_PIXELS)


def pink_noise(*, rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw noise with a 1/f power spectrum and unit expected rms, float32 [size]."""
    frequency = np.arange(size // 2 + 1, dtype=np.float32)
    amplitude = np.zeros_like(frequency)
    amplitude[1:] = 1.0 / np.sqrt(frequency[1:])
    real, imaginary = rng.standard_normal((2, frequency.size), dtype=np.float32)
    series = np.fft.irfft((amplitude * (real + 1j * imaginary)).astype(np.complex64), n=size)
    # each harmonic with coefficients (a, b) of unit variance gives a series of variance 4 |A|^2 / size^2
    return (series * size / (2.0 * np.sqrt(np.sum(amplitude**2)))).astype(np.float32)


@parallel_kernel
def _fill(out, banding, offsets, knot_pixels, parity0):
    """Spread banding [amplifier, row, knot] and offsets [amplifier, parity] over a frame in detector orientation."""
    rows, columns = out.shape
    width = columns // banding.shape[0]
    for y in prange(rows):
        for x in range(columns):
            amplifier = x // width
            local = x - amplifier * width
            # neighbouring amplifiers are read in opposite directions
            time = local if amplifier % 2 == 0 else width - 1 - local
            knot = time // knot_pixels
            t = (time - knot * knot_pixels) / np.float32(knot_pixels)
            line = banding[amplifier, y]
            out[y, x] = line[knot] * (1 - t) + line[knot + 1] * t + offsets[amplifier, (x + parity0) % 2]


@parallel_kernel
def _fill_interleaved(out, banding, offsets, knot_pixels, row0, column0):
    """Spread banding [output, row, knot] and offsets [output, row parity] over a frame whose outputs take turns."""
    rows, columns = out.shape
    outputs = banding.shape[0]
    for y in prange(rows):
        for x in range(columns):
            output = (column0 + x) % outputs
            time = x // outputs
            knot = time // knot_pixels
            t = (time - knot * knot_pixels) / np.float32(knot_pixels)
            line = banding[output, y]
            out[y, x] = line[knot] * (1 - t) + line[knot + 1] * t + offsets[output, (row0 + y) % 2]


def _banding(rng: np.random.Generator, effects: Effects, *, shape: tuple[int, int, int], nframes: int) -> np.ndarray:
    """Draw 1/f noise, DN [amplifier, row, knot]: a part common to all amplifiers and one of each."""
    amplifiers, rows, knots = shape
    size = nframes * (rows + 1) * (knots - 1)
    amplitudes = [effects.one_over_f_rms, *[effects.amplifier_rms] * amplifiers]
    series = np.stack([a * pink_noise(rng=rng, size=size) for a in amplitudes])
    frames = series.reshape(amplifiers + 1, nframes, rows + 1, knots - 1).mean(axis=1)
    mixed = frames[1:] + frames[:1]
    banding = np.zeros(shape, np.float32)
    banding[:, :, :-1] = mixed[:, :rows]
    banding[:, :, -1] = mixed[:, 1:, 0]  # the last knot of a row is the first of the next one
    return banding


def readout_noise(
    *, rng: np.random.Generator, spec: DetectorSpec, subarray: Subarray, nframes: int, effects: Effects
) -> np.ndarray:
    """Draw the correlated noise of one group, averaged over its frames.

    Outputs that read a stripe each have offsets by the parity of the pixel along the row, outputs that take turns along
    a row by the parity of the row.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random numbers; groups are independent.
    spec : DetectorSpec
        Gives the readout directions.
    subarray : Subarray
        Shape and number of outputs.
    nframes : int
        Frames averaged; slow components survive the average, fast ones do not.
    effects : Effects
        Switches and amplitudes.

    Returns
    -------
    ndarray, float32 [ny, nx]
        Noise in DN, science orientation.
    """
    along_x = abs(spec.fastaxis) == 1
    rows, columns = subarray.shape if along_x else subarray.shape[::-1]
    amplifiers = 4 if spec.interleaved else subarray.noutputs
    knots = knots_per_row(columns // amplifiers) + 1
    banding = np.zeros((amplifiers, rows, knots), np.float32)
    if effects.one_over_f:
        banding = _banding(rng, effects, shape=(amplifiers, rows, knots), nframes=nframes)
    offsets = np.zeros((amplifiers, 2), np.float32)
    if effects.drifts:
        offsets += effects.drift_rms * rng.standard_normal((amplifiers, 1))
        offsets += 0.5 * effects.drift_rms * np.outer(rng.standard_normal(amplifiers), [-1, 1])
    out = np.empty((rows, columns), np.float32)
    if spec.interleaved:
        _fill_interleaved(out, banding, offsets, KNOT_PIXELS, *subarray.origin)
        return out
    start = subarray.xstart if along_x else subarray.ystart
    _fill(out, banding, offsets, KNOT_PIXELS, (start - 1) % 2)
    if spec.slowaxis < 0:
        out = out[::-1]
    if spec.fastaxis < 0:
        out = out[:, ::-1]
    return np.ascontiguousarray(out if along_x else out.T)
