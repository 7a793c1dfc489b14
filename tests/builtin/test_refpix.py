import numpy as np
import pytest

from jwcore.algorithms import dq
from jwcore.api import SkipStep, UsageError
from jwcore.builtin.detector1.refpix import RefPixParams, refpix, refuse_sirs

from ._ramps import context, ramp


def with_border(exposure):
    """Flag the border of a full frame of 32 x 32."""
    exposure.pixeldq[:] = dq.REFERENCE_PIXEL
    exposure.pixeldq[4:28, 4:28] = 0
    return exposure


@pytest.mark.parametrize("axes", [(1, 2), (-2, -1)])
def test_truth_offsets_of_groups_and_zero_frames_are_removed(axes):
    fastaxis, slowaxis = axes
    exposure = with_border(ramp((2, 3, 32, 32), value=0, zeroframe=20, FASTAXIS=fastaxis, SLOWAXIS=slowaxis))
    exposure.data += np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) * 100
    exposure.data[:, :, 16, 16] += 50
    exposure.zeroframe[0, 16, 16] += 50
    exposure.zeroframe[0, 20, 20] = 0
    refpix(exposure, RefPixParams(), context())
    assert (exposure.data[:, :, 16, 16] == 50).all()
    exposure.data[:, :, 16, 16] = 0
    assert not exposure.data.any()
    assert exposure.zeroframe[0, 16, 16] == 50
    assert np.count_nonzero(exposure.zeroframe) == 1


def test_reference_pixels_without_value_do_not_bias_the_zero_frame():
    exposure = with_border(ramp(value=0, zeroframe=20))
    exposure.zeroframe[0, :2] = 0
    refpix(exposure, RefPixParams(), context())
    assert not exposure.zeroframe.any()


def test_reference_pixels_without_value_do_not_bias_the_zero_frame_of_a_subarray():
    exposure = ramp((1, 2, 16, 20), value=9, zeroframe=20, NOUTPUTS=1, SUBSTRT1=1, SUBSTRT2=9)
    exposure.pixeldq[:, :4] = dq.REFERENCE_PIXEL
    exposure.zeroframe[0, :8, :4] = 0
    refpix(exposure, RefPixParams(), context())
    assert not exposure.zeroframe.any()


def test_parameters_reach_the_kernels():
    def corrected(**params):
        exposure = with_border(ramp(value=0))
        exposure.data += np.where(np.arange(32) % 2, 4, -4).astype(np.float32)
        exposure.data[0, :, 10] += 30
        refpix(exposure, RefPixParams(**params), context())
        return exposure.data[0, 0]

    assert not np.delete(corrected(side_smoothing_length=5), 10, axis=0).any()
    assert (corrected(side_smoothing_length=5)[10] == 30).all()
    assert not corrected(side_smoothing_length=1).any()
    assert (corrected(side_smoothing_length=1, side_gain=0.5)[10] == 15).all()
    assert (corrected(side_smoothing_length=1, use_side_ref_pixels=False)[10] == 30).all()
    assert (np.abs(corrected(odd_even_columns=False)[0]) == 4).all()


def test_subarray_with_one_output():
    exposure = ramp((1, 2, 16, 20), value=9, NOUTPUTS=1, SUBSTRT1=1, SUBSTRT2=9)
    exposure.pixeldq[:, :4] = dq.REFERENCE_PIXEL
    exposure.pixeldq[0, 0] |= dq.DO_NOT_USE
    exposure.data[:, :, 0, 0] = 1e5
    refpix(exposure, RefPixParams(), context())
    exposure.data[:, :, 0, 0] = 0
    assert not exposure.data.any()


@pytest.mark.parametrize(
    ("exposure", "traits", "reason"),
    [
        (ramp((1, 1, 50, 32), FASTAXIS=2, SLOWAXIS=1), {}, "IRS2"),
        (ramp(), {"readout": "mid-infrared"}, "mid-infrared"),
        (ramp(MSTR_RD1=1), {}, "multistripe"),
        (ramp(SSTR_NST=4), {}, "multistripe"),
        (ramp((1, 1, 16, 16), NOUTPUTS=1, SUBSTRT1=9, SUBSTRT2=9), {}, "no usable reference pixels"),
    ],
)
def test_what_cannot_be_done_is_skipped_and_says_why(exposure, traits, reason):
    before = exposure.data.copy()
    with pytest.raises(SkipStep, match=reason):
        refpix(exposure, RefPixParams(), context(**traits))
    np.testing.assert_array_equal(exposure.data, before)


def test_the_sirs_algorithm_is_refused_before_anything_runs():
    with pytest.raises(UsageError, match="refpix_algorithm=median"):
        refuse_sirs(RefPixParams(refpix_algorithm="sirs"))
