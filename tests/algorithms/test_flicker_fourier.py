import numpy as np
import pytest

from jwcore.algorithms import flicker_fourier
from jwcore.algorithms.flicker_fourier import (
    BAND,
    CUTOFF,
    CUTOFF_WIDTH,
    LINE_OVERHEAD,
    PIXEL_TIME,
    block_rows,
    fit_series,
    frame_noise,
    low_pass,
    stripe_noise,
)


def flicker(nlines, n, *, seed=1, overhead=LINE_OVERHEAD):
    """1/f noise of unit variance along a read-out, float64 (nlines, n)."""
    rng = np.random.default_rng(seed)
    length = nlines * (n + overhead)
    amplitude = np.fft.rfftfreq(length)
    amplitude[1:] **= -0.5
    spectrum = amplitude * (rng.normal(size=amplitude.size) + 1j * rng.normal(size=amplitude.size))
    spectrum[0] = 0
    series = np.fft.irfft(spectrum, length)
    return (series / series.std()).reshape(nlines, -1)[:, :n]


def test_low_pass():
    frequencies = np.array([0.0, 0.09, 0.1, 0.11, 0.2])
    np.testing.assert_allclose(low_pass(frequencies, 0.1, 0.02), [1, 1, 0.5, 0, 0], atol=1e-12)


@pytest.mark.parametrize("n", [256, 255])
@pytest.mark.parametrize("gap", [None, slice(40, 60), slice(0, 200)])
def test_amplitudes_minimise_the_weighted_sum(n, gap):
    """Against a plain solution of the normal equations with cosines and sines."""
    rng = np.random.default_rng(3)
    values, mask = rng.normal(size=(2, n)).astype("f4"), np.ones((2, n), "f4")
    if gap:
        mask[:, gap] = 0
    values *= mask
    frequencies = np.fft.rfftfreq(n)
    gain = (frequencies < 6.5 / n).astype(float)
    penalty = np.tile(0.3 * frequencies, (2, 1))
    found = fit_series(values, mask, gain=gain, penalty=penalty, density_sigma=10.0)
    k, t = np.arange(7), np.arange(n)
    basis = np.concatenate([np.cos(2 * np.pi * np.outer(k, t) / n), np.sin(2 * np.pi * np.outer(k[1:], t) / n)])
    for row in range(2):
        weight = circular_inverse_density(mask[row], 10.0)
        ridge = np.concatenate([penalty[row, :7], penalty[row, 1:7]]) / 2
        solved = np.linalg.solve((basis * weight) @ basis.T + np.diag(n * ridge), (basis * weight) @ values[row])
        expected = solved[:7].astype(complex)
        expected[1:] = (expected[1:] - 1j * solved[7:]) / 2
        np.testing.assert_allclose(found[row], expected * n, rtol=2e-4, atol=2e-4 * n)


def circular_inverse_density(mask, sigma):
    n = mask.size
    distance = np.minimum(np.arange(n), n - np.arange(n))
    window = np.exp(-0.5 * (distance / sigma) ** 2)
    density = np.array([np.sum(np.roll(window, k) * mask) for k in range(n)]) / window.sum()
    return np.where(mask > 0, 1 / np.maximum(density, 1e-9), 0)


def test_low_frequencies_are_modelled_and_high_ones_are_not():
    n = 1024
    x = np.arange(n)
    for k in (0, 1, 3, 6, 20):
        lines = np.tile(np.cos(2 * np.pi * k * x / n + 0.3), (16, 1)).astype("f4")
        gain = float(low_pass(np.array([k / n]), CUTOFF, CUTOFF_WIDTH)[0])
        np.testing.assert_allclose(frame_noise(lines), gain * lines, atol=2e-3)


GAPS = {
    "none": np.s_[:0, :0],
    "columns": np.s_[:, 300:500],
    "most of every line": np.s_[:, 100:1500],
    "lines": np.s_[20:40],
}


@pytest.mark.parametrize("gap", GAPS)
def test_truth_noise_of_full_frames(gap):
    truth = 3 * flicker(64, 2048)
    image = (truth + np.random.default_rng(2).normal(0, 1, truth.shape)).astype("f4")
    seen = np.ones(truth.shape, bool)
    seen[GAPS[gap]] = False
    model = frame_noise(np.where(seen, image, np.float32(np.nan)))
    assert (truth - model)[seen].std() < 0.85 * truth.std()
    if not seen.all():  # where nothing is measured, nothing is made worse
        assert (truth - model)[~seen].std() < 1.02 * truth[~seen].std()


@pytest.mark.parametrize("gap", [np.s_[:0, :0], np.s_[:, 10:20], np.s_[300:360]])
def test_truth_noise_of_sub_arrays(gap):
    truth = 3 * flicker(600, 32)
    image = (truth + np.random.default_rng(2).normal(0, 1, truth.shape)).astype("f4")
    seen = np.ones(truth.shape, bool)
    seen[gap] = False
    model = stripe_noise(np.where(seen, image, np.float32(np.nan)))
    assert (truth - model)[seen].std() < 0.65 * truth.std()
    if not seen.all():
        assert (truth - model)[~seen].std() < 1.02 * truth[~seen].std()


def test_alternating_columns():
    image = np.tile(np.where(np.arange(32) % 2, 5, -5), (200, 1)).astype("f4")
    np.testing.assert_allclose(stripe_noise(image), image, atol=0.05)


def test_outliers_do_not_count():
    rng = np.random.default_rng(5)
    frame, stripe = rng.normal(0, 1, (32, 1024)).astype("f4"), rng.normal(0, 1, (200, 32)).astype("f4")
    for model, image in ((frame_noise, frame), (stripe_noise, stripe)):
        spoilt = image.copy()
        spoilt[5, 10:12] = 1e5
        assert np.abs(model(spoilt) - model(image)).max() < 1.0


def test_nothing_usable():
    for shape in ((16, 256), (100, 32)):
        image = np.full(shape, np.nan, np.float32)
        assert not frame_noise(image).any()
        assert not stripe_noise(image).any()


def test_blocks_overlap_by_half_and_cover_all_lines():
    counts = np.full(100, 32)
    blocks = list(block_rows(counts))
    assert blocks[0] == (0, 17)
    assert [first for first, _ in blocks[:3]] == [0, 8, 16]
    assert blocks[-1][1] == 100
    counts[10:50] = 0
    covered = np.zeros(100, bool)
    for first, last in block_rows(counts):
        covered[first:last] = True
        assert counts[first:last].sum() >= 512 or last == 100
    assert covered.all()
    assert list(block_rows(np.zeros(7, int))) == [(0, 7)]


def test_long_lines_have_a_lower_band(monkeypatch):
    """A tone between the two bands is left in long lines."""
    tone = 500.0
    time = PIXEL_TIME * (np.arange(200)[:, None] * (64 + LINE_OVERHEAD) + np.arange(64))
    image = np.cos(2 * np.pi * tone * time).astype("f4")
    assert tone < BAND[0]
    assert (image - stripe_noise(image)).std() < 0.3 * image.std()
    monkeypatch.setattr(flicker_fourier, "LONG_LINE", 64)
    assert (image - stripe_noise(image)).std() > 0.7 * image.std()
