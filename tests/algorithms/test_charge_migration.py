"""Flags of charge migration against their definition, pixel by pixel."""

import numpy as np
import pytest

from jwcore.algorithms.charge_migration import flag_charge_migration
from jwcore.algorithms.dq import CHARGELOSS, DO_NOT_USE, JUMP_DET, SATURATED

LOST = CHARGELOSS | DO_NOT_USE


def definition(data, groupdq, threshold):
    """Flag this and all later groups of the pixel and its four neighbours."""
    result = groupdq.copy()
    ny, nx = data.shape[2:]
    for i, g, y, x in np.argwhere((data > threshold) & (groupdq != DO_NOT_USE)):
        for dy, dx in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            if 0 <= y + dy < ny and 0 <= x + dx < nx:
                result[i, g:, y + dy, x + dx] |= LOST
    return result


@pytest.mark.parametrize("shape", [(1, 5, 12, 13), (3, 8, 6, 40), (2, 3, 1, 7), (2, 4, 7, 1)])
@pytest.mark.parametrize("bright", [0.01, 0.2])
def test_flags_are_those_of_the_definition(shape, bright):
    rng = np.random.default_rng(shape[1])
    data = np.cumsum(rng.uniform(0, 10, shape), axis=1).astype(np.float32)
    data[rng.random(shape) < bright] = 100
    data[rng.random(shape) < 0.02] = np.nan
    groupdq = rng.choice(np.array([0] * 10 + [1, 2, 3, 4, 5, 32, 128, 129], np.uint8), shape)
    expected = definition(data, groupdq, 50)
    before = groupdq.copy()
    flagged = flag_charge_migration(data=data, groupdq=groupdq, threshold=50)
    assert np.array_equal(groupdq, expected)
    assert np.all(flagged[(expected != before).any(axis=(0, 1))])
    assert np.all((expected & LOST == LOST).any(axis=(0, 1))[flagged])


def test_exactly_the_threshold_and_bad_groups_do_not_count():
    data = np.zeros((1, 3, 3, 5), np.float32)
    groupdq = np.zeros(data.shape, np.uint8)
    data[0, 1:, 1, 1] = 25000
    data[0, 1:, 1, 3] = 60000
    groupdq[0, :, 1, 3] = DO_NOT_USE
    assert not flag_charge_migration(data=data, groupdq=groupdq, threshold=25000).any()
    assert np.count_nonzero(groupdq) == 3
    groupdq[0, 2, 1, 3] |= SATURATED
    flagged = flag_charge_migration(data=data, groupdq=groupdq, threshold=25000)
    assert np.argwhere(flagged).tolist() == [[0, 3], [1, 2], [1, 3], [1, 4], [2, 3]]
    assert groupdq[0, :, 0, 3].tolist() == [0, 0, LOST]


def test_everything_bright_and_nothing():
    data = np.full((2, 4, 5, 6), 3e4, np.float32)
    groupdq = np.full(data.shape, JUMP_DET, np.uint8)
    assert flag_charge_migration(data=data, groupdq=groupdq, threshold=25000).all()
    assert np.all(groupdq == JUMP_DET | LOST)
    groupdq[:] = DO_NOT_USE
    assert not flag_charge_migration(data=data, groupdq=groupdq, threshold=25000).any()
    assert np.all(groupdq == DO_NOT_USE)
