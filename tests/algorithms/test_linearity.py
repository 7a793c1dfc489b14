import numpy as np
import pytest

from jwcore.algorithms import dq
from jwcore.algorithms.linearity import correct_frames, correct_groups, correct_reads


def planes(*coefficients, shape=(2, 3)):
    return np.stack([np.full(shape, c, np.float32) for c in coefficients])


def test_polynomial_of_a_hand_worked_pixel():
    data = np.array([2, 10], np.float32).reshape(1, 2, 1, 1)
    coefficients = planes(1, 2, 0.5, shape=(1, 1))
    correct_groups(data, np.zeros(data.shape, np.uint8), coefficients=coefficients, flags=np.zeros((1, 1), np.uint32))
    np.testing.assert_array_equal(data.ravel(), [1 + 4 + 2, 1 + 20 + 50])


def test_saturated_groups_keep_their_counts():
    data = np.full((1, 3, 2, 3), 10, np.float32)
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[0, 1:, 0, 0] = dq.SATURATED | dq.DO_NOT_USE
    groupdq[0, :, 1, 1] = dq.DO_NOT_USE
    correct_groups(data, groupdq, coefficients=planes(0, 1, 0.01), flags=np.zeros((2, 3), np.uint32))
    np.testing.assert_allclose(data[0, :, 0, 0], [11, 10, 10])
    np.testing.assert_allclose(data[0, :, 1, 1], 11)


def test_pixels_without_a_valid_polynomial_are_left_and_flagged():
    coefficients = planes(5, 1, 0.1)
    coefficients[2, 0, 0] = np.nan
    coefficients[1, 0, 1] = 0
    flags = np.zeros((2, 3), np.uint32)
    flags[0, 2] = dq.NO_LIN_CORR | dq.HOT
    data = np.full((1, 1, 2, 3), 10, np.float32)
    correct_groups(data, np.zeros(data.shape, np.uint8), coefficients=coefficients, flags=flags)
    assert (data[0, 0, 0] == 10).all()
    assert (data[0, 0, 1] == 25).all()
    np.testing.assert_array_equal(flags[0], [dq.NO_LIN_CORR, dq.NO_LIN_CORR, dq.NO_LIN_CORR | dq.HOT])
    assert not flags[1].any()


def test_zero_frames_without_value_stay_zero():
    frames = np.array([[[0, 10]]], np.float32)
    correct_frames(frames, coefficients=planes(5, 1, shape=(1, 2)), flags=np.zeros((1, 2), np.uint32))
    np.testing.assert_array_equal(frames, [[[0, 15]]])


def test_too_few_coefficients():
    with pytest.raises(ValueError, match="a constant and a linear plane"):
        correct_groups(
            np.zeros((1, 1, 2, 3), np.float32),
            np.zeros((1, 1, 2, 3), np.uint8),
            coefficients=planes(1),
            flags=np.zeros((2, 3), np.uint32),
        )


def averaged_ramp(*, ngroups, nframes, groupgap, strength=-2e-6):
    """Make linear frames, bend them by Q(x) = x + strength x^2, average; give the ramp, the truth and P, Q."""
    flux = np.array([[20, 400, 1000], [3, 150, 700]], float)
    numbers = np.arange(ngroups)[:, None] * (nframes + groupgap) + np.arange(1, nframes + 1)
    linear = numbers[:, :, None, None] * flux
    bent = linear + strength * linear**2
    # power series of the inverse of Q
    a = strength
    forward = planes(0, 1, -a, 2 * a**2, -5 * a**3, 14 * a**4, -42 * a**5)
    return bent.mean(axis=1)[None].astype(np.float32), linear.mean(axis=1)[None], forward, planes(0, 1, a)


@pytest.mark.parametrize("groupgap", [0, 4])
def test_truth_of_averaged_groups_is_met_by_correcting_the_frames(groupgap):
    readout = {"nframes": 4, "groupgap": groupgap}
    data, truth, forward, inverse = averaged_ramp(ngroups=4, **readout)
    groupdq, flags = np.zeros(data.shape, np.uint8), np.zeros((2, 3), np.uint32)
    plain = data.copy()
    correct_groups(plain, groupdq, coefficients=forward, flags=flags)
    correct_reads(data, groupdq, coefficients=forward, inverse=inverse, flags=flags, **readout)
    assert np.abs(data - truth).max() < 0.2 * np.abs(plain - truth).max()
    np.testing.assert_allclose(data, truth, rtol=1e-4)


def test_truth_dropped_frames_count():
    """Reads numbered as if no frames were dropped between groups have too steep a slope, and miss the truth by more."""
    data, truth, forward, inverse = averaged_ramp(ngroups=4, nframes=4, groupgap=4)
    errors = []
    for groupgap in (4, 0):
        result, flags = data.copy(), np.zeros((2, 3), np.uint32)
        readout = {"nframes": 4, "groupgap": groupgap}
        correct_reads(
            result, np.zeros(data.shape, np.uint8), coefficients=forward, inverse=inverse, flags=flags, **readout
        )
        errors.append(np.abs(result - truth).max())
    assert errors[1] > 20 * errors[0]


def test_saturated_groups_do_not_enter_the_slope():
    readout = {"nframes": 4, "groupgap": 1}
    data, truth, forward, inverse = averaged_ramp(ngroups=5, **readout)
    data[0, 3:] = 7.0
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[0, 3:] = dq.SATURATED
    flags = np.zeros((2, 3), np.uint32)
    correct_reads(data, groupdq, coefficients=forward, inverse=inverse, flags=flags, **readout)
    np.testing.assert_allclose(data[:, :3], truth[:, :3], rtol=2e-4)
    assert (data[0, 3:] == 7).all()


def test_single_group_gets_the_plain_polynomial():
    data, _, forward, inverse = averaged_ramp(ngroups=1, nframes=4, groupgap=0)
    plain, groupdq, flags = data.copy(), np.zeros(data.shape, np.uint8), np.zeros((2, 3), np.uint32)
    correct_groups(plain, groupdq, coefficients=forward, flags=flags)
    correct_reads(data, groupdq, coefficients=forward, inverse=inverse, flags=flags, nframes=4, groupgap=0)
    np.testing.assert_array_equal(data, plain)


def test_nan_in_the_ramp_stays_in_its_group():
    readout = {"nframes": 2, "groupgap": 0}
    data, truth, forward, inverse = averaged_ramp(ngroups=5, **readout)
    data[0, 1, 1, 1] = np.nan
    flags = np.zeros((2, 3), np.uint32)
    correct_reads(data, np.zeros(data.shape, np.uint8), coefficients=forward, inverse=inverse, flags=flags, **readout)
    assert np.argwhere(np.isnan(data)).tolist() == [[0, 1, 1, 1]]
    np.testing.assert_allclose(data[:, 2:], truth[:, 2:], rtol=1e-4)


def test_nan_in_the_inverse_still_corrects():
    readout = {"nframes": 2, "groupgap": 0}
    data, truth, forward, inverse = averaged_ramp(ngroups=4, **readout)
    inverse[2, 0, 1] = np.nan
    flags = np.zeros((2, 3), np.uint32)
    correct_reads(data, np.zeros(data.shape, np.uint8), coefficients=forward, inverse=inverse, flags=flags, **readout)
    np.testing.assert_allclose(data, truth, rtol=1e-4)
    assert not flags.any()
