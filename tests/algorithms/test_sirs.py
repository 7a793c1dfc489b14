import numpy as np
import pytest

from jwcore.algorithms.readout import ReadoutLayout
from jwcore.algorithms.refpix import correct_amplifiers
from jwcore.algorithms.sirs import SideKernels, real_kernels

SIZE = 64


def transfer(rng, length=128):
    """Complex weights of four amplifiers whose kernels are short and not symmetric."""
    kernels = np.zeros((4, length))
    kernels[:, :5] = rng.uniform(0.02, 0.2, (4, 5))
    kernels[:, -4:] = rng.uniform(0.02, 0.2, (4, 4))
    return np.fft.rfft(kernels)


def filtered(series, kernel):
    """Convolve by the sum of its definition; what lies outside is zero."""
    half = kernel.size // 2
    return [
        sum(kernel[half + j] * series[row - j] for j in range(-half, half + 1) if 0 <= row - j < series.size)
        for row in range(series.size)
    ]


def prediction(pixels, kernel, limit):
    """The published formula for one side, group and amplifier."""
    centre = np.nanmedian(pixels)
    good = np.abs(pixels - centre) <= limit * 1.48 * np.nanmedian(np.abs(pixels - centre))
    total, part = np.where(good, pixels, 0).sum(axis=1) / 4, good.sum(axis=1) / 4
    one = np.ones(len(pixels))
    return np.array(filtered(total, kernel)) * filtered(one, kernel) / filtered(part, kernel)


def test_formula():
    rng = np.random.default_rng(3)
    kernels = [real_kernels(transfer(rng), halfwidth=6, gaussmooth=0.8) for _ in range(2)]
    left, right = rng.normal(10, 3, (2, 3, 40, 4)).astype(np.float32)
    left[0, 12, 2], right[2, 5:7] = 1e4, np.nan
    found = SideKernels(*kernels, limit=4.0).signal(left, right)
    for group in range(3):
        for amplifier in range(4):
            expected = sum(
                prediction(side[group].astype(float), kernel[amplifier], 4.0)
                for side, kernel in zip((left, right), kernels, strict=True)
            )
            np.testing.assert_allclose(found[group, amplifier], expected, rtol=1e-5)


def test_kernels_are_the_smoothed_impulse_responses():
    rng = np.random.default_rng(4)
    functions = transfer(rng)
    found = real_kernels(functions, halfwidth=10, gaussmooth=1.3)
    gaussian = np.exp(-0.5 * (np.arange(-10, 11) / 1.3) ** 2)
    impulse = np.fft.irfft(functions)[:, np.arange(-10, 11)]
    for kernel, response in zip(found, impulse, strict=True):
        np.testing.assert_allclose(kernel, filtered(response, gaussian / gaussian.sum()), atol=1e-12)
    with pytest.raises(ValueError, match="do not reach 64 rows"):
        real_kernels(functions, halfwidth=64, gaussmooth=1.0)


@pytest.mark.parametrize("axes", [(1, 2), (-1, 2), (1, -2), (-2, 1), (2, 1), (-2, -1)])
def test_truth_the_drift_of_every_amplifier_is_removed(axes):
    rng = np.random.default_rng(5)
    layout = ReadoutLayout(*axes, (SIZE, SIZE), detector_shape=(SIZE, SIZE))
    factor = np.array([0.7, 1.1, -0.4, 1.0])
    passing = np.repeat(factor[:, None], 65, axis=1).astype(complex)
    drift = rng.normal(0, 5, (2, SIZE)).astype(np.float32)
    drift -= drift[:, np.r_[0:4, SIZE - 4 : SIZE]].mean(axis=1, keepdims=True)
    sky = rng.uniform(0, 100, (2, SIZE, SIZE)).astype(np.float32)
    view = layout.view(sky)
    view[:, :4] = view[:, -4:] = view[:, :, :4] = view[:, :, -4:] = 0
    data = sky.copy()
    for amplifier in range(4):
        columns = slice(amplifier * SIZE // 4, (amplifier + 1) * SIZE // 4)
        layout.view(data)[:, 4:-4, columns] += factor[amplifier] * drift[:, 4:-4, None]
    layout.view(data)[:, 4:-4, :4] = drift[:, 4:-4, None]
    layout.view(data)[:, 4:-4, -4:] = drift[:, 4:-4, None]
    kernels = SideKernels(*[real_kernels(passing / 2, halfwidth=6, gaussmooth=0.01)] * 2)
    correct_amplifiers(data, np.zeros((SIZE, SIZE), bool), layout=layout, kernels=kernels)
    np.testing.assert_allclose(layout.view(data)[:, 4:-4, 4:-4], view[:, 4:-4, 4:-4], atol=1e-4)


def test_sides_without_good_pixels_add_nothing():
    kernels = SideKernels(*[real_kernels(np.full((4, 65), 0.5 + 0j), halfwidth=3, gaussmooth=0.01)] * 2)
    one, nothing = np.full((1, 20, 4), 8, np.float32), np.full((1, 20, 4), np.nan, np.float32)
    np.testing.assert_allclose(kernels.signal(one, nothing), 4, rtol=1e-6)
    assert not kernels.signal(nothing, nothing).any()


def test_kernels_of_zero_correct_nothing():
    kernels = SideKernels(np.zeros((4, 7)), np.zeros((4, 7)))
    pixels = np.random.default_rng(6).normal(0, 1, (1, 20, 4)).astype(np.float32)
    assert not kernels.signal(pixels, pixels).any()
