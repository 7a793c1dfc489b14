import numpy as np
import pytest

from jwcore.algorithms.dark import group_weights, regrouped
from jwcore.algorithms.readout import frame_numbers


def test_same_averaging_takes_the_groups_as_they_are():
    weights = group_weights(ngroups=3, nframes=4, groupgap=2, dark_ngroups=5, dark_nframes=4, dark_groupgap=2)
    np.testing.assert_array_equal(weights, np.eye(3, 5))


def test_single_frames_are_averaged_like_the_groups():
    weights = group_weights(ngroups=2, nframes=2, groupgap=1, dark_ngroups=6)
    np.testing.assert_allclose(weights, [[0.5, 0.5, 0, 0, 0, 0], [0, 0, 0, 0.5, 0.5, 0]], atol=1e-15)


def test_short_dark_grows_linearly():
    weights = group_weights(ngroups=4, nframes=1, groupgap=0, dark_ngroups=2)
    np.testing.assert_array_equal(weights, [[1, 0], [0, 1], [-1, 2], [-2, 3]])


def test_single_dark_group_is_repeated():
    weights = group_weights(ngroups=3, nframes=1, groupgap=0, dark_ngroups=1)
    np.testing.assert_array_equal(weights, np.ones((3, 1)))


@pytest.mark.parametrize("science", [(5, 8, 12), (3, 2, 0), (4, 4, 1)])
@pytest.mark.parametrize("dark", [(7, 1, 0), (40, 1, 0), (6, 2, 0), (5, 2, 0)])
def test_truth_of_a_linear_dark_whatever_the_grouping(science, dark):
    """A dark that grows linearly must come out as the mean of the frames of each group, however it was averaged."""
    (ngroups, nframes, groupgap), (dark_ngroups, dark_nframes, dark_groupgap) = science, dark
    rate = np.array([[0.5, 3.0]], np.float32)
    times = frame_numbers(ngroups=dark_ngroups, nframes=dark_nframes, groupgap=dark_groupgap).mean(axis=1)
    planes = (times[:, None, None] * rate).astype(np.float32)
    weights = group_weights(
        ngroups=ngroups, nframes=nframes, groupgap=groupgap,
        dark_ngroups=dark_ngroups, dark_nframes=dark_nframes, dark_groupgap=dark_groupgap,
    )  # fmt: skip
    truth = frame_numbers(ngroups=ngroups, nframes=nframes, groupgap=groupgap).mean(axis=1)[:, None, None] * rate
    result = dict(regrouped(planes, weights))
    assert sorted(result) == list(range(ngroups))
    np.testing.assert_allclose(np.stack([result[g] for g in range(ngroups)]), truth, rtol=1e-5)


def test_planes_are_read_once_in_order_and_no_further_than_needed():
    read = []

    def planes():
        for number in range(10):
            read.append(number)
            yield np.full((1, 1), number, np.float32)

    weights = group_weights(ngroups=2, nframes=2, groupgap=1, dark_ngroups=10)
    result = dict(regrouped(planes(), weights))
    assert read == [0, 1, 2, 3, 4]
    assert [result[g].item() for g in (0, 1)] == [0.5, 3.5]


def test_nan_counts_as_zero_in_averages():
    planes = np.array([2, np.nan], np.float32).reshape(2, 1, 1)
    ((group, dark),) = regrouped(planes, np.array([[0.5, 0.5]]))
    assert (group, dark.item()) == (0, 1.0)


@pytest.mark.parametrize("unknown", [2, 3])
def test_nothing_is_extrapolated_from_an_unknown_plane(unknown):
    planes = np.array([10, 20, 30, 40], np.float32).reshape(4, 1, 1)
    planes[unknown] = np.nan
    weights = group_weights(ngroups=6, nframes=1, groupgap=0, dark_ngroups=4)
    result = dict(regrouped(planes, weights))
    assert [result[g].item() for g in (0, 1)] == [10, 20]
    assert np.isnan([result[g].item() for g in (4, 5)]).all()
