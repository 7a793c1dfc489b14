import numpy as np
import pytest
from astropy.convolution import Gaussian2DKernel, convolve
from astropy.stats import SigmaClip, gaussian_fwhm_to_sigma
from photutils.background import Background2D, MedianBackground
from photutils.detection import DAOStarFinder, IRAFStarFinder, find_peaks
from photutils.segmentation import SourceCatalog, deblend_sources, detect_sources

from jwcore.algorithms.segments import possible_blends, smooth
from jwcore.algorithms.source_finding import FinderSettings, find_sources, local_maxima

from ._sky import add_stars, star_field

NOTHING = np.zeros((400, 400), bool)


def marred_field():
    """A star field with lost pixels, some of them in stars, and a masked border."""
    image, x, y, _ = star_field(seed=3)
    mask = NOTHING.copy()
    mask[:4] = mask[:, :4] = True
    rng = np.random.default_rng(1)
    mask[rng.integers(0, 400, 400), rng.integers(0, 400, 400)] = True
    mask[np.round(y[:5]).astype(int), np.round(x[:5]).astype(int)] = True
    image[mask] = np.nan
    return image, mask


def plain_photutils(image, mask, finder):
    """Sources by photutils alone, with whole-frame searches: x, y, flux."""
    background = Background2D(
        image, 100, coverage_mask=mask, filter_size=(3, 3), sigma_clip=SigmaClip(3.0), bkg_estimator=MedianBackground()
    )
    signal = image - background.background
    if finder == "segmentation":
        smoothed = convolve(signal, Gaussian2DKernel(2.5 * gaussian_fwhm_to_sigma), mask=mask)
        segments = detect_sources(smoothed, 10 * background.background_rms, 10, mask=mask)
        segments = deblend_sources(smoothed, segments, 10, n_levels=32, contrast=0.001, progress_bar=False)
        found = SourceCatalog(signal, segments, convolved_data=smoothed, mask=mask)
        return found.x_centroid, found.y_centroid, found.segment_flux
    kind = {"dao": DAOStarFinder, "iraf": IRAFStarFinder}[finder]
    limits = {"sharpness_range": (0.3, 2.0), "roundness_range": (-0.5, 0.5), "n_brightest": 50}
    settings = {"threshold": 10 * background.background_rms_median, "fwhm": 2.5, "sigma_radius": 1.5}
    found = kind(**settings, **limits, min_separation=2)(signal, mask=mask)
    return found["x_centroid"], found["y_centroid"], found["flux"]


@pytest.mark.parametrize("finder", ["dao", "iraf", "segmentation"])
def test_equals_plain_photutils(finder):
    image, mask = marred_field()
    settings = FinderSettings(starfinder=finder, bkg_boxsize=100, sharplo=0.3, roundlo=-0.5, roundhi=0.5, brightest=50)
    found = find_sources(image, mask, settings=settings)
    x, y, flux = plain_photutils(image, mask, finder)
    assert len(found) > 40
    np.testing.assert_allclose(found.x, x, atol=2e-5)
    np.testing.assert_allclose(found.y, y, atol=2e-5)
    np.testing.assert_allclose(found.flux, flux, rtol=1e-5)


@pytest.mark.parametrize(("finder", "limit"), [("dao", 0.25), ("iraf", 0.2), ("segmentation", 0.05)])
def test_truth_positions(finder, limit):
    image, x, y, _ = star_field(noise=0.01)
    settings = FinderSettings(starfinder=finder, bkg_boxsize=100, sharplo=0.0, roundlo=-1.0, roundhi=1.0)
    found = find_sources(image, NOTHING, settings=settings)
    distance = np.hypot(found.x[:, None] - x, found.y[:, None] - y).min(axis=0)
    assert len(found) == len(x)
    assert distance.max() < limit


def test_truth_flux_of_segments():
    image, x, y, flux = star_field(noise=0.005, flux=(50, 400))
    found = find_sources(image, NOTHING, settings=FinderSettings(starfinder="segmentation", snr_threshold=3.0))
    nearest = np.hypot(found.x[:, None] - x, found.y[:, None] - y).argmin(axis=1)
    np.testing.assert_allclose(found.flux, flux[nearest], rtol=0.03)


