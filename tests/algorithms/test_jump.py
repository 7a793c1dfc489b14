"""Jump detection against its literal definition, and against the truth of simulated ramps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, NO_GAIN_VALUE, OUTLIER, PERSISTENCE, SATURATED
from jwcore.algorithms.jump import JumpThresholds, detect_jumps, flag_bad_gain, flooded_groups

UNUSABLE = DO_NOT_USE | SATURATED
DEFAULTS = JumpThresholds()


def differences(data, groupdq, gain):
    electrons = np.where(groupdq & UNUSABLE, np.float32(np.nan), data * gain)
    return np.diff(electrons, axis=1)


def definition_iterative(d, variance, thresholds):
    """Flags of one pixel, word for word from the definition; d is (nints, ngroups - 1)."""
    a = np.abs(d)
    flags = np.zeros(a.shape, bool)
    while True:
        left = a[np.isfinite(a)]
        if left.size < 2:
            return flags
        if left.size >= 4:
            kept = left[left < left.max()]
            mu, limit = (np.median(kept) if kept.size else np.float32(np.nan)), thresholds.four_or_more
        else:
            mu, limit = (np.median(left), thresholds.three) if left.size == 3 else (left.min(), thresholds.two)
        sigma = np.sqrt(np.abs(mu) + variance)
        ratio = np.abs(a - mu) / (sigma if sigma > 0 else np.float32(np.nan))
        if not np.any(ratio > limit):
            return flags
        worst = ratio == np.nanmax(ratio)
        flags |= worst
        a = np.where(worst, np.float32(np.nan), a)


def definition_single_pass(d, variance, thresholds):
    good = d[np.isfinite(d)]
    if good.size == 0:
        return np.zeros(d.shape, bool)
    m = np.median(good)
    sigma = np.sqrt(np.abs(m) + variance)
    return np.abs(d - m) > thresholds.four_or_more * sigma if sigma > 0 else np.zeros(d.shape, bool)


def definition_clip(d, variance, thresholds):
    """Sigma clip along the first axis about the median, five times."""
    d = d.astype(float)
    kept = np.isfinite(d)
    flags = np.zeros(d.shape, bool)
    for column in range(d.shape[1]):
        values = d[kept[:, column], column]
        low, high = -np.inf, np.inf
        for _ in range(5):
            if not values.size:
                break
            centre, spread = np.median(values), thresholds.four_or_more * values.std()
            low, high = centre - spread, centre + spread
            left = values[(values >= low) & (values <= high)]
            if left.size == values.size:
                break
            values = left
        flags[:, column] = kept[:, column] & ((d[:, column] < low) | (d[:, column] > high))
    return flags


def definition(data, groupdq, gain, readnoise, nframes, rule, limits, thresholds=DEFAULTS):
    groupdq = groupdq.copy()
    variance = (readnoise * gain) ** 2 / np.float32(nframes)
    d = differences(data, groupdq, gain)
    for y, x in np.ndindex(gain.shape):
        groupdq[:, 1:, y, x][rule(d[..., y, x], variance[y, x], thresholds)] |= JUMP_DET
    groupdq[groupdq & UNUSABLE != 0] &= 0xFF ^ JUMP_DET
    primary = np.argwhere(groupdq & JUMP_DET)
    for i, g, y, x in primary:
        good = d[..., y, x][np.isfinite(d[..., y, x])]
        if g == 0 or not good.size:
            continue
        ratio = np.abs(d[i, g - 1, y, x] - np.median(good)) / np.sqrt(np.abs(np.median(good)) + variance[y, x])
        if limits[0] < ratio < limits[1]:
            for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= ny < gain.shape[0] and 0 <= nx < gain.shape[1] and not groupdq[i, g, ny, nx] & UNUSABLE:
                    groupdq[i, g, ny, nx] |= JUMP_DET
    return groupdq, len(primary)


def simulate(shape, *, seed, rate=20.0, hits=0.3, noise=9.0, gain=1.8):
    """Ramps (DN) with photon and read noise; returns the groups that were hit too."""
    rng = np.random.default_rng(seed)
    nints, ngroups = shape[:2]
    electrons = rng.poisson(rate * gain, shape).astype(float)
    hit = rng.random(shape) < hits / ngroups / nints
    hit[:, 0] = False
    electrons += hit * rng.exponential(2000, shape)
    data = np.cumsum(electrons, axis=1) / gain + 1000 + rng.normal(0, noise / np.sqrt(2), shape)
    return data.astype(np.float32), hit


def random_flags(shape, *, seed, values=(0,) * 20 + (1, 2, 8, 32, 128, 4, 5)):
    return np.random.default_rng(seed).choice(np.array(values, np.uint8), shape)


def planes(shape, *, seed):
    rng = np.random.default_rng(seed)
    gain = rng.uniform(1.2, 2.5, shape).astype(np.float32)
    readnoise = rng.uniform(8, 14, shape).astype(np.float32)
    return {"gain": gain, "readnoise": readnoise}


CASES = [(i, g, f) for i in (1, 2, 3) for g in (3, 4, 5, 10, 11, 12, 50) for f in (1, 8)]


@pytest.mark.parametrize(("nints", "ngroups", "nframes"), CASES)
@pytest.mark.parametrize("flagged", [False, True])
def test_flags_are_those_of_the_definition(nints, ngroups, nframes, flagged):
    shape = (nints, ngroups, 6, 7)
    data, _ = simulate(shape, seed=ngroups, hits=0.5)
    groupdq = random_flags(shape, seed=ngroups) if flagged else np.zeros(shape, np.uint8)
    reference = planes(shape[2:], seed=nints)
    rule = definition_iterative if ngroups <= 10 else definition_single_pass
    expected, jumps = definition(data, groupdq, **reference, nframes=nframes, rule=rule, limits=(10, 1000))
    found = detect_jumps(data=data, groupdq=groupdq, **reference, nframes=nframes)
    assert np.array_equal(groupdq, expected)
    assert found.jumps.sum() == jumps
    assert found.method == ("iterative" if ngroups <= 10 else "single pass")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 2), st.integers(3, 8), st.integers(0, 2**32 - 1),
    st.sampled_from([1, 10, 1000]), st.booleans(),
)  # fmt: skip
def test_ties_and_extreme_pixels_follow_the_definition(nints, ngroups, seed, step, single):
    """Coarse values make ties of differences, medians and ratios; noise and gain are sometimes degenerate."""
    rng = np.random.default_rng(seed)
    shape = (nints, ngroups, 3, 5)
    data = (rng.integers(-3, 6, shape) * step).cumsum(axis=1).astype(np.float32)
    data[rng.random(shape) < 0.05] = np.nan
    groupdq = random_flags(shape, seed=seed)
    gain = rng.choice([1, 2, np.nan, 0, -1], shape[2:], p=[0.5, 0.35, 0.05, 0.05, 0.05]).astype(np.float32)
    readnoise = rng.choice([0, 0.5, 10, np.nan], shape[2:]).astype(np.float32)
    arrays = {"gain": gain, "readnoise": readnoise, "nframes": 1}
    rule = definition_single_pass if single else definition_iterative
    usable = np.bitwise_and.reduce(groupdq & 1, axis=(2, 3)) == 0
    with np.errstate(invalid="ignore", divide="ignore"):
        expected, _ = definition(data, groupdq, **arrays, rule=rule, limits=(10, 1000))
    found = detect_jumps(data=data, groupdq=groupdq, **arrays, min_diffs_single_pass=1 if single else 99)
    if usable.sum(axis=1).min() >= 3:
        assert found.method == ("single pass" if single else "iterative")
        assert np.array_equal(groupdq, expected)


@pytest.mark.parametrize("flagged", [False, True])
@pytest.mark.parametrize(("nints", "ngroups", "over_ints"), [(12, 5, True), (30, 3, True), (3, 12, False)])
def test_sigma_clip(nints, ngroups, over_ints, flagged):
    shape = (nints, ngroups, 5, 6)
    data, _ = simulate(shape, seed=3, hits=1)
    groupdq = random_flags(shape, seed=4) if flagged else np.zeros(shape, np.uint8)
    reference = planes(shape[2:], seed=5)

    def rule(d, variance, thresholds):
        return definition_clip(d if over_ints else d.reshape(-1, 1), variance, thresholds).reshape(d.shape)

    thresholds = JumpThresholds(four_or_more=3.0)
    arguments = {**reference, "nframes": 1, "thresholds": thresholds}
    expected, jumps = definition(data, groupdq, **arguments, rule=rule, limits=(10, 1000))
    found = detect_jumps(data=data, groupdq=groupdq, **arguments, minimum_sigclip_groups=10, only_use_ints=over_ints)
    assert jumps > 0
    assert np.array_equal(groupdq, expected)
    assert found.method == "sigma clip"


def test_flooded_groups_of_a_sigma_clip_are_reset():
    data = np.zeros((30, 3, 1, 2), np.float32)
    data[5, 1:] = 1000
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[5, 1, 0, 1] = PERSISTENCE
    ones = np.ones((1, 2), np.float32)
    detect_jumps(data=data, groupdq=groupdq, gain=ones, readnoise=ones, nframes=1, minimum_sigclip_groups=10)
    assert np.unique(groupdq[5, 1]).tolist() == [0, JUMP_DET | PERSISTENCE]


@pytest.mark.parametrize("over_ints", [True, False])
def test_flooded_groups_are_found_without_a_change(over_ints):
    """The last of 70 rows decides; groups that are unusable everywhere are none."""
    data = np.zeros((30, 4, 70, 2), np.float32)
    data[5, 1:], data[7, 2:] = 1000, 1000
    data[7, 2:, -1, 1] = 0
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[:, -1] = DO_NOT_USE
    before = groupdq.copy()
    arguments = {"data": data, "groupdq": groupdq, "gain": np.ones((70, 2), np.float32), "only_use_ints": over_ints}
    assert np.argwhere(flooded_groups(**arguments, minimum_sigclip_groups=10)).tolist() == [[5, 1]]
    assert not flooded_groups(**arguments, minimum_sigclip_groups=100).any()
    np.testing.assert_array_equal(groupdq, before)


def test_completeness_and_false_alarms():
    shape = (1, 10, 100, 100)
    data, hit = simulate(shape, seed=1, hits=0.2)
    groupdq = np.zeros(shape, np.uint8)
    constant = np.ones(shape[2:], np.float32)
    detect_jumps(
        data=data, groupdq=groupdq, gain=1.8 * constant, readnoise=9 * constant, nframes=1, neighbour_limits=None
    )
    found = groupdq & JUMP_DET != 0
    # a hit of 12 sigma or more is found; exp(-12 sigma / 2000) of them are so high
    sigma = np.sqrt(20 * 1.8 + (9 * 1.8) ** 2)
    assert found[hit].mean() > np.exp(-6 * sigma / 2000)
    undisturbed = ~hit.any(axis=1, keepdims=True) & np.ones(shape, bool)
    # the largest of nine magnitudes is measured against a median that lacks it: more than Gaussian tails, but few
    assert found[undisturbed].mean() < 1e-3


def test_neighbours_are_flagged_within_limits_and_where_usable():
    data = np.zeros((1, 6, 5, 5), np.float32)
    data[0, 3:, 2, 2] = 200
    data[0, 4:, 0, 0] = 1e6
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[0, 3, 2, 1] = SATURATED
    constant = np.ones((5, 5), np.float32)
    detect_jumps(data=data, groupdq=groupdq, gain=constant, readnoise=constant, nframes=1)
    flags = np.argwhere(groupdq & JUMP_DET).tolist()
    assert flags == [[0, 3, 1, 2], [0, 3, 2, 2], [0, 3, 2, 3], [0, 3, 3, 2], [0, 4, 0, 0]]


def test_groups_after_a_bright_jump():
    data = np.zeros((2, 8, 1, 2), np.float32)
    data[0, 3:, 0, 0] = 500
    data[0, 3:, 0, 1] = 5000
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[0, 6, 0, 1] = SATURATED
    constant = np.full((1, 2), 2, np.float32)
    detect_jumps(
        data=data, groupdq=groupdq, gain=constant, readnoise=constant, nframes=1, neighbour_limits=None,
        after_jumps=[(400, 2), (1000, 10)],
    )  # fmt: skip
    assert (groupdq[0, :, 0, 0] == [0, 0, 0, 4, 4, 4, 0, 0]).all()
    assert (groupdq[0, :, 0, 1] == [0, 0, 0, 4, 4, 4, 2, 4]).all()
    assert not groupdq[1].any()


def test_groups_that_are_unusable_everywhere_are_left_out():
    data, _ = simulate((1, 12, 8, 8), seed=7)
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[:, [0, -1]] = DO_NOT_USE
    reference = planes((8, 8), seed=1)
    found = detect_jumps(data=data, groupdq=groupdq, **reference, nframes=1)
    assert (found.method, found.unusable_groups) == ("iterative", 2)  # nine differences are left
    assert not np.any(groupdq[:, [0, -1]] & JUMP_DET)


@pytest.mark.parametrize("flags", [DO_NOT_USE, SATURATED])
def test_nothing_usable(flags):
    groupdq = np.full((2, 5, 3, 3), flags, np.uint8)
    constant = np.ones((3, 3), np.float32)
    found = detect_jumps(
        data=np.zeros(groupdq.shape, np.float32), groupdq=groupdq, gain=constant, readnoise=constant, nframes=1
    )
    assert found.jumps.sum() == 0
    assert found.method == ("none" if flags == DO_NOT_USE else "iterative")
    assert (groupdq == flags).all()


def test_jumps_of_unusable_groups_are_dropped_and_other_bits_stay():
    groupdq = np.zeros((1, 5, 1, 3), np.uint8)
    groupdq[0, 2, 0] = [JUMP_DET | SATURATED | OUTLIER, JUMP_DET | DO_NOT_USE, JUMP_DET | PERSISTENCE]
    constant = np.ones((1, 3), np.float32)
    found = detect_jumps(
        data=np.zeros(groupdq.shape, np.float32), groupdq=groupdq, gain=constant, readnoise=constant, nframes=1
    )
    assert groupdq[0, 2, 0].tolist() == [SATURATED | OUTLIER, DO_NOT_USE, JUMP_DET | PERSISTENCE]
    assert found.jumps.sum() == 1


def test_bad_gain():
    pixeldq = np.zeros((1, 4), np.uint32)
    bad = flag_bad_gain(pixeldq, np.array([[1, 0, -2, np.nan]], np.float32))
    assert bad.tolist() == [[False, True, True, True]]
    assert pixeldq[0].tolist() == [0] + [DO_NOT_USE | NO_GAIN_VALUE] * 3


def test_rows_do_not_depend_on_each_other_beyond_one():
    """Any band of rows with one row around it gives the same flags, so an exposure can be streamed."""
    data, _ = simulate((2, 6, 12, 9), seed=11, hits=1)
    reference = planes((12, 9), seed=2)
    whole = np.zeros(data.shape, np.uint8)
    detect_jumps(data=data, groupdq=whole, **reference, nframes=1)
    band = np.zeros((2, 6, 6, 9), np.uint8)
    cut = {name: np.ascontiguousarray(plane[3:9]) for name, plane in reference.items()}
    detect_jumps(data=np.ascontiguousarray(data[:, :, 3:9]), groupdq=band, **cut, nframes=1)
    assert np.array_equal(band[:, :, 1:-1], whole[:, :, 4:8])
