"""The output grid of mosaics."""

import numpy as np
import pytest
from astropy.wcs import WCS

from jwcore.algorithms.footprint import footprint
from jwcore.algorithms.output_grid import (
    fiducial_point,
    grid_from_file,
    grid_from_footprints,
    mean_pixel_scale,
    pc_matrix,
    pixel_scale_at,
)
from tests.algorithms._sky import DEC, PIXEL, RA, pointed

SHAPE = (60, 80)


def grid(*offsets, **options):
    frames = [pointed(SHAPE, offset=offset) for offset in offsets or ((0, 0),)]
    settings = {"scale": PIXEL, "scale_ratio": 1.0, "pc": pc_matrix(position_angle=20.0, parity=-1)} | options
    names = [f"exposure{k}_cal.fits" for k in range(len(frames))]
    return grid_from_footprints(footprints=[footprint(frame) for frame in frames], names=names, **settings)


def test_the_fiducial_point_is_right_across_zero():
    ra, dec = fiducial_point(np.array([[359.9, -0.1], [0.1, -0.1], [0.1, 0.1], [359.9, 0.1]]))
    assert min(ra, 360 - ra) < 1e-9
    assert dec == pytest.approx(0.0, abs=1e-9)


def test_pc_matrix_turns_y_east_of_north():
    assert pc_matrix(position_angle=0.0, parity=-1).tolist() == [[-1, 0], [0, 1]]
    made = grid(pc=pc_matrix(position_angle=90.0, parity=-1))
    y, x = np.array(made.shape) / 2
    ra, dec = made.wcs([x, x], [y, y + 5])
    assert ra[1] > ra[0]
    assert dec[1] == pytest.approx(dec[0], abs=1e-9)


def test_the_grid_is_what_its_keywords_say():
    made = grid((0, 0), (3.0, -2.0))
    header = {key: value for key, value in made.keywords.items() if key != "WCSAXES"}
    x, y = np.array([0.0, 11.5, 70.0]), np.array([3.0, 40.0, -2.0])
    expected = WCS(header).wcs_pix2world(x, y, 0)
    np.testing.assert_allclose(made.wcs(x, y, with_bounding_box=False), expected, atol=1e-10)
    assert made.wcs.array_shape == made.shape
    assert np.isnan(made.wcs(-1.0, 0.0)[0])


def test_footprints_lie_inside():
    offsets = ((0, 0), (3.0, -2.0), (-1.0, 5.0))
    made = grid(*offsets)
    corners = np.concatenate([footprint(pointed(SHAPE, offset=offset)) for offset in offsets])
    x, y = made.wcs.invert(*corners.T, with_bounding_box=False)
    assert x.min() == pytest.approx(0.0, abs=1e-6)
    assert y.min() == pytest.approx(0.0, abs=1e-6)
    assert abs(made.shape[1] - x.max()) <= 0.5 + 1e-6
    assert abs(made.shape[0] - y.max()) <= 0.5 + 1e-6


def test_settings_win_over_footprints():
    made = grid(crval=(RA, DEC), crpix=(30.0, 20.0), shape=(50, 40))
    assert made.shape == (50, 40)
    np.testing.assert_allclose(made.wcs(30.0, 20.0), (RA, DEC), atol=1e-10)
    assert made.keywords["CRPIX1"] == pytest.approx(31.0, abs=1e-9)


def test_pixel_scales():
    wcs = pointed(SHAPE)
    assert pixel_scale_at(wcs, ra=RA, dec=DEC) == pytest.approx(PIXEL, rel=1e-5)
    assert mean_pixel_scale(wcs, shape=SHAPE) == pytest.approx(PIXEL, rel=1e-5)
    made = grid(scale=0.1)
    assert pixel_scale_at(made.wcs, ra=RA, dec=DEC) == pytest.approx(0.1, rel=1e-6)
    assert made.pixel_area == pytest.approx((0.1 / 206264.806) ** 2, rel=1e-6)


def test_an_exposure_far_away_is_named():
    with pytest.raises(ValueError, match=r"exposure2_cal.fits lies \d+ pixels from the others"):
        grid((0, 0), (1, 1), (900.0, 700.0), (2, 0))


@pytest.mark.parametrize("degrees", [125.0, 179.9])
def test_an_exposure_on_another_part_of_the_sky_is_named(degrees):
    away = (900.0, -(DEC + degrees) * 3600 + 10.0)  # behind the tangent plane: it would land beside the others
    with pytest.raises(ValueError, match=r"exposure1_cal.fits lies \d+ degrees from the others: no mosaic holds them"):
        grid((0, 0), away, (1, 1), (2, 0))
    assert grid((0, 0), away, crval=(RA, DEC), crpix=(30.0, 20.0), shape=(50, 40)).shape == (50, 40)


def test_two_pixels_at_least():
    with pytest.raises(ValueError, match="two pixels"):
        grid(scale=50.0)


def test_grid_from_file(tmp_path):
    asdf = pytest.importorskip("asdf")
    made = grid((0, 0), (3.0, -2.0))
    path = tmp_path / "grid.asdf"
    asdf.AsdfFile({"wcs": made.wcs, "array_shape": list(made.shape), "pixel_scale": PIXEL}).write_to(path)
    read = grid_from_file(path, input_scale=2 * PIXEL)
    assert read.shape == made.shape
    assert read.scale_ratio == pytest.approx(0.5)
    assert read.keywords == pytest.approx(made.keywords)
    np.testing.assert_allclose(read.wcs(10, 12), made.wcs(10, 12), atol=1e-12)


def test_grid_from_file_needs_a_wcs_and_a_size(tmp_path):
    asdf = pytest.importorskip("asdf")
    path = tmp_path / "grid.asdf"
    asdf.AsdfFile({"other": 1}).write_to(path)
    with pytest.raises(ValueError, match="no key 'wcs'"):
        grid_from_file(path, input_scale=1.0)


def test_the_size_may_come_from_the_bounding_box(tmp_path):
    asdf = pytest.importorskip("asdf")
    made = grid()
    made.wcs.array_shape = None
    path = tmp_path / "grid.asdf"
    asdf.AsdfFile({"wcs": made.wcs}).write_to(path)
    read = grid_from_file(path, input_scale=PIXEL)
    assert read.shape == made.shape
    assert read.pixel_scale == pytest.approx(PIXEL, rel=1e-6)
