r"""Read-out with interleaved reference pixels: "improved reference sampling and subtraction" (IRS2).

In the frame of the detector every row has five sections of 640 samples: the reference output, then four outputs in each
of which 4 reference samples follow every 16 normal pixels. On the time line of a row, 712 clocks long, one clock before and
one after the references pass by (Moseley et al. 2010, Proc. SPIE 7742, 77421B; Rauscher et al. 2017, PASP 129, 105003).
Noise that all samples share at a time can be found from the references and subtracted.
"""

from functools import cache

import numpy as np

from jwcore.synth._random import derive_key, normal_field
from jwcore.synth.effects import Effects
from jwcore.synth.instruments import DetectorSpec
from jwcore.synth.maps import DetectorMaps
from jwcore.synth.noise import pink_noise

__all__ = ["ROWS", "interleave", "line_noise", "reference_bias", "transfer_functions", "white_noise"]

ROWS = 3200
"""Length of the interleaved axis."""
SECTION, NORMAL, LINE = 640, 512, 712
OUTPUTS = 5
LOW_PASS = (0.004, 0.012)
"""Frequencies (cycles per clock) up to which the interleaved references follow the noise fully, and from which not at all."""
BAND_LIMIT = 0.05
"""Highest frequency (cycles per clock) at which the reference output is used."""
EXTENDED = 8
"""Samples of the time line that stand for a group of 4 references in the correction."""


@cache
def _is_reference() -> np.ndarray:
    """Where the reference samples of a section are, bool [640]."""
    place = np.arange(SECTION)
    return (place % 20 >= 8) & (place % 20 < 12)


@cache
def _clock() -> np.ndarray:
    """Clock of every sample of a section within its line, int [640]."""
    clock = np.empty(SECTION, int)
    normal, reference = np.arange(NORMAL), np.arange(SECTION - NORMAL)
    clock[~_is_reference()] = normal + 6 * ((normal + 8) // 16)
    clock[_is_reference()] = reference + 18 * (reference // 4) + 9
    return clock


def _to_science(image: np.ndarray, spec: DetectorSpec) -> np.ndarray:
    """Turn an image from the frame of the detector to science orientation."""
    turned = image.T
    return np.ascontiguousarray(turned[:: int(np.sign(spec.fastaxis)), :: int(np.sign(spec.slowaxis))])


def _to_detector(image: np.ndarray, spec: DetectorSpec) -> np.ndarray:
    """Turn an image from science orientation to the frame of the detector."""
    return image[:: int(np.sign(spec.fastaxis)), :: int(np.sign(spec.slowaxis))].T


def interleave(normal: np.ndarray, reference: np.ndarray, spec: DetectorSpec) -> np.ndarray:
    """Put normal pixels between reference samples.

    Parameters
    ----------
    normal : ndarray, [2048, 2048]
        Pixels in science orientation.
    reference : ndarray, [2048, 3200]
        A frame of the detector that holds the reference samples (what it has elsewhere is replaced).
    spec : DetectorSpec
        Readout directions.

    Returns
    -------
    ndarray, [3200, 2048]
        Frame as it is stored, in science orientation.
    """
    frame = np.array(reference, normal.dtype)
    pixels = _to_detector(normal, spec)
    for output in range(1, OUTPUTS):
        section = frame[:, output * SECTION : (output + 1) * SECTION]
        section[:, ~_is_reference()] = pixels[:, (output - 1) * NORMAL : output * NORMAL]
    return _to_science(frame, spec)


def reference_bias(maps: DetectorMaps) -> np.ndarray:
    """Bias of the reference samples, DN float32 [2048, 3200] in the frame of the detector."""
    columns = np.arange(ROWS)
    level = maps.spec.bias + 90.0 * (columns // SECTION) + 35.0 * (columns % 2)
    if not maps.effects.bias:
        level = np.full(ROWS, maps.spec.bias)
    key = derive_key(maps.spec.name, maps.serial, "reference samples")
    structure = 15.0 if maps.effects.bias else 0.0
    return (level + structure * normal_field(shape=(2048, ROWS), origin=(0, 0), key=key)).astype(np.float32)


def white_noise(maps: DetectorMaps, *, nframes: int, key: np.uint64) -> np.ndarray:
    """White read noise of the reference samples, averaged over frames, DN float32 [2048, 3200]."""
    if not maps.effects.read_noise:
        return np.zeros((2048, ROWS), np.float32)
    sigma = maps.spec.read_noise / maps.spec.gain / np.sqrt(nframes)
    return normal_field(shape=(2048, ROWS), origin=(0, 0), key=key) * np.float32(sigma)


def line_noise(
    *, rng: np.random.Generator, spec: DetectorSpec, nframes: int, effects: Effects
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the noise that samples share: 1/f noise along the time line, common to all outputs and of each one.

    Returns
    -------
    normal : ndarray, float32 [2048, 2048]
        Noise of the normal pixels, DN, science orientation.
    reference : ndarray, float32 [2048, 3200]
        Noise of all samples in the frame of the detector.
    """
    lines = np.zeros((OUTPUTS, 2048, LINE), np.float32)
    if effects.one_over_f:
        common = _series(rng, nframes, effects.one_over_f_rms)
        for output in range(OUTPUTS):
            lines[output] = common + _series(rng, nframes, effects.amplifier_rms)
    if effects.drifts:
        lines += np.float32(effects.drift_rms) * rng.standard_normal((OUTPUTS, 1, 1), dtype=np.float32)
    frame = np.empty((2048, ROWS), np.float32)
    normal = np.empty((2048, 2048), np.float32)
    for output, line in enumerate(lines):
        # neighbouring outputs are read in opposite directions
        samples = line[:, _clock()] if output % 2 else line[:, _clock()][:, ::-1]
        frame[:, output * SECTION : (output + 1) * SECTION] = samples
        if output:
            normal[:, (output - 1) * NORMAL : output * NORMAL] = samples[:, ~_is_reference()]
    return _to_science(normal, spec), frame


def _series(rng: np.random.Generator, nframes: int, rms: float) -> np.ndarray:
    """Draw 1/f noise of a frame, averaged over frames, [2048, 712]."""
    series = pink_noise(rng=rng, size=nframes * 2048 * LINE).reshape(nframes, 2048, LINE)
    return np.float32(rms) * series.mean(axis=0)


def transfer_functions() -> tuple[np.ndarray, np.ndarray]:
    """Weights of the reference output (alpha) and of the interleaved references (beta), complex [712 * 2048].

    Slow noise is taken from the interleaved references, whose Fourier transform is too small by the part of the time line
    that they fill; faster noise from the reference output, which sees what is common to all outputs.
    """
    frequency = np.abs(np.fft.fftfreq(LINE * 2048))
    low, high = LOW_PASS
    slow = 0.5 * (1 + np.cos(np.pi * np.clip((frequency - low) / (high - low), 0, 1)))
    filled = EXTENDED * 32 / LINE
    return ((1 - slow) * (frequency < BAND_LIMIT)).astype(complex), (slow / filled).astype(complex)
