"""All effects of the detector together: bias, errors, and what becomes of cosmic rays."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from jwcore.algorithms import dq
from jwcore.synth import tiny_exposure
from jwcore.synth.nircam import NIRCAM

from ._reduce import live, particle_steps, reduce, residuals, with_subarray

READOUTS = {"RAPID": 10, "BRIGHT2": 8, "MEDIUM8": 6}
"""Read pattern -> number of groups of 20 s."""
FALSE_POSITIVES = {"RAPID": 1e-3, "BRIGHT2": 2e-4, "MEDIUM8": 1e-4}
"""Most differences without charge of a particle that may be flagged."""


@pytest.fixture(scope="module", params=READOUTS)
def reduced(request, tmp_path_factory):
    """A corner of the detector with all effects, and its products."""
    readpatt = request.param
    pattern = NIRCAM.read_patterns[readpatt]
    exposure = tiny_exposure(
        size=256, readpatt=readpatt, ngroups=READOUTS[readpatt], nints=2, seed=7,
        frame_time=20 / (pattern.nframes + pattern.groupgap),
    )  # fmt: skip
    return exposure, reduce(exposure, tmp_path_factory.mktemp(readpatt))


def particles(exposure, ramp):
    """For differences that can be judged: charge of particles, its significance, and whether a jump is flagged."""
    steps = particle_steps(exposure)
    readout, maps, references = exposure.programme.readout, exposure.observation.maps, exposure.references
    photons = (exposure.rate + maps.dark / maps.gain) * readout.group_time / maps.gain
    noise = np.sqrt(references["readnoise"].arrays["SCI"] ** 2 / readout.nframes + photons)
    unusable = (ramp.groupdq & (dq.SATURATED | dq.DO_NOT_USE)) > 0
    judged = live(exposure) & ~unusable[:, 1:] & ~unusable[:, :-1]
    return judged, steps, steps / noise, (ramp.groupdq[:, 1:] & dq.JUMP_DET) > 0


def test_rates_are_unbiased_and_errors_right(reduced):
    exposure, products = reduced
    found = residuals(exposure, products["rate"])
    assert found.bias_error < 1e-4
    assert abs(found.bias) < 1e-3  # limited by what the reference pixels know of the 1/f noise
    assert 0.95 < found.sigma < 1.10
    assert np.isfinite(products["rate"].data[live(exposure)]).mean() > 0.999


def test_cosmic_rays_above_five_sigma_are_flagged(reduced):
    exposure, products = reduced
    judged, _, significance, flagged = particles(exposure, products["ramp"])
    hit = judged & (significance > 5)
    assert hit.sum() > 300
    assert flagged[hit].mean() > 0.985
    assert flagged[judged & (significance > 7)].mean() > 0.999


def test_little_else_is_flagged(reduced):
    exposure, products = reduced
    judged, steps, _, flagged = particles(exposure, products["ramp"])
    beside = maximum_filter(steps > 0.05, size=(1, 1, 3, 3))  # neighbours of strong hits are flagged on purpose
    false = flagged[judged & ~beside].mean()
    assert false < FALSE_POSITIVES[exposure.programme.readout.pattern.name]


def test_rates_of_hit_pixels(reduced):
    exposure, products = reduced
    _, _, significance, _ = particles(exposure, products["ramp"])
    hit = (significance > 5).any(axis=(0, 1))
    found = residuals(exposure, products["rate"], where=hit)
    assert abs(found.bias) < 5e-3
    assert found.sigma < 1.25  # with the remains of fainter charge in the same pixels


@pytest.mark.slow
def test_full_frame(tmp_path):
    """2048 x 2048 pixels read through four amplifiers, with all effects."""
    exposure = with_subarray("FULL", rate=30.0, ngroups=8, readpatt="BRIGHT1", seed=2)
    products = reduce(exposure, tmp_path)
    found = residuals(exposure, products["rate"])
    assert abs(found.bias) < 1e-3
    assert 0.95 < found.sigma < 1.10
    judged, _, significance, flagged = particles(exposure, products["ramp"])
    assert flagged[judged & (significance > 5)].mean() > 0.985
