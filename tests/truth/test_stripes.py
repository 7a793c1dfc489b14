"""Read-outs in stripes: the rates are those of the pixels that were read, and those of a read-out of all lines around them."""

import numpy as np
import pytest

from jwcore import models, planner
from jwcore.algorithms import dq
from jwcore.synth import Effects
from jwcore.synth.instruments import Subarray
from jwcore.synth.striped import read_in_stripes

from ._reduce import live, reduce, with_subarray, write_references

AROUND = Subarray(name="AROUND", xstart=1, ystart=1, xsize=2048, ysize=64, noutputs=4)


@pytest.fixture(scope="module")
def exposure():
    # four lines of reference pixels know the offsets of amplifiers, and nothing of the banding of other lines
    effects = Effects().switched(off=["one_over_f"])
    return with_subarray(AROUND, rate=40.0, ngroups=4, nints=6, seed=8, effects=effects)


@pytest.fixture(scope="module")
def references(exposure, tmp_path_factory):
    return write_references(exposure, tmp_path_factory.mktemp("references"))


def calibrate(ramp, folder, references, **options):
    path = models.write(ramp, folder / "jw98765001001_02101_00001_nrca1_uncal.fits")
    return planner.plan(str(path), "detector1", references="none", overrides=references, **options).run()


@pytest.fixture(scope="module")
def whole(exposure, references, tmp_path_factory):
    """The read-out of all lines, without the steps whose statistics know neighbours or side pixels."""
    return reduce(exposure, tmp_path_factory.mktemp("whole"), overrides=references, skip=["refpix", "ipc", "jump"])


def test_stripes_give_the_rates_of_their_pixels(exposure, references, whole, tmp_path):
    ramp = read_in_stripes(
        exposure.ramp(), name="SUB41STRIPE1_DHS", lines=34, MSTR_RD1=4, MSTR_SK1=6, MSTR_RD2=10, MSTR_SK2=5, MSTR_RPT=0,
        MSTR_ILV=0,
    )  # fmt: skip
    lines = np.r_[0:4, 10:20, 25:35, 40:50]
    alone = calibrate(ramp, tmp_path, references, skip=["refpix", "ipc", "jump"])
    np.testing.assert_array_equal(alone["rate"].data[5:13], whole["rate"].data[lines][5:13])
    rate = calibrate(ramp, tmp_path, references)["rate"]
    truth, use = exposure.rate[lines], live(exposure)[lines] & (rate.dq & dq.DO_NOT_USE == 0)
    pull = ((rate.data - truth) / rate.err)[use]
    assert abs(pull.mean()) < 0.02
    assert 0.9 < pull.std() < 1.3


def test_superstripes_give_the_rates_of_all_lines(exposure, references, whole, tmp_path):
    ramp = read_in_stripes(
        exposure.ramp(), name="FULL_SUPSTP020", lines=24, MSTR_RD1=4, MSTR_SK1=0, MSTR_RD2=20, MSTR_SK2=0, MSTR_RPT=0,
        MSTR_ILV=0, SSTR_STP=20, SSTR_NST=3,
    )  # fmt: skip
    assert isinstance(ramp, models.SuperstripeRamp)
    products = calibrate(ramp, tmp_path, references)
    rate = products["rate"]
    assert products["rateints"].shape == (2, 60, 2048)
    assert rate.meta.exposure.nints == 2
    assert (rate.meta.subarray.ystart, rate.meta.subarray.ysize) == (5, 60)
    truth, use = exposure.rate[4:], live(exposure)[4:] & (rate.dq & dq.DO_NOT_USE == 0)
    pull = ((rate.data - truth) / rate.err)[use]
    assert abs(pull.mean()) < 0.02
    assert 0.9 < pull.std() < 1.3
    saved = models.read(models.write(ramp, tmp_path / "again_uncal.fits"))
    assert isinstance(saved, models.SuperstripeRamp)


def test_stripes_are_not_cut_into_pieces(exposure, references, tmp_path):
    ramp = read_in_stripes(
        exposure.ramp(), name="SUB41STRIPE1_DHS", lines=14, MSTR_RD1=4, MSTR_SK1=6, MSTR_RD2=10, MSTR_SK2=5, MSTR_RPT=0,
        MSTR_ILV=0,
    )  # fmt: skip
    alone = calibrate(ramp, tmp_path, references, skip=["jump"])["rate"]
    path = tmp_path / "jw98765001001_02101_00001_nrca1_uncal.fits"
    plan = planner.plan(str(path), "detector1", references="none", overrides=references, skip=["jump"], max_memory=1)
    assert any("cannot be cut into pieces" in remark for remark in plan.remarks)
    np.testing.assert_array_equal(plan.run()["rate"].data, alone.data)


def test_repeated_reads_are_groups_enough_for_steps_that_take_three(exposure, references, tmp_path):
    ramp = read_in_stripes(
        exposure.ramp(), name="FULL_SUPSTP020", lines=48, MSTR_RD1=4, MSTR_SK1=0, MSTR_RD2=20, MSTR_SK2=0, MSTR_RPT=1,
        MSTR_ILV=0, SSTR_STP=20, SSTR_NST=3,
    )  # fmt: skip
    ramp.data, ramp.zeroframe = ramp.data[:, :2].copy(), None
    ramp.meta.exposure.ngroups = 2
    params = {"charge_migration": {"skip": False}}
    rate = calibrate(ramp, tmp_path, references, params=params, skip=["saturation"])["rate"]
    assert (rate.meta.cal_step.charge_migration, rate.meta.cal_step.jump) == ("COMPLETE", "COMPLETE")
    assert rate.meta.exposure.ngroups == 4
