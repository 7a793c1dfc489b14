import numpy as np
import pytest

from jwcore.algorithms.pixel_map import build_pixel_map, interpolate_row, wcs_to_wcs
from tests.algorithms._distortion import camera, flat_camera, image_wcs


def _smooth(x, y):
    u, v = (x - 100) / 1000, (y - 90) / 1000
    return 110 + 900 * u - 300 * v + 20 * u * u * v + 5 * v**3, 100 + 300 * u + 920 * v - 15 * u * u + 9 * v * v * u


def test_gwcs_map_within_the_bound():
    transform = wcs_to_wcs(input_wcs=image_wcs(camera()), output_wcs=image_wcs(flat_camera(scale=0.08)))
    pixel_map = build_pixel_map(transform=transform, shape=(240, 256))
    x, y = np.meshgrid(np.arange(256.0), np.arange(240.0))
    np.testing.assert_allclose(pixel_map.full(), transform(x, y), rtol=0, atol=1e-6)
    assert pixel_map.error < 1e-6
    assert pixel_map.grid_x.flags.c_contiguous
    assert pixel_map.grid_x.dtype == np.float64


@pytest.mark.parametrize("shape", [(200, 210), (32, 64), (1, 1), (5, 300), (33, 31)])
def test_any_shape(shape):
    pixel_map = build_pixel_map(transform=_smooth, shape=shape)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    np.testing.assert_allclose(pixel_map.full(), _smooth(x, y), rtol=0, atol=1e-6)


@pytest.mark.parametrize("y", [-0.5, 0.0, 31.5, 99.5, 199.5])
def test_row_of_corners(y):
    pixel_map = build_pixel_map(transform=_smooth, shape=(200, 210))
    x_out, y_out = np.empty(211), np.empty(211)
    interpolate_row(*pixel_map.kernel_arguments, -0.5, y, x_out, y_out)
    np.testing.assert_allclose((x_out, y_out), _smooth(np.arange(211) - 0.5, y), rtol=0, atol=1e-6)


def test_margin_around_the_image():
    pixel_map = build_pixel_map(transform=_smooth, shape=(64, 64))
    x_out, y_out = np.empty(100), np.empty(100)
    interpolate_row(*pixel_map.kernel_arguments, -20.25, -17.3, x_out, y_out)
    np.testing.assert_allclose((x_out, y_out), _smooth(np.arange(100) - 20.25, -17.3), rtol=0, atol=1e-6)


def test_cubics_are_exact():
    def cubic(x, y):
        return 1e-4 * x**3 - 1e-4 * x * y**2 + y, 2e-5 * y**3 + x

    assert build_pixel_map(transform=cubic, shape=(100, 100)).error < 1e-9


def test_step_is_refined_where_needed():
    def wavy(x, y):
        return x + np.sin(x / 20), y + np.cos(y / 20)

    pixel_map = build_pixel_map(transform=wavy, shape=(128, 128))
    assert pixel_map.step < 32
    y, x = np.mgrid[:128, :128].astype(float)
    np.testing.assert_allclose(pixel_map.full(), wavy(x, y), rtol=0, atol=1e-4)


def test_rough_map_is_refused():
    with pytest.raises(ValueError, match="not smooth"):
        build_pixel_map(transform=lambda x, y: (np.abs(x - 7.3), y), shape=(16, 16))
