import itertools

import numpy as np
import pytest

from jwcore.algorithms import footprint as fp
from tests.algorithms._distortion import flat_camera, image_wcs

BOX = ((-0.5, 255.5), (-0.5, 239.5))


def _square(ra, dec, side=1.0):
    half = side / 2
    return np.array(
        [[ra - half, dec - half], [ra + half, dec - half], [ra + half, dec + half], [ra - half, dec + half]]
    )


def _shoelace(ring):
    x, y = ring.T
    return 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))


def test_outline_order():
    x, y = fp.box_outline(BOX)
    np.testing.assert_array_equal(x, [-0.5, -0.5, 255.5, 255.5])
    np.testing.assert_array_equal(y, [-0.5, 239.5, 239.5, -0.5])


def test_outline_with_step_keeps_corners_and_order():
    x, y = fp.box_outline(BOX, step=50)
    points = list(zip(x, y, strict=True))
    corners = [points.index(corner) for corner in zip(*fp.box_outline(BOX), strict=True)]
    assert corners == sorted(corners)
    assert len(points) == len(set(points)) == 2 * 5 + 2 * 6
    assert np.hypot(np.diff(x), np.diff(y)).max() <= 50


def test_footprint_and_s_region_round_trip():
    wcs = image_wcs(flat_camera())
    polygon = fp.footprint(wcs)
    np.testing.assert_allclose(polygon[0], wcs(-0.5, -0.5, with_bounding_box=False))
    text = fp.format_s_region(polygon)
    assert text.startswith("POLYGON ICRS  122.9")
    np.testing.assert_allclose(fp.parse_s_region(text), polygon, rtol=0, atol=1e-9)
    assert fp.sky_area(polygon) == pytest.approx(256 * 240 * np.deg2rad(0.1 / 3600) ** 2, rel=1e-4)


@pytest.mark.parametrize("text", ["", "CIRCLE ICRS 1 2 3", "POLYGON ICRS 1 2 3 4", "POLYGON ICRS 1 2 3 4 5 6 7"])
def test_bad_s_region(text):
    with pytest.raises(ValueError, match="S_REGION"):
        fp.parse_s_region(text)


@pytest.mark.parametrize("ra", [10.0, 0.2, 359.9])
@pytest.mark.parametrize("dec", [0.0, 60.0, -89.0])
def test_sky_intersection(ra, dec):
    polygon, other = _square(ra, dec), _square(ra + 0.25, dec + 0.5)
    both = fp.sky_intersection(polygon, other)
    swapped = fp.sky_intersection(other[::-1], polygon)
    assert fp.sky_area(both) == pytest.approx(fp.sky_area(swapped), rel=1e-9)
    if dec == 0.0:
        assert fp.sky_area(both) == pytest.approx(0.75 * 0.5 * np.deg2rad(1) ** 2, rel=1e-4)
    assert fp.sky_area(fp.sky_intersection(polygon, polygon)) == pytest.approx(fp.sky_area(polygon), rel=1e-9)


def test_no_intersection():
    assert fp.sky_intersection(_square(10, 0), _square(12, 0)).shape == (0, 2)
    assert fp.sky_intersection(_square(10, 0), _square(190, 0)).shape == (0, 2)
    assert fp.sky_area(np.empty((0, 2))) == 0.0


def test_area_of_an_octant():
    assert fp.sky_area(np.array([[0.0, 0.0], [90.0, 0.0], [0.0, 90.0]])) == pytest.approx(np.pi / 2)


def test_pixels_inside():
    mask = fp.pixels_inside(np.array([[1.5, 0.5], [6.5, 0.5], [6.5, 3.5], [1.5, 3.5]]), shape=(5, 6))
    expected = np.zeros((5, 6), bool)
    expected[1:4, 2:] = True
    np.testing.assert_array_equal(mask, expected)
    assert not fp.pixels_inside(np.empty((0, 2)), shape=(5, 6)).any()
    concave = np.array([[-0.5, -0.5], [9.5, -0.5], [9.5, 9.5], [4.5, 4.6], [-0.5, 9.5]])
    assert fp.pixels_inside(concave, shape=(10, 10))[:, 5].sum() == 6


def test_tiles_of_a_mosaic_cover_it_once():
    total = np.zeros((40, 50), int)
    for x, y in itertools.product((0.3, 12.3, 24.3), (1.7, 13.7)):
        tile = np.array([[x, y], [x + 12, y + 2], [x + 12, y + 14], [x, y + 12]])
        total += fp.pixels_inside(tile, shape=total.shape)
    assert total.max() == 1


def test_union_of_overlapping_squares():
    outlines = fp.union_outlines([_square(0, 0, 10), _square(4, 3, 10)[::-1]])
    assert len(outlines) == 1
    assert len(outlines[0]) == 8
    assert _shoelace(outlines[0]) == pytest.approx(200 - 6 * 7)


def test_union_with_shared_sides_and_copies():
    squares = [_square(0, 0, 10), _square(10, 0, 10), _square(0, 0, 10), _square(1, 1, 3)]
    (outline,) = fp.union_outlines(squares)
    assert len(outline) == 4
    assert _shoelace(outline) == pytest.approx(200)


def test_union_of_separate_parts_and_a_ring():
    parts = fp.union_outlines([_square(0, 0, 10), _square(100, 0, 20)])
    assert [_shoelace(part) for part in parts] == pytest.approx([400, 100])
    ring = [np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
            for x, y, w, h in ((0.0, 0.0, 30, 5), (25.0, 0.0, 5, 30), (0.0, 25.0, 30, 5), (0.0, 0.0, 5, 30))]  # fmt: skip
    (outline,) = fp.union_outlines(ring)
    assert _shoelace(outline) == pytest.approx(900)


def test_union_of_many_rotated_images_matches_the_painted_area():
    rng = np.random.default_rng(4)
    polygons = []
    for angle in rng.uniform(0, 2 * np.pi, 12):
        c, s = np.cos(angle), np.sin(angle)
        polygons.append(_square(0, 0, 60) @ np.array([[c, s], [-s, c]]) + rng.uniform(80, 140, 2))
    painted = np.zeros((220, 220), bool)
    for polygon in polygons:
        painted |= fp.pixels_inside(polygon, shape=painted.shape)
    union = fp.union_outlines(polygons)
    again = np.zeros_like(painted)
    for outline in union:
        again ^= fp.pixels_inside(outline, shape=painted.shape)
    assert (painted & ~again).sum() == 0
