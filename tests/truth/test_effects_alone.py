"""Each systematic effect of the detector, switched on alone, is removed by its step: rates are exact to 1e-4."""

import numpy as np
import pytest
from scipy.ndimage import minimum_filter

from jwcore import planner
from jwcore.algorithms import dq
from jwcore.synth import Effects, tiny_exposure
from jwcore.synth.nircam import NIRCAM

from ._reduce import STRIPE, live, reduce, relative_error, with_subarray, write_references

SIZE = 128
ROUNDING = 2e-4
"""Largest relative error in one pixel of the scene: rounding by the converter, and the cut of the IPC kernel."""
PATTERNS = {"BRIGHT2": 8, "SHALLOW4": 8, "MEDIUM8": 6, "DEEP8": 4}
"""Read patterns that average, with a number of groups."""
CORRECTED = {
    "bias": ("superbias", "nonlinearity"),
    "dark": ("dark_current",),
    "ipc": ("ipc",),
    "nonlinearity": ("linearity",),
    "drifts": ("refpix",),
}
"""Effect -> the step that removes it, and what else must be switched on for it to matter."""


def scene(brightest=700.0):
    """A gradient with a lattice of brighter pixels, e-/s: up to 43000 DN in 100 s with the default brightness."""
    rate = np.geomspace(200.0, brightest, SIZE)[:, None] * np.ones(SIZE)
    rate[5::8, 5::8] *= 1.25
    return rate


def exposure_with(*effects, readpatt="RAPID", ngroups=10, rate=None, **settings):
    """100 s of the scene."""
    pattern = NIRCAM.read_patterns[readpatt]
    return tiny_exposure(
        size=SIZE, rate=scene() if rate is None else rate, effects=Effects.only("reference_pixels", *effects), seed=3,
        readpatt=readpatt, ngroups=ngroups, frame_time=100 / (ngroups * (pattern.nframes + pattern.groupgap)), **settings,
    )  # fmt: skip


def errors(exposure, folder, **options):
    return relative_error(exposure, reduce(exposure, folder, **options)["rate"])


@pytest.mark.parametrize("effect", CORRECTED)
def test_a_step_removes_its_effect(tmp_path, effect):
    step, *others = CORRECTED[effect]
    exposure = exposure_with(effect, *others)
    with_step, without_step = (
        errors(exposure, tmp_path / name, skip=skip) for name, skip in (("a", []), ("b", [step]))
    )
    assert with_step.size == live(exposure).sum()
    assert np.abs(with_step).max() < ROUNDING
    assert abs(with_step.mean()) < 2e-5
    assert without_step.std() > 3 * with_step.std()


@pytest.mark.parametrize("effect", ["ktc", "flat", "reference_pixels"])
def test_an_effect_that_no_step_removes_does_not_touch_the_rate(tmp_path, effect):
    error = errors(exposure_with(effect), tmp_path)
    assert np.abs(error).max() < ROUNDING
    assert abs(error.mean()) < 1e-5


def test_drifts_of_four_amplifiers(tmp_path):
    effects = Effects.only("reference_pixels", "drifts", "bias")
    exposure = with_subarray(STRIPE, rate=400.0, effects=effects, seed=4)
    error, without = errors(exposure, tmp_path / "a"), errors(exposure, tmp_path / "b", skip=["refpix"])
    assert np.abs(error).max() < ROUNDING
    assert without.std() > 3 * error.std()
    assert abs(error.mean()) < 2e-5


def test_flat_field_recovers_the_illumination(tmp_path):
    exposure = exposure_with("flat", rate=500.0)
    rate = reduce(exposure, tmp_path)["rate"]
    flat = write_references(exposure, tmp_path)["flat"]
    flattened = planner.plan([rate], "flat_field", references="none", overrides={"flat": flat}).run()["science"]
    maps = exposure.observation.maps
    illumination = 500.0 / maps.spec.gain / maps.area
    use = live(exposure)
    assert np.std(rate.data[use]) > 5e-3 * np.mean(rate.data[use])
    np.testing.assert_allclose(flattened.data[use], illumination[use], rtol=ROUNDING)


def test_bad_pixels(tmp_path):
    exposure = exposure_with("bad_pixels", "dark")
    maps, rate = exposure.observation.maps, reduce(exposure, tmp_path)["rate"]
    assert min(np.count_nonzero(m) for m in (maps.dead, maps.low_response, maps.hot)) > 3
    assert np.isnan(rate.data[maps.dead]).all()
    assert np.all(rate.dq[maps.dead] & dq.DEAD)
    assert np.all(rate.dq[maps.low_response] & dq.LOW_QE)
    assert np.all(rate.dq[maps.hot] & dq.HOT)
    assert np.abs(relative_error(exposure, rate)).max() < 2.5 * ROUNDING  # pixels of low response have fewer counts


@pytest.mark.parametrize("nints", [1, 2])
def test_saturation(tmp_path, nints):
    exposure = exposure_with("saturation", "nonlinearity", rate=scene(4000.0), nints=nints)
    products = reduce(exposure, tmp_path)
    flagged = (products["ramp"].groupdq & dq.SATURATED) > 0
    first = np.where(flagged.any(axis=1), flagged.argmax(axis=1), exposure.programme.readout.ngroups)
    where, full = live(exposure), exposure.raw.saturated_group
    assert 0.3 < flagged.any(axis=1).mean() < 0.7
    assert np.all(first[:, where] <= full[:, where])
    # one layer of neighbours is flagged too, and the reference is 1.5 % below the full well
    assert np.all(first[:, where] >= minimum_filter(full, size=(1, 3, 3))[:, where] - 1)
    assert np.abs(relative_error(exposure, products["rate"])).max() < ROUNDING


@pytest.mark.parametrize("effect", ["nonlinearity", "dark"])
@pytest.mark.parametrize("readpatt", PATTERNS)
def test_averaged_groups(tmp_path, readpatt, effect):
    error = errors(exposure_with(effect, readpatt=readpatt, ngroups=PATTERNS[readpatt]), tmp_path)
    assert np.abs(error).max() < ROUNDING
    assert abs(error.mean()) < 2e-5


@pytest.mark.parametrize("readpatt", PATTERNS)
def test_averages_that_saturate_part_way(tmp_path, readpatt):
    exposure = exposure_with(
        "nonlinearity", "saturation", readpatt=readpatt, ngroups=PATTERNS[readpatt], rate=scene(4000.0)
    )
    error = np.abs(errors(exposure, tmp_path))
    assert np.median(error) < ROUNDING
    assert np.percentile(error, 99) < 1e-3
    # an average whose last frames saturate in the last group of all gives no sign of it
    assert error.max() < 0.01


def test_cosmic_rays(tmp_path):
    exposure = exposure_with("cosmic_rays")
    with_step, without_step = (errors(exposure, tmp_path / str(skip), skip=skip) for skip in ([], ["jump"]))
    assert np.abs(without_step).max() > 0.1
    assert np.abs(with_step).max() < 0.01  # hits below the threshold of 4 sigma
    assert abs(with_step.mean()) < 1e-5 < 5e-5 < abs(without_step.mean())
