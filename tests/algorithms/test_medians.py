import numpy as np
import pytest

from jwcore.algorithms.medians import median_columns, median_network, select_median, sort_columns, sorting_network

SIZES = [1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 99]


@pytest.mark.parametrize("n", SIZES)
def test_network_sorts(n):
    block = np.random.default_rng(n).integers(0, 20, (n, 40)).astype(np.float32)  # with ties
    expected = np.sort(block, axis=0)
    sort_columns(block, sorting_network(n), 40)
    assert np.array_equal(block, expected)


def test_network_of_selected_outputs_is_shorter():
    block = np.random.default_rng(1).normal(size=(50, 30)).astype(np.float32)
    expected = np.sort(block, axis=0)[[7, 30]]
    network = sorting_network(50, outputs={7, 30})
    sort_columns(block, network, 30)
    assert np.array_equal(block[[7, 30]], expected)
    assert len(network) < len(sorting_network(50))


@pytest.mark.parametrize("n", SIZES)
def test_medians_of_columns_with_unusable_samples(n):
    rng = np.random.default_rng(n)
    values = rng.normal(size=(n, 60)).astype(np.float32)
    bad = rng.random(values.shape) < np.linspace(0, 1, 60)
    block = np.where(bad, np.where(np.cumsum(bad, axis=0) % 2 == 1, np.inf, -np.inf), values).astype(np.float32)
    median = np.empty(60, np.float32)
    median_columns(block, median_network(n), 60, bad.sum(axis=0).astype(np.int32), median)
    for column in range(60):
        good = values[~bad[:, column], column]
        expected = np.median(good) if good.size else np.nan
        np.testing.assert_allclose(median[column], expected, rtol=1e-6)
        np.testing.assert_allclose(select_median(good.copy(), good.size), expected, rtol=1e-6)


def test_only_the_given_width_is_touched():
    block = np.array([[3, 3], [1, 1]], np.float32)
    sort_columns(block, sorting_network(2), 1)
    assert block.tolist() == [[1, 3], [3, 1]]
