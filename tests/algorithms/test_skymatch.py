"""Sky statistics, and the levels that make overlapping exposures agree."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jwcore.algorithms.footprint import pixels_inside
from jwcore.algorithms.good_bits import bad_bits
from jwcore.algorithms.sky_statistics import SkyStatistic, usable_values
from jwcore.algorithms.skymatch import Overlap, global_levels, local_levels, match_levels, measure_overlaps


def clipped(values, *, iterations=5, sigma=4.0):
    """Clip about the running mean, in plain numpy: values and the range of the histogram."""
    kept = values.astype(float)
    low, high = kept.min(), kept.max()
    for _ in range(iterations):
        mean, spread = kept.mean(), kept.std(ddof=1)
        low, high = max(kept.min(), mean - sigma * spread), min(kept.max(), mean + sigma * spread)
        count, kept = kept.size, kept[(kept >= low) & (kept <= high)]
        if kept.size == count:
            break
    return kept, low, high


def sky_with_sources(seed=0, n=30000):
    rng = np.random.default_rng(seed)
    values = rng.normal(10, 1, n)
    values[: n // 15] += rng.exponential(20, n // 15)
    return values.astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_statistics_of_clipped_values(seed):
    values = sky_with_sources(seed)
    kept, low, high = clipped(values)
    assert SkyStatistic("mean")(values) == (pytest.approx(kept.mean(), rel=1e-12), kept.size)
    assert SkyStatistic("median")(values) == (pytest.approx(np.median(kept), rel=1e-7), kept.size)
    width = 0.1 * kept.std(ddof=1)
    bins = int((high - low) / width) + 1
    counts = np.bincount(((kept - low) * ((bins - 1) / (high - low))).astype(int), minlength=bins)
    top = counts.argmax()
    rise, fall = counts[top] - counts[top - 1], counts[top] - counts[top + 1]
    mode = low + width * (top + 0.5 + 0.5 * (rise - fall) / (rise + fall))
    assert SkyStatistic("mode")(values)[0] == pytest.approx(mode, rel=1e-9)
    assert SkyStatistic("midpt")(values)[0] == pytest.approx(np.median(kept), abs=0.55 * width)


@pytest.mark.parametrize("kind", ["mean", "median", "mode", "midpt"])
def test_sources_hardly_count(kind):
    assert SkyStatistic(kind)(sky_with_sources(n=300000))[0] == pytest.approx(10.0, abs=0.12)


@pytest.mark.parametrize("kind", ["mean", "median", "mode", "midpt"])
def test_few_values(kind):
    assert np.isnan(SkyStatistic(kind)(np.empty(0, np.float32))[0])
    assert SkyStatistic(kind)(np.array([3.0], np.float32)) == (3.0, 1)
    assert SkyStatistic(kind)(np.full(7, 2.5, np.float32)) == (2.5, 7)


def test_large_and_small_samples_are_summed_alike():
    values = sky_with_sources(n=700000)
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    results = []
    for threads in {1, before}:
        numba.set_num_threads(threads)
        results.append(SkyStatistic("mode")(values))
    numba.set_num_threads(before)
    assert len(set(results)) == 1
    assert SkyStatistic("mean")(values)[0] == pytest.approx(clipped(values)[0].mean(), rel=1e-10)


def test_usable_values():
    data = np.array([[1, 2, np.nan], [np.inf, 5, 6]], np.float32)
    dq = np.array([[0, 4, 0], [0, 1, 0]], np.uint32)
    assert usable_values(data, dq, bad_bits=1).tolist() == [1, 2, 6]
    assert usable_values(data, dq, bad_bits=0, lower=2, upper=5).tolist() == [2, 5]
    area = np.array([[True, False, True], [True, True, True]])
    assert usable_values(data, dq, bad_bits=1, area=area).tolist() == [1, 6]


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.booleans(), st.data())
@settings(max_examples=30, deadline=None)
def test_match_recovers_consistent_levels(levels, lower_all, data):
    """Overlaps that do not contradict one another are met exactly, whatever their pixel counts."""
    overlaps = {}
    for j in range(1, len(levels)):
        i = data.draw(st.integers(0, j - 1))
        background = data.draw(st.floats(0, 3))
        for a, b in ((i, j), (j, i)):
            overlaps[a, b] = Overlap(background + levels[a], data.draw(st.integers(10, 10000)))
    found = match_levels(overlaps, count=len(levels), lower_all=lower_all)
    extreme = min(levels) if lower_all else max(levels)
    np.testing.assert_allclose(found, np.array(levels) - extreme, atol=1e-8)


def test_exposures_without_overlap_get_no_level():
    overlaps = {(0, 1): Overlap(2.0, 5), (1, 0): Overlap(1.0, 5), (2, 4): Overlap(3.0, 9), (4, 2): Overlap(3.5, 9)}
    np.testing.assert_allclose(match_levels(overlaps, count=5), [1.0, 0.0, 0.0, np.nan, 0.5], atol=1e-12)


def test_overlaps_of_a_group_are_weighted_with_their_pixels():
    assert Overlap(1.0, 30) + Overlap(4.0, 10) == Overlap(1.75, 40)
    assert Overlap(1.0, 30) + Overlap(np.nan, 0) == Overlap(1.0, 30)


def test_local_and_global_levels():
    local = local_levels([[3.0, 2.0], [np.nan, 5.0], [np.nan]])
    np.testing.assert_array_equal(local, [2.0, 5.0, np.nan])
    np.testing.assert_array_equal(global_levels(local), [2.0, 2.0, 2.0])


def test_only_the_common_pixels_are_measured():
    data = np.zeros((20, 30), np.float32)
    data[:, 15:] = np.random.default_rng(0).normal(7, 0.1, (20, 15))
    square = np.array([[10.0, 0.0], [10.0, 0.02], [10.03, 0.02], [10.03, 0.0]])
    found = measure_overlaps(
        functools.partial(usable_values, data, np.zeros(data.shape, np.uint32), bad_bits=0),
        shape=data.shape,
        footprint=square,
        others={5: np.add(square, (0.0146, 0.0)), 6: np.add(square, (1.0, 0.0))},
        to_pixels=lambda ra, dec: ((ra - 10.0) * 1000, dec * 1000),
        statistic=SkyStatistic("mean"),
    )
    assert found == {5: Overlap(pytest.approx(data[:, 15:].mean(), abs=1e-3), pytest.approx(300, abs=16))}


def test_sides_that_bend_inwards_cost_no_pixels():
    side = np.linspace(0.0, 0.01, 17)[:-1]
    bow = 1e-4 * np.sin(np.pi * side / 0.01)  # one per cent
    right, left = np.stack([0.01 - bow, side], axis=1), np.stack([bow, 0.01 - side], axis=1)
    bottom, top = np.stack([side, bow], axis=1), np.stack([0.01 - side, 0.01 - bow], axis=1)
    bowed = np.add(np.concatenate([bottom, right, top, left]), (10.0, 0.0))
    data = np.ones((100, 100), np.float32)

    def to_pixels(ra, dec):
        return (ra - 10.0) * 1e4 - 0.5, dec * 1e4 - 0.5

    def inside(polygon):
        return pixels_inside(np.stack(to_pixels(*polygon.T), axis=1), shape=data.shape)

    for other in (bowed, np.add(bowed, (0.005, 0.0))):
        found = measure_overlaps(
            functools.partial(usable_values, data, np.zeros(data.shape, np.uint32), bad_bits=0),
            shape=data.shape,
            footprint=bowed,
            others={1: other},
            to_pixels=to_pixels,
            statistic=SkyStatistic("mean"),
        )
        assert found[1].pixels == pytest.approx((inside(bowed) & inside(other)).sum(), abs=5)


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("~DO_NOT_USE+NON_SCIENCE", 513),
        ("~DO_NOT_USE", 1),
        ("~1,512", 513),
        ("0", 0xFFFFFFFF),
        (0, 0xFFFFFFFF),
        ("DO_NOT_USE", 0xFFFFFFFE),
        ("4 + 8", 0xFFFFFFF3),
        ("", 0),
        (None, 0),
        ("None", 0),
    ],
)
def test_good_bits(text, mask):
    assert bad_bits(text) == mask


def test_good_bits_refuses_unknown_names():
    with pytest.raises(ValueError, match="DO_NOT_USSE"):
        bad_bits("~DO_NOT_USSE")
