import numpy as np
import pytest

from jwcore.algorithms import picture_frame
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.algorithms.picture_frame import prepare_pattern, remove_from_image, remove_from_ramp
from tests.picture_frames import SHAPE, frame, small_detector  # noqa: F401  (a fixture for all)

EVERYWHERE = np.ones(SHAPE, bool)


def test_regions_of_a_whole_detector(monkeypatch):
    monkeypatch.undo()
    centre, edges = picture_frame._regions((2048, 2048))
    assert (centre.sum(), edges.sum()) == (1908**2, 2039**2 - 1910**2)
    assert not (centre & edges).any()
    assert edges[4, 4]
    assert edges[2042, 2042]
    assert not edges[75:1985, 75:1985].any()
    assert not edges[:, :4].any()
    assert not edges[2043:].any()


def brute_force(image, pattern, centre, edges):
    c0, e0 = np.median(pattern[centre]), np.median(pattern[edges])
    c, e = np.median(image[centre]), np.median(image[edges])
    return (c - e) / (c0 - e0) * (pattern - e0) + e


def test_formula():
    rng = np.random.default_rng(1)
    image = (rng.normal(3, 1, SHAPE) + frame(20)).astype("f4")
    background = rng.random(SHAPE) < 0.7
    centre, edges = picture_frame._regions(SHAPE)
    expected = image - brute_force(image.astype(float), frame(), centre & background, edges & background)
    correction = np.zeros_like(image)
    before = image.copy()
    assert remove_from_image(image, EVERYWHERE, prepare_pattern(frame(), background), correction=correction) == 1
    np.testing.assert_allclose(image, expected, atol=1e-4)
    np.testing.assert_allclose(before - correction, image, atol=1e-5)


def test_truth_a_drifting_pattern_is_removed_from_ramps():
    rng = np.random.default_rng(2)
    strengths = np.array([3.0, -5, 20, 8])
    levels = np.array([0, 1.0, -2, 4])
    truth = 1000 + rng.normal(0, 1, SHAPE)
    groups = (truth + strengths[:, None, None] * frame() + levels[:, None, None]).astype("f4")
    flags = np.zeros(groups.shape, np.uint8)
    groups[2:, 20, :40] += 1e4
    flags[2, 20, :40] = JUMP_DET
    flags[1, 5], groups[1, 5] = SATURATED, 7e4
    flags[3, :, 14], groups[3, :, 14] = DO_NOT_USE, np.nan
    first = groups[0].copy()
    assert remove_from_ramp(groups, flags, prepare_pattern(frame(), EVERYWHERE)) == 3
    np.testing.assert_array_equal(groups[0], first)
    groups[2:, 20, :40] -= 1e4
    left = np.where(flags, 0, groups - first)
    assert np.abs(left).max() < 3e-3


def test_the_unit_of_the_pattern_does_not_matter():
    image = frame(20)
    for scale in (1e-3, 1, -50):
        left = image.copy()
        remove_from_image(left, EVERYWHERE, prepare_pattern(frame(scale), EVERYWHERE))
        assert np.abs(left).max() < 1e-4


def test_unknown_pixels_of_the_pattern_lose_the_level_alone():
    pattern = frame()
    pattern[30, 30] = np.nan
    image = np.full(SHAPE, 5, np.float32) + frame(2)
    remove_from_image(image, EVERYWHERE, prepare_pattern(pattern, EVERYWHERE))
    assert np.isfinite(image).all()
    image[30, 30] = 0
    assert np.abs(image).max() < 1e-3


def test_what_cannot_be_measured_stays():
    pattern = prepare_pattern(frame(), EVERYWHERE)
    image = frame(3)
    before = image.copy()
    assert remove_from_image(image, ~EVERYWHERE, pattern) == 0
    groups = np.stack([image] * 3)
    for flag in (DO_NOT_USE, SATURATED):
        assert remove_from_ramp(groups, np.full(groups.shape, flag, np.uint8), pattern) == 0
    assert remove_from_ramp(groups[:1], np.zeros((1, *SHAPE), np.uint8), pattern) == 0
    np.testing.assert_array_equal(groups, np.stack([before] * 3))


@pytest.mark.parametrize(
    ("pattern", "background", "reason"),
    [
        (np.zeros(SHAPE, np.float32), EVERYWHERE, "as bright"),
        (np.full(SHAPE, np.nan, np.float32), EVERYWHERE, "unknown"),
        (frame(), ~EVERYWHERE, "no background pixel"),
    ],
)
def test_patterns_that_are_no_use(pattern, background, reason):
    with pytest.raises(ValueError, match=reason):
        prepare_pattern(pattern, background)
