"""MIRI's own steps on ramps: what an effect has added is taken off again, and what cannot be used is flagged."""

import numpy as np
import pytest
from jwcal_miri.group_flags import FirstFrameParams, firstframe, lastframe, rscd
from jwcal_miri.refpix import RefPixParams, refpix
from jwcal_miri.reset import reset

from jwcore.algorithms import dq
from jwcore.api import BadInput, Context, Detector, Meta, Ramp, Reference, SkipStep
from jwcore.synth import Effects, tiny_exposure

ROUNDING = 1.001
"""Both exposures that are compared are rounded to whole DN."""
DETECTOR = Detector("TEST", "MIRI", shape=(12, 24), readout="mid-infrared", reference_pixels=(4, 4, 0, 0))


def ramp(shape=(2, 6, 12, 24), *, value=0.0, **keywords):
    meta = Meta()
    for name, entry in {"INSTRUME": "MIRI", "SUBARRAY": "SUB64", "READPATT": "FASTR1", **keywords}.items():
        meta.set_keyword(name, entry)
    return Ramp(data=np.full(shape, value, np.float32), meta=meta)


def simulated(*effects, **settings):
    """The same small exposure with effects and without."""
    settings = {"instrument": "MIRI", "size": 24, "ngroups": 8, "nints": 3, "rate": 30.0, **settings}
    return (tiny_exposure(effects=Effects.only(*names), **settings) for names in (effects, ()))


def skip_table(first=3, later=2, subarray="SUB64", readpatt="FASTR1"):
    dtype = [("SUBARRAY", "S17"), ("readpatt", "S12"), ("group_skip1", "i4"), ("group_skip", "i4")]
    rows = [("FULL", "FASTR1", 5, 5), (subarray, readpatt, first, later)]
    return {"rscd": Reference.from_arrays("rscd", {"RSCD_GROUP_SKIP": np.array(rows, dtype)})}


# ------------------------------------------------------------------------------------------------------- reset
@pytest.mark.parametrize("start", [1, 2])
def test_reset_removes_the_decay_after_a_reset(start):
    with_decay, without = simulated("reset_decay")
    decayed, expected = with_decay.ramp(), without.ramp()
    part = slice(start - 1, None)
    exposure = Ramp(data=decayed.data[part].copy(), meta=decayed.meta.copy())
    exposure.meta.exposure.integration_start = start
    assert np.abs(decayed.data - expected.data).max() > 20
    reset(exposure, {"reset": with_decay.reference("reset")})
    assert np.abs(exposure.data - expected.data[part]).max() <= ROUNDING


def test_reset_counts_nan_as_zero_and_ends_with_the_reference():
    data = np.full((1, 2, 12, 24), 5, np.float32)
    data[0, 1, 3, 3] = np.nan
    flags = np.zeros((1, 1, 12, 24), np.uint32)
    flags[..., 2, 2] = dq.UNRELIABLE_BIAS
    exposure = ramp(value=9.0)
    reset(exposure, {"reset": Reference.from_arrays("reset", {"SCI": data}, dq=flags)})
    assert (exposure.data[:, 2:] == 9).all()
    assert (exposure.data[:, :2] == 4).sum() == 2 * 2 * 12 * 24 - 2
    assert (exposure.data[:, 1, 3, 3] == 9).all()
    assert exposure.pixeldq[2, 2] == dq.UNRELIABLE_BIAS
    assert np.count_nonzero(exposure.pixeldq) == 1


@pytest.mark.parametrize("shape", [(2, 3, 12, 20), (3, 12, 24)])
def test_reset_refuses_a_reference_of_another_shape(shape):
    exposure = ramp(value=9.0)
    with pytest.raises(BadInput, match="SCI"):
        reset(exposure, {"reset": Reference.from_arrays("reset", {"SCI": np.ones(shape, np.float32)})})
    assert (exposure.data == 9).all()


