"""Snowballs drawn by hand: what is flagged, when and how far; what is taken for a snowball."""

import numpy as np
import pytest

from jwcore.algorithms.dq import CHARGELOSS, DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.algorithms.jump_snowballs import SnowballSettings, flag_snowballs

SHAPE = (120, 140)
FULL = 60000.0
Y, X = np.ogrid[: SHAPE[0], : SHAPE[1]]


def distance(y, x):
    return np.hypot(Y - y, X - x)


def ramps(*, nints=1, ngroups=6, rate=10.0):
    data = np.zeros((nints, ngroups, *SHAPE), np.float32) + rate * np.arange(1, ngroups + 1)[:, None, None]
    return data.astype(np.float32), np.zeros(data.shape, np.uint8)


def hit(data, groupdq, *, at=(60, 70), group=2, core=4, halo=8, integration=0, core_group=None):
    """A snowball: jumps in one group, a core that saturates from the same or another one on."""
    r = distance(*at)
    first = group if core_group is None else core_group
    data[integration, first:, r < core] = FULL
    groupdq[integration, first:, r < core] |= SATURATED
    ring = (r < halo) & (groupdq[integration, group] & SATURATED == 0)
    data[integration, group:, ring] += 1000
    groupdq[integration, group, ring] |= JUMP_DET


def search(data, groupdq, **settings):
    return flag_snowballs(data=data, groupdq=groupdq, settings=SnowballSettings(**settings))


def jumps(groupdq, integration=0):
    return [int(np.count_nonzero(flags & JUMP_DET)) for flags in groupdq[integration]]


def saturated(groupdq, integration=0):
    return [int(np.count_nonzero(flags & SATURATED)) for flags in groupdq[integration]]


def test_halo_grows_in_its_group_and_the_core_in_all_later_ones():
    data, groupdq = ramps()
    hit(data, groupdq)
    before = groupdq.copy()
    assert search(data, groupdq) == 1
    # the axis of a disc is nearly its diameter, less one: 6.5 of the core; that of a ring is longer: 16.4
    r = distance(60, 70)
    assert np.array_equal(groupdq[0, 2] & SATURATED != 0, r < 5)  # 6.5 + 4, halved and rounded
    assert np.array_equal(groupdq[0, 2] & JUMP_DET != 0, (r < 16) & (r >= 5))  # twice 16.4, halved and rounded
    assert saturated(groupdq)[2:] == [np.count_nonzero(r < 5)] * 4
    assert not np.any(groupdq & JUMP_DET & (groupdq & SATURATED) * 2)
    assert jumps(groupdq)[3:] == [0, 0, 0]
    assert np.array_equal(groupdq[0, :2], before[0, :2])


def test_jumps_of_an_enlarged_core_are_dropped_and_other_flags_stay():
    data, groupdq = ramps()
    hit(data, groupdq)
    groupdq[0, 2:, 60, 74] |= CHARGELOSS
    groupdq[0, 4, 60, 74] |= JUMP_DET
    search(data, groupdq)
    assert groupdq[0, 2:, 60, 74].tolist() == [CHARGELOSS | SATURATED] * 4


def test_core_is_flagged_in_the_next_integration():
    data, groupdq = ramps(nints=3)
    hit(data, groupdq)
    search(data, groupdq, masked_groups=4)
    core = np.count_nonzero(distance(60, 70) < 3)  # as large as what was found
    assert jumps(groupdq, 1) == [0, core, core, core, 0, 0]
    assert jumps(groupdq, 2) == [0] * 6


@pytest.mark.parametrize(
    ("settings", "number"),
    [
        ({}, 1),
        ({"min_jump_area": 188}, 1),
        ({"min_jump_area": 400}, 0),
        ({"min_sat_area": 45}, 1),
        ({"min_sat_area": 60}, 0),
        ({"min_sat_area": 60, "sat_required": False}, 1),
        ({"core_charge_ratio": 1e9}, 0),
        ({"core_charge_ratio": 0}, 1),
    ],
)
def test_what_counts_as_a_snowball(settings, number):
    data, groupdq = ramps()
    hit(data, groupdq)
    assert search(data, groupdq, **settings) == number


def test_small_cores_are_not_enlarged():
    data, groupdq = ramps()
    hit(data, groupdq)
    before = saturated(groupdq)
    search(data, groupdq, min_sat_radius_extend=8, masked_groups=4)
    assert saturated(groupdq) == before


def reach(mask):
    """Largest distance of marked pixels from the snowball."""
    return float(distance(60, 70)[mask].max())


