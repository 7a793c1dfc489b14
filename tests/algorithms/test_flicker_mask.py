import numpy as np
import pytest
from astropy.stats import sigma_clipped_stats

from jwcore.algorithms.flicker_mask import Limits, background_limits, background_pixels
from jwcore.algorithms.sorted_sample import SortedSample


def field(shape=(200, 200), *, seed=1):
    """Background 5 with noise 2, and a tail of sources."""
    rng = np.random.default_rng(seed)
    sources = (rng.random(shape) < 0.1) * rng.exponential(20, shape)
    return (rng.normal(5, 2, shape) + sources).astype(np.float32), sources


def test_limits_from_clipped_statistics():
    image, _ = field()
    _, median, std = sigma_clipped_stats(image.astype(float))
    found = background_limits(SortedSample(image.copy()), upper=2.0)
    np.testing.assert_allclose(found, (median - 3 * std, median + 2 * std), rtol=1e-9)


def test_the_lower_half_is_mirrored():
    image, _ = field()
    values = image.astype(float)
    median = sigma_clipped_stats(values)[1]
    low = values[values <= median]
    std = sigma_clipped_stats(np.concatenate([low, 2 * median - low]))[2]
    found = background_limits(SortedSample(image.copy()), lower=1.0, upper=2.0, lower_half=True)
    np.testing.assert_allclose(found, (median - std, median + 2 * std), rtol=1e-6)


def test_truth_the_histogram_gives_centre_and_sigma_of_the_background():
    image, _ = field((600, 600))
    low, high = background_limits(SortedSample(image.copy()), lower=1, upper=1, fit_histogram=True)
    assert 0.5 * (low + high) == pytest.approx(5, abs=0.1)
    assert 0.5 * (high - low) == pytest.approx(2, rel=0.05)
    low, high = background_limits(SortedSample(image.copy()), lower=1, upper=1, fit_histogram=True, lower_half=True)
    assert 0.5 * (high - low) == pytest.approx(2, rel=0.1)


def test_limits_before_clipping():
    image, _ = field()
    within = Limits(3.0, 6.0)
    inside = image[(image >= 3) & (image <= 6)]
    _, median, std = sigma_clipped_stats(inside.astype(float))
    found = background_limits(SortedSample(image.copy()), upper=2.0, within=within)
    np.testing.assert_allclose(found, (median - 3 * std, median + 2 * std), rtol=1e-9)


@pytest.mark.parametrize("fit_histogram", [True, False])
def test_sources_and_what_was_not_measured_are_no_background(fit_histogram):
    image, sources = field()
    usable = np.ones(image.shape, bool)
    usable[:, 0] = False
    image[0], image[1] = np.nan, 0
    found = background_pixels(image, usable, n_sigma=2.0, fit_histogram=fit_histogram)
    assert not found[:2].any()
    assert not found[:, 0].any()
    assert not found[sources > 10].any()
    assert found[2:, 1:][sources[2:, 1:] == 0].mean() > 0.93


def test_no_clipping():
    image, _ = field()
    image[3, 3] = np.nan
    found = background_pixels(image, np.ones(image.shape, bool), n_sigma=0)
    assert np.argwhere(~found).tolist() == [[3, 3]]


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_nothing_measured(value):
    image = np.full((8, 8), value, np.float32)
    assert not background_pixels(image, np.ones((8, 8), bool), n_sigma=2.0).any()


def test_a_constant_image_is_all_background():
    image = np.full((8, 8), 3, np.float32)
    for fit_histogram in (True, False):
        assert background_pixels(image, np.ones((8, 8), bool), n_sigma=2.0, fit_histogram=fit_histogram).all()


def test_without_values_there_are_no_limits():
    assert np.isnan(background_limits(SortedSample(np.full(5, np.nan, np.float32)), upper=2.0)).all()
