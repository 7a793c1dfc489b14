import numpy as np
import pytest
from photutils.detection import DAOStarFinder

from jwcore.algorithms.catalog_table import catalog_columns
from jwcore.algorithms.source_finding import FinderSettings, find_sources
from jwcore.algorithms.source_measurement import (
    Apertures,
    ab_magnitude,
    dao_shape,
    measure_sources,
    nearest_neighbours,
    sky_outline,
    sky_position_angle,
)

from ._sky import add_stars, pointed, star_field

APERTURES = Apertures(
    percent=(30, 50, 70), radii=(0.845, 1.177, 1.552), corrections=(1 / 0.3, 2.0, 1 / 0.7), inner=6.0, outer=9.0
)


def measured(finder="segmentation", sky=0.5):
    image, x, y, flux = star_field(noise=0.005, sky=sky, flux=(50, 400))
    found = find_sources(image, image > 1e9, settings=FinderSettings(
        starfinder=finder, snr_threshold=3.0, sharplo=0.0, roundlo=-1.0, roundhi=1.0))  # fmt: skip
    columns = measure_sources(image, np.full_like(image, 0.005), found, apertures=APERTURES, kernel_fwhm=2.0,
                              vega_offset=1.5, star_limits=(2.0, 1.8))  # fmt: skip
    nearest = np.hypot(found.x[:, None] - x, found.y[:, None] - y).argmin(axis=1)
    return columns, flux[nearest], found


def test_truth_fluxes_and_magnitudes_of_stars():
    columns, flux, _ = measured()
    np.testing.assert_allclose(columns["aper_total_flux"], flux, rtol=0.08)  # pixels sample the star
    np.testing.assert_allclose(columns["isophotal_flux"], flux, rtol=0.02)
    np.testing.assert_allclose(columns["aper_total_abmag"], 8.9 - 2.5 * np.log10(columns["aper_total_flux"]))
    np.testing.assert_allclose(columns["aper_total_vegamag"], columns["aper_total_abmag"] - 1.5)
    np.testing.assert_allclose(columns["aper_bkg_flux"], 0.5, atol=0.005)
    np.testing.assert_allclose(columns["semimajor_sigma"], np.hypot(1.0, 2.5 / 2.3548), rtol=0.02)  # smoothed
    np.testing.assert_allclose(columns["CI_70_30"], 7 / 3, rtol=0.1)
    assert not columns["is_extended"].any()


def test_every_column_is_there_for_every_finder():
    sky = {"sky_centroid", "sky_orientation", "sky_bbox_ll", "sky_bbox_ul", "sky_bbox_lr", "sky_bbox_ur"}
    names = {column.name for column in catalog_columns((30, 50, 70))}
    for finder in ("dao", "iraf", "segmentation"):
        columns, _, found = measured(finder)
        assert set(columns) | sky == names
        assert {len(values) for values in columns.values()} == {len(found)}
        assert np.isnan(columns["isophotal_flux"]).all() == (finder != "segmentation")


def test_a_wide_source_is_extended():
    image = np.random.default_rng(0).normal(0, 1e-4, (80, 80)).astype(np.float32)
    add_stars(image, [40], [40], [100.0], sigma=6.0, reach=35)
    found = find_sources(image, image > 1e9, settings=FinderSettings(starfinder="segmentation", snr_threshold=3.0,
                                                                    bkg_boxsize=10))  # fmt: skip
    wide = Apertures(percent=(30, 50, 70), radii=(0.845, 1.3, 1.9), corrections=(3.0, 2.0, 1.4), inner=20.0, outer=25.0)
    columns = measure_sources(image, np.full_like(image, 1e-4), found, apertures=wide, kernel_fwhm=2.0,
                              vega_offset=0.0, star_limits=(2.0, 1.8))  # fmt: skip
    assert columns["is_extended"][0]


def test_magnitudes_of_negative_fluxes_are_unknown():
    magnitude, error = ab_magnitude(np.array([1.0, -1.0, 0.0, np.nan]), np.full(4, 0.1))
    assert magnitude[0] == 8.9
    assert error[0] == pytest.approx(2.5 * np.log10(1.1))
    assert np.isnan(magnitude[1:]).all()
    assert np.isnan(error[1:]).all()


def test_dao_shape_equals_the_finder():
    image, x, y, _ = star_field(noise=0.005)
    at = np.column_stack([np.round(x), np.round(y)])
    finder = DAOStarFinder(threshold=0.1, fwhm=2.0, xycoords=at, sharpness_range=None, roundness_range=None)
    theirs = finder(image)
    sharpness, roundness = dao_shape(image, x, y, fwhm=2.0)
    assert len(theirs) == len(x)
    np.testing.assert_allclose(sharpness, theirs["sharpness"], rtol=1e-5)
    np.testing.assert_allclose(roundness, theirs["roundness1"], atol=1e-5)


def test_nearest_neighbours():
    label, distance = nearest_neighbours(
        np.array([3, 5, 9], np.int32), np.array([0.0, 3.0, 30.0]), np.array([0.0, 4.0, 4.0])
    )
    np.testing.assert_array_equal(label, [5, 3, 5])
    np.testing.assert_allclose(distance, [5, 5, 27])
    label, distance = nearest_neighbours(np.array([3], np.int32), np.array([0.0]), np.array([0.0]))
    assert label[0] == -1
    assert np.isnan(distance[0])


def test_position_angle_follows_the_direction_on_the_sky():
    wcs = pointed()
    x, y = np.array([30.0, 200.0, 370.0]), np.array([350.0, 200.0, 40.0])
    ra, dec = wcs(x, y)
    angle = np.array([20.0, 110.0, 250.0])  # towards this position angle
    east, north = np.sin(np.deg2rad(angle)) / np.cos(np.deg2rad(dec)), np.cos(np.deg2rad(angle))
    x2, y2 = wcs.invert(ra + 1e-4 * east, dec + 1e-4 * north)
    orientation = np.rad2deg(np.arctan2(y2 - y, x2 - x))
    found = sky_position_angle(wcs, x, y, orientation)
    np.testing.assert_allclose((found - angle + 90) % 180 - 90, 0, atol=1e-3)


def test_outline_of_a_segment_reaches_its_pixel_edges():
    _, _, found = measured()
    wcs = pointed()
    corners = sky_outline(wcs, found)
    x, y = wcs.invert(*corners["ur"], with_bounding_box=False)
    inside = found.segments.data == found.label[0]
    rows, columns = np.nonzero(inside)
    assert (x[0], y[0]) == (pytest.approx(columns.max() + 0.5, abs=1e-5), pytest.approx(rows.max() + 0.5, abs=1e-5))
