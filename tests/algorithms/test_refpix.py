import numpy as np
import pytest
from scipy.stats import sigmaclip

from jwcore.algorithms.readout import ReadoutLayout
from jwcore.algorithms.refpix import clipped_means, correct_amplifiers, correct_columns, running_median

SIZE = 64


@pytest.mark.parametrize("seed", range(4))
def test_clipped_mean_is_that_of_scipy(seed):
    rng = np.random.default_rng(seed)
    samples = rng.normal(100, 5, (3, 200)).astype(np.float32)
    samples[:, :20] += rng.uniform(-500, 500, (3, 20)).astype(np.float32)
    expected = [sigmaclip(row, 3.0, 3.0).clipped.mean() for row in samples.astype(float)]
    np.testing.assert_allclose(clipped_means(samples, 3.0), expected, rtol=1e-6)


def test_clipped_mean_of_nothing_of_one_and_of_equal_values():
    samples = np.array([[np.nan, np.nan], [np.nan, 7], [3, 3]], np.float32)
    np.testing.assert_array_equal(clipped_means(samples, 3.0), [np.nan, 7, 3])
    assert np.isnan(clipped_means(np.empty((2, 0), np.float32), 3.0)).all()


@pytest.mark.parametrize("length", [1, 5, 11])
def test_running_median_mirrors_the_ends(length):
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(2, 30, 4)).astype(np.float32)
    samples[0, 3:7, :] = np.nan
    samples[1, 20, 2] = np.nan
    half = length // 2
    padded = np.pad(samples, ((0, 0), (half, half), (0, 0)), mode="reflect")
    expected = np.full((2, 30), np.nan)
    for row in range(30):
        window = padded[:, row : row + length].reshape(2, -1)
        for n in range(2):
            if np.isfinite(window[n]).any():
                expected[n, row] = np.nanmedian(window[n])
    np.testing.assert_allclose(running_median(samples, length), expected, rtol=1e-6)


def test_running_median_that_does_not_fit():
    with pytest.raises(ValueError, match="does not fit"):
        running_median(np.zeros((1, 8, 4), np.float32), 8)


def layout(fastaxis=1, slowaxis=2, shape=(SIZE, SIZE), start=(0, 0)):
    return ReadoutLayout(fastaxis, slowaxis, shape, start, detector_shape=(SIZE, SIZE))