# ------------------------------------------------------------------------------------- firstframe and lastframe
def test_first_and_last_frame_flag_the_groups_that_are_disturbed():
    with_offsets, without = simulated("first_frame", "last_frame")
    exposure, expected = with_offsets.ramp(), without.ramp()
    disturbed = exposure.data != expected.data
    assert disturbed.any(axis=(0, 2, 3)).tolist() == [True] + [False] * 6 + [True]
    firstframe(exposure, FirstFrameParams(), Context())
    lastframe(exposure)
    np.testing.assert_array_equal(exposure.groupdq[disturbed], dq.DO_NOT_USE)
    assert not exposure.groupdq[:, 1:-1].any()
    assert not exposure.pixeldq.any()


@pytest.mark.parametrize("keep", [True, False])
def test_first_group_of_bright_pixels(keep):
    exposure = ramp()
    exposure.groupdq[0, 2:, 5, 5] |= np.uint8(dq.SATURATED)
    context = Context()
    firstframe(exposure, FirstFrameParams(bright_use_group1=keep), context)
    assert np.count_nonzero(exposure.groupdq[:, 0] == 0) == keep
    assert (exposure.pixeldq[5, 5] == dq.FLUX_ESTIMATED) == keep
    assert np.count_nonzero(exposure.pixeldq) == keep
    assert context.counts.get("first_groups_kept", 0) == keep


@pytest.mark.parametrize(
    ("step", "ngroups"), [(lambda e: firstframe(e, FirstFrameParams(), Context()), 3), (lastframe, 2)]
)
def test_short_integrations_keep_their_groups(step, ngroups):
    exposure = ramp((2, ngroups, 12, 24))
    with pytest.raises(SkipStep, match=f"{ngroups} groups"):
        step(exposure)
    assert not exposure.groupdq.any()


# -------------------------------------------------------------------------------------------------------- rscd
def test_rscd_flags_the_groups_that_remember_the_integration_before():
    with_charge, without = simulated("switch_decay", rate=3000.0)
    exposure, expected = with_charge.ramp(), without.ramp()
    left = np.abs(exposure.data - expected.data)[1:].mean(axis=(0, 2, 3))
    before = left[:-1] - left[-1]
    rscd(exposure, with_charge.step_references(), Context())
    skipped = np.count_nonzero(exposure.groupdq[1, :, 9, 9])
    assert before[0] > 20 * ROUNDING
    assert np.abs(np.diff(left[skipped:])).max() < 0.05 * np.abs(np.diff(left)).max()


def test_rscd_counts_integrations_of_the_whole_exposure():
    exposure = ramp()
    rscd(exposure, skip_table(), Context())
    assert (exposure.groupdq[0] == dq.DO_NOT_USE).sum(axis=0).min() == 3
    assert (exposure.groupdq[1] == dq.DO_NOT_USE).sum(axis=0).max() == 2
    assert (exposure.meta.keyword("INT1SKIP"), exposure.meta.keyword("INT2SKIP")) == (3, 2)
    segment = ramp(INTSTART=3)
    rscd(segment, skip_table(), Context())
    np.testing.assert_array_equal(segment.groupdq[0], segment.groupdq[1])
    assert (segment.groupdq[0] == dq.DO_NOT_USE).sum(axis=0).max() == 2
    assert (segment.meta.keyword("INT1SKIP"), segment.meta.keyword("INT2SKIP")) == (None, 2)


def test_rscd_keeps_groups_of_pixels_that_saturate_early():
    exposure = ramp((2, 8, 12, 24))
    for x, group in enumerate((0, 1, 2, 3, 4, 5, 6)):
        exposure.groupdq[0, group:, 0, x] |= np.uint8(dq.SATURATED)
    context = Context()
    rscd(exposure, skip_table(first=4), context)
    flagged = (exposure.groupdq[0, :, 0, :8] & dq.DO_NOT_USE != 0).sum(axis=0)
    assert flagged.tolist() == [4, 0, 0, 1, 2, 3, 4, 4]
    shortened = np.zeros((12, 24), bool)
    shortened[0, 1:6] = True
    np.testing.assert_array_equal(exposure.pixeldq, shortened * dq.FLUX_ESTIMATED)
    assert (exposure.meta.keyword("INT1BORS"), exposure.meta.keyword("INT1UGP1")) == (5, 2)
    assert (exposure.meta.keyword("INT2BORS"), exposure.meta.keyword("INT2UGP1")) == (0, 0)
    assert context.counts == {"shortened_pixels_int1": 5, "shortened_pixels_int2p": 0}


