"""MIRI's own steps where there is little or nothing to work on: every combination leaves sound pixels sound."""

import numpy as np
import pytest
from jwcal_miri.emicorr import EmiCorrParams, emicorr
from jwcal_miri.group_flags import FirstFrameParams, firstframe, lastframe, rscd
from jwcal_miri.refpix import RefPixParams, refpix
from jwcal_miri.reset import reset

from jwcore import planner
from jwcore.algorithms import dq
from jwcore.api import Context, Detector, Reference, SkipStep
from jwcore.synth import Effects, tiny_exposure

PIXELS = np.s_[20:30, 10:30]
"""The pixels that are spoilt; the others must not notice."""
DETECTOR = Detector("TEST", "MIRI", shape=(64, 72), readout="mid-infrared", reference_pixels=(4, 4, 0, 0))


@pytest.fixture(scope="module")
def simulated():
    names = (
        "read_noise",
        "poisson",
        "bad_pixels",
        "interference",
        "reset_decay",
        "switch_decay",
        "first_frame",
        "last_frame",
    )
    return tiny_exposure(
        instrument="MIRI", subarray="SUB64", ngroups=8, nints=2, rate=30.0, effects=Effects.only(*names)
    )  # fmt: skip


STEPS = {
    "emicorr": lambda e, r: emicorr(e, r, EmiCorrParams(), Context()),
    "emicorr folded": lambda e, r: emicorr(e, r, EmiCorrParams(algorithm="sequential"), Context()),
    "reset": reset,
    "firstframe": lambda e, r: firstframe(e, FirstFrameParams(), Context()),
    "lastframe": lambda e, r: lastframe(e),
    "rscd": lambda e, r: rscd(e, r, Context()),
    "refpix": lambda e, r: refpix(e, RefPixParams(), Context(detector=DETECTOR)),
}


def all_saturated(exposure, where):
    exposure.data[:, :, *where] = 65535
    exposure.groupdq[:, :, *where] |= np.uint8(dq.SATURATED)


def saturated_from_the_second_group(exposure, where):
    exposure.data[:, 1:, *where] = 65535
    exposure.groupdq[:, 1:, *where] |= np.uint8(dq.SATURATED)


def first_group_saturated(exposure, where):
    exposure.groupdq[:, 0, *where] |= np.uint8(dq.SATURATED)


def do_not_use(exposure, where):
    exposure.pixeldq[where] |= np.uint32(dq.DO_NOT_USE)
    exposure.groupdq[:, :, *where] |= np.uint8(dq.DO_NOT_USE)


def without_a_value(exposure, where):
    exposure.data[:, :, *where] = np.nan
    do_not_use(exposure, where)


SPOILERS = [all_saturated, saturated_from_the_second_group, first_group_saturated, do_not_use, without_a_value]


def spoilt(simulated, spoil, where, *, ngroups=None, nints=None):
    exposure = simulated.ramp()
    if ngroups is not None:
        exposure.data, exposure.groupdq = exposure.data[:, :ngroups], exposure.groupdq[:, :ngroups]
        exposure.meta.exposure.ngroups = ngroups
    if nints is not None:
        exposure.data, exposure.groupdq = exposure.data[:nints], exposure.groupdq[:nints]
        exposure.meta.exposure.nints = nints
    if spoil is not None:
        spoil(exposure, where)
    return exposure


def flags_have_grown(before, after):
    return (before.groupdq & ~after.groupdq == 0).all() and (before.pixeldq & ~after.pixeldq == 0).all()


@pytest.mark.parametrize("spoil", SPOILERS)
@pytest.mark.parametrize("step", STEPS)
def test_spoilt_pixels_do_not_disturb_others(simulated, step, spoil):
    references = simulated.step_references()
    exposure, sound = spoilt(simulated, spoil, PIXELS), spoilt(simulated, None, PIXELS)
    before = exposure.copy()
    STEPS[step](exposure, references)
    STEPS[step](sound, references)
    assert flags_have_grown(before, exposure)
    np.testing.assert_array_equal(np.isfinite(exposure.data), np.isfinite(before.data))
    others = np.ones(exposure.shape[-2:], bool)
    others[PIXELS] = False
    # the fit of the interference has fewer pixels; its amplitude is 3 DN
    np.testing.assert_allclose(exposure.data[..., others], sound.data[..., others], atol=0.5 if "emi" in step else 1e-3)
    np.testing.assert_array_equal(exposure.groupdq[..., others], sound.groupdq[..., others])
    np.testing.assert_array_equal(exposure.pixeldq[others], sound.pixeldq[others])


@pytest.mark.parametrize("spoil", SPOILERS)
@pytest.mark.parametrize("step", STEPS)
def test_exposures_that_are_spoilt_altogether_come_through(simulated, step, spoil):
    exposure = spoilt(simulated, spoil, np.s_[:, :])
    before = exposure.copy()
    STEPS[step](exposure, simulated.step_references())
    assert flags_have_grown(before, exposure)
    np.testing.assert_array_equal(np.isfinite(exposure.data), np.isfinite(before.data))
    if spoil is do_not_use and step in ("emicorr", "refpix"):
        np.testing.assert_array_equal(exposure.data, before.data)


@pytest.mark.parametrize("spoil", [None, *SPOILERS])
@pytest.mark.parametrize("nints", [1, 2])
@pytest.mark.parametrize("ngroups", [1, 2, 3])
@pytest.mark.parametrize("step", STEPS)
def test_short_integrations_are_worked_on_or_left_alone(simulated, step, ngroups, nints, spoil):
    exposure = spoilt(simulated, spoil, PIXELS, ngroups=ngroups, nints=nints)
    before = exposure.copy()
    try:
        STEPS[step](exposure, simulated.step_references())
    except SkipStep:
        np.testing.assert_array_equal(exposure.data, before.data)
        np.testing.assert_array_equal(exposure.groupdq, before.groupdq)
        return
    assert flags_have_grown(before, exposure)
    np.testing.assert_array_equal(np.isfinite(exposure.data), np.isfinite(before.data))
    if step in ("firstframe", "lastframe", "rscd"):
        flagged = exposure.groupdq & ~before.groupdq & dq.DO_NOT_USE != 0
        assert not flagged.all(axis=1).any(), "a group is left of every ramp"


def test_references_without_values_add_nothing(simulated):
    references = simulated.step_references()
    data = references["reset"].array("SCI").copy()
    data[:, :, 5, 5] = np.nan
    exposure, expected = simulated.ramp(), simulated.ramp()
    reset(exposure, {"reset": Reference.from_arrays("reset", {"SCI": data})})
    reset(expected, references)
    np.testing.assert_array_equal(exposure.data[..., 5, 5], simulated.ramp().data[..., 5, 5])
    exposure.data[..., 5, 5] = expected.data[..., 5, 5]
    np.testing.assert_array_equal(exposure.data, expected.data)


@pytest.mark.parametrize("step", ["reset", "rscd"])
def test_a_reference_that_is_not_there_stops_the_plan(simulated, tmp_path, step):
    path = simulated.write(tmp_path)
    plan = planner.plan(str(path), step, references="none", params={step: {"skip": False}})
    assert plan.problems
    assert step in plan.problems[0].text
    assert plan.problems[0].exit_code == 3
