"""A plain illumination for modes without a simulated sky: a background with a gradient and a few bright traces."""

import numpy as np

from jwcore.synth.instruments import Readout
from jwcore.synth.maps import DetectorMaps

__all__ = ["illuminate"]

TRACES = ((0.22, 0.10), (0.5, 0.55), (0.8, 1.25))
"""Place across the dispersion (fraction of the image) and peak of the traces, in full wells per integration."""


def illuminate(maps: DetectorMaps, readout: Readout, *, background: float) -> np.ndarray:
    """Make the rate of a smooth scene that fills the range of the detector, whatever the exposure is like.

    Traces run along the longer side, their light falls from one end to the other, and the brightest of them saturates
    before the end of an integration. Columns that the sub-array calls unlit stay dark.

    Parameters
    ----------
    maps : DetectorMaps
        Shape, gain and full well.
    readout : Readout
        Length of an integration.
    background : float
        Light between the traces, full wells per integration.

    Returns
    -------
    ndarray, float32 [ny, nx]
        Photo-electron rate for unit response, e-/s.
    """
    subarray = maps.aperture.subarray
    ny, nx = subarray.shape
    along_x = nx >= ny
    along, across = np.meshgrid(np.linspace(0, 1, max(nx, ny)), np.arange(min(nx, ny)))
    width = max(1.2, 0.02 * min(nx, ny))
    scene = background * (1.0 + 0.5 * along)
    for place, peak in TRACES:
        centre = place * min(nx, ny) + 0.04 * min(nx, ny) * (along - 0.5)
        scene += peak * (1.0 - 0.8 * along) * np.exp(-0.5 * ((across - centre) / width) ** 2)
    level = maps.spec.well if maps.spec.superbias else maps.spec.well - maps.spec.bias
    rate = scene * level * maps.spec.gain / readout.integration_time
    rate = np.ascontiguousarray(rate if along_x else rate.T, np.float32)
    rate[:, : subarray.unlit] = rate[:, nx - subarray.unlit :] = 0.0
    return rate
