"""Median, blot and comparison of dithered images."""

import warnings

import numpy as np
import pytest

from jwcore.algorithms.outliers import (
    ImageStack,
    absolute_derivative,
    blot,
    deviants,
    drop_low_weight,
    find_outliers,
    source_level,
    weight_threshold,
)
from jwcore.algorithms.pixel_map import build_pixel_map

NAN = np.float32(np.nan)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("on_disk", [False, True])
def test_median_ignores_nan_and_what_is_not_covered(tmp_path, count, on_disk):
    rng = np.random.default_rng(count)
    shape = (300, 301)
    stack, planes = ImageStack(shape=shape, folder=tmp_path if on_disk else None), []
    for k in range(count):
        y, x = 3 * k, 5 * k
        image = rng.normal(size=(280, 270)).astype(np.float32)
        image[rng.uniform(size=image.shape) < 0.3] = np.nan
        stack.append(image, origin=(y, x))
        plane = np.full(shape, np.nan, np.float32)
        plane[y : y + 280, x : x + 270] = image
        planes.append(plane)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")
        expected = np.nanmedian(planes, axis=0)
    np.testing.assert_allclose(stack.median(rows=64), expected, rtol=1e-6)


def test_weight_threshold_is_the_clipped_mean():
    from astropy.stats import sigma_clip

    rng = np.random.default_rng(0)
    weight = rng.normal(10, 1, (200, 200)).astype(np.float32)
    weight[:40], weight[60, 60:70] = 0, 1000
    expected = 0.7 * sigma_clip(weight[weight > 0], sigma=3, maxiters=5).mean()
    assert weight_threshold(weight, fraction=0.7) == pytest.approx(expected, rel=1e-4)
    weight[70, 70:80], weight[80, 80] = np.nan, np.inf
    assert weight_threshold(weight, fraction=0.7) == pytest.approx(expected, rel=1e-4)


def test_weight_threshold_of_equal_and_of_no_weights():
    assert weight_threshold(np.full((5, 5), 4.0, np.float32), fraction=0.5) == pytest.approx(2.0, rel=1e-3)
    assert np.isnan(weight_threshold(np.zeros((5, 5), np.float32), fraction=0.5))


def test_drop_low_weight():
    image, weight = np.ones((1, 3), np.float32), np.array([[0.0, 1.0, 2.0]], np.float32)
    drop_low_weight(image, weight, 1.0)
    assert np.isnan(image[0]).tolist() == [True, False, False]


@pytest.mark.parametrize("fraction", [0.0, 0.7])
def test_pixels_without_weight_are_dropped_whatever_the_threshold(fraction):
    image, weight = np.ones((1, 3), np.float32), np.array([[0.0, 1.0, 0.0]], np.float32)
    drop_low_weight(image, weight, weight_threshold(weight, fraction=fraction))
    assert np.isnan(image[0]).tolist() == [True, False, True]
    drop_low_weight(image, 0 * weight, weight_threshold(0 * weight, fraction=fraction))
    assert np.isnan(image).all()


def test_blot_is_exact_on_a_plane_and_nan_outside():
    y, x = np.mgrid[:40, :50].astype(np.float32)
    image = 2 * x - 3 * y + 1

    def transform(x, y):
        return 0.9 * x + 0.1 * y - 2.03, 0.95 * y - 0.05 * x + 1.517

    shape = (30, 45)
    blotted = blot(image, pixel_map=build_pixel_map(transform=transform, shape=shape))
    u, v = transform(*np.meshgrid(np.arange(45.0), np.arange(30.0)))
    inside = (u >= 0) & (v >= 0) & (u <= 49) & (v <= 39)
    assert np.array_equal(np.isnan(blotted), ~inside)
    np.testing.assert_allclose(blotted[inside], (2 * u - 3 * v + 1)[inside], atol=3e-5)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_blot_near_nan_is_nan(shift):
    image = np.ones((6, 6), np.float32)
    image[3, 3] = np.nan
    pixel_map = build_pixel_map(transform=lambda x, y: (x + shift, y + shift), shape=(5, 5))
    assert np.argwhere(np.isnan(blot(image, pixel_map=pixel_map))).tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]