def test_crowded_pairs_are_separated_only_when_asked():
    image = np.random.default_rng(0).normal(0, 0.01, (200, 200)).astype(np.float32)
    add_stars(image, [50, 56, 150], [50, 50, 150], [100, 60, 100], sigma=1.2)
    settings = {"starfinder": "segmentation", "snr_threshold": 3.0}
    assert len(find_sources(image, image > 1e9, settings=FinderSettings(**settings))) == 3
    assert len(find_sources(image, image > 1e9, settings=FinderSettings(**settings, deblend=False))) == 2


@pytest.mark.parametrize("finder", ["dao", "iraf", "segmentation"])
def test_an_empty_field_has_no_sources(finder):
    image = np.random.default_rng(0).normal(0, 1, (100, 100)).astype(np.float32)
    found = find_sources(image, image > 1e9, settings=FinderSettings(starfinder=finder))
    assert len(found) == len(found.x) == len(found.flux) == 0
    assert found.segments is None


def test_brightest_and_peakmax():
    image, _, _, flux = star_field()
    loose = {"sharplo": 0.0, "roundlo": -1.0, "roundhi": 1.0, "bkg_boxsize": 100}
    assert len(find_sources(image, NOTHING, settings=FinderSettings(**loose, brightest=7))) == 7
    faint = find_sources(image, NOTHING, settings=FinderSettings(**loose, peakmax=10.0))
    assert 5 < len(faint) < len(flux) - 5


@pytest.mark.parametrize("radius", [2, 3, 5])
def test_local_maxima_equal_photutils(radius):
    rng = np.random.default_rng(radius)
    image = rng.integers(0, 40, (90, 70)).astype(np.float32)  # with many ties
    image[rng.integers(0, 90, 40), rng.integers(0, 70, 40)] = np.nan
    mask = rng.uniform(size=image.shape) < 0.05
    theirs = find_peaks(image, 20.0, min_separation=radius, mask=mask)
    ours = local_maxima(image, mask, threshold=20.0, radius=radius)
    np.testing.assert_array_equal(ours, np.column_stack([theirs["x_peak"], theirs["y_peak"]]))


@pytest.mark.filterwarnings("ignore:nan_treatment")
@pytest.mark.parametrize("fwhm", [1.5, 2.0, 3.3])
def test_smoothing_equals_astropy(fwhm):
    image, mask = marred_field()
    mask[200:260, 200:260] = True
    theirs = convolve(image, Gaussian2DKernel(fwhm * gaussian_fwhm_to_sigma), mask=mask)
    np.testing.assert_allclose(smooth(image, mask, fwhm=fwhm), theirs, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_the_screen_loses_no_blend(connectivity):
    rng = np.random.default_rng(7)
    image = rng.normal(0, 0.05, (300, 300)).astype(np.float32)
    add_stars(image, rng.uniform(0, 300, 250), rng.uniform(0, 300, 250), rng.uniform(5, 80, 250), sigma=1.5)
    image = smooth(image, image > 1e9, fwhm=2.0)
    segments = detect_sources(image, 0.1, 8, connectivity=connectivity)
    options = {"n_levels": 32, "contrast": 0.0, "connectivity": connectivity, "progress_bar": False}
    selected = possible_blends(image, segments.data, min_pixels=8, connectivity=connectivity)
    every = deblend_sources(image, segments, 8, **options)
    some = deblend_sources(image, segments, 8, labels=selected, **options)
    assert len(selected) < segments.n_labels < every.n_labels
    np.testing.assert_array_equal(every.data, some.data)


@pytest.mark.slow
@pytest.mark.parametrize("finder", ["dao", "iraf", "segmentation"])
def test_full_frames_equal_plain_photutils(finder):
    image = np.tile(star_field(seed=4)[0], (5, 5)) + np.random.default_rng(2).normal(0, 0.01, (2000, 2000))
    image = image.astype(np.float32)
    settings = FinderSettings(starfinder=finder, bkg_boxsize=100, sharplo=0.3, roundlo=-0.5, roundhi=0.5, brightest=50)
    found = find_sources(image, image > 1e9, settings=settings)
    x, y, _ = plain_photutils(image, image > 1e9, finder)
    np.testing.assert_allclose(found.x, x, atol=2e-5)
    np.testing.assert_allclose(found.y, y, atol=2e-5)
