"""Leaving out the groups after a reset, pixel by pixel in plain Python."""

import numpy as np
import pytest

from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.algorithms.rscd import flag_first_groups, groups_to_skip


@pytest.mark.parametrize(
    ("ngroups", "wanted", "expected"),
    [(20, 4, 4), (7, 4, 4), (6, 4, 3), (5, 4, 1), (5, 0, 1), (4, 4, 1), (3, 4, 0), (8, 0, 0)],
)
def test_three_groups_are_left(ngroups, wanted, expected):
    assert groups_to_skip(ngroups, wanted) == expected


def groups_flagged(flags, skip):
    """Groups that one ramp loses: two good ones should stay before saturation."""
    count = skip
    while count > 0 and not flags[0] & SATURATED and flags[count + 1] & SATURATED:
        count -= 1
    return count


@pytest.mark.parametrize("skip", [0, 1, 4])
def test_flags_of_every_ramp(skip):
    rng = np.random.default_rng(5)
    saturated_from = rng.integers(0, 12, (3, 6, 7))
    groupdq = np.where(np.arange(9)[None, :, None, None] >= saturated_from[:, None], SATURATED, 0).astype(np.uint8)
    groupdq |= np.where(rng.random(groupdq.shape) < 0.1, JUMP_DET, 0).astype(np.uint8)
    before = groupdq.copy()
    counts = np.array([groups_flagged(ramp, skip) for ramp in np.moveaxis(before, 1, -1).reshape(-1, 9)])
    counts = counts.reshape(3, 6, 7)
    shortened = flag_first_groups(groupdq, skip)
    expected = np.arange(9)[None, :, None, None] < counts[:, None]
    np.testing.assert_array_equal(groupdq, before | expected * np.uint8(DO_NOT_USE))
    np.testing.assert_array_equal(shortened.pixels, (counts < skip).any(axis=0))
    np.testing.assert_array_equal(shortened.to_none, ((counts < skip) & (counts == 0)).any(axis=0))


def test_a_ramp_that_is_saturated_from_the_start_loses_all_its_groups():
    groupdq = np.full((1, 9, 1, 1), SATURATED, np.uint8)
    assert not flag_first_groups(groupdq, 4).pixels.any()
    assert (groupdq[0, :, 0, 0] & DO_NOT_USE).sum() == 4
