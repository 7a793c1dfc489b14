"""Windows of persistence against their definition, pixel by pixel."""

import numpy as np
import pytest

from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, PERSISTENCE, SATURATED
from jwcore.algorithms.persistence import Windows, flag_persistence


def definition(data, groupdq, windows, times, duration, threshold, mark):
    """Walk through the groups of every pixel."""
    groupdq, windows = groupdq.copy(), windows.copy()
    nints, ngroups, ny, nx = data.shape
    for y, x in np.ndindex(ny, nx):
        until = windows[y, x]
        for i in range(nints):
            saturated = 0
            for g in range(ngroups):
                now = times[i, g]
                if until < now:
                    until = 0
                saturated += bool(groupdq[i, g, y, x] & SATURATED)
                if saturated == 1 or (threshold is not None and until == 0 and data[i, g, y, x] > threshold):
                    until = now + duration
                if until > now + duration:
                    until = 0
                if until > 0:
                    groupdq[i, g, y, x] |= mark
        windows[y, x] = until
    return groupdq, windows


def times_of(nints, ngroups, *, start=1.7e9, step=10.0, reset=25.0):
    first = start + (ngroups * step + reset) * np.arange(nints)
    return first[:, None] + step * np.arange(1, ngroups + 1)


@pytest.mark.parametrize("duration", [15.0, 60.0, 1e5])
@pytest.mark.parametrize("threshold", [None, 60.0])
@pytest.mark.parametrize("unusable", [False, True])
def test_flags_are_those_of_the_definition(duration, threshold, unusable):
    rng = np.random.default_rng(int(duration))
    shape = (3, 6, 9, 14)
    data = np.cumsum(rng.uniform(0, 20, shape), axis=1).astype(np.float32)
    data[rng.random(shape) < 0.02] = np.nan
    groupdq = rng.choice(np.array([0] * 6 + [1, 4, 32, 3], np.uint8), shape)
    groupdq[np.maximum.accumulate(rng.random(shape) < 0.04, axis=1)] |= SATURATED
    groupdq[0, 2, 0] |= SATURATED  # in this group alone
    times = times_of(3, 6)
    windows = np.where(rng.random(shape[2:]) < 0.4, times[0, 0] + rng.uniform(-100, 3 * duration, shape[2:]), 0)
    mark = PERSISTENCE | DO_NOT_USE if unusable else PERSISTENCE
    expected, ends = definition(data, groupdq, windows, times, duration, threshold, mark)
    before = groupdq.copy()
    flagged = flag_persistence(
        data=data,
        groupdq=groupdq,
        windows=windows,
        times=times,
        duration=duration,
        threshold=threshold,
        unusable=unusable,
    )
    assert np.array_equal(groupdq, expected)
    assert np.array_equal(windows, ends)
    assert np.all(flagged[(expected != before).any(axis=(0, 1))])
    assert np.all((expected & PERSISTENCE).any(axis=(0, 1))[flagged])


def test_a_window_lasts_into_the_next_integration():
    groupdq = np.zeros((2, 4, 1, 2), np.uint8)
    groupdq[0, 2:, 0, 0] = SATURATED
    windows = np.zeros((1, 2))
    times = times_of(2, 4, start=0, reset=0)  # 10, 20 ... 80
    flag_persistence(
        data=np.zeros(groupdq.shape, np.float32), groupdq=groupdq, windows=windows, times=times, duration=30.0
    )
    both = SATURATED | PERSISTENCE
    assert groupdq[:, :, 0, 0].tolist() == [[0, 0, both, both], [PERSISTENCE, PERSISTENCE, 0, 0]]
    assert not groupdq[..., 1].any()
    assert not windows.any()


def test_windows_of_the_future_are_closed():
    groupdq = np.zeros((1, 2, 1, 2), np.uint8)
    windows = np.array([[1000.0, 45.0]])
    times = times_of(1, 2, start=0)
    flag_persistence(
        data=np.zeros(groupdq.shape, np.float32), groupdq=groupdq, windows=windows, times=times, duration=40.0
    )
    assert groupdq[0, :, 0].tolist() == [[0, PERSISTENCE], [0, PERSISTENCE]]
    assert windows.tolist() == [[0, 45]]


def test_all_saturated_and_all_unusable():
    shape = (1, 3, 4, 5)
    groupdq = np.full(shape, SATURATED | JUMP_DET, np.uint8)
    windows = np.zeros(shape[2:])
    data = np.zeros(shape, np.float32)
    assert flag_persistence(data=data, groupdq=groupdq, windows=windows, times=times_of(1, 3), duration=99.0).all()
    assert np.all(groupdq == SATURATED | JUMP_DET | PERSISTENCE)
    groupdq[:] = DO_NOT_USE
    windows[:] = 0
    assert not flag_persistence(data=data, groupdq=groupdq, windows=windows, times=times_of(1, 3), duration=99.0).any()


def test_lists_of_windows_belong_to_the_detector():
    image = np.zeros((4, 5))
    image[1, 2], image[3, 4] = 7, 9
    windows = Windows.none().replaced(image, (10, 20))
    assert windows.rows.tolist() == [11, 13]
    assert windows.columns.tolist() == [22, 24]
    assert np.array_equal(windows.image((10, 20), (4, 5)), image)
    part = windows.image((13, 23), (2, 2))
    assert part.tolist() == [[0, 9], [0, 0]]
    part[:] = [[3, 0], [0, 0]]
    after = windows.replaced(part, (13, 23))
    assert sorted(zip(*after, strict=True)) == [(11, 22, 7.0), (13, 23, 3.0)]
