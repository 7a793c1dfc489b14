"""Connected regions against scipy's labels and sums over pixels; ellipses against their equation."""

import numpy as np
import pytest
from scipy import ndimage

from jwcore.algorithms.jump_regions import Ellipses, connected_regions

CORNERS = np.ones((3, 3))


def one(y=20.0, x=30.0, major=10.0, minor=10.0, angle=0.0):
    return Ellipses(*(np.array([value]) for value in (y, x, major, minor, angle)))


def image_of(regions, shape):
    labels = np.zeros(shape, int)
    y, x, label = regions.pixels()
    labels[y, x] = label + 1
    return labels


def equal_partitions(ours, theirs):
    """Two images of labels that differ in their numbers alone."""
    pairs = np.unique(np.stack([ours.ravel(), theirs.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


@pytest.mark.parametrize("density", [0.0, 0.05, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("shape", [(40, 37), (1, 50), (50, 1)])
def test_regions_touch_by_sides_and_corners(density, shape):
    mask = np.random.default_rng(int(100 * density)).random(shape) < density
    regions = connected_regions(mask)
    expected, number = ndimage.label(mask, CORNERS)
    assert regions.number == number
    assert equal_partitions(image_of(regions, shape), expected)
    assert sorted(regions.area) == sorted(np.bincount(expected.ravel())[1:])
    if number:
        y, x = np.nonzero(mask)
        assert np.array_equal(regions.at(y, x, width=shape[1]) + 1, image_of(regions, shape)[y, x])


@pytest.mark.parametrize("minimum", [2, 5, 12, 40])
def test_holes_count_as_area(minimum):
    mask = np.random.default_rng(minimum).random((60, 60)) < 0.38
    mask[5:25, 5:25] = False
    mask[8:22, 8:22] = True
    mask[9:21, 9:21] = False
    labels, number = ndimage.label(mask, CORNERS)
    areas = [np.count_nonzero(ndimage.binary_fill_holes(labels == label, CORNERS)) for label in range(1, number + 1)]
    kept = np.isin(labels, [label for label, area in enumerate(areas, 1) if area >= minimum])
    regions = connected_regions(mask, minimum_area=minimum)
    assert np.array_equal(image_of(regions, mask.shape) > 0, kept)
    assert regions.number == sum(area >= minimum for area in areas)


def test_ellipses_have_the_moments_of_their_regions():
    mask = ndimage.binary_dilation(np.random.default_rng(3).random((80, 90)) < 0.01, iterations=2)
    regions = connected_regions(mask)
    ellipses = regions.ellipses()
    y, x, label = regions.pixels()
    for index in range(regions.number):
        points = np.stack([y[label == index], x[label == index]]).astype(float)
        assert [ellipses.y[index], ellipses.x[index]] == pytest.approx(points.mean(axis=1))
        values, vectors = np.linalg.eigh(np.cov(points, bias=True))
        axes = np.maximum(4 * np.sqrt(values) - 1, 0)
        assert [ellipses.minor[index], ellipses.major[index]] == pytest.approx(axes, abs=1e-6)
        if axes[1] - axes[0] > 0.5:
            direction = np.sin(ellipses.angle[index]), np.cos(ellipses.angle[index])
            assert abs(direction @ vectors[:, 1]) == pytest.approx(1, abs=1e-6)


def test_growth_and_expansion():
    ellipse = one(major=10, minor=6)
    assert (ellipse.grown(by=4, longest=99).major, ellipse.grown(by=4, longest=99).minor) == (14, 10)
    assert (ellipse.expanded(factor=2, longest=99).major, ellipse.expanded(factor=2, longest=99).minor) == (16, 12)
    assert (ellipse.expanded(factor=2, longest=14).major, ellipse.expanded(factor=2, longest=14).minor) == (14, 12)


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2, 2.5])
def test_drawn_pixels_satisfy_the_equation(angle):
    ellipse = one(y=20.3, x=29.6, major=24.2, minor=9.0, angle=angle)
    y, x = np.mgrid[:40, :60]
    dy, dx = y - 20, x - 30  # centre and half axes are rounded
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    distance = (along / 12) ** 2 + (across / 4) ** 2
    clear = np.abs(distance - 1) > 1e-6
    assert np.array_equal(ellipse.drawn((40, 60))[clear], (distance < 1)[clear])
    assert not ellipse.drawn((40, 60))[~clear].any()


def test_ellipses_are_cut_at_the_edges_and_thin_ones_are_not_drawn():
    assert one(y=0, x=0, major=8, minor=8).drawn((40, 60)).sum() == 4 * 4 - 1  # the corner is farther than four
    assert not one(minor=0.5).drawn((40, 60)).any()
    assert not one().chosen(np.array([False])).drawn((40, 60)).any()


def test_points_inside():
    pair = one(major=20, minor=4).joined(one(major=20, minor=4, angle=np.pi / 2))
    assert len(pair) == 2
    inside = [
        pair.contain_any(np.array([float(y)]), np.array([float(x)])).tolist() for y, x in ((20, 30), (20, 38), (28, 30))
    ]
    assert inside == [[True, True], [True, False], [False, True]]
    assert pair.contain_any(np.empty(0), np.empty(0)).tolist() == [False, False]
    line = one(major=8, minor=0)
    assert line.contain_any(np.array([20.0]), np.array([33.0])).all()
