import numpy as np
import pytest
from astropy.stats import sigma_clip
from hypothesis import given, settings
from hypothesis import strategies as st

from jwcore.algorithms.background import clipped_mean, place, subtract
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET


@pytest.mark.parametrize(("sigma", "maxiters"), [(3.0, None), (1.5, None), (1.2, 1), (1.5, 0)])
@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_clipped_mean_like_astropy(n, sigma, maxiters):
    rng = np.random.default_rng(n)
    values = rng.normal(1, 0.3, (n, 9, 11)).astype(np.float32)
    errors = rng.uniform(0.1, 0.4, values.shape).astype(np.float32)
    values[0, 2, 3] = 50
    values[n // 2, 4] = np.nan
    clipped = sigma_clip(np.ma.masked_invalid(values.astype(float)), sigma=sigma, maxiters=maxiters, axis=0)
    if maxiters == 0:
        clipped = np.ma.masked_invalid(values.astype(float))
    count = (~np.ma.getmaskarray(clipped)).sum(axis=0)
    mean, error = clipped_mean(values, errors, sigma=sigma, maxiters=maxiters)
    np.testing.assert_allclose(mean, clipped.mean(axis=0).filled(np.nan), rtol=1e-6)
    variance = np.ma.array(errors.astype(float) ** 2, mask=np.ma.getmaskarray(clipped)).sum(axis=0).filled(np.nan)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(error, np.sqrt(variance) / count, rtol=1e-6)


def test_nothing_left_is_nan():
    mean, error = clipped_mean(np.full((3, 2, 2), np.nan, np.float32), np.ones((3, 2, 2), np.float32))
    assert np.isnan(mean).all()
    assert np.isnan(error).all()


def test_order_of_exposures_does_not_matter():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 5, 4)).astype(np.float32)
    mean, error = clipped_mean(values, np.ones_like(values), sigma=1.5)
    again, error_again = clipped_mean(values[::-1], np.ones_like(values), sigma=1.5)
    np.testing.assert_array_equal(mean, again)
    np.testing.assert_array_equal(error, error_again)


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.integers(1, 12)] * 4), st.tuples(*[st.integers(1, 8)] * 4))
def test_place_by_detector_position(starts, sizes):
    start, target = starts[:2], starts[2:]
    size, shape = sizes[:2], sizes[2:]
    detector = np.arange(1, 401, dtype=np.float32).reshape(20, 20)

    def cut(corner, shape):
        return detector[corner[1] - 1 :, corner[0] - 1 :][: shape[0], : shape[1]]

    covered = np.full((20, 20), np.nan, np.float32)
    covered[start[1] - 1 :, start[0] - 1 :][: size[0], : size[1]] = cut(start, size)
    placed = place(cut(start, size), start=start, shape=shape, target=target)
    np.testing.assert_array_equal(placed, covered[target[1] - 1 :, target[0] - 1 :][: shape[0], : shape[1]])


def test_place_flags_and_stacks():
    flags = np.ones((2, 3, 3), np.uint32)
    placed = place(flags, start=(2, 2), shape=(4, 5), target=(1, 1))
    assert placed.shape == (2, 4, 5)
    assert placed.sum() == 2 * 9
    assert placed[0, 0].sum() == 0


def test_subtract_from_cube():
    data, dq = np.full((2, 3, 3), 5, np.float32), np.zeros((2, 3, 3), np.uint32)
    background, flags = np.full((3, 3), 2, np.float32), np.zeros((3, 3), np.uint32)
    background[0, 0], flags[1, 1] = np.nan, JUMP_DET
    assert subtract(data, dq, background=background, flags=flags) == 1
    assert (data[:, 0, 0] == 5).all()
    assert (data[:, 1:] == 3).all()
    assert (dq[:, 0, 0] == DO_NOT_USE).all()
    assert (dq[:, 1, 1] == JUMP_DET).all()
