"""Steps of ramps that are off by default, or take another method, where there is little or nothing to work on."""

import numpy as np
import pytest

from jwcore.algorithms.dq import (
    CHARGELOSS,
    DO_NOT_USE,
    NO_GAIN_VALUE,
    NO_LIN_CORR,
    PERSISTENCE,
    SATURATED,
)
from jwcore.api import Context, Image, Ramp, SkipStep, StepFailed
from jwcore.builtin.detector1.charge_migration import ChargeMigrationParams, charge_migration
from jwcore.builtin.detector1.clean_flicker_noise import CleanFlickerNoiseParams, clean_flicker_noise
from jwcore.builtin.detector1.jump import JumpParams, jump
from jwcore.builtin.detector1.linearity import linearity
from jwcore.builtin.detector1.persistence import PersistenceParams, persistence
from jwcore.builtin.detector1.ramp_fit import RampFitParams, ramp_fit

from ._ramps import context, ramp, reference
from .test_clean_flicker_noise import services

SHAPE = (32, 256)
CORNER = np.s_[..., :6, :6]
BEYOND = np.s_[..., 8:, 8:]
"""What the corner and its neighbours cannot reach."""


def exposure(ngroups=6):
    """Noisy ramps of 20 DN per group, with a snowball."""
    result = ramp(
        (1, ngroups, *SHAPE),
        TGROUP=10.0,
        TFRAME=2.0,
        NFRAMES=4,
        GROUPGAP=1,
        EXPSTART=6e4,
        EFFINTTM=60.0,
        DETECTOR="NRCA1",
    )
    result.data += 20 * np.arange(ngroups, dtype=np.float32)[:, None, None]
    result.data += np.random.default_rng(1).normal(0, 1.5, result.shape).astype("f4")
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    radius = np.hypot(y - 18, x - 150)
    result.data[:, 2:, radius < 9] += 800
    result.data[:, 2:, radius < 4] = 6e4
    result.groupdq[:, 2:, radius < 4] = SATURATED
    return result


def references(spoilt=None):
    """References, with NaN in a corner of one array."""
    planes = {"gain": [2], "readnoise": [8], "COEFFS": [0, 1, 1e-6, 2e-12], "INV_COEFFS": [0, 1, -1e-6]}
    arrays = {name: np.multiply.outer(np.float32(values), np.ones(SHAPE, "f4")) for name, values in planes.items()}
    if spoilt:
        arrays[spoilt][CORNER] = np.nan
    gain, noise = (reference(name, SCI=arrays.pop(name)[0]) for name in ("gain", "readnoise"))
    return gain | noise | reference("linearity", shape=SHAPE, dq=0, **arrays)


def find_snowballs(source, given):
    return jump(source, given, JumpParams(expand_large_events=True), context())


def fit_likely(source, given):
    return ramp_fit(source, given, RampFitParams(algorithm="LIKELY"), context())["rate"]


def clean_lines(source, given):
    return clean_flicker_noise(source, given, CleanFlickerNoiseParams(), services())


def correct_reads(source, given):
    return linearity(source, given, context())


def flag_persistence(source, given):
    return persistence(source, PersistenceParams(persistence_time=15), {"windows": None}, context())


def flag_migration(source, given):
    return charge_migration(source, ChargeMigrationParams(signal_threshold=1e4), context())


STEPS = [find_snowballs, fit_likely, clean_lines, correct_reads, flag_persistence, flag_migration]


def test_an_ordinary_exposure_is_changed_by_all_steps():
    for step in STEPS:
        before, after = exposure(), step(exposure(), references())
        if isinstance(after, Image):
            assert np.median(after.data) == pytest.approx(2, rel=0.01)
        else:
            assert np.any(after.data != before.data) or np.any(after.groupdq != before.groupdq)


def spoil(source, where, kind):
    flags = source.groupdq[where]
    flags |= DO_NOT_USE if kind == "unusable" else SATURATED
    if kind == "saturated":
        source.data[where] = 6e4
    return source


ADDED = {
    find_snowballs: {"saturated": 0, "unusable": 0},
    flag_persistence: {"saturated": PERSISTENCE, "unusable": 0},
    flag_migration: {"saturated": CHARGELOSS | DO_NOT_USE, "unusable": 0},
}
"""Flags that a step adds to a group of exposures without a good one."""


