"""Jumps of both pipelines against the truth: how many particles are found, and what is taken for one."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.ndimage import maximum_filter

from jwcore import models
from jwcore.algorithms import dq
from tests.parity.compare import Comparison, read_arrays
from tests.parity.predictions import Scene

SIGNIFICANT = 5.0
"""Charge of a particle, in units of the noise of a difference, from which on it should be found."""
TRACE = 0.05
"""Charge (e-) from which on neighbours may be flagged on purpose."""
MARGIN = 2e-3
"""Part of the particles, or two of them, by which ours may fall short of the peer's: as many lie at the threshold."""
FEWEST = 30
"""Particles without which nothing can be said."""


def compare_hits(mine: Path, its: Path, scene: Scene) -> Comparison | None:
    """Compare the flags of two ramps with the particles that hit the exposure; None where there are few.

    Differences of groups count that neither pipeline calls saturated or unusable. A flag is false where no particle left
    charge in the pixel or beside it.
    """
    flags = [read_arrays(path)["GROUPDQ"] for path in (mine, its)]
    steps = particle_steps(scene, flags[0].shape)
    judged, noise = _judged(flags, scene), _noise(scene)
    hit = judged & (steps > SIGNIFICANT * noise)
    if hit.sum() < FEWEST:
        return None
    quiet = judged & ~maximum_filter(steps > TRACE, size=(1, 1, 3, 3))
    jumps = [(array[:, 1:] & dq.JUMP_DET) > 0 for array in flags]
    (found, expected), (false, usual) = ([jump[where].mean() for jump in jumps] for where in (hit, quiet))
    short = max(MARGIN, 2 / hit.sum())
    passed = found >= expected - short and false <= max(1.1 * usual, usual + 10 / quiet.sum())
    note = (
        f"{found:.2%} of {hit.sum()} particles above {SIGNIFICANT:g} sigma found, the peer {expected:.2%}; "
        f"false {false:.1e} of all differences, the peer {usual:.1e}"
    )
    return Comparison("jump", "particles", "no worse than the peer", 1 - found, false, bool(passed), note=note)


def particle_steps(scene: Scene, shape: tuple[int, ...]) -> np.ndarray:
    """Return the charge of particles in every difference of neighbouring groups, DN [nints, ngroups - 1, ny, nx]."""
    truth = scene.uncal.with_name(scene.uncal.name.replace("_uncal", "_truth"))
    hits, exposure = fits.getdata(truth, "HITS"), models.read_meta(scene.uncal).exposure
    integration = hits["integration"] - (
        (exposure.integration_start or 1) - 1
    )  # a file may be a segment of an exposure
    inside = (integration >= 0) & (integration < shape[0])
    hits, integration = hits[inside], integration[inside]
    level = np.zeros(shape, np.float32)
    for group in range(level.shape[1]):
        first = group * (exposure.nframes + exposure.groupgap)
        for frame in range(first, first + exposure.nframes):
            known = hits["frame"] <= frame
            seen = hits[known]
            np.add.at(level, (integration[known], group, seen["y"], seen["x"]), seen["charge"] / exposure.nframes)
    return np.diff(level, axis=1) / scene.reference("gain").array()


def _judged(flags: list[np.ndarray], scene: Scene) -> np.ndarray:
    lost = np.uint8(dq.SATURATED | dq.DO_NOT_USE)
    unusable = ((flags[0] | flags[1]) & lost) > 0
    mask = scene.reference("mask").dq()
    return ~unusable[:, 1:] & ~unusable[:, :-1] & (mask & (dq.DO_NOT_USE | dq.REFERENCE_PIXEL) == 0)


def _noise(scene: Scene) -> np.ndarray:
    """Return the noise of a difference of two groups, DN: that of the reads, and of the photons of the true rate."""
    exposure = models.read_meta(scene.uncal).exposure
    truth = scene.uncal.with_name(scene.uncal.name.replace("_uncal", "_truth"))
    photons = fits.getdata(truth, "RATE_E") * exposure.group_time / scene.reference("gain").array() ** 2
    return np.sqrt(scene.reference("readnoise").array() ** 2 / exposure.nframes + photons)
