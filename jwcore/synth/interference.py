r"""Electromagnetic interference: waves that are steady in time, seen through the clocks of the read-out.

A pixel of row y that its output reads as the k-th of the row is sampled at :math:`y\,c_r + k\,s + g\,c_f` clocks after
the start of the integration (c_r and c_f clocks per row and frame, s samples per pixel). Its phase is that time over the
period; the wave begins at a random phase in every exposure (Ressler et al. 2015, PASP 127, 675, for the read-out).
"""

import numpy as np

from jwcore.synth._random import generator
from jwcore.synth.instruments import CLOCK, DetectorSpec, Readout, Subarray

__all__ = ["active_waves", "interference", "reference_wave"]

WAVE_BINS = 200
OUTPUTS = 4


def wave(phase: np.ndarray) -> np.ndarray:
    """Shape of the wave, of zero mean and about unit amplitude; ``phase`` in periods."""
    angle = 2 * np.pi * phase
    return np.sin(angle) + 0.3 * np.sin(2 * angle + 0.7)


def reference_wave() -> np.ndarray:
    """Wave at the centres of `WAVE_BINS` bins of phase, float32."""
    return wave((np.arange(WAVE_BINS) + 0.5) / WAVE_BINS).astype(np.float32)


def active_waves(spec: DetectorSpec, readout: Readout) -> dict[str, float]:
    """Lines (name, Hz) that can be told apart in a read-out: not those with a whole number of periods in a frame."""
    cycles = {name: readout.frame_clocks * CLOCK * frequency for name, frequency in spec.waves.items()}
    return {name: spec.waves[name] for name, value in cycles.items() if abs(value - round(value)) > 1e-6}


def interference(
    *, spec: DetectorSpec, subarray: Subarray, readout: Readout, integration: int, frames: range, amplitude: float, label: tuple
) -> np.ndarray:  # fmt: skip
    """Interference in a block of frames.

    Parameters
    ----------
    spec, subarray, readout
        Lines, geometry and clocks.
    integration : int
        Index of the integration; those before have taken their time.
    frames : range
        Frames since the reset.
    amplitude : float
        DN.
    label : tuple
        Seed of the phases.

    Returns
    -------
    ndarray, float32 [ny, nx]
        Mean over the frames, DN.
    """
    ny, nx = subarray.shape
    y, k = np.arange(ny)[:, None], np.arange(nx)[None, :] // OUTPUTS
    pixel = y * readout.row_clocks + k * readout.pattern.samples
    start = integration * (readout.frames + readout.pattern.reset_frames) * readout.frame_clocks
    total = np.zeros((ny, nx))
    for name, frequency in active_waves(spec, readout).items():
        phase = generator(*label, "interference", name).random()
        for frame in frames:
            clocks = start + frame * readout.frame_clocks + pixel
            total += wave(phase + clocks * CLOCK * frequency)
    return (amplitude / len(frames) * total).astype(np.float32)
