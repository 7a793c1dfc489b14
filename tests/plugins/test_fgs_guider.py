"""Guiding data: a ramp of known slope in every mode, its errors, and what is missing."""

import numpy as np
import pytest
from astropy.io import fits
from jwcal_fgs import guider

from jwcore import models, planner
from jwcore.algorithms import dq
from jwcore.api import Context, Reference
from jwcore.builtin.detector1.dq_init import DQInitParams, dq_init
from jwcore.errors import BadInput, SkipStep, UsageError
from jwcore.testing.exposures import tiny_guider_cal, tiny_guider_raw

SECONDS, RATE, GAIN, NOISE = 0.5, 40.0, 2.0, 3.0


def reads(kind, *, nints=3, nreads=2, shape=(8, 6), rate=RATE):
    """Reads of a constant rate on a bias of 1000 DN, one group time apart."""
    times = SECONDS * np.arange(1, nreads + 1)[:, None, None]
    data = np.broadcast_to(1000 + rate * times, (nints, nreads, *shape))
    exposure = models.GuiderRaw(data=data.astype(np.float32))
    exposure.meta.instrument.name, exposure.meta.exposure.type = "FGS", kind
    exposure.meta.exposure.group_time = SECONDS
    return exposure


def references(shape=(8, 6), gain=GAIN):
    return {
        "gain": Reference.from_arrays("gain", {"SCI": np.full(shape, gain, np.float32)}),
        "readnoise": Reference.from_arrays("readnoise", {"SCI": np.full(shape, NOISE, np.float32)}),
    }


@pytest.mark.parametrize(
    ("kind", "nreads", "images", "between"),
    [
        ("FGS_ACQ1", 2, 3, 1),
        ("FGS_ACQ2", 2, 3, 1),
        ("FGS_TRACK", 2, 3, 1),
        ("FGS_FINEGUIDE", 8, 3, 4),  # groups from the middle of the first four reads to that of the last four
        ("FGS_ID-IMAGE", 2, 1, 1),
        ("FGS_ID-STACK", 2, 1, 1),
    ],
)
def test_rate_of_every_mode(kind, nreads, images, between):
    cal = guider.guider_cds(reads(kind, nreads=nreads), references(), Context())
    rate = RATE * between
    assert cal.shape == (images, 8, 6)
    np.testing.assert_allclose(cal.data, rate, rtol=1e-5)
    np.testing.assert_allclose(cal.err, np.sqrt(rate / GAIN / SECONDS + 2 * (NOISE / SECONDS) ** 2), rtol=1e-5)
    assert cal.meta.bunit_data == "DN/s"


def test_errors_are_those_of_the_noise():
    """Photon and read noise drawn at random scatter by the error that the step gives."""
    rng, shape = np.random.default_rng(5), (64, 64)
    electrons = rng.poisson(RATE * SECONDS * GAIN, (20, *shape))
    data = np.stack([np.zeros((20, *shape)), electrons / GAIN], axis=1) + rng.normal(0, NOISE, (20, 2, *shape))
    exposure = reads("FGS_ACQ1", nints=20, shape=shape)
    exposure.data = data.astype(np.float32)
    cal = guider.guider_cds(exposure, references(shape), Context())
    assert np.std(cal.data) == pytest.approx(np.median(cal.err), rel=0.02)


def test_identification_drops_a_cosmic_ray():
    exposure = reads("FGS_ID-IMAGE", nints=2)
    exposure.data[0, 1, 3, 3] += 5000
    cal = guider.guider_cds(exposure, references(), Context())
    np.testing.assert_allclose(cal.data, RATE, rtol=1e-5)


def test_stack_takes_the_mean_of_references_of_another_shape():
    cal = guider.guider_cds(reads("FGS_ID-STACK"), references(shape=(20, 20)), Context())
    assert cal.shape == (1, 8, 6)
    with pytest.raises(BadInput, match="gain has"):
        guider.guider_cds(reads("FGS_ACQ1"), references(shape=(20, 20)), Context())


def test_one_read_is_no_difference():
    with pytest.raises(SkipStep, match="1 read"):
        guider.guider_cds(reads("FGS_ACQ1", nreads=1), references(), Context())


def test_no_group_time():
    exposure = reads("FGS_ACQ1")
    exposure.meta.exposure.group_time = None
    with pytest.raises(BadInput, match="group time"):
        guider.guider_cds(exposure, references(), Context())


