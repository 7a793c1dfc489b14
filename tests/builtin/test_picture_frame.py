import numpy as np
import pytest

from jwcore import planner
from jwcore.algorithms.dq import DO_NOT_USE, SATURATED
from jwcore.api import BadInput, Context, Cube, Detector, ExposureType, Image, SkipStep, StepFailed
from jwcore.builtin.detector1.picture_frame import PictureFrameParams, needed, picture_frame
from jwcore.builtin.detector1.ramp_fit import RampFitParams, ramp_fit
from jwcore.synth import tiny_exposure
from tests.picture_frames import SHAPE, frame, small_detector  # noqa: F401  (a fixture for all)
from tests.truth._reduce import write_references

from ._ramps import ramp, reference

IMAGING = ExposureType("ANY_IMAGE", "ANY", "imaging")


def services(*, exposure_type=IMAGING, shape=SHAPE, assign_wcs=lambda rate: rate):
    detector = Detector("TEST", "ANY", shape=shape)

    def run(stage, product, *, consume, params):
        if stage == "assign_wcs":
            return assign_wcs(product)
        size = product.shape[-2:]
        references = reference("gain", 2, shape=size) | reference("readnoise", 5, shape=size)
        return ramp_fit(product, references, RampFitParams(**params), Context(detector=detector))

    return Context(detector=detector, exposure_type=exposure_type, nested=run)


def exposure_with_pattern(nints=2, ngroups=4, *, seed=1):
    rng = np.random.default_rng(seed)
    exposure = ramp((nints, ngroups, *SHAPE), TGROUP=10.0, TFRAME=10.0)
    exposure.data += rng.normal(0, 0.5, exposure.shape).astype("f4")
    truth = exposure.data.copy()
    exposure.data += rng.normal(0, 30, (nints, ngroups, 1, 1)).astype("f4") * frame()
    exposure.data += rng.normal(0, 3, (nints, ngroups, 1, 1)).astype("f4")
    return exposure, truth


def remove(exposure, pattern=None, context=None, **params):
    references = reference("pictureframe", SCI=frame(0.01) if pattern is None else pattern)
    return picture_frame(exposure, references, PictureFrameParams(**params), context or services())


def drift(exposure, truth):
    return ((exposure.data - exposure.data[:, :1]) - (truth - truth[:, :1])).std()


def test_truth_the_drift_of_the_pattern_is_removed():
    exposure, truth = exposure_with_pattern()
    first, before, context = exposure.data[:, 0].copy(), drift(exposure, truth), services()
    result = remove(exposure, context=context, save_mask=True, save_correction=True)
    assert result is exposure
    assert drift(exposure, truth) < 0.05 * before
    np.testing.assert_array_equal(exposure.data[:, 0], first)
    assert context.counts == {"corrected_images": 2 * 3}
    assert context.saved["pctfrm_mask"].data.shape == SHAPE
    correction = context.saved["pctfrm_correction"].data
    np.testing.assert_allclose(exposure.data + correction, exposure_with_pattern()[0].data, atol=1e-3)
    assert not correction[:, 0].any()


def test_sources_do_not_count():
    exposure, truth = exposure_with_pattern()
    before = drift(exposure, truth)
    source = 300 * np.arange(4, dtype="f4")[:, None, None]
    exposure.data[:, :, 14:30, 14:34] += source  # more than half of the centre
    remove(exposure)
    exposure.data[:, :, 14:30, 14:34] -= source
    assert drift(exposure, truth) < 0.05 * before


@pytest.mark.parametrize("kind", [Image, Cube])
def test_rates(kind):
    exposure, truth = exposure_with_pattern()
    pick = (0, -1) if kind is Image else (slice(None), -1)
    data, truth = exposure.data[pick].copy(), truth[pick]
    rate = kind(data=data, meta=exposure.meta, dq=np.zeros(data.shape, np.uint32))
    rate.dq[..., 20, :] = DO_NOT_USE
    rate.data[..., 20, :] = 1e6
    context = services()
    remove(rate, context=context, n_sigma=0, save_correction=True)
    left = np.delete(rate.data - truth, 20, axis=-2)
    assert (left - left.mean(axis=(-2, -1), keepdims=True)).std() < 1
    assert context.saved["pctfrm_correction"].data.shape == rate.data.shape
    assert context.counts == {"corrected_images": 1 if kind is Image else 2}


def test_nothing_usable_is_skipped():
    exposure, _ = exposure_with_pattern()
    before = exposure.data.copy()
    for flag in (SATURATED, DO_NOT_USE):
        exposure.groupdq[:] = flag
        with pytest.raises(SkipStep, match="not one ramp"):
            remove(exposure)
    exposure.groupdq[:] = 0
    with pytest.raises(SkipStep, match="only full frames"):
        remove(exposure, context=services(shape=(2048, 2048)))
    with pytest.raises(SkipStep, match="unknown"):
        remove(exposure, np.full(SHAPE, np.nan, "f4"))
    exposure.pixeldq[12:36, 12:36] = DO_NOT_USE
    with pytest.raises(SkipStep, match="no background pixel"):
        remove(exposure)
    np.testing.assert_array_equal(exposure.data, before)
    with pytest.raises(SkipStep, match="single group"):
        remove(exposure_with_pattern(1, 1)[0])


def test_one_integration_without_usable_pixels():
    exposure, truth = exposure_with_pattern()
    exposure.groupdq[1] = DO_NOT_USE
    before, context = exposure.data[1].copy(), services()
    remove(exposure, context=context)
    np.testing.assert_array_equal(exposure.data[1], before)
    assert context.counts == {"corrected_images": 3}
    exposure.data = exposure.data[:1]
    assert drift(exposure, truth[:1]) < 1


def test_nan_in_the_reference_does_not_spread():
    exposure, truth = exposure_with_pattern()
    pattern = frame(0.01)
    pattern[25, 25] = np.nan
    remove(exposure, pattern)
    assert np.isfinite(exposure.data).all()
    assert drift(exposure, truth) < 1


def test_a_reference_of_another_size():
    with pytest.raises(BadInput, match="pictureframe reference holds"):
        remove(exposure_with_pattern()[0], np.ones((8, 8), "f4"))


def test_spectra_need_a_wcs():
    exposure, _ = exposure_with_pattern()
    spectra = ExposureType("ANY_SPECTRA", "ANY", "slit")
    with pytest.raises(StepFailed, match="assign_wcs gives none"):
        remove(exposure, context=services(exposure_type=spectra))
    remove(exposure, context=services(exposure_type=spectra), mask_science_regions=False)
    assert needed(PictureFrameParams(), spectra) == {"ramp_fit", "assign_wcs"}
    assert needed(PictureFrameParams(mask_science_regions=False), spectra) == {"ramp_fit"}


def test_the_plan_names_the_reference_that_is_missing(tmp_path):
    exposure = tiny_exposure(size=32, ngroups=3)
    params = {"picture_frame": {"skip": False}}
    options = {"overrides": write_references(exposure, tmp_path), "params": params, "references": "none"}
    plan = planner.plan(str(exposure.write(tmp_path)), "detector1", **options)
    step = next(step for step in plan.nodes[0].steps() if step.stage == "picture_frame")
    assert "pictureframe" not in step.references
    assert [problem.label for problem in plan.problems] == ["picture_frame"]
    assert "pictureframe" in plan.problems[0].text
