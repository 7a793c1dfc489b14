"""Correlated noise, switched on alone, is removed by its step, and the figures of the noise say so."""

from dataclasses import replace

import numpy as np
import pytest

from jwcore.synth import Effects, tiny_exposure

from ._reduce import live, reduce

SIZE = 256
STRONG = replace(Effects.only("reference_pixels", "read_noise", "one_over_f"), one_over_f_rms=6.0)


def lines_of(rate, exposure):
    """Mean error of every row, less that of all."""
    error = np.where(live(exposure), rate.data - exposure.rate, np.nan)
    lines = np.nanmean(error[np.any(live(exposure), axis=1)], axis=1)
    return lines - lines.mean()


def counts_of(result):
    (outcome,) = result.outcomes.values()
    return next(step["counts"] for step in outcome.steps if step["label"] == "clean_flicker_noise")


def test_truth_flicker_noise(tmp_path):
    sky = np.full((SIZE, SIZE), 10.0)
    sky[50:90, 40:200] = 400.0  # an extended source
    exposure = tiny_exposure(size=SIZE, rate=sky, ngroups=6, effects=STRONG, seed=4)
    on = {"clean_flicker_noise": {"skip": False}}
    without, cleaned = (reduce(exposure, tmp_path / str(bool(how)), params=how) for how in ({}, on))
    before, after = (lines_of(result["rate"], exposure) for result in (without, cleaned))
    assert after.std() < 0.6 * before.std()
    assert abs(cleaned["rate"].data[60:80, 60:180].mean() / exposure.rate[60:80, 60:180].mean() - 1) < 2e-3
    counts = counts_of(cleaned)
    assert counts["row_noise_after"] < 0.7 * counts["row_noise_before"]


def test_truth_nothing_is_removed_where_there_is_no_flicker_noise(tmp_path):
    exposure = tiny_exposure(
        size=SIZE, rate=10.0, ngroups=6, effects=Effects.only("reference_pixels", "read_noise"), seed=4
    )
    params = {"clean_flicker_noise": {"skip": False, "save_noise": True}}
    noise = reduce(exposure, tmp_path, params=params)["flicker_noise"].data
    read_noise = exposure.observation.maps.read_noise.mean() / exposure.observation.maps.gain.mean()
    # the error of the median of a row of pixels, in the difference of two groups
    assert noise[:, -1].std() < 1.6 * np.sqrt(2) * 1.25 * read_noise / np.sqrt(SIZE) * np.sqrt(2)
    assert abs(noise.mean()) < 0.5  # counts are whole numbers, and so is their median


@pytest.mark.slow
def test_truth_picture_frame(tmp_path):
    exposure = tiny_exposure(
        instrument="NIRSPEC", mode="image", subarray="FULL", readpatt="NRSRAPID", ngroups=4, rate=5.0,
        effects=Effects.only("reference_pixels", "read_noise", "picture_frame"), seed=2,
    )  # fmt: skip
    on = {"picture_frame": {"skip": False}}
    without, cleaned = (reduce(exposure, tmp_path / str(bool(how)), params=how)["rate"] for how in ({}, on))
    pattern = exposure.references["pictureframe"].arrays["SCI"][8:-8, 8:-8].astype(float)
    pattern -= pattern.mean()

    def strength(rate):
        error = (rate.data - exposure.rate)[8:-8, 8:-8]
        return abs(np.nansum(error * pattern) / np.sum(pattern**2))

    assert strength(cleaned) < 0.05 * strength(without)
