import numpy as np
import pytest

from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.algorithms.flicker import (
    Kept,
    NoiseFit,
    clean_images,
    clean_ramp,
    clean_series,
    filled_flat,
    largest_boxes,
)
from jwcore.algorithms.readout import ReadoutLayout

SHAPE = (24, 96)
LAYOUT = ReadoutLayout(1, 2, SHAPE, detector_shape=SHAPE)
EVERYWHERE = np.ones(SHAPE, bool)


def lines_of_noise(ngroups, *, seed=1, size=3.0):
    rng = np.random.default_rng(seed)
    lines = rng.normal(0, size, (ngroups, SHAPE[0], 1))
    return np.broadcast_to(lines - lines.mean(axis=1, keepdims=True), (ngroups, *SHAPE)).astype("f4")


def ramps(ngroups=5, *, rate=50.0):
    noise = lines_of_noise(ngroups)
    return noise + rate * np.arange(ngroups, dtype="f4")[:, None, None], noise


def clean(groups, flags=None, background=EVERYWHERE, **how):
    flags = np.zeros(groups.shape, np.uint8) if flags is None else flags
    return clean_ramp(groups, flags, background, fit=NoiseFit(layout=LAYOUT, n_sigma=4.0), **how)


@pytest.fixture
def wide(monkeypatch):
    """Noise of lines alone is no outlier."""
    monkeypatch.setattr("jwcore.algorithms.flicker.BACKGROUND_SIGMA", 10.0)


@pytest.mark.usefixtures("wide")
def test_noise_adds_up_from_the_first_group():
    groups, noise = ramps()
    expected = groups - noise + noise[0]
    kept = Kept(np.zeros_like(groups), np.zeros_like(groups))
    assert clean(groups, kept=kept) == 4
    scatter = (groups - expected)[1:] - (groups - expected)[1:].mean(axis=1, keepdims=True)
    assert np.abs(scatter).max() < 1e-4  # the level of a frame belongs to the background
    np.testing.assert_allclose(kept.noise + groups, ramps()[0], atol=1e-4)
    np.testing.assert_allclose(kept.background[1:].mean(axis=(1, 2)), 50, atol=2)


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("flag", [DO_NOT_USE, SATURATED])
def test_groups_that_are_lost_are_passed_over(flag):
    groups, _ = ramps()
    flags = np.zeros(groups.shape, np.uint8)
    flags[2] = flag
    alone = np.delete(groups, 2, axis=0)
    lost = groups[2].copy()
    assert clean(groups, flags) == 3
    clean(alone)
    np.testing.assert_array_equal(np.delete(groups, 2, axis=0), alone)
    assert np.ptp(lost - groups[2], axis=1).max() < 1e-4  # corrected like the group before


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize(("flag", "groups_hit"), [(JUMP_DET, [2]), (SATURATED, [2, 3, 4]), (DO_NOT_USE, [2])])
def test_flagged_pixels_do_not_count(flag, groups_hit):
    groups, _ = ramps()
    flags = np.zeros(groups.shape, np.uint8)
    spoilt, plain = groups.copy(), groups
    spoilt[groups_hit, :, 20:90] += 1e4
    flags[groups_hit, :, 20:90] = flag
    if flag == JUMP_DET:
        spoilt[3:, :, 20:90] += 1e4
    clean(spoilt, flags)
    clean(plain)
    np.testing.assert_allclose(spoilt[:, :, :20], plain[:, :, :20], atol=1e-3)


def test_nothing_usable():
    groups, _ = ramps()
    before = groups.copy()
    assert clean(groups, background=~EVERYWHERE) == 0
    assert clean(groups, np.full(groups.shape, DO_NOT_USE, np.uint8)) == 0
    assert clean(np.full_like(groups, np.nan)) == 0
    assert clean(groups[:1]) == 0
    np.testing.assert_array_equal(groups, before)


def test_one_usable_group():
    groups, _ = ramps()
    flags = np.full(groups.shape, DO_NOT_USE, np.uint8)
    flags[3] = 0
    assert clean(groups, flags) == 0


