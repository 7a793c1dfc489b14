import numpy as np
import pytest

from jwcore.algorithms.line_statistics import line_medians, transposed


def image(shape, *, seed=1):
    rng = np.random.default_rng(seed)
    made = rng.normal(5, 10, shape).astype(np.float32)
    made[rng.random(shape) < 0.2] = np.nan
    return made


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize("shape", [(30, 41), (41, 33), (1, 1), (5, 4), (600, 32)])
@pytest.mark.parametrize("along_x", [True, False])
def test_medians_of_lines(shape, along_x):
    values = image(shape)
    values[0] = np.nan
    expected = np.nanmedian(np.where((values >= -15) & (values <= 25), values, np.nan), axis=1 if along_x else 0)
    found = line_medians(values, along_x=along_x, low=-15, high=25)
    np.testing.assert_array_equal(found, expected[:, None])
    assert found.dtype == np.float32


@pytest.mark.parametrize("along_x", [True, False])
def test_medians_of_channels(along_x):
    values = image((32, 24))
    found = line_medians(values, along_x=along_x, channels=4)
    parts = np.stack(np.split(values, 4, axis=1 if along_x else 0))
    np.testing.assert_array_equal(found, np.nanmedian(parts, axis=2 if along_x else 1).T)


def test_lines_that_do_not_divide():
    with pytest.raises(ValueError, match="30 pixels do not divide into 4 channels"):
        line_medians(image((8, 30)), along_x=True, channels=4)


def test_the_image_stays():
    values = image((20, 30))
    before = values.copy()
    line_medians(values, along_x=True)
    line_medians(values, along_x=False)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("shape", [(33, 70), (1, 5), (64, 64)])
def test_transposed(shape):
    values = image(shape)
    found = transposed(values)
    np.testing.assert_array_equal(found, values.T)
    assert found.flags.c_contiguous
