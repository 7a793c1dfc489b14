import numpy as np
import pytest
from astropy.stats import sigma_clipped_stats

from jwcore.algorithms import sorted_sample
from jwcore.algorithms.sorted_sample import SortedSample


def values(n=5000, *, seed=1):
    rng = np.random.default_rng(seed)
    sample = rng.normal(5, 10, n) + (rng.random(n) < 0.05) * rng.exponential(100, n)
    sample[rng.random(n) < 0.1] = np.nan
    return sample.astype(np.float32)


@pytest.fixture(params=[True, False], ids=["one piece", "many pieces"])
def whole(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(sorted_sample, "PIECE", 700)


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("limits", [(-np.inf, np.inf), (2.0, 7.0), (-3.0, np.inf), (4.99, 5.0), (500.0, 600.0)])
def test_moments_within_limits(limits):
    sample = values()
    inside = sample[(sample >= limits[0]) & (sample <= limits[1])].astype(float)
    found = SortedSample(sample.copy()).moments(*limits)
    assert found.number == inside.size == SortedSample(sample.copy()).count(*limits)
    if inside.size:
        np.testing.assert_allclose(found[1:], [inside.mean(), np.median(inside), inside.std()], rtol=1e-9)
    else:
        assert np.isnan(found[1:]).all()


@pytest.mark.usefixtures("whole")
def test_clipping_equals_astropy():
    sample = values()
    found = SortedSample(sample.copy()).clipped(3.0)
    expected = sigma_clipped_stats(sample[np.isfinite(sample)].astype(float))
    np.testing.assert_allclose(found[1:], expected, rtol=1e-9)


@pytest.mark.usefixtures("whole")
def test_histogram_equals_numpy():
    sample = values()
    counts, edges = np.histogram(sample[np.isfinite(sample)].astype(float), bins=57, range=(-10, 30))
    np.testing.assert_array_equal(SortedSample(sample).histogram(edges), counts)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_few_values(n):
    sample = np.arange(n, dtype=np.float32)
    found = SortedSample(sample.copy())
    assert found.count() == n
    assert found.median() == pytest.approx(np.median(sample) if n else np.nan, nan_ok=True)
    assert found.rms_about(1.0, -9, 9) == pytest.approx(
        np.sqrt(np.mean((sample - 1) ** 2)) if n else np.nan, nan_ok=True
    )


def test_what_is_not_finite_does_not_count():
    found = SortedSample(np.array([[np.inf, -np.inf], [1, 2], [np.nan, np.inf]], np.float32)).moments()
    assert found == (2, 1.5, 1.5, 0.5)


def test_a_large_offset_does_not_spoil_the_deviation():
    sample = (1e6 + np.random.default_rng(1).normal(0, 1, 4000)).astype(np.float32)
    assert SortedSample(sample.copy()).moments().std == pytest.approx(sample.astype(float).std(), rel=1e-9)
