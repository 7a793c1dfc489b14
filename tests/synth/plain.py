"""The plainest calibration of a tiny exposure by its own references, against which the forward model is held."""

import numpy as np
from scipy.signal import convolve2d

from jwcore.synth import TinyExposure


def linear_ramp(exposure: TinyExposure) -> np.ndarray:
    """Undo the forward model with its references: linear DN, float64 [nints, ngroups, ny, nx]."""
    refs = exposure.references
    bottom, top, left, right = exposure.observation.maps.science_limits
    data = exposure.raw.data.astype(float)
    for plane in data.reshape(-1, *data.shape[-2:]):
        science = plane[bottom:top, left:right]
        plane[bottom:top, left:right] = convolve2d(science, refs["ipc"].arrays["SCI"][::-1, ::-1], mode="same")
    if "superbias" in refs:
        data -= refs["superbias"].arrays["SCI"]
    if "reset" in refs:
        decay = refs["reset"].arrays["SCI"]
        for i, integration in enumerate(data):
            integration[: decay.shape[1]] -= decay[min(i, 1), : len(integration)]
    coefficients = refs["linearity"].arrays["COEFFS"].astype(float)
    data = sum(c * data**k for k, c in enumerate(coefficients))
    readout = exposure.programme.readout
    dark = refs["dark"].arrays["SCI"]
    for i in range(readout.nints):
        frames = dark[min(i, 1)] if dark.ndim == 4 else dark
        for g in range(readout.ngroups):
            first = readout.first_frame(g)
            data[i, g] -= frames[first : first + readout.nframes].mean(axis=0)
    return data


def slope(exposure: TinyExposure, *, skip: int = 0) -> np.ndarray:
    """Unweighted slope of the linear ramp, the first groups left out, DN/s [nints, ny, nx]."""
    time = exposure.programme.readout.mean_times()[skip:]
    weight = (time - time.mean()) / ((time - time.mean()) ** 2).sum()
    return np.tensordot(weight, linear_ramp(exposure)[:, skip:], axes=(0, 1))


def science(exposure: TinyExposure, values: np.ndarray) -> np.ndarray:
    """The light-sensitive part without its outermost pixels, where the coupling is cut."""
    bottom, top, left, right = exposure.observation.maps.science_limits
    return values[..., bottom + 1 : top - 1, left + 1 : right - 1]
