"""Medians over integrations, against plain numpy."""

import warnings

import numpy as np
import pytest

from jwcore.algorithms.integration_outliers import flag_integrations

FLAG = 16


def cube(nints, *, ny=5, nx=37, seed=1, holes=0.15):
    """Noise about a scene, some of it NaN or flagged, with bright hits; two pixels are always unusable."""
    rng = np.random.default_rng(seed)
    data = (rng.uniform(0, 50, (ny, nx)) + rng.normal(size=(nints, ny, nx))).astype(np.float32)
    data[rng.uniform(size=data.shape) < 0.02] += 30
    dq = np.where(rng.uniform(size=data.shape) < holes, 1, 0).astype(np.uint32)
    data[rng.uniform(size=data.shape) < holes / 2] = np.nan
    data[:, 2, 3], dq[:, 4, 36] = np.nan, 1
    err = rng.uniform(0.8, 1.2, data.shape).astype(np.float32)
    err[rng.uniform(size=data.shape) < 0.01] = np.nan
    return data, err, dq


def expected_medians(data, dq, window):
    nints = len(data)
    usable = np.where(dq & 1, np.nan, data)
    if window is None or not 1 < window < nints:
        starts, window = [0] * nints, nints
    else:
        starts = [min(max(k - window // 2, 0), nints - window) for k in range(nints)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")
        return np.array([np.nanmedian(usable[start : start + window], axis=0) for start in starts])


@pytest.mark.parametrize(
    ("nints", "window"),
    [(1, None), (1, 25), (2, None), (9, None), (10, None), *((30, window) for window in (1, 2, 3, 4, 25, 29, 30, 99))],
)  # fmt: skip
def test_against_numpy(nints, window):
    data, err, dq = cube(nints)
    before = data.copy(), dq.copy()
    found = flag_integrations(data, err, dq, snr=5.0, flags=FLAG, bad_bits=1, window=window, keep_medians=True)
    medians = expected_medians(*before, window)
    outliers = (np.abs(before[0] - medians) > 5 * err) & (err > 0)
    np.testing.assert_allclose(found.medians, medians, rtol=1e-6)
    np.testing.assert_array_equal(found.scene, found.medians[nints // 2])
    np.testing.assert_array_equal(dq, before[1] | np.where(outliers, FLAG, 0))
    np.testing.assert_array_equal(found.number, outliers.sum(axis=0))
    np.testing.assert_array_equal(data, before[0])
    assert (found.number.sum() > 0) == (nints > 1)


def test_equal_values_leave_the_window_one_at_a_time():
    data = np.repeat(np.float32([0, 0, 1, 1, 1, 0, 0, 0, 2, 2]), 2).reshape(10, 1, 2)
    dq = np.zeros(data.shape, np.uint32)
    found = flag_integrations(data, np.ones_like(data), dq, snr=5.0, flags=FLAG, window=3, keep_medians=True)
    assert found.medians[:, 0, 0].tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 2, 2]


def test_nothing_is_kept_unless_asked_for():
    data, err, dq = cube(6)
    assert flag_integrations(data, err, dq, snr=5.0, flags=FLAG).medians is None
