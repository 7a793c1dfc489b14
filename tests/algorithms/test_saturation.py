import numpy as np
import pytest

from jwcore.algorithms import dq
from jwcore.algorithms.saturation import NEVER_SATURATED, flag_saturated_groups, thresholds, zero_saturated_frames

SAT, DNU, FLOOR = dq.SATURATED, dq.DO_NOT_USE, dq.AD_FLOOR


def flagged(data, level=1000.0, **options):
    data = np.asarray(data, np.float32)
    groupdq = np.zeros(data.shape, np.uint8)
    levels = np.broadcast_to(np.float32(level), data.shape[-2:]).copy()
    count = flag_saturated_groups(data, groupdq, level=levels, **options)
    return groupdq, count.sum()


def flagged_in_lines(data, lines, *, level, **options):
    """Flag a ramp that is stored between other lines, as in interleaved read-outs, and give the flags of its own lines."""
    if lines is None:
        return flagged(data, level, **options)
    stored = np.zeros((*data.shape[:2], 2 * data.shape[2], data.shape[3]), np.float32)
    stored[:, :, lines] = data
    groupdq = np.zeros(stored.shape, np.uint8)
    levels = np.full(data.shape[-2:], level, np.float32)
    count = flag_saturated_groups(stored, groupdq, level=levels, lines=lines, **options)
    assert not np.delete(groupdq, lines, axis=2).any()
    return groupdq[:, :, lines], count.sum()


def ramp(values, ny=5, nx=5, y=2, x=2, sky=10.0):
    """One bright pixel in a faint sky: (1, ngroups, ny, nx)."""
    data = np.full((1, len(values), ny, nx), sky, np.float32)
    data[0, :, y, x] = values
    return data


def test_saturation_persists_although_the_signal_drops():
    groupdq, count = flagged(ramp([500, 1000, 900, 300]), grow=0)
    np.testing.assert_array_equal(groupdq[0, :, 2, 2], [0, SAT, SAT, SAT])
    assert count == 1
    assert np.count_nonzero(groupdq) == 3


@pytest.mark.parametrize("grow", [0, 1, 2])
def test_growth_is_a_box_cut_at_the_edges(grow):
    groupdq, count = flagged(ramp([10, 2000], y=0, x=4), grow=grow)
    expected = np.zeros((5, 5), np.uint8)
    expected[: grow + 1, 4 - grow :] = SAT
    np.testing.assert_array_equal(groupdq[0, 1], expected)
    assert not groupdq[0, 0].any()
    assert count == (grow + 1) ** 2


def test_integrations_are_independent():
    data = np.concatenate([ramp([2000, 2000]), ramp([10, 20])])
    groupdq, _ = flagged(data)
    assert not groupdq[1].any()


def test_floor_is_flagged_in_its_group_only():
    groupdq, _ = flagged(ramp([10, 0, -1, 20]))
    np.testing.assert_array_equal(groupdq[0, :, 2, 2], [0, FLOOR | DNU, FLOOR | DNU, 0])
    assert np.count_nonzero(groupdq) == 2


def test_all_saturated_and_single_group():
    groupdq, count = flagged(np.full((1, 1, 3, 3), 5000.0))
    assert (groupdq == SAT).all()
    assert count == 9


def test_unchecked_pixels_never_saturate():
    level = np.array([[1000, np.nan, 1000]], np.float32)
    level_dq = np.array([[0, 0, dq.NO_SAT_CHECK | dq.HOT]], np.uint32)
    levels, flags = thresholds(level, level_dq)
    np.testing.assert_array_equal(levels, [[1000, NEVER_SATURATED, NEVER_SATURATED]])
    np.testing.assert_array_equal(flags, [[0, dq.NO_SAT_CHECK, dq.NO_SAT_CHECK | dq.HOT]])
    groupdq = np.zeros((1, 1, 1, 3), np.uint8)
    flag_saturated_groups(np.full((1, 1, 1, 3), 65535, np.float32), groupdq, level=levels, grow=0)
    np.testing.assert_array_equal(groupdq[0, 0, 0], [SAT, 0, 0])


