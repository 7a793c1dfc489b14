"""Transfer functions by which the side reference pixels of a simulated frame predict its correlated noise best.

They follow from the noise model of `jwcore.synth.noise`: banding common to all amplifiers, banding of each, and white noise
of the reference pixels. For the frequency f along the rows the drift T of an amplifier and what both sides show, L and R,
have the covariances that a 1/f spectrum gives; the prediction of least squares is (Rauscher et al. 2022, JATIS 8, 028002)

    (gamma, zeta) = (<T L*>, <T R*>) / [[<L L*>, <L R*>], [<R L*>, <R R*>]].
"""

import numpy as np

from jwcore.synth.effects import Effects
from jwcore.synth.instruments import DetectorSpec
from jwcore.synth.noise import KNOT_PIXELS, knots_per_row

__all__ = ["transfer_functions"]

AMPLIFIERS = 4
BORDER = 4


def transfer_functions(spec: DetectorSpec, effects: Effects) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the side that is read first (gamma) and last (zeta), complex128 [4, n / 2 + 1] for n rows each.

    Outputs must read a stripe each. Without banding all weights are zero.
    """
    rows, columns = spec.shape
    width = columns // AMPLIFIERS
    knots = knots_per_row(width)
    cycles = np.arange(rows // 2 + 1)[:, None] / rows + np.arange(knots) - knots // 2  # per row, with all aliases
    power = 1.0 / np.maximum(np.abs(cycles), 0.5 / rows)  # 1/f; the mean of a frame is as uncertain as the slowest wave
    power /= 2.0 * np.sum(1.0 / np.arange(1, (rows + 1) * knots // 2 + 1))
    # neighbouring outputs run in opposite directions, so that both borders are read first in their rows
    seen, drift = (_mean_wave(cycles / (knots * KNOT_PIXELS), pixels) for pixels in (BORDER, width))
    of_side, of_drift = ((power * wave * seen.conj()).sum(axis=1) for wave in (seen, drift))
    common, own = (effects.one_over_f * rms**2 for rms in (effects.one_over_f_rms, effects.amplifier_rms))
    white = (spec.read_noise / spec.gain if effects.read_noise else 0.1) ** 2 / BORDER
    same, other = (common + own) * of_side.real + white, common * of_side.real
    gamma, zeta = (np.zeros((AMPLIFIERS, rows // 2 + 1), complex) for _ in range(2))
    for amplifier in range(AMPLIFIERS):
        first, last = ((common + own * (amplifier == edge)) * of_drift for edge in (0, AMPLIFIERS - 1))
        gamma[amplifier] = (first * same - last * other) / (same**2 - other**2)
        zeta[amplifier] = (last * same - first * other) / (same**2 - other**2)
    return gamma, zeta


def _mean_wave(cycles: np.ndarray, pixels: int) -> np.ndarray:
    """Mean over the first pixels of a row of a wave of unit amplitude, for its cycles per pixel."""
    from scipy.special import diric

    phase = 2.0 * np.pi * cycles
    return diric(phase, pixels) * np.exp(0.5j * (pixels - 1) * phase)
