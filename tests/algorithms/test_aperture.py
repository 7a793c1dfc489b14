import numpy as np
import pytest
from astropy.stats import SigmaClip
from photutils.aperture import ApertureStats, CircularAnnulus

from jwcore.algorithms.aperture import annulus_background, aperture_fluxes

from ._sky import add_stars, star_field


def test_annulus_equals_photutils():
    image, x, y, _ = star_field(seed=5, spacing=8.0, n=80)
    image[100:130, 100:130] = np.nan
    theirs = ApertureStats(image, CircularAnnulus(np.column_stack([x, y]), 5.0, 9.5), sigma_clip=SigmaClip(3.0),
                           sum_method="center")  # fmt: skip
    ours = annulus_background(image, x, y, inner=5.0, outer=9.5)
    np.testing.assert_allclose(ours.level, theirs.median, rtol=1e-6)
    np.testing.assert_array_equal(ours.pixels, theirs.center_aper_area.value)
    np.testing.assert_allclose(ours.error, np.sqrt(np.pi / 2 / ours.pixels) * theirs.std, rtol=1e-6)


def test_an_annulus_without_pixels_has_no_background():
    image = np.ones((30, 30), np.float32)
    image[:, :15] = np.nan
    found = annulus_background(image, np.array([5.0, 90.0, 25.0, np.nan]), np.full(4, 5.0), inner=2.0, outer=4.0)
    np.testing.assert_array_equal(np.isnan(found.level), [True, True, False, True])
    np.testing.assert_array_equal(found.pixels > 0, [False, False, True, False])


def test_truth_flux_of_a_star_on_a_slope():
    image = np.add.outer(np.linspace(1, 2, 80), np.linspace(0, 1, 80))
    add_stars(image, [40.3], [39.6], [100.0], sigma=1.5, reach=20)
    image = image.astype(np.float32)
    x, y = np.array([40.3]), np.array([39.6])
    background = annulus_background(image, x, y, inner=9.0, outer=14.0)
    radii = (1.5, 3.0, 7.5)
    flux, error = aperture_fluxes(image, np.full_like(image, 0.1), x, y, radii=radii, background=background.level)
    np.testing.assert_allclose(flux[:, 0], 100 * (1 - np.exp(-0.5 * (np.array(radii) / 1.5) ** 2)), rtol=0.04)
    np.testing.assert_allclose(error[:, 0], 0.1 * np.sqrt(np.pi) * np.array(radii), rtol=0.05)


def test_a_lost_pixel_makes_a_flux_unknown():
    image = np.ones((40, 40), np.float32)
    image[10, 11] = np.nan
    flux, _ = aperture_fluxes(image, image, np.array([10.0, 30.0]), np.array([10.0, 30.0]), radii=(3.0,),
                              background=np.zeros(2))  # fmt: skip
    assert np.isnan(flux[0, 0])
    assert flux[0, 1] == pytest.approx(np.pi * 9)
