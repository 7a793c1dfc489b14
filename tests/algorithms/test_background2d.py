import numpy as np
import pytest
from astropy.stats import SigmaClip
from photutils.background import Background2D, MedianBackground

from jwcore.algorithms.background2d import background_map, box_statistics, spline_zoom

from ._sky import star_field


def reference(image, mask, box):
    return Background2D(
        image, box, coverage_mask=mask, filter_size=(3, 3), sigma_clip=SigmaClip(3.0), bkg_estimator=MedianBackground()
    )


@pytest.mark.parametrize("box", [100, 90, 1000])
def test_equals_photutils(box):
    image = star_field()[0] + np.linspace(0, 2, 400, dtype=np.float32)
    mask = np.zeros(image.shape, bool)
    mask[:4] = mask[150:190, 100:220] = True
    image[mask] = np.nan
    ours, theirs = background_map(image, mask, box_size=box), reference(image, mask, box)
    np.testing.assert_allclose(ours.level[~mask], theirs.background[~mask], rtol=2e-6)
    np.testing.assert_allclose(ours.noise_map()[~mask], theirs.background_rms[~mask], rtol=2e-6)
    assert ours.noise == pytest.approx(theirs.background_rms_median, rel=1e-6)
    assert ours.level.dtype == np.float32


def test_truth_slope_and_noise_are_recovered_under_stars():
    slope = np.linspace(0, 3, 400, dtype=np.float32)
    image = star_field(noise=0.02, sky=0.5)[0] + slope
    found = background_map(image, np.zeros(image.shape, bool), box_size=50)
    # the filter flattens the slope at the edges; within a box it adds to the noise
    assert np.abs(found.level - 0.5 - slope)[:, 100:-100].max() < 0.02
    assert found.noise == pytest.approx(np.hypot(0.02, 3 / 400 * 50 / np.sqrt(12)), rel=0.03)


def test_a_frame_with_few_good_pixels_gets_one_level():
    image = np.full((60, 60), 7.0, np.float32)
    mask = np.ones(image.shape, bool)
    mask[:, ::6] = False
    found = background_map(image, mask, box_size=20)
    assert (found.level == 7).all()
    assert found.noise == 0
    assert (found.noise_map() == 0).all()


def test_a_masked_frame_is_refused():
    with pytest.raises(ValueError, match="every pixel"):
        background_map(np.full((9, 9), np.nan, np.float32), np.zeros((9, 9), bool), box_size=5)


@pytest.mark.filterwarnings("ignore:Input data contains invalid values")
def test_clipping_keeps_what_astropy_keeps():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(20, 175)).astype(np.float32)
    values[:, ::50] += 8
    mask = rng.random(values.shape) < 0.1
    mask[:20, 25:50] = True
    mask[0, 25] = False
    mask[:, 75:100] = True
    median, deviation, kept = box_statistics(values, ~mask, box=(20, 25))
    for k in range(7):
        box = np.where(mask, np.nan, values)[:, 25 * k : 25 * k + 25]
        clipped = SigmaClip(3.0)(box[np.isfinite(box)], masked=False)
        assert kept[0, k] == clipped.size
        if clipped.size:
            assert median[0, k] == pytest.approx(np.median(clipped), rel=1e-6)
            assert deviation[0, k] == pytest.approx(clipped.std(), rel=1e-5, abs=1e-7)
        else:
            assert np.isnan([median[0, k], deviation[0, k]]).all()


@pytest.mark.parametrize("filter_size", [(5, 5), (3, 5), (1, 1)])
def test_boxes_that_lost_pixels_and_other_filters_equal_photutils(filter_size):
    rng = np.random.default_rng(7)
    image = rng.normal(5, 1, (96, 160)).astype("f4") + np.linspace(0, 8, 160, dtype="f4")
    mask = rng.random(image.shape) < 0.02
    mask[16:48, 30:70] = True
    ours = background_map(image, mask, box_size=(16, 20), filter_size=filter_size)
    theirs = Background2D(
        image, (16, 20), mask=mask, filter_size=filter_size, sigma_clip=SigmaClip(3.0), bkg_estimator=MedianBackground()
    )
    np.testing.assert_allclose(ours.level, theirs.background, rtol=3e-6)
    np.testing.assert_allclose(ours.noise_mesh, theirs.background_rms_mesh, rtol=3e-6)


@pytest.mark.parametrize(("shape", "box"), [((3, 3), 40), ((5, 4), 20), ((2, 6), 31)])
def test_spline_zoom_equals_scipy(shape, box):
    from scipy.ndimage import zoom

    mesh = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    theirs = np.clip(zoom(mesh, box, order=3, mode="reflect", grid_mode=True), mesh.min(), mesh.max())[:-3, :-5]
    np.testing.assert_allclose(spline_zoom(mesh, shape=theirs.shape, box_size=(box, box)), theirs, atol=2e-6)
