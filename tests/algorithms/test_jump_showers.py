"""The search for showers against its definition, pixel by pixel."""

import numpy as np
import pytest

from jwcore.algorithms.dq import CHARGELOSS, DO_NOT_USE, JUMP_DET, PERSISTENCE, SATURATED
from jwcore.algorithms.jump_regions import connected_regions
from jwcore.algorithms.jump_showers import ShowerSettings, flag_showers, ring_offsets

LOST = DO_NOT_USE | SATURATED | JUMP_DET
SHAPE = (60, 70)
SMALL = ShowerSettings(min_area=30, masked_groups=2, max_amplitude=50.0)


def simulate(*, nints=1, ngroups=14, seed=1, shower=(8, 30, 35, 10.0, 12.0), rate=20.0, gain=4.0, noise=6.0):
    """Ramps in DN with a round patch of charge, given by group, place, radius and height."""
    rng = np.random.default_rng(seed)
    steps = rng.poisson(rate * gain, (nints, ngroups, *SHAPE)) / gain
    if shower:
        group, y, x, radius, height = shower
        yy, xx = np.ogrid[: SHAPE[0], : SHAPE[1]]
        steps[0, group] += height * (np.hypot(yy - y, xx - x) < radius)
    data = np.cumsum(steps, axis=1) + rng.normal(0, noise / np.sqrt(2), steps.shape)
    one = np.ones(SHAPE, np.float32)
    return {
        "data": data.astype(np.float32), "groupdq": np.zeros(data.shape, np.uint8), "pixeldq": np.zeros(SHAPE, np.uint32),
        "gain": gain * one, "readnoise": noise * one, "nframes": 1,
    }  # fmt: skip


def flag_some(arrays, seed=0):
    """Flags of all kinds, in groups and pixels."""
    rng = np.random.default_rng(seed)
    groupdq, pixeldq = arrays["groupdq"], arrays["pixeldq"]
    for flag in (DO_NOT_USE, JUMP_DET, SATURATED, CHARGELOSS, PERSISTENCE):
        groupdq[rng.random(groupdq.shape) < 0.01] |= flag
        pixeldq[rng.random(SHAPE) < 0.01] |= flag
    groupdq[:, 0] = DO_NOT_USE
    arrays["data"][0, 2, 10, 10] = np.nan


def differences(arrays):
    electrons = np.where(arrays["groupdq"] & LOST, np.nan, arrays["data"].astype(float) * arrays["gain"])
    return np.diff(electrons, axis=1)


def clipped_moments(d):
    """Median and standard deviation over integrations, clipped at five sigma."""
    centre, sigma = np.full(d.shape[1:], np.nan), np.full(d.shape[1:], np.nan)
    for index in np.ndindex(d.shape[1:]):
        values = d[(slice(None), *index)]
        values = values[np.isfinite(values)]
        for _ in range(5):
            near = np.abs(values - np.median(values)) <= 5 * values.std() if values.size else np.zeros(0, bool)
            if near.all():
                break
            values = values[near]
        if values.size:
            centre[index], sigma[index] = np.median(values), values.std()
    return centre, sigma


@pytest.mark.filterwarnings("ignore:All-NaN")
def definition(arrays, settings):
    """Flags and number of showers, word for word."""
    d = differences(arrays)
    groupdq = arrays["groupdq"].copy()
    nints, ngroups = groupdq.shape[:2]
    if nints >= settings.minimum_sigclip_groups:
        centre, sigma = clipped_moments(d)
    else:
        centre = np.nanmedian(d, axis=(0, 1), keepdims=True)[0]
        variance = (arrays["readnoise"] * arrays["gain"]) ** 2 / arrays["nframes"]
        sigma = np.sqrt(np.abs(centre) + variance)
    ring = ring_offsets(inner_radius=settings.inner_radius, width=settings.ring_width)
    unusable = np.all(groupdq & DO_NOT_USE, axis=(2, 3))
    number = 0
    for i in range(nints):
        drawn = []
        for g in range(1, ngroups):
            if unusable[i, g] or unusable[i, g - 1]:
                continue
            plane = g - 1 if len(centre) > 1 else 0
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = np.abs(d[i, g - 1] - centre[plane]) / sigma[plane]
            known = np.isfinite(ratio) & (arrays["pixeldq"] & LOST == 0)
            reach = np.abs(ring).max()
            value = np.pad(np.where(known, ratio, 0), reach)
            weight = np.pad(known.astype(float), reach, constant_values=1)
            total, count = (
                sum(p[reach + y : reach + y + SHAPE[0], reach + x : reach + x + SHAPE[1]] for y, x in ring)
                for p in (value, weight)
            )
            regions = connected_regions(
                known & (total > settings.snr_threshold * count), minimum_area=settings.min_area
            )
            ellipses = regions.ellipses().expanded(
                factor=settings.expand_ratio, longest=2 * settings.max_extended_radius
            )
            number += len(ellipses)
            drawn += [(g, ellipses.drawn(SHAPE))] * (len(ellipses) > 0)
        before = groupdq[i].copy()
        for g, pixels in drawn:
            for later in range(g, min(g + settings.masked_groups + 1, ngroups)):
                groupdq[i, later][pixels & (groupdq[i, later] & SATURATED == 0)] |= JUMP_DET
        for y, x in np.argwhere((groupdq[i] != before).any(axis=0)):
            means = []
            for flags in (groupdq[i, :, y, x], before[:, y, x]):
                step = np.diff(np.where(flags & LOST, np.nan, arrays["data"][i, :, y, x].astype(float)))
                means.append(step[np.isfinite(step)].mean() if np.isfinite(step).any() else np.nan)
            if not abs(means[0] - means[1]) <= settings.max_amplitude:
                groupdq[i, :, y, x] = before[:, y, x]
    return groupdq, number


