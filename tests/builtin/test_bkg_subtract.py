import numpy as np
import pytest

from jwcore import models
from jwcore.api import Context, ExposureType, SkipStep
from jwcore.builtin.image2.bkg_subtract import BkgSubtractParams, bkg_subtract
from tests.builtin._images import image

SHAPE = (20, 24)


def _constant(value, shape=SHAPE, **meta):
    exposure = image(shape, **meta)
    exposure.data[...] = value
    exposure.err[...] = 0.3
    return exposure


def _run(exposure, backgrounds, context=None, **params):
    return bkg_subtract(exposure, {"background": backgrounds}, BkgSubtractParams(**params), context or Context())


@pytest.mark.parametrize("shape", [SHAPE, (3, *SHAPE)])
@pytest.mark.parametrize("background", [SHAPE, (4, *SHAPE)])
def test_mean_is_subtracted_and_errors_stay(shape, background):
    exposure = image(shape)
    data, err = exposure.data.copy(), exposure.err.copy()
    others = [_constant(1.0, background), _constant(2.0, background)]
    others[0].dq[..., 2, 2] = 4
    context = Context()
    _run(exposure, others, context)
    np.testing.assert_allclose(exposure.data, data - 1.5, rtol=1e-6)
    np.testing.assert_array_equal(exposure.err, err)
    assert (exposure.dq[..., 2, 2] == 4).all()
    assert context.counts == {"background_exposures": 2, "pixels_without_background": 0}


def test_source_in_one_background_is_clipped():
    exposure = image()
    data = exposure.data.copy()
    others = [_constant(1.0) for _ in range(12)]
    others[5].data[3, 3] = 1000
    _run(exposure, models.ExposureSet(others))
    np.testing.assert_allclose(exposure.data, data - 1, rtol=1e-6)


def test_subarrays_are_aligned_by_detector_position():
    exposure = image()
    data = exposure.data.copy()
    _run(exposure, [_constant(2.0, (10, 12), subarray__xstart=13, subarray__ystart=11)])
    np.testing.assert_allclose(exposure.data[10:, 12:], data[10:, 12:] - 2, rtol=1e-5)
    np.testing.assert_array_equal(exposure.data[:10], data[:10])
    covered = np.zeros(SHAPE, bool)
    covered[10:, 12:] = True
    np.testing.assert_array_equal(exposure.dq & 1 == 0, covered)


def test_combined_background_is_saved():
    context = Context()
    cubes = [_constant(1.0, (4, *SHAPE)), _constant(3.0, (4, *SHAPE))]
    _run(image(), cubes, context, save_combined_background=True)
    saved = context.saved["combinedbackground"]
    np.testing.assert_allclose(saved.data, 2)
    np.testing.assert_allclose(saved.err, 0.3 / np.sqrt(8), rtol=1e-6)


def test_files_of_the_user(tmp_path):
    models.write(_constant(1.0), tmp_path / "b_rate.fits")
    exposure = image()
    data = exposure.data.copy()
    bkg_subtract(exposure, {}, BkgSubtractParams(bkg_list=[str(tmp_path / "b_rate.fits")]), Context())
    np.testing.assert_allclose(exposure.data, data - 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("backgrounds", "reason"),
    [
        ([], "no background exposures"),
        ([_constant(1.0, subarray__xstart=500)], "covers this sub-array"),
        ([_constant(1.0, instrument__gwa_xtilt=0.36)], "grating wheel"),
    ],
)
def test_skipped_before_any_edit(backgrounds, reason):
    exposure = image(instrument__gwa_xtilt=0.35)
    data = exposure.data.copy()
    with pytest.raises(SkipStep, match=reason):
        _run(exposure, backgrounds)
    np.testing.assert_array_equal(exposure.data, data)


def test_modelled_backgrounds_are_refused():
    with pytest.raises(SkipStep, match="not available yet"):
        _run(image(), [_constant(1.0)], Context(exposure_type=ExposureType("TYPE", "INST", family="wfss")))