def test_rscd_knows_sub_arrays_by_the_names_of_the_reference():
    exposure = ramp(SUBARRAY="SUBPRISM")
    rscd(exposure, skip_table(first=-9, subarray="SLITLESSPRISM"), Context())
    assert (exposure.groupdq[0] != 0).sum(axis=0).max() == 1


def test_rscd_skips_what_the_reference_does_not_know():
    exposure = ramp(READPATT="SLOWR1")
    with pytest.raises(SkipStep, match="SUB64, read pattern SLOWR1"):
        rscd(exposure, skip_table(), Context())
    with pytest.raises(SkipStep, match="2 groups"):
        rscd(ramp((1, 2, 12, 24)), skip_table(), Context())
    assert not exposure.groupdq.any()


# ------------------------------------------------------------------------------------------------------ refpix
def drifting(shape=(2, 4, 12, 24)):
    """Drifts of amplifiers and row parities since the first group of each integration, and the exposure without them."""
    rng = np.random.default_rng(7)
    drifts = np.broadcast_to(rng.integers(-40, 40, (*shape[:2], 1, 2, 1, 4)), (*shape[:2], 6, 2, 6, 4)).reshape(shape)
    drifts = drifts - drifts[:, :1]
    truth = ramp(shape, value=100.0)
    truth.data[...] += rng.integers(0, 1000, shape[-2:])
    truth.data[:, :, 5, 12] += 500
    exposure = truth.copy()
    exposure.data += drifts.astype(np.float32)
    return exposure, truth


def test_refpix_removes_drifts_of_amplifiers_and_row_parities():
    exposure, truth = drifting()
    refpix(exposure, RefPixParams(), Context(detector=DETECTOR))
    np.testing.assert_allclose(exposure.data, truth.data, atol=1e-3)


def test_refpix_averages_rows_where_they_are_not_told_apart():
    exposure, truth = drifting()
    drifts = exposure.data - truth.data
    refpix(exposure, RefPixParams(odd_even_rows=False), Context(detector=DETECTOR))
    mean = drifts.reshape(2, 4, 6, 2, 24).mean(axis=(2, 3))[:, :, None]
    np.testing.assert_allclose(exposure.data - truth.data, drifts - mean, atol=1e-3)


def test_refpix_uses_the_side_that_has_usable_pixels():
    exposure, truth = drifting()
    exposure.pixeldq[:, 0] = dq.DO_NOT_USE
    exposure.data[:, 1:, :, 0] += 1000
    refpix(exposure, RefPixParams(), Context(detector=DETECTOR))
    np.testing.assert_allclose(exposure.data[..., 1:], truth.data[..., 1:], atol=1e-3)


def test_refpix_leaves_an_amplifier_without_reference_pixels():
    exposure, truth = drifting()
    exposure.pixeldq[:, [0, 20]] = dq.DO_NOT_USE
    before = exposure.data.copy()
    refpix(exposure, RefPixParams(), Context(detector=DETECTOR))
    np.testing.assert_array_equal(exposure.data[..., ::4], before[..., ::4])
    np.testing.assert_allclose(exposure.data[..., 1::4], truth.data[..., 1::4], atol=1e-3)


def test_refpix_skips_sub_arrays():
    with pytest.raises(SkipStep, match="sub-array"):
        refpix(ramp((1, 2, 12, 20)), RefPixParams(), Context(detector=DETECTOR))
