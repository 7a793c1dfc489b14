import numpy as np
import pytest

from jwcore.algorithms import dq
from jwcore.api import BadInput
from jwcore.builtin.detector1.saturation import SaturationParams, saturation

from ._ramps import context, ramp, reference


def test_flags_groups_pixels_and_zero_frames():
    exposure = ramp(zeroframe=50)
    exposure.data[0, 1:, 10, 10] = 2000
    exposure.zeroframe[0, 10, 10] = 1500
    services = context()
    saturation(exposure, reference("saturation", 1000, dq=dq.HOT), SaturationParams(), services)
    assert not exposure.groupdq[0, 0].any()
    assert (exposure.groupdq[0, 1:, 9:12, 9:12] == dq.SATURATED).all()
    assert np.count_nonzero(exposure.groupdq) == 18
    assert (exposure.zeroframe[0, 9:12, 9:12] == 0).all()
    assert np.count_nonzero(exposure.zeroframe) == 32 * 32 - 9
    assert (exposure.pixeldq == dq.HOT).all()
    assert services.counts == {"saturated_pixels": 9}


def test_read_pattern_and_superbias_are_used():
    # four frames a group: 250/2.5*12 = 1200 explains saturation of the third group; with a bias of 200, 440 does not
    def second(**references):
        exposure = ramp(NFRAMES=4, value=250)
        exposure.data[0, 1], exposure.data[0, 2] = 500, 1500
        saturation(exposure, {**reference("saturation", 1000), **references}, SaturationParams(), context())
        return exposure.groupdq[0, 1]

    assert not second().any()
    assert (second(**reference("superbias", 200)) == dq.DO_NOT_USE).all()


def test_unchecked_pixels_are_marked():
    exposure = ramp(value=60000)
    references = reference("saturation", np.nan)
    saturation(exposure, references, SaturationParams(), context())
    assert not exposure.groupdq.any()
    assert (exposure.pixeldq == dq.NO_SAT_CHECK).all()


def test_reference_of_another_size_is_refused_before_the_first_edit():
    exposure = ramp(value=5000)
    with pytest.raises(BadInput, match=r"SCI of the saturation reference covers \(8, 8\) pixels"):
        saturation(exposure, reference("saturation", 1000, shape=(8, 8)), SaturationParams(), context())
    with pytest.raises(BadInput, match="has no extension SCI"):
        saturation(exposure, reference("saturation"), SaturationParams(), context())
    assert not exposure.groupdq.any()


def test_an_image_larger_than_the_detector_is_interleaved_or_refused():
    with pytest.raises(BadInput, match=r"50 rows .* FASTAXIS=1"):
        saturation(ramp((1, 2, 50, 32)), reference("saturation", 1, shape=(50, 32)), SaturationParams(), context())


def test_the_halo_follows_the_growth():
    assert saturation.__jwcal_step__.halo_for(SaturationParams(n_pix_grow_sat=8)) == 2 * 8
