import numpy as np
import pytest

from jwcore.algorithms.nan_dq import match_nans_and_flags


@pytest.mark.parametrize("shape", [(5, 7), (2, 5, 7)])
def test_against_numpy(rng, shape):
    planes = [rng.normal(size=shape).astype("f4") for _ in range(5)]
    for plane in planes:
        plane[rng.random(shape) < 0.1] = np.nan
    dq = rng.integers(0, 1 << 32, shape, dtype="u4")
    bad = (dq & 1 == 1) | np.any(np.isnan(planes), axis=0)
    expected = [np.where(bad, np.nan, plane) for plane in planes]
    expected_dq = np.where(bad, dq | 1, dq)
    count = match_nans_and_flags(planes[0], dq, err=planes[1], variances=planes[2:])
    assert count == bad.sum()
    assert np.array_equal(dq, expected_dq)
    assert all(np.array_equal(plane, other, equal_nan=True) for plane, other in zip(planes, expected, strict=True))


def test_absent_and_odd_planes():
    data, dq = np.ones((3, 4), "f4"), np.zeros((3, 4), "u4")
    data[0, 0] = np.nan
    dq[1, 1] = 5
    assert match_nans_and_flags(data, dq, variances=(None, None)) == 2
    assert np.isnan(data[1, 1])
    assert (dq[0, 0], dq[1, 1]) == (1, 5)
    odd = np.full((2, 2), np.nan, "f4")
    with pytest.warns(UserWarning, match="err has shape"):
        match_nans_and_flags(data, dq, err=odd)
    with pytest.raises(ValueError, match="C-contiguous"):
        match_nans_and_flags(data[:, ::2], dq[:, ::2])
