"""Snowballs and showers of simulated exposures are found, and saturated stars are not taken for them."""

import numpy as np
import pytest

from jwcore.algorithms.dq import JUMP_DET, SATURATED
from jwcore.synth import Effects, tiny_exposure
from jwcore.synth.nircam import NIRCAM

from ._reduce import reduce, write_references

SIZE = 320
PATTERNS = [
    pytest.param("RAPID", 8, 2, id="RAPID"),
    pytest.param("BRIGHT2", 8, 2, id="BRIGHT2", marks=pytest.mark.slow),
    pytest.param("SHALLOW4", 10, 1, id="SHALLOW4", marks=pytest.mark.slow),
    pytest.param("MEDIUM8", 8, 2, id="MEDIUM8"),
    pytest.param("DEEP8", 7, 2, id="DEEP8", marks=pytest.mark.slow),
]


def star_field(number=40, seed=2):
    """Stars of 300 to 3 million e-/s on a faint sky; most of them saturate within 100 s, many in the first group."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    rate = np.full((SIZE, SIZE), 5.0)
    for flux in 10 ** rng.uniform(2.5, 6.5, number):
        cy, cx = rng.uniform(5, SIZE - 5, 2)
        rate += flux / (2 * np.pi) * (1 + ((y - cy) ** 2 + (x - cx) ** 2) / 2) ** -2
    return rate


def crowded(readpatt, ngroups, nints):
    """100 s of stars, and some snowballs."""
    pattern = NIRCAM.read_patterns[readpatt]
    return tiny_exposure(
        size=SIZE, rate=star_field(), effects=Effects(snowballs=True, snowball_rate=0.12), readpatt=readpatt,
        ngroups=ngroups, nints=nints, frame_time=100 / (ngroups * (pattern.nframes + pattern.groupgap)), seed=2,
    )  # fmt: skip


def flagged(exposure, folder, *, overrides, **params):
    """Group flags, and number of large events."""
    ramp = reduce(exposure, folder, overrides=overrides, params={"jump": params})["ramp"]
    nints, ngroups, ny, nx = ramp.shape
    seconds = ramp.meta.exposure.group_time * nints * (ngroups - 1)
    return ramp.groupdq, round((ramp.meta.exposure.extended_emission_events or 0) * seconds * ny * nx / 1e6)


def reach_of(events, exposure, *, factor, margin):
    """Integrations and pixels that events touch, with those of the integration that follows."""
    nints, _, ny, nx = exposure.raw.data.shape
    y, x = np.ogrid[:ny, :nx]
    near = np.zeros((nints, ny, nx), bool)
    for event in events:
        close = np.hypot(y - event["y"], x - event["x"]) < factor * event["radius"] + margin
        near[event["integration"] : event["integration"] + 2] |= close
    return near


@pytest.mark.parametrize(("readpatt", "ngroups", "nints"), PATTERNS)
def test_snowballs_are_found_and_stars_are_not(tmp_path, readpatt, ngroups, nints):
    exposure = crowded(readpatt, ngroups, nints)
    overrides = write_references(exposure, tmp_path)
    plain, _ = flagged(exposure, tmp_path / "plain", overrides=overrides)
    search = {"expand_large_events": True, "edge_size": 0, "overrides": overrides}
    found, number = flagged(exposure, tmp_path / "found", **search)
    naive, _ = flagged(exposure, tmp_path / "naive", **search, core_charge_ratio=0)

    readout, events = exposure.programme.readout, exposure.raw.events
    # nothing shows of what hits before the end of the first group, and an average may not saturate in the last group
    first, last = readout.first_frame(0) + 1, readout.first_frame(readout.ngroups - 1)
    visible = events[(events["frame"] >= first) & (events["frame"] < last)]
    touched = (found != plain).any(axis=1)
    seen = [np.any(touched & reach_of([event], exposure, factor=4, margin=4)) for event in visible]
    assert len(seen) >= 3
    assert all(seen)
    assert number >= len(seen)

    near = reach_of(events, exposure, factor=7, margin=8)
    assert not np.any(touched & ~near)
    saturated = [np.count_nonzero(flags & ~plain & SATURATED) for flags in (found, naive)]
    assert saturated[1] > 2 * saturated[0]  # cores of stars are enlarged, too


PEER = {"stars": (66, 70), "snowballs": (78, 76), "both": (71, 74)}
"""Snowballs that jwst 3.0.0 reports for the scenes below, seeds 2 and 3, with the same ramps and default parameters."""
SCENES = [
    pytest.param(scene, seed, id=f"{scene}-{seed}", marks=[] if seed == 3 else pytest.mark.slow)
    for scene in PEER
    for seed in (2, 3)
]


@pytest.mark.parametrize(("scene", "seed"), SCENES)
def test_as_many_snowballs_are_reported_as_there_were(tmp_path, scene, seed):
    """With default parameters: neither saturated stars nor hits near the edge count, but for one that is six pixels wide."""
    exposure = tiny_exposure(
        size=SIZE, rate=5.0 if scene == "snowballs" else star_field(seed=seed), readpatt="RAPID", ngroups=8, nints=2,
        effects=Effects(snowballs=scene != "stars", snowball_rate=0.12), frame_time=12.5, seed=seed,
    )  # fmt: skip
    overrides = write_references(exposure, tmp_path)
    _, number = flagged(exposure, tmp_path / "found", overrides=overrides, expand_large_events=True)
    events = exposure.raw.events
    visible = np.count_nonzero(events["frame"] > 0) if scene != "stars" else 0
    assert visible == {"stars": (0, 0), "snowballs": (5, 6), "both": (5, 6)}[scene][seed - 2]
    assert visible <= number <= visible + 1
    assert number < PEER[scene][seed - 2] / 10


def test_showers_are_found(tmp_path):
    effects = Effects(showers=True, shower_rate=0.3, drifts=False)
    exposure = tiny_exposure(
        instrument="MIRI", size=300, frame_time=2.775, ngroups=20, nints=2, effects=effects, rate=30.0, seed=6
    )
    overrides = write_references(exposure, tmp_path)
    plain, _ = flagged(exposure, tmp_path / "plain", overrides=overrides)
    found, number = flagged(exposure, tmp_path / "found", overrides=overrides, find_showers=True)
    events = exposure.raw.events[exposure.raw.events["frame"] > 5]  # the first groups are not used
    assert len(events) == 4
    assert number >= 4
    for event in events:
        centre = reach_of([event], exposure, factor=0.4, margin=0)[event["integration"]]
        groups = found[event["integration"], event["frame"] : event["frame"] + 6, centre]
        assert np.mean(groups & JUMP_DET != 0) > 0.8
    touched = (found != plain).any(axis=1)
    assert not np.any(touched & ~reach_of(exposure.raw.events, exposure, factor=2, margin=3))