@pytest.mark.parametrize(
    ("settings", "core", "halo"),
    [
        ({}, 5, 16),
        ({"expand_factor": 1.0}, 5, 8),
        ({"expand_factor": 3.0}, 5, 25),
        ({"sat_expand": 0}, 4, 16),
        ({"sat_expand": 10}, 13, 16),
        ({"max_extended_radius": 10}, 5, 10),
        ({"max_extended_radius": 10, "sat_expand": 20}, 10, 8),
        ({"sat_required": False}, 4, 16),
    ],
)
def test_settings_reach_as_far_as_they_say(settings, core, halo):
    data, groupdq = ramps()
    hit(data, groupdq)
    search(data, groupdq, **settings)
    flags = groupdq[0, 2]
    assert core - 1 < reach(flags & SATURATED != 0) <= core
    if halo > core:
        assert halo - 1 <= reach(flags & JUMP_DET != 0) <= halo


@pytest.mark.parametrize(("core_group", "number"), [(1, 0), (2, 1), (3, 1), (4, 0)])
def test_the_core_saturates_in_the_group_of_the_jumps_or_the_next(core_group, number):
    data, groupdq = ramps()
    hit(data, groupdq, core_group=core_group)
    assert search(data, groupdq) == number


def test_jumps_without_core_need_the_edge_to_cut_them():
    found = []
    for x in (0, 8, 14, 30, 70):
        data, groupdq = ramps()
        hit(data, groupdq, at=(60, x), core=0)
        found.append(search(data, groupdq))
    assert found == [1, 1, 0, 0, 0]  # a radius of eight, and the width of the reference pixels
    data, groupdq = ramps()
    hit(data, groupdq, at=(115, 70), core=0)
    assert search(data, groupdq.copy(), edge_size=0) == 0
    assert search(data, groupdq, sat_required=False) == 1


@pytest.mark.parametrize("rate", [0.0, 200.0])
def test_a_single_hit_at_the_edge_is_no_snowball(rate):
    data, groupdq = ramps(rate=rate)
    cross = np.abs(Y - 4) + np.abs(X - 70) < 2
    data[0, 3:, cross] += np.where((Y == 4) & (X == 70), 900, 30)[cross][:, None]
    groupdq[0, 3, cross] |= JUMP_DET
    before = groupdq.copy()
    assert search(data, groupdq) == 0
    assert np.array_equal(groupdq, before)
    data[0, 3:, cross] += 500
    assert search(data, groupdq) == 1


def star(data, groupdq, *, at=(60, 70), peak=30000.0, width=2.0):
    """A star whose pixels saturate one after the other."""
    groups = np.arange(1, data.shape[1] + 1)[:, None, None]
    data += np.float32(peak * np.exp(-0.5 * (distance(*at) / width) ** 2)) * groups
    groupdq[data >= FULL] |= SATURATED
    np.minimum(data, FULL, out=data)


@pytest.mark.parametrize("peak", [12000, 25000, 50000, 300000, 3e6])
@pytest.mark.parametrize("group", [1, 2, 4])
def test_a_saturating_star_with_jumps_around_is_no_snowball(peak, group):
    data, groupdq = ramps()
    star(data, groupdq, peak=peak)
    ring = (distance(60, 70) < 14) & (groupdq[0, group] & SATURATED == 0)
    groupdq[0, group, ring] |= JUMP_DET
    before = groupdq.copy()
    assert search(data, groupdq) == 0
    assert np.array_equal(groupdq, before)
    assert search(data, groupdq.copy(), sat_required=False) == int(not np.any(before[0, : group + 2] & SATURATED))
    if group == 4:
        search(data, groupdq, core_charge_ratio=0)
        assert np.count_nonzero(groupdq != before) > 50


def test_a_snowball_beside_a_star_is_found():
    data, groupdq = ramps()
    star(data, groupdq, at=(60, 40), peak=50000)
    hit(data, groupdq, group=3)
    assert search(data, groupdq) == 1


@pytest.mark.parametrize("level", [0.2, 0.5])
def test_a_snowball_that_begins_in_the_first_group_is_no_star(level):
    """Hit during the reads of the first group, the core holds a part of its charge there, and gives no other rate."""
    data, groupdq = ramps(rate=200.0)
    hit(data, groupdq, group=1)
    data[0, 0, distance(60, 70) < 4] = level * FULL
    assert search(data, groupdq) == 1
    data, groupdq = ramps(nints=2, rate=200.0)
    hit(data, groupdq, group=1)
    data[0, 0, distance(60, 70) < 4] = level * FULL
    assert search(data, groupdq) == 1


def test_unusable_ramps_are_no_cores_and_do_not_disturb():
    data, groupdq = ramps()
    groupdq[..., 20:40, 20:40] = DO_NOT_USE | SATURATED
    data[..., 20:40, 20:40] = np.nan
    hit(data, groupdq)
    assert search(data, groupdq) == 1
    data, groupdq = ramps()
    groupdq[:] = SATURATED
    assert search(data, groupdq) == 0
    groupdq[:] = DO_NOT_USE
    assert search(data, groupdq) == 0


def test_one_group():
    data, groupdq = ramps(ngroups=1)
    assert search(data, groupdq) == 0
