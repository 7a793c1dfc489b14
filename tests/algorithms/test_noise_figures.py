import numpy as np
import pytest

from jwcore.algorithms import noise_figures as module
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, REFERENCE_PIXEL, SATURATED
from jwcore.algorithms.noise_figures import noise_figures, noise_figures_of_image

SHAPE = (300, 400)


def ramps(*, rows=0.0, columns=0.0, white=1.0, ngroups=4, seed=1):
    """Ramps of a sloping background with stars, and offsets of rows and columns in every group."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(SHAPE)
    rate = 20 + 0.05 * y + 0.02 * x + 5000 * (rng.random(SHAPE) < 0.01)
    groups = rate * np.arange(ngroups)[:, None, None] + rng.normal(0, white, (ngroups, *SHAPE))
    groups += rng.normal(0, rows, (ngroups, SHAPE[0], 1)) + rng.normal(0, columns, (ngroups, 1, SHAPE[1]))
    return groups.astype("f4"), np.zeros(groups.shape, np.uint8), np.zeros(SHAPE, np.uint32)


@pytest.mark.parametrize(("rows", "columns"), [(3.0, 0.0), (0.0, 2.0), (2.0, 5.0), (0.0, 0.0)])
def test_truth_scatter_of_rows_and_columns(rows, columns):
    found = noise_figures(*ramps(rows=rows, columns=columns))
    # the difference of two groups has sqrt(2) times the noise of one; white noise of 1 leaves little of itself
    assert found.rows == pytest.approx(np.sqrt(2) * rows, rel=0.2, abs=0.15)
    assert found.columns == pytest.approx(np.sqrt(2) * columns, rel=0.2, abs=0.15)


def test_against_a_plain_formula():
    groups, flags, pixel_flags = ramps(rows=1.0)
    rng = np.random.default_rng(4)
    flags[rng.random(groups.shape) < 0.05] = JUMP_DET
    flags[3, 40:60] |= SATURATED
    pixel_flags[rng.random(SHAPE) < 0.1] = DO_NOT_USE
    pixel_flags[:4] = REFERENCE_PIXEL
    image = groups[3] - groups[0]
    lost = (pixel_flags != 0) | (flags[1:] & JUMP_DET != 0).any(axis=0) | (flags[[0, 3]] & 3 != 0).any(axis=0)
    image[lost] = np.nan
    found = noise_figures(groups, flags, pixel_flags)
    for axis, value in enumerate(found):
        lines = image if axis == 0 else image.T
        with np.errstate(all="ignore"):
            shared = ~np.isnan(lines[2:] - lines[:-2]).all(axis=1)
            medians = np.nanmedian((lines[2:] - lines[:-2])[shared], axis=1)
        distance = np.abs(medians - np.median(medians))
        near = distance[distance <= np.quantile(distance, 0.9, method="higher")]
        assert value == pytest.approx(_rms(near) / 0.789 / np.sqrt(2), rel=1e-2)


def _rms(values):
    return np.sqrt(np.mean(np.square(values, dtype=float)))


def test_truth_of_integers():
    """Half a unit of scatter, rounded to whole units: most lines have the same median."""
    groups, *flags = ramps(rows=0.6, white=1.0)
    groups[0] = 0
    found = noise_figures(np.rint(groups), *flags)
    assert found.rows == pytest.approx(0.6, rel=0.25)


def test_few_samples_are_enough(monkeypatch):
    arguments = ramps(rows=3.0)
    whole = noise_figures(*arguments)
    monkeypatch.setattr(module, "SAMPLES", 64)
    assert noise_figures(*arguments).rows == pytest.approx(whole.rows, rel=0.05)


def test_unusable_groups_are_passed_over():
    groups, flags, pixel_flags = ramps(rows=2.0)
    expected = noise_figures(groups[1:3].copy(), flags[1:3].copy(), pixel_flags)
    flags[[0, 3]] = DO_NOT_USE
    groups[[0, 3]] = np.nan
    assert noise_figures(groups, flags, pixel_flags) == expected


@pytest.mark.parametrize("lost", ["saturated", "unusable", "one group", "reference pixels", "two rows"])
def test_nothing_to_measure(lost):
    groups, flags, pixel_flags = ramps()
    if lost == "saturated":
        flags[:] = SATURATED
    elif lost == "unusable":
        flags[:3] = DO_NOT_USE
    elif lost == "one group":
        groups, flags = groups[:1], flags[:1]
    elif lost == "reference pixels":
        pixel_flags[:] = REFERENCE_PIXEL
    else:
        groups, flags, pixel_flags = (array[..., :2, :2].copy() for array in (groups, flags, pixel_flags))
    assert np.isnan(noise_figures(groups, flags, pixel_flags)).all()


def test_images():
    groups, _, pixel_flags = ramps(rows=2.0)
    image = groups[3]
    usable = np.ones(SHAPE, bool)
    image[10], usable[11:14] = np.nan, False
    found = noise_figures_of_image(image, usable)
    assert found.rows == pytest.approx(2, rel=0.2)
    assert found.columns < 0.2
    assert np.isnan(noise_figures_of_image(image, ~usable & (pixel_flags != 0))).all()
