import numpy as np
import pytest

from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.algorithms.flicker_series import known_signal, light_curve, median_integration


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_median_without_what_is_lost():
    rng = np.random.default_rng(1)
    groups = rng.normal(0, 5, (6, 3, 8, 10)).astype("f4")
    flags = rng.choice(np.uint8([0, 0, 0, DO_NOT_USE, SATURATED, JUMP_DET]), groups.shape)
    flags[:, 1, 2, 3] = SATURATED
    groups[2, 0, 0, 0] = np.nan
    expected = np.nanmedian(np.where(flags & (DO_NOT_USE | SATURATED), np.nan, groups), axis=0)
    found = median_integration(groups, flags)
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(found[1, 2, 3])


def test_truth_light_curve():
    rng = np.random.default_rng(2)
    brightness = 1 + 0.01 * np.sin(np.arange(11))
    star = np.zeros((40, 40))
    star[15:25, 15:25] = rng.uniform(10, 200, (10, 10))
    rates = brightness[:, None, None] * star + 30 + rng.normal(0, 0.5, (11, 40, 40))
    rates[:, 18, 18] = 1e4  # a bad pixel that does not vary
    rates[3, 20, 20] = np.nan
    found = light_curve(rates.astype("f4"), star == 0)
    np.testing.assert_allclose(found, brightness / np.median(brightness), atol=3e-3)


@pytest.mark.parametrize("background", [np.ones((5, 5), bool), np.zeros((5, 5), bool)])
def test_no_light_curve(background):
    np.testing.assert_array_equal(light_curve(np.zeros((3, 5, 5), "f4"), background), 1)
    np.testing.assert_array_equal(light_curve(np.full((3, 5, 5), np.nan, "f4"), background), 1)


def test_the_background_does_not_vary():
    background = np.ones((4, 4), bool)
    background[1, 1] = False
    median = np.full((2, 4, 4), 10, np.float32)
    median[:, 1, 1], median[1] = 110, median[1] + 5
    signal = known_signal(median, background, 1.1)
    assert signal(0)[1, 1] == pytest.approx(120)
    assert signal(1)[0, 0] == 15
    assert known_signal(median, ~background, 2.0)(0)[1, 1] == 110
    assert known_signal(median, background & False, 2.0)(0)[0, 0] == 20
