import numpy as np
import pytest
from scipy.ndimage import convolve as reference_convolve

from jwcore.algorithms.ipc import active_area, convolve


def test_active_area_of_full_frame_and_subarrays():
    detector = {"detector_shape": (2048, 2048), "reference_pixels": (4, 4, 4, 4)}
    assert active_area(shape=(2048, 2048), start=(0, 0), **detector) == (4, 2044, 4, 2044)
    assert active_area(shape=(64, 64), start=(500, 600), **detector) == (0, 64, 0, 64)
    assert active_area(shape=(64, 64), start=(2, 1990), **detector) == (2, 64, 0, 54)
    assert active_area(shape=(3, 64), start=(0, 0), **detector) == (4, 4, 4, 64)
    mid = {"detector_shape": (1024, 1032), "reference_pixels": (4, 4, 0, 0)}
    assert active_area(shape=(1024, 1032), start=(0, 0), **mid) == (0, 1024, 4, 1028)


def test_kernel_is_flipped_as_in_a_true_convolution():
    data = np.zeros((1, 1, 5, 5), np.float32)
    data[0, 0, 2, 2] = 1
    kernel = np.arange(9, dtype=np.float32).reshape(3, 3)
    convolve(data, kernel, area=(0, 5, 0, 5))
    np.testing.assert_array_equal(data[0, 0, 1:4, 1:4], kernel)


@pytest.mark.parametrize("size", [(3, 3), (5, 3), (3, 5), (1, 1)])
@pytest.mark.parametrize("area", [(0, 40, 0, 21), (4, 36, 4, 17), (0, 3, 0, 21)])
def test_against_scipy(size, area):
    rng = np.random.default_rng(2)
    data = rng.normal(100, 10, (2, 3, 40, 21)).astype(np.float32)
    kernel = rng.normal(0, 1, size).astype(np.float32)
    y0, y1, x0, x1 = area
    expected = data.copy()
    for index in np.ndindex(2, 3):
        inside = data[index][y0:y1, x0:x1].astype(float)
        expected[index][y0:y1, x0:x1] = reference_convolve(inside, kernel.astype(float), mode="constant")
    convolve(data, kernel, area=area)
    np.testing.assert_allclose(data, expected, rtol=1e-5, atol=1e-3)


def test_kernel_for_each_pixel():
    rng = np.random.default_rng(3)
    data = rng.normal(100, 10, (1, 2, 30, 20)).astype(np.float32)
    kernel = rng.normal(0, 1, (3, 3)).astype(np.float32)
    scale = rng.uniform(0.5, 2, (30, 20)).astype(np.float32)
    uniform, varying = data.copy(), data.copy()
    convolve(uniform, kernel, area=(4, 30, 0, 20))
    convolve(varying, kernel[:, :, None, None] * scale, area=(4, 30, 0, 20))
    np.testing.assert_allclose(varying[:, :, 4:], uniform[:, :, 4:] * scale[4:], rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(varying[:, :, :4], data[:, :, :4])


def test_truth_of_coupled_pixels_is_met():
    """A deconvolution kernel undoes the coupling it was made for, to second order in the coupling."""
    rng = np.random.default_rng(4)
    truth = rng.uniform(0, 1000, (1, 1, 32, 32)).astype(np.float32)
    coupling = 0.005
    cross = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32) * coupling
    identity = np.pad([[1.0]], 1).astype(np.float32)
    data = truth.copy()
    convolve(data, identity + cross, area=(0, 32, 0, 32))
    assert np.abs(data - truth).max() > 5
    convolve(data, identity - cross, area=(0, 32, 0, 32))
    assert np.abs(data - truth)[..., 2:-2, 2:-2].max() < 1000 * 64 * coupling**2


def test_no_active_pixels():
    data = np.ones((1, 1, 3, 8), np.float32)
    convolve(data, np.full((3, 3), 2, np.float32), area=(4, 4, 4, 8))
    assert (data == 1).all()
