import numpy as np
import pytest

from jwcore.algorithms import dq
from jwcore.api import BadInput, Context, Detector, Reference, SkipStep, UsageError
from jwcore.builtin.detector1.refpix import RefPixParams, needed, refpix

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
    refpix(exposure, {}, RefPixParams(), context())
    assert (exposure.data[:, :, 16, 16] == 50).all()
    exposure.data[:, :, 16, 16] = 0
    assert not exposure.data.any()
    assert exposure.zeroframe[0, 16, 16] == 50
    assert np.count_nonzero(exposure.zeroframe) == 1


def test_reference_pixels_without_value_do_not_bias_the_zero_frame():
    exposure = with_border(ramp(value=0, zeroframe=20))
    exposure.zeroframe[0, :2] = 0
    refpix(exposure, {}, RefPixParams(), context())
    assert not exposure.zeroframe.any()


def test_reference_pixels_without_value_do_not_bias_the_zero_frame_of_a_subarray():
    exposure = ramp((1, 2, 16, 20), value=9, zeroframe=20, NOUTPUTS=1, SUBSTRT1=1, SUBSTRT2=9)
    exposure.pixeldq[:, :4] = dq.REFERENCE_PIXEL
    exposure.zeroframe[0, :8, :4] = 0
    refpix(exposure, {}, RefPixParams(), context())
    assert not exposure.zeroframe.any()


def test_truth_unlit_columns_stand_in_for_reference_pixels():
    detector = Detector("NRS1", "NIRSPEC", shape=(64, 64), unlit_columns={"SUB32": 4})
    exposure = ramp((1, 2, 16, 32), value=0, NOUTPUTS=1, FASTAXIS=2, SLOWAXIS=1, SUBARRAY="SUB32")
    exposure.data += np.where(np.arange(16) % 2, 5, 3).astype(np.float32)[:, None]
    exposure.data[..., 4:-4] += 50
    refpix(exposure, {}, RefPixParams(), Context("refpix", detector=detector))
    assert (exposure.data[..., 4:-4] == 50).all()
    assert not exposure.data[..., :4].any()
    assert not exposure.data[..., -4:].any()
    assert not exposure.pixeldq.any()


def test_parameters_reach_the_kernels():
    def corrected(**params):
        exposure = with_border(ramp(value=0))
        exposure.data += np.where(np.arange(32) % 2, 4, -4).astype(np.float32)
        exposure.data[0, :, 10] += 30
        refpix(exposure, {}, RefPixParams(**params), context())
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
    refpix(exposure, {}, RefPixParams(), context())
    exposure.data[:, :, 0, 0] = 0
    assert not exposure.data.any()


@pytest.mark.parametrize(
    ("exposure", "traits", "reason"),
    [
        (ramp((1, 1, 50, 32), FASTAXIS=2, SLOWAXIS=1), {}, "IRS2"),
        (ramp(), {"readout": "mid-infrared"}, "mid-infrared"),
        (ramp(MSTR_RD1=4, MSTR_RD2=28, SUBSIZE1=32, SUBSIZE2=32), {"shape": (64, 64)}, "no usable reference pixels"),
        (ramp((1, 1, 16, 16), NOUTPUTS=1, SUBSTRT1=9, SUBSTRT2=9), {}, "no usable reference pixels"),
    ],
)
def test_what_cannot_be_done_is_skipped_and_says_why(exposure, traits, reason):
    before = exposure.data.copy()
    with pytest.raises(SkipStep, match=reason):
        refpix(exposure, {}, RefPixParams(), context(**traits))
    np.testing.assert_array_equal(exposure.data, before)


def kernels(detector="test", gain=0.5, **tree):
    """A reference whose kernels pass all frequencies, half of either side."""
    flat = np.full((4, 65), gain, complex)
    return {"sirskernel": Reference.from_arrays("sirskernel", tree=tree or {detector: {"gamma": flat, "zeta": flat}})}


def sirs(**params):
    return RefPixParams(refpix_algorithm="sirs", **{"halfwidth": 6, "gaussmooth": 0.01, **params})


def drifting():
    """Full frame with a drift along the rows, and its corrected image for kernels that do not smooth."""
    exposure = with_border(ramp(value=0, zeroframe=20))
    drift = np.random.default_rng(5).normal(0, 5, 32).astype(np.float32)
    drift -= drift[np.r_[0:4, 28:32]].mean()
    exposure.data += drift[:, None]
    exposure.zeroframe += drift[:, None]
    return exposure