def test_flat_scales_rate_and_error_and_keeps_pixels_without_flat():
    cal = guider.guider_cds(reads("FGS_ACQ1"), references(), Context())
    rate, err = cal.data.copy(), cal.err.copy()
    flat, sigma = np.full((8, 6), 0.8, np.float32), np.full((8, 6), 0.02, np.float32)
    flat[2, 2], flat[4, 4] = np.nan, 0
    reference = Reference.from_arrays("flat", {"SCI": flat, "ERR": sigma})
    out = guider.flat_field(cal, {"flat": reference}, guider.GuiderFlatParams(), Context())
    good = np.isfinite(flat) & (flat > 0)
    np.testing.assert_allclose(out.data[:, good], rate[:, good] / 0.8, rtol=1e-6)
    expected = np.hypot(err / 0.8, rate / 0.8 * 0.02 / 0.8)
    np.testing.assert_allclose(out.err[:, good], expected[:, good], rtol=1e-5)
    np.testing.assert_array_equal(out.data[:, ~good], rate[:, ~good])
    assert np.all(out.dq[~good] == dq.DO_NOT_USE | dq.NO_FLAT_FIELD)


def test_flat_and_inverse_flat_cancel():
    cal = guider.guider_cds(reads("FGS_ACQ1"), references(), Context())
    rate = cal.data.copy()
    reference = Reference.from_arrays("flat", {"SCI": np.full((8, 6), 0.8, np.float32)})
    for inverse in (False, True):
        cal = guider.flat_field(cal, {"flat": reference}, guider.GuiderFlatParams(inverse=inverse), Context())
    np.testing.assert_allclose(cal.data, rate, rtol=1e-6)


def test_mask():
    mask = np.zeros((8, 6), np.uint32)
    mask[1, 1] = dq.DO_NOT_USE | dq.DEAD
    exposure = reads("FGS_ACQ1")
    dq_init(exposure, {"mask": Reference.from_arrays("mask", dq=mask)}, DQInitParams(), Context())
    np.testing.assert_array_equal(exposure.dq, mask)
    wrong = Reference.from_arrays("mask", dq=np.zeros((3, 3), np.uint32))
    with pytest.raises(BadInput, match=r"covers \(3, 3\) pixels, the exposure \(8, 6\)"):
        dq_init(exposure, {"mask": wrong}, DQInitParams(), Context())


def test_flags_of_the_user_are_added(tmp_path):
    mine = np.zeros((32, 32), np.int32)
    mine[2, 3] = dq.HOT
    fits.writeto(tmp_path / "mine.fits", mine)
    exposure = tiny_guider_raw(INSTRUME="FGS", DETECTOR="GUIDER1", EXP_TYPE="FGS_ACQ1")
    plan = planner.plan(
        exposure, "dq_init", references="none", overrides={"mask": mask_file(tmp_path)},
        params={"dq_init": {"user_supplied_dq": str(tmp_path / "mine.fits")}},
    )  # fmt: skip
    assert plan.run()["dq_init"].dq[2, 3] == dq.HOT | dq.DO_NOT_USE


def mask_file(folder):
    """A mask all of whose pixels are bad."""
    header = fits.Header({"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 32, "SUBSIZE2": 32, "DETECTOR": "GUIDER1"})
    table = np.array([(0, 1, "DO_NOT_USE")], dtype=[("BIT", "i4"), ("VALUE", "i4"), ("NAME", "S20")])
    flags = fits.ImageHDU(np.ones((32, 32), np.int32), name="DQ")
    fits.HDUList([fits.PrimaryHDU(header=header), flags, fits.BinTableHDU(table, name="DQ_DEF")]).writeto(
        folder / "mask.fits"
    )
    return str(folder / "mask.fits")


def test_a_step_for_other_data_is_not_offered():
    """The flat_field of science exposures has parameters that the one of guiders lacks, but cannot take their data."""
    exposure = tiny_guider_cal(INSTRUME="FGS", DETECTOR="GUIDER1", EXP_TYPE="FGS_ACQ1")
    with pytest.raises(UsageError, match=r"unknown name 'flat_field\.save_interpolated_flat'") as error:
        planner.plan(exposure, "flat_field", references="none", params={"flat_field": {"save_interpolated_flat": 1}})
    assert "--use" not in error.value.cure