def drifts(rng, ngroups=3):
    """Offsets of four amplifiers, even and odd columns, and a slow drift along the rows, in read-out order."""
    columns = np.arange(SIZE)
    offsets = rng.normal(0, 100, (ngroups, 4, 2)).astype(np.float32)
    along_fast = offsets[:, columns // (SIZE // 4), columns % 2]
    along_slow = np.cumsum(rng.normal(0, 0.2, (ngroups, SIZE)), axis=1).astype(np.float32)
    along_slow -= along_slow[:, np.r_[0:4, SIZE - 4 : SIZE]].mean(axis=1, keepdims=True)
    return along_fast, along_slow


@pytest.mark.parametrize("axes", [(1, 2), (-1, 2), (1, -2), (-2, 1), (2, 1), (-2, -1)])
def test_truth_drifts_of_amplifiers_and_rows_are_removed(axes):
    rng = np.random.default_rng(7)
    place = layout(*axes)
    along_fast, along_slow = drifts(rng)
    sky = np.zeros((3, SIZE, SIZE), np.float32)
    sky[:, 4:-4, 4:-4] = rng.uniform(0, 1000, (SIZE - 8, SIZE - 8))
    data = sky.copy()
    place.view(data)[:] += along_fast[:, None, :] + along_slow[:, :, None]
    bad = np.zeros((SIZE, SIZE), bool)
    correct_amplifiers(data, bad, layout=place, smoothing_length=3)
    assert np.abs(data - sky).max() < 1.0  # the running median smooths a little of the drift
    assert np.abs(data - sky).std() < 0.15


def test_options_switch_the_corrections_off():
    rng = np.random.default_rng(8)
    _along_fast, along_slow = drifts(rng)
    data = np.zeros((3, SIZE, SIZE), np.float32) + along_slow[:, :, None]
    bad = np.zeros((SIZE, SIZE), bool)
    same = data.copy()
    correct_amplifiers(same, bad, layout=layout(), use_side_pixels=False)
    np.testing.assert_allclose(same, data, atol=0.5)
    half = data.copy()
    correct_amplifiers(half, bad, layout=layout(), side_gain=0.5, smoothing_length=1)
    full = data.copy()
    correct_amplifiers(full, bad, layout=layout(), smoothing_length=1)
    np.testing.assert_allclose(half - same, 0.5 * (full - same), atol=1e-4)
    striped = np.zeros((3, SIZE, SIZE), np.float32) + np.where(np.arange(SIZE) % 2, 5, -5).astype(np.float32)
    correct_amplifiers(striped, bad, layout=layout(), odd_even_columns=False, use_side_pixels=False)
    assert (np.abs(striped) == 5).all()


def test_bad_reference_pixels_do_not_count():
    data = np.zeros((1, SIZE, SIZE), np.float32)
    bad = np.zeros((SIZE, SIZE), bool)
    bad[:4, 3] = bad[-4:, 20] = bad[30, :4] = True
    data[0, bad] = 1000
    data[0, 30, 4:-4] = 0
    correct_amplifiers(data, bad, layout=layout())
    assert not data[0, ~bad].any()


def test_one_edge_is_enough_and_a_missing_parity_leaves_the_amplifier():
    data = np.full((1, SIZE, SIZE), 10, np.float32)
    bad = np.zeros((SIZE, SIZE), bool)
    bad[:4] = True
    bad[-4:, 0:16:2] = True
    correct_amplifiers(data, bad, layout=layout(), use_side_pixels=False)
    assert (data[0, :, :16] == 10).all()
    assert (data[0, :, 16:] == 0).all()


@pytest.mark.parametrize("axes", [(1, 2), (-1, 2), (-2, -1)])
@pytest.mark.parametrize(("start", "shape"), [((0, 0), (24, SIZE)), ((40, 0), (24, SIZE)), ((0, 16), (SIZE, 24))])
def test_subarray_is_a_slice_of_a_full_frame_without_other_reference_pixels(axes, start, shape):
    rng = np.random.default_rng(9)
    along_fast, along_slow = drifts(rng)
    place = layout(*axes)
    full = rng.normal(0, 3, (3, SIZE, SIZE)).astype(np.float32)
    place.view(full)[:] += along_fast[:, None, :] + along_slow[:, :, None]
    part = np.s_[start[0] : start[0] + shape[0], start[1] : start[1] + shape[1]]
    outside = np.ones((SIZE, SIZE), bool)
    outside[part] = False
    subarray = np.ascontiguousarray(full[:, *part])
    correct_amplifiers(full, outside, layout=place)
    correct_amplifiers(subarray, np.zeros(shape, bool), layout=layout(*axes, shape=shape, start=start))
    np.testing.assert_array_equal(subarray, full[:, *part])


def test_one_output_uses_the_reference_pixels_it_has():
    data = np.zeros((2, 10, 12), np.float32)
    parity = (np.arange(12) + 1) % 2  # the sub-array starts at an odd column
    data += np.where(parity == 0, 3, 8).astype(np.float32)
    reference = np.zeros((10, 12), bool)
    reference[:4] = True
    bad = np.zeros((10, 12), bool)
    bad[0, 5] = True
    data[:, 0, 5] = 1e6
    correct_columns(data, bad, layout=layout(shape=(10, 12), start=(0, 21)), reference=reference)
    assert not data[:, ~bad].any()


def test_one_output_with_one_parity_is_left():
    data = np.full((1, 10, 12), 5, np.float32)
    reference = np.zeros((10, 12), bool)
    reference[:, 0] = True
    place = layout(shape=(10, 12))
    bad = np.zeros((10, 12), bool)
    correct_columns(data, bad, layout=place, reference=reference)
    assert (data == 5).all()
    correct_columns(data, bad, layout=place, reference=reference, odd_even_columns=False)
    assert not data.any()


def test_flags_may_differ_from_group_to_group():
    data = np.zeros((2, SIZE, SIZE), np.float32)
    data[1, :2] = 50
    bad = np.zeros((2, SIZE, SIZE), bool)
    bad[1, :2] = True
    correct_amplifiers(data, bad, layout=layout())
    assert not data[~bad].any()
