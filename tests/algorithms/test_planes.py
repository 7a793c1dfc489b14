import numpy as np

from jwcore.algorithms.planes import add_scaled, subtract_from_nonzero, subtract_plane


def test_subtract_plane_touches_its_groups_only_and_takes_nan_for_zero():
    data = np.full((2, 3, 2, 2), 10, np.float32)
    plane = np.array([[1, 2], [np.nan, 4]], np.float32)
    subtract_plane(data, plane, 1, 2)
    assert (data[:, [0, 2]] == 10).all()
    np.testing.assert_array_equal(data[1, 1], [[9, 8], [10, 6]])


def test_zero_frames_without_value_stay_zero():
    frames = np.array([[[0, 5], [7, 0]]], np.float32)
    subtract_from_nonzero(frames, np.array([[1, 1], [np.nan, 1]], np.float32))
    np.testing.assert_array_equal(frames, [[[0, 4], [7, 0]]])


def test_add_scaled_takes_nan_for_zero():
    total = np.ones((1, 2), np.float32)
    add_scaled(total, np.array([[4, np.nan]], np.float32), 0.25)
    np.testing.assert_array_equal(total, [[2, 1]])