@pytest.mark.parametrize("method", ["median", "fft"])
@pytest.mark.parametrize("background", ["median", "model", None])
def test_background_and_noise_are_parts_of_the_image(method, background):
    rng = np.random.default_rng(2)
    image = (30 + rng.normal(0, 1, SHAPE) + lines_of_noise(1, size=0.5)[0]).astype("f4")
    level, noise = NoiseFit(layout=LAYOUT, method=method, background=background)(image.copy())
    assert np.mean(level + noise) == pytest.approx(30, abs=0.3)
    assert noise.shape == SHAPE
    assert np.shape(level) == (SHAPE if background == "model" else ())
    if background is None:
        assert level == 0


def test_a_model_that_is_impossible_becomes_a_level():
    image = np.full(SHAPE, np.nan, np.float32)
    image[::3, ::4] = 5
    level, noise = NoiseFit(layout=LAYOUT, background="model")(image)
    assert level == 5
    assert not noise.any()


def test_lines_without_usable_pixels_have_no_noise():
    image = (10 + lines_of_noise(1, size=1.0)[0]).astype("f4")
    image[7] = np.nan
    _, noise = NoiseFit(layout=LAYOUT, n_sigma=5.0)(image)
    assert not noise[7].any()
    assert noise[8].any()


def test_fourier_series_of_a_detector_that_is_read_along_y():
    turned = ReadoutLayout(2, 1, SHAPE[::-1], detector_shape=SHAPE[::-1])
    image = np.random.default_rng(2).normal(0, 1, SHAPE).astype("f4")
    for layouts in ((LAYOUT, turned), (ReadoutLayout(1, 2, SHAPE), ReadoutLayout(2, 1, SHAPE[::-1]))):
        plain, other = (NoiseFit(layout=layout, method="fft") for layout in layouts)
        np.testing.assert_allclose(other(np.ascontiguousarray(image.T))[1], plain(image.copy())[1].T, atol=1e-6)


def test_images_and_their_signal():
    noise = lines_of_noise(3, size=0.5)
    signal = np.random.default_rng(4).uniform(0, 1000, (3, *SHAPE)).astype("f4")
    images = signal + noise
    kept = Kept(np.zeros_like(images), np.zeros_like(images))
    fit = NoiseFit(layout=LAYOUT, background=None)
    assert clean_images(images, lambda _: EVERYWHERE, fit=fit, signal=lambda n: signal[n], kept=kept) == 3
    np.testing.assert_allclose(images, signal, atol=2e-4)
    np.testing.assert_allclose(kept.background, signal)
    np.testing.assert_allclose(kept.noise, noise, atol=2e-4)
    assert clean_images(images, lambda _: ~EVERYWHERE, fit=fit) == 0


def test_pixels_of_a_series_count_until_a_jump():
    noise = lines_of_noise(4, size=0.5)
    groups = noise.copy()
    flags = np.zeros(groups.shape, np.uint8)
    flags[1, :, :60] = JUMP_DET
    groups[1:, :, :60] += 500
    expected = groups - noise
    fit = NoiseFit(layout=LAYOUT, background=None)
    assert clean_series(groups, flags, EVERYWHERE, fit=fit, signal=lambda _: np.zeros(SHAPE, np.float32)) == 4
    np.testing.assert_allclose(groups, expected, atol=1e-4)


@pytest.mark.usefixtures("wide")
def test_a_flat_scales_the_noise():
    flat = np.random.default_rng(3).uniform(0.5, 1.5, SHAPE).astype("f4")
    noise = lines_of_noise(1, size=0.5)
    images = (20 + noise) * flat
    clean_images(images, lambda _: EVERYWHERE, fit=NoiseFit(layout=LAYOUT, n_sigma=8.0), flat=flat)
    left = images[0] / flat
    assert np.ptp(left) < 1e-3
    assert left.mean() == pytest.approx(20, abs=0.5)


def test_holes_in_a_flat_are_filled():
    flat = np.full((64, 64), 0.9, np.float32)
    assert filled_flat(flat) is not flat
    holes = flat.copy()
    holes[5:8, 9], holes[40, 40] = np.nan, 0
    np.testing.assert_allclose(filled_flat(holes), flat)
    assert (filled_flat(np.zeros((8, 8), np.float32)) == 1).all()


def test_largest_boxes():
    assert largest_boxes((2048, 1032)) == (32, 24)
    assert largest_boxes((31, 37)) == (31, 1)