def test_derivative_takes_the_largest_neighbour_that_has_a_value():
    image = np.zeros((5, 6), np.float32)
    image[2, 3], image[0, 0], image[4, 2] = 1, 5, np.nan
    expected = [
        [5, 5, 0, 0, 0, 0],
        [5, 0, 0, 1, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, NAN, 0, 0, 0],
    ]
    np.testing.assert_array_equal(absolute_derivative(image), np.array(expected, np.float32))


def outliers(data, err=0.1, model=0.0, background=0.0):
    shape = data.shape
    return find_outliers(
        data.astype(np.float32), np.full(shape, err, np.float32), np.broadcast_to(model, shape).astype(np.float32).copy(),
        background=background, snr=(5.0, 4.0), scale=(1.2, 0.7),
    )  # fmt: skip


def test_second_pass_spreads_to_the_neighbours_of_the_first_only():
    data = np.zeros((7, 7))
    data[3, 3], data[3, 4], data[4, 5], data[0, 0] = 1.0, 0.45, 0.45, 0.45
    assert np.argwhere(outliers(data)).tolist() == [[3, 3], [3, 4]]
    assert np.argwhere(outliers(data + 0.3, background=0.3)).tolist() == [[3, 3], [3, 4]]


def test_the_derivative_of_the_model_forgives():
    data, model = np.zeros((7, 7)), np.zeros((7, 7))
    data[3, 3], model[3, 3] = 10.0, 5.0
    assert not outliers(data, model=model).any()
    assert outliers(data).any()


def test_nan_compares_as_no_outlier_and_nan_error_as_none():
    data = np.zeros((5, 5))
    data[2, 2], data[1, 1] = np.nan, 0.01
    assert not outliers(data).any()
    assert outliers(data, err=np.nan)[1, 1]
    model = np.zeros((5, 5))
    model[1, 1] = np.nan
    assert not outliers(data, err=np.nan, model=model)[1, 1]


def test_deviants_are_values_with_a_known_error():
    data = np.array([[1.0, 0.2, np.nan, 1.0, 1.0]], np.float32)
    err = np.array([[0.1, 0.1, 0.1, np.nan, 0.0]], np.float32)
    assert deviants(data, err, np.zeros_like(data), snr=5.0).tolist() == [[True, False, False, False, False]]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_lower_median(count):
    rng = np.random.default_rng(count)
    stack, planes = ImageStack(shape=(20, 300)), rng.normal(size=(count, 20, 300)).astype(np.float32)
    planes[rng.uniform(size=planes.shape) < 0.3] = np.nan
    for plane in planes:
        stack.append(plane)
    ordered, number = np.sort(planes, axis=0), np.isfinite(planes).sum(axis=0)
    expected = np.take_along_axis(ordered, np.maximum(number - 1, 0)[np.newaxis] // 2, axis=0)[0]
    np.testing.assert_array_equal(stack.median(lower=True), expected)


def test_excess_over_the_median():
    stack = ImageStack(shape=(4, 5))
    stack.append(np.full((2, 3), 5.0, np.float32), origin=(1, 2))
    excess, origin = stack.excess(0, np.arange(20, dtype=np.float32).reshape(4, 5))
    assert origin == (1, 2)
    assert excess.tolist() == [[-2, -3, -4], [-7, -8, -9]]


def test_source_level_is_set_by_the_sky():
    rng = np.random.default_rng(2)
    image = rng.normal(3.0, 0.1, (400, 500)).astype(np.float32)
    image[:10], image[100, :] = 1000.0, np.nan
    assert source_level(image) == pytest.approx(3.5, abs=0.1)
    assert np.isnan(source_level(np.full((3, 3), NAN)))