@pytest.mark.parametrize("flagged", [False, True])
@pytest.mark.parametrize(
    ("nints", "ngroups", "settings"),
    [
        (1, 14, SMALL),
        (3, 8, SMALL),
        (1, 14, SMALL._replace(expand_ratio=1.6, masked_groups=20, snr_threshold=1.1)),
        (1, 14, SMALL._replace(inner_radius=2.0, ring_width=3.0, max_extended_radius=4)),
        (1, 14, SMALL._replace(max_amplitude=1.5)),
        (11, 5, SMALL._replace(minimum_sigclip_groups=10, masked_groups=0)),
    ],
)
def test_flags_are_those_of_the_definition(nints, ngroups, settings, flagged):
    arrays = simulate(nints=nints, ngroups=ngroups, shower=(ngroups // 2, 30, 35, 10.0, 25.0), seed=ngroups)
    if flagged:
        flag_some(arrays)
    expected, number = definition(arrays, settings)
    assert number > 0
    assert np.any(expected != arrays["groupdq"])
    assert flag_showers(**arrays, settings=settings) == number
    assert np.array_equal(arrays["groupdq"], expected)


def test_a_shower_is_flagged_for_a_while_and_nothing_else():
    arrays = simulate()
    assert flag_showers(**arrays, settings=SMALL) == 1
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    flags = arrays["groupdq"][0]
    assert np.mean(flags[8:11, np.hypot(y - 30, x - 35) < 8] & JUMP_DET != 0) > 0.99
    assert not flags[:, np.hypot(y - 30, x - 35) > 16].any()
    assert not flags[[*range(8), *range(11, 14)]].any()


def test_no_shower_in_noise_and_none_in_hits_of_single_pixels():
    arrays = simulate(shower=None)
    hits = np.random.default_rng(5).random(SHAPE) < 0.03
    arrays["data"][0, 6:, hits] += 2000
    arrays["groupdq"][0, 6, hits] = JUMP_DET
    before = arrays["groupdq"].copy()
    assert flag_showers(**arrays, settings=SMALL) == 0
    assert np.array_equal(arrays["groupdq"], before)


def test_saturated_groups_are_left_alone():
    arrays = simulate()
    arrays["groupdq"][0, 9:, 30, 35] = SATURATED
    flag_showers(**arrays, settings=SMALL)
    assert arrays["groupdq"][0, 7:12, 30, 35].tolist() == [0, JUMP_DET, SATURATED, SATURATED, SATURATED]


def test_too_few_differences_are_not_searched():
    arrays = simulate(ngroups=10, shower=(5, 30, 35, 10.0, 30.0))
    assert flag_showers(**arrays, settings=SMALL) == 0
    assert not arrays["groupdq"].any()


@pytest.mark.parametrize("flags", [DO_NOT_USE, SATURATED, JUMP_DET])
def test_nothing_usable(flags):
    arrays = simulate()
    arrays["groupdq"][:] = flags
    assert flag_showers(**arrays, settings=SMALL) == 0
    assert np.all(arrays["groupdq"] == flags)


def test_ring():
    offsets = ring_offsets(inner_radius=1.0, width=2.6)
    radius = np.hypot(*offsets.T)
    assert radius.min() == 1
    assert radius.max() <= 3.6
    assert len(offsets) == len(np.unique(offsets, axis=0)) == 36
    image = np.zeros((9, 9))
    image[tuple((offsets + 4).T)] = 1
    assert np.array_equal(image, np.rot90(image))
