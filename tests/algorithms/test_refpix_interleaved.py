"""Drifts of interleaved amplifiers against the formula written out in numpy."""

import numpy as np
import pytest
from scipy.stats import sigmaclip

from jwcore.algorithms.refpix_interleaved import correct_interleaved


def clipped_mean(values):
    return np.float64(np.nan) if values.size == 0 else sigmaclip(values.astype(float), 3, 3)[0].mean()


def expected(data, bad, parities):
    """Each side, amplifier and row parity by itself."""
    result = data.astype(float)
    nx = data.shape[-1]
    for g in range(1, len(data)):
        for k in range(4):
            for p in range(parities):
                rows = slice(p, None, parities)
                means = []
                for column in (k, nx - 4 + k):
                    good = ~bad[rows, column]
                    means.append(clipped_mean((data[g, rows, column] - data[0, rows, column])[good]))
                offset = np.nanmean(means) if np.isfinite(means).any() else 0.0
                result[g, rows, k::4] -= offset
    return result


@pytest.mark.parametrize("odd_even", [True, False])
def test_clipped_means_of_both_sides(odd_even):
    rng = np.random.default_rng(4)
    data = rng.normal(1000, 5, (4, 40, 24)).astype(np.float32)
    data[1:, 3, 2] += 500
    data[2, 8, -1] -= 900
    bad = rng.random((40, 24)) < 0.1
    bad[:, 1] = True
    bad[:, [0, 20]] = True
    corrected = data.copy()
    with np.errstate(all="ignore"):
        wanted = expected(data, bad, 2 if odd_even else 1)
    correct_interleaved(corrected, bad, odd_even_rows=odd_even)
    np.testing.assert_allclose(corrected, wanted, atol=2e-3)
    np.testing.assert_array_equal(corrected[0], data[0])


def test_nothing_has_drifted_in_one_group_or_without_reference_pixels():
    data = np.random.default_rng(4).normal(1000, 5, (3, 10, 16)).astype(np.float32)
    one, blind = data[:1].copy(), data.copy()
    correct_interleaved(one, np.zeros((10, 16), bool))
    correct_interleaved(blind, np.ones((10, 16), bool))
    np.testing.assert_array_equal(one, data[:1])
    np.testing.assert_array_equal(blind, data)


def test_pixels_without_value_do_not_spread():
    data = np.zeros((2, 10, 16), np.float32)
    data[1] += 7
    data[1, 3, 0] = np.nan
    correct_interleaved(data, np.zeros((10, 16), bool))
    assert np.isnan(data).sum() == 1
    assert not np.nan_to_num(data).any()