def test_kernels_are_wanted_only_where_they_are_used():
    full, part, stripes = (
        ramp(SUBARRAY=name, **keywords).meta
        for name, keywords in (("FULL", {}), ("SUB320", {}), ("FULL_SUPSTP024", {"SSTR_NST": 85}))
    )
    assert needed(full, RefPixParams()) == set()
    assert needed(full, sirs(use_side_ref_pixels=False)) == set()
    assert needed(full, sirs()) == {"sirskernel"}
    assert needed(part, sirs()) == needed(stripes, sirs()) == set()


@pytest.mark.parametrize("left_out", [dq.DO_NOT_USE, 0])
def test_truth_kernels_remove_the_drift_of_groups_and_zero_frames(left_out):
    exposure = drifting()
    exposure.pixeldq[10, :2] = dq.REFERENCE_PIXEL | left_out
    exposure.data[..., 10, :2] += 1 if left_out else 0
    refpix(exposure, kernels(), sirs(), context())
    exposure.data[..., 10, :2] = 0
    np.testing.assert_allclose(exposure.data, 0, atol=1e-5)
    np.testing.assert_allclose(exposure.zeroframe, 0, atol=1e-5)


def test_parameters_reach_the_kernels_of_the_sides():
    def left(**params):
        exposure = drifting()
        refpix(exposure, kernels(), sirs(**params), context())
        return np.abs(exposure.data[0, 0, 4:28, 16]).mean()

    assert left() < 1e-5 < left(gaussmooth=1.0) < left(use_side_ref_pixels=False)
    assert left(side_gain=0.5) == pytest.approx(0.5 * left(use_side_ref_pixels=False), rel=1e-4)
    assert left(sigreject=0.5) > 1e-2


@pytest.mark.parametrize("references", [{}, kernels(detector="other")])
def test_without_kernels_the_running_median_stands_in(references, caplog):
    exposure, same = drifting(), drifting()
    with caplog.at_level("WARNING"):
        refpix(exposure, references, sirs(), context())
    assert "running median" in caplog.text
    refpix(same, {}, RefPixParams(), context())
    np.testing.assert_array_equal(exposure.data, same.data)


def test_subarrays_are_smoothed_by_the_running_median(caplog):
    exposure, same = (ramp((1, 2, 16, 32), NOUTPUTS=4) for _ in range(2))
    with caplog.at_level("WARNING"):
        refpix(exposure, kernels(), sirs(), context())
    assert "whole frames" in caplog.text
    refpix(same, {}, RefPixParams(), context())
    np.testing.assert_array_equal(exposure.data, same.data)


def test_side_pixels_that_are_all_bad_change_nothing():
    exposure = drifting()
    exposure.pixeldq[:, :4] |= dq.DO_NOT_USE
    exposure.data[..., 28:] = np.nan
    before = exposure.data.copy()
    refpix(exposure, kernels(), sirs(odd_even_columns=False), context())
    np.testing.assert_allclose(exposure.data[..., :24], before[..., :24], atol=1e-5)


@pytest.mark.parametrize(
    ("references", "params", "error", "message"),
    [
        (kernels(), {"halfwidth": 64}, UsageError, "smaller halfwidth"),
        (kernels(test={"gamma": np.ones((4, 65))}), {}, BadInput, "gamma and zeta"),
        (kernels(test={"gamma": np.ones((4, 65)), "zeta": np.ones((4, 33))}), {}, BadInput, "not one shape"),
        (kernels(gain=np.nan), {}, BadInput, "finite"),
        (kernels(test={"gamma": np.ones((2, 65)), "zeta": np.ones((2, 65))}), {}, BadInput, "4 amplifiers"),
    ],
)
def test_kernels_that_cannot_be_used_are_refused(references, params, error, message):
    exposure = drifting()
    before = exposure.data.copy()
    with pytest.raises(error, match=message):
        refpix(exposure, references, sirs(**params), context())
    np.testing.assert_array_equal(exposure.data, before)


def test_the_window_of_the_running_median_fits_into_a_frame():
    with pytest.raises(ValueError, match="less than or equal to 2047"):
        RefPixParams(side_smoothing_length=2048)