def test_average_with_saturated_last_frames_is_not_used():
    # four frames a group: the mean frame number over the last is 2.5/4 = 0.625 in the first group, 6.5/8 in the second
    full = flagged(ramp([624.9, 1200, 1200]), nframes=4)[0]
    assert not full[0, 0].any()
    groupdq, _ = flagged(ramp([625, 1200, 1200]), nframes=4)
    expected = np.zeros((5, 5), np.uint8)
    expected[1:4, 1:4] = DNU
    np.testing.assert_array_equal(groupdq[0, 0], expected)
    assert not flagged(ramp([625, 1200, 1200]), nframes=4, use_readpatt=False)[0][0, 0].any()
    assert not flagged(ramp([625, 1200, 1200]), nframes=1)[0][0, 0].any()


def test_frames_dropped_between_groups_count():
    # frames 1-2 and 8-9: the second group is used unless it exceeds 8.5/9 of the level; without the gap 3.5/4
    assert 900 > 1000 * 3.5 / 4
    assert not flagged(ramp([300, 900, 1200]), nframes=2, groupgap=5, grow=0)[0][0, 1].any()
    assert flagged(ramp([300, 945, 1200]), nframes=2, groupgap=5, grow=0)[0][0, 1, 2, 2] == DNU


@pytest.mark.parametrize("lines", [None, np.arange(16)[::-1] * 2 + 1])
@pytest.mark.parametrize("seed", range(5))
def test_no_partly_saturated_average_of_a_linear_ramp_survives(seed, lines):
    """Truth: frames of constant flux, clipped at saturation, then averaged; no average with a clipped frame may pass."""
    rng = np.random.default_rng(seed)
    nframes, groupgap, ngroups, level = 4, 2, 6, 1000.0
    flux = rng.uniform(1, 400, (16, 16))
    numbers = np.arange(ngroups)[:, None] * (nframes + groupgap) + np.arange(1, nframes + 1)
    frames = numbers[:, :, None, None] * flux
    data = np.minimum(frames, level).mean(axis=1)[None]
    groupdq, _ = flagged_in_lines(data, lines, level=level, nframes=nframes, groupgap=groupgap, grow=0)
    clipped = (frames > level).any(axis=1)
    assert not (clipped & (groupdq[0] == 0))[:-1].any()  # the last group has no later one to tell
    assert not (~clipped & (groupdq[0] != 0))[:, flux < level / numbers.max()].any()


def test_jump_into_saturation_in_the_third_group():
    # flux of the first group, 100 in 2.5 frames, predicts 100/2.5*12 = 480 at the last frame of the third group
    def second(value, first=100.0, **options):
        groupdq, _ = flagged(ramp([first, value, 1500]), nframes=4, grow=0, **options)
        return groupdq[0, 1, 2, 2]

    assert second(326) == DNU  # more than a quarter of the way from 100 to 1000 in one group
    assert second(325) == 0
    assert second(500, first=250) == 0  # 250/2.5*12 = 1200: the flux alone saturates the third group
    bias = np.full((5, 5), 200, np.float32)
    assert second(500, first=250, bias=bias) == DNU  # (250-200)/2.5*12 + 200 = 440: with the bias known it does not


def test_nan_in_the_bias_counts_as_zero():
    bias = np.full((5, 5), np.nan, np.float32)
    groupdq, _ = flagged(ramp([100, 326, 1500]), nframes=4, grow=0, bias=bias)
    assert groupdq[0, 1, 2, 2] == DNU


def test_flags_of_the_mask_stay():
    data = ramp([10, 2000])
    groupdq = np.full(data.shape, DNU, np.uint8)
    flag_saturated_groups(data, groupdq, level=np.full((5, 5), 1000, np.float32))
    assert (groupdq & DNU).all()


def test_zero_frames():
    frames = np.full((2, 5, 5), 50, np.float32)
    frames[0, 2, 2] = 1000
    frames[1, 0, 0] = -3
    zero_saturated_frames(frames, level=np.full((5, 5), 1000, np.float32), grow=1)
    assert (frames[0, 1:4, 1:4] == 0).all()
    assert np.count_nonzero(frames[0]) == 16
    assert np.argwhere(frames[1] == 0).tolist() == [[0, 0]]


def test_rows_with_halo_give_the_same_flags():
    rng = np.random.default_rng(4)
    data = rng.uniform(0, 1040, (2, 4, 24, 12)).astype(np.float32)
    data[:, 1:] = np.maximum.accumulate(data, axis=1)[:, 1:]
    whole, _ = flagged(data, nframes=4, grow=2)
    halo = 4
    part, _ = flagged(data[:, :, 10 - halo : 16 + halo].copy(), nframes=4, grow=2)
    np.testing.assert_array_equal(part[:, :, halo:-halo], whole[:, :, 10:16])
