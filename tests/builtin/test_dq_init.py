import numpy as np
import pytest
from astropy.io import fits

from jwcore.algorithms import dq
from jwcore.api import BadInput
from jwcore.builtin.detector1.dq_init import DQInitParams, dq_init

from ._ramps import context, ramp, reference


def mask():
    flags = np.zeros((32, 32), np.uint32)
    flags[3, 4] = dq.DO_NOT_USE | dq.DEAD
    flags[5, 6] = dq.HOT
    return flags


def test_flags_enter_pixels_and_do_not_use_enters_groups():
    exposure = ramp((2, 3, 32, 32))
    exposure.pixeldq[0, 0] = dq.REFERENCE_PIXEL
    services = context()
    references = reference("mask")
    references["mask"] = type(references["mask"]).from_arrays("mask", dq=mask())
    dq_init(exposure, references, DQInitParams(), services)
    assert exposure.pixeldq[0, 0] == dq.REFERENCE_PIXEL
    assert exposure.pixeldq[3, 4] == dq.DO_NOT_USE | dq.DEAD
    assert exposure.pixeldq[5, 6] == dq.HOT
    assert (exposure.groupdq[:, :, 3, 4] == dq.DO_NOT_USE).all()
    assert np.count_nonzero(exposure.groupdq) == 6
    assert services.counts == {"bad_pixels": 1}


def test_quality_arrays_of_another_size_are_replaced():
    exposure = ramp()
    exposure.pixeldq = np.ones((4, 4), np.uint32)
    exposure.groupdq = np.ones((1, 1, 4, 4), np.uint8)
    dq_init(exposure, reference("mask", dq=0), DQInitParams(), context())
    assert exposure.pixeldq.shape == (32, 32)
    assert exposure.groupdq.shape == exposure.data.shape
    assert not exposure.pixeldq.any()
    assert not exposure.groupdq.any()


def test_user_supplied_flags_are_added(tmp_path):
    path = tmp_path / "mine.fits"
    fits.writeto(path, mask().astype(np.int32))
    exposure = ramp()
    dq_init(exposure, reference("mask", dq=dq.WARM), DQInitParams(user_supplied_dq=str(path)), context())
    np.testing.assert_array_equal(exposure.pixeldq, mask() | dq.WARM)
    assert (exposure.groupdq[:, :, 3, 4] == dq.DO_NOT_USE).all()


def test_user_supplied_flags_may_be_an_extension(tmp_path):
    path = tmp_path / "mine.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(mask().astype(np.int32), name="FLAGS")]).writeto(path)
    exposure = ramp()
    dq_init(exposure, reference("mask", dq=0), DQInitParams(user_supplied_dq=str(path)), context())
    np.testing.assert_array_equal(exposure.pixeldq, mask())


def test_user_supplied_flags_that_do_not_fit(tmp_path):
    path = tmp_path / "mine.fits"
    fits.writeto(path, np.zeros((4, 4), np.int32))
    exposure = ramp()
    with pytest.raises(BadInput, match=r"holds \(4, 4\), the exposure's mask \(32, 32\)"):
        dq_init(exposure, reference("mask", dq=0), DQInitParams(user_supplied_dq=str(path)), context())
    (tmp_path / "text.fits").write_text("no FITS file")
    with pytest.raises(BadInput, match="cannot read user_supplied_dq"):
        dq_init(exposure, reference("mask", dq=0), DQInitParams(user_supplied_dq=f"{tmp_path}/text.fits"), context())
    with pytest.raises(ValueError, match=r"there is no file no\.fits"):
        DQInitParams(user_supplied_dq="no.fits")
    assert not exposure.groupdq.any()
