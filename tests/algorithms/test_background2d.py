import numpy as np
import pytest
from astropy.stats import SigmaClip
from photutils.background import Background2D, MedianBackground

from jwcore.algorithms.background2d import SortedSigmaClip, background_map, spline_zoom

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
def test_sorted_clipping_keeps_what_astropy_keeps():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(7, 500)).astype(np.float32)
    values[:, ::50] += 8
    values[3, :400] = np.nan
    values[5] = np.nan
    theirs = SigmaClip(3.0)(values.copy(), axis=-1, masked=False)
    ours = SortedSigmaClip(3.0)(values.copy(), axis=-1)
    np.testing.assert_array_equal(np.sort(ours, axis=-1), np.sort(theirs, axis=-1))


@pytest.mark.parametrize(("shape", "box"), [((3, 3), 40), ((5, 4), 20), ((2, 6), 31)])
def test_spline_zoom_equals_scipy(shape, box):
    from scipy.ndimage import zoom

    mesh = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    theirs = np.clip(zoom(mesh, box, order=3, mode="reflect", grid_mode=True), mesh.min(), mesh.max())[:-3, :-5]
    np.testing.assert_allclose(spline_zoom(mesh, shape=theirs.shape, box_size=(box, box)), theirs, atol=2e-6)