@pytest.mark.parametrize("kind", ["saturated", "unusable"])
@pytest.mark.parametrize("step", STEPS)
def test_exposures_without_a_good_group(step, kind):
    source = spoil(exposure(), np.s_[:], kind)
    source.groupdq[:] = SATURATED if kind == "saturated" else DO_NOT_USE
    before = source.copy()
    if step is clean_lines:
        with pytest.raises(SkipStep, match="not one ramp"):
            step(source, references())
    elif step is fit_likely:
        assert np.isnan(step(source, references()).data).all()
    else:
        step(source, references())
    corrected = step is correct_reads and kind == "unusable"  # what is flagged still has a value
    assert np.array_equal(source.data, before.data) != corrected
    added = source.groupdq & ~before.groupdq
    assert not np.any(before.groupdq & ~source.groupdq)
    expected = ADDED.get(step, {}).get(kind, 0)
    first = np.s_[:, 0] if step is flag_persistence else np.s_[:]
    assert np.all(added[first] == expected & ~before.groupdq[first])


@pytest.mark.parametrize("step", STEPS)
def test_a_single_group(step):
    source = exposure(ngroups=1)
    before = source.copy()
    if step in (clean_lines, flag_migration, find_snowballs):
        with pytest.raises(SkipStep, match="group"):
            step(source, references())
        np.testing.assert_array_equal(source.data, before.data)
        return
    after = step(source, references())
    if step is fit_likely:  # by lines, from the reset on
        np.testing.assert_allclose(np.median(after.data), 100 / (2.5 * 2.0), rtol=0.01)
        return
    assert np.array_equal(after.data, before.data) == (step is not correct_reads)
    assert np.array_equal(after.groupdq, before.groupdq)


@pytest.mark.parametrize("kind", ["saturated", "unusable"])
@pytest.mark.parametrize("step", STEPS)
def test_ramps_that_are_lost_from_the_first_group_on_do_not_disturb_others(step, kind):
    lost, sound = (step(source, references()) for source in (spoil(exposure(), CORNER, kind), exposure()))
    # lines lose six of their pixels
    np.testing.assert_allclose(lost.data[BEYOND], sound.data[BEYOND], rtol=1e-6, atol=2.0 if step is clean_lines else 0)
    if isinstance(lost, Ramp):
        np.testing.assert_array_equal(lost.groupdq[BEYOND], sound.groupdq[BEYOND])
        flag = DO_NOT_USE if kind == "unusable" else SATURATED
        assert np.all(lost.groupdq[CORNER] & flag)
    else:
        np.testing.assert_array_equal(lost.dq[BEYOND], sound.dq[BEYOND])
        assert np.all(lost.dq[CORNER] == (DO_NOT_USE | SATURATED if kind == "saturated" else DO_NOT_USE))
        assert np.isnan(lost.data[CORNER]).all()
        assert not np.any(lost.err[CORNER])


SPOILT = [
    (find_snowballs, "gain", DO_NOT_USE | NO_GAIN_VALUE),
    (find_snowballs, "readnoise", 0),
    (fit_likely, "gain", DO_NOT_USE | NO_GAIN_VALUE),
    (fit_likely, "readnoise", DO_NOT_USE),
    (correct_reads, "COEFFS", NO_LIN_CORR),
    (correct_reads, "INV_COEFFS", 0),
]


@pytest.mark.parametrize(("step", "array", "flags"), SPOILT)
def test_pixels_without_a_reference_value_are_flagged_and_do_not_disturb_others(step, array, flags):
    source = exposure()
    lost, sound = step(source, references(spoilt=array)), step(exposure(), references())
    found, expected = (one.dq if isinstance(one, Image) else one.pixeldq for one in (lost, sound))
    assert np.all(found[CORNER] == flags)
    np.testing.assert_array_equal(found[BEYOND], expected[BEYOND])
    np.testing.assert_array_equal(lost.data[BEYOND], sound.data[BEYOND])
    if isinstance(lost, Ramp):
        assert np.isfinite(lost.data).all()
        assert not np.any(lost.groupdq[CORNER])
    else:
        assert np.isnan(lost.data[CORNER]).all()


def test_what_is_optional_may_be_missing():
    plain = references()
    curves = plain["linearity"].array("COEFFS")
    without = correct_reads(exposure(), reference("linearity", shape=SHAPE, dq=0, COEFFS=curves))
    assert (
        np.abs(without.data - correct_reads(exposure(), plain).data).max() < 0.01
    )  # faint light: hardly any curvature
    source = exposure()
    before = source.data.copy()
    with pytest.raises(StepFailed, match="no flat reference"):
        clean_flicker_noise(source, {}, CleanFlickerNoiseParams(apply_flat_field=True), services())
    np.testing.assert_array_equal(source.data, before)


def test_times_must_be_known():
    with pytest.raises(StepFailed, match="persistence_time"):
        persistence(exposure(), PersistenceParams(), {}, Context())
