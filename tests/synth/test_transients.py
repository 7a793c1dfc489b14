"""The effects of the mid-infrared detectors and those that depend on time: each alone, against its formula."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from jwcore.synth import Effects, simulate, tiny_exposure, tiny_subarray
from jwcore.synth.detector_references import SKIPPED_GROUPS
from jwcore.synth.programme import TARGET
from jwcore.synth.sky import CATALOG_DTYPE
from jwcore.synth.transients import Trapped
from tests.synth.plain import linear_ramp, science, slope

CLOCK = 1e-5


def pair(*effects, **settings):
    """Counts with and without the named effects, as floats."""
    strengths = {name: settings.pop(name) for name in list(settings) if name in Effects.__dataclass_fields__}
    on = tiny_exposure(effects=replace(Effects.only(*effects), **strengths), **settings)
    off = tiny_exposure(effects=Effects.only(*{"saturation", "reference_pixels"}.intersection(effects)), **settings)
    return on, on.raw.data.astype(float), off.raw.data.astype(float)


@pytest.mark.parametrize("effect", ["bias", "nonlinearity", "dark", "dark_settling", "reset_decay", "ipc"])
@pytest.mark.parametrize("readpatt", ["FASTR1", "SLOWR1"])
def test_each_systematic_effect_of_miri_is_removed_by_its_reference(effect, readpatt):
    effects = Effects.only(effect, "dark", "reference_pixels")
    exposure = tiny_exposure(instrument="MIRI", effects=effects, readpatt=readpatt, size=40, nints=2)
    error = science(exposure, slope(exposure) - exposure.rate)
    assert np.abs(error).max() < 0.03
    assert np.abs(error.mean(axis=(1, 2))).max() < 1e-3


def test_the_bias_of_miri_is_part_of_what_the_nonlinearity_acts_on():
    settings = {"instrument": "MIRI", "size": 24, "rate": 60.0, "ngroups": 4}
    exposure = tiny_exposure(effects=Effects.only("nonlinearity", "bias"), **settings)
    assert "superbias" not in exposure.references
    maps = exposure.observation.maps
    linear = linear_ramp(exposure)[0]
    # the first frame ends 10 s after the reset; the linear signal starts from the bias
    np.testing.assert_allclose(linear[0], maps.bias + 600.0 / maps.gain, atol=1.0)
    measured = exposure.raw.data[0, 0]
    assert np.all(measured < linear[0] - 5), "the bias itself is measured too low"


def test_the_offset_after_a_reset_fades_with_three_frames():
    exposure, with_decay, without = pair("reset_decay", instrument="MIRI", size=32, nints=3, ngroups=8)
    decay = (without - with_decay).mean(axis=(2, 3))
    np.testing.assert_allclose(decay[0] / decay[1], 1.5, rtol=0.02)
    np.testing.assert_allclose(decay[1], decay[2], rtol=0.01)
    np.testing.assert_allclose(decay[0], decay[0, 0] * np.exp(-np.arange(8) / 3), rtol=0.02)
    reference = exposure.references["reset"].arrays["SCI"]
    np.testing.assert_allclose(with_decay[0] - without[0], reference[0, :8], atol=1.0)


def test_the_first_and_the_last_group_are_low():
    _, first, without = pair("first_frame", instrument="MIRI", size=16, nints=2, ngroups=5)
    assert np.all((first - without)[:, 0] == -70)
    assert np.array_equal(first[:, 1:], without[:, 1:])
    _, last, without = pair("last_frame", instrument="MIRI", size=16, nints=2, ngroups=5)
    assert np.all((last - without)[:, -1] == -45)
    assert np.array_equal(last[:, :-1], without[:, :-1])


def test_the_reset_switch_leaves_charge_that_fades_within_the_skipped_groups():
    exposure, with_decay, without = pair("switch_decay", instrument="MIRI", size=24, rate=400.0, nints=3, ngroups=10)
    left = (with_decay - without).mean(axis=(2, 3))
    assert np.all(left[0] == 0)
    # a hundredth of what the integration before collected, with a time constant of 0.7 frames
    collected = 400.0 * 100.0 / exposure.observation.maps.spec.gain
    expected = 0.01 * collected * np.exp(-(np.arange(10) + 1) / 0.7)
    np.testing.assert_allclose(left[1], expected, atol=0.6)  # rounding
    assert np.all(left[1:, SKIPPED_GROUPS[1] :] < 0.2)
    table = exposure.references["rscd"].tables["RSCD_GROUP_SKIP"]
    row = table[(table["subarray"] == b"SUB64P") & (table["readpatt"] == b"FASTR1")]
    assert (int(row["group_skip1"][0]), int(row["group_skip"][0])) == SKIPPED_GROUPS


def test_the_dark_current_settles_in_the_first_integration_only():
    exposure = tiny_exposure(
        instrument="MIRI", size=32, rate=0.0, nints=2, ngroups=20, effects=Effects.only("dark", "dark_settling")
    )
    dark, maps = exposure.references["dark"].arrays["SCI"], exposure.observation.maps
    assert dark.shape == (2, 20, 32, 32)
    more = (dark[0] - dark[1]) * maps.gain / maps.dark
    np.testing.assert_allclose(
        more[:, 5, 5], 2 * 60.0 * (1 - np.exp(-np.arange(1, 21) / 6)), rtol=1e-4
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "row_clocks", "frame_clocks", "samples", "lines"),
    [
        ({"subarray": "SUB64"}, 28, 8512, 1, (390.625, 10.039216)),
        ({"mode": "lrs-slitless", "subarray": "SLITLESSPRISM"}, 28, 15904, 1, (390.625, 10.039216)),
        ({"subarray": "SUB64", "readpatt": "SLOWR1"}, 173, 17792, 9, (390.625, 10.039216)),
    ],
)
def test_interference_is_a_steady_wave_of_the_clocks(settings, row_clocks, frame_clocks, samples, lines):
    """Fit every line and its first harmonic at the times of the spec: nothing but the rounding is left."""
    amplitude, nints, ngroups = 100.0, 2, 5
    exposure, noisy, quiet = pair(
        "interference", instrument="MIRI", nints=nints, ngroups=ngroups, rate=0.0,
        interference_amplitude=amplitude, **settings,
    )  # fmt: skip
    readout = exposure.programme.readout
    assert (readout.row_clocks, readout.frame_clocks) == (row_clocks, frame_clocks)
    i, g, y, x = np.indices(noisy.shape)
    time = CLOCK * (i * (ngroups + 1) * frame_clocks + g * frame_clocks + y * row_clocks + x // 4 * samples)
    terms = [
        wave(2 * np.pi * harmonic * line * time).ravel() for line in lines for harmonic in (1, 2) for wave in (np.sin, np.cos)
    ]  # fmt: skip
    system, difference = np.stack(terms, axis=1), (noisy - quiet).ravel()
    solution = np.linalg.lstsq(system, difference, rcond=None)[0]
    assert (difference - system @ solution).std() < 0.5
    strengths = np.hypot(solution[0::2], solution[1::2]).reshape(len(lines), 2)
    np.testing.assert_allclose(strengths, np.tile([amplitude, 0.3 * amplitude], (len(lines), 1)), rtol=0.01)
    tree = exposure.references["emicorr"].tree
    case = tree["subarray_cases"][settings["subarray"]]
    assert (case["rowclocks"], case["frameclocks"]) == (row_clocks, frame_clocks)
    assert sorted(tree["frequencies"][name]["frequency"] for name in case["freqs"]["FAST"]) == sorted(lines)


def test_a_line_with_whole_periods_per_frame_is_left_out():
    """On the full frame 390.625 Hz has 1084 periods in a frame: no step could tell it from the bias."""
    from jwcore.synth.instruments import Subarray
    from jwcore.synth.interference import active_waves
    from jwcore.synth.miri import MIRI

    spec = MIRI.detectors["MIRIMAGE"]
    full = Subarray(name="FULL", xstart=1, ystart=1, xsize=1032, ysize=1024, noutputs=4)
    readout = MIRI.readout(spec=spec, subarray=full, pattern="FASTR1", ngroups=2, nints=1)
    assert readout.frame_clocks * CLOCK * 390.625 == pytest.approx(1084)
    assert list(active_waves(spec, readout)) == ["Hz10"]


def charge_of_events(exposure):
    """Charge per pixel that the truth lists, e-."""
    total = np.zeros(exposure.raw.rate.shape)
    np.add.at(total, (exposure.raw.hits["y"], exposure.raw.hits["x"]), exposure.raw.hits["charge"])
    return total


def test_showers_are_wide_and_faint():
    exposure = tiny_exposure(
        instrument="MIRI", subarray="SUB128", rate=0.0, ngroups=20, frame_time=3.0,
        effects=Effects.none(showers=True, shower_rate=0.5, reference_pixels=True),
    )  # fmt: skip
    events = exposure.raw.events
    assert len(events) > 2
    assert set(events["kind"]) == {b"shower"}
    assert np.all((events["radius"] >= 12) & (events["radius"] <= 40))
    assert exposure.raw.hits["charge"].max() < 160
    counts = exposure.raw.data[0].astype(float)
    expected = charge_of_events(exposure) / exposure.observation.maps.gain
    gained = counts[-1] - exposure.observation.maps.spec.bias
    np.testing.assert_allclose(gained, expected, atol=1.0)
    before = counts[max(0, int(events["frame"].min()) - 1)] - exposure.observation.maps.spec.bias
    assert events["frame"].min() == 0 or np.all(np.abs(before) <= 1)


def test_snowballs_have_a_saturated_core_and_a_halo():
    exposure = tiny_exposure(
        size=96, xstart=501, ystart=501, rate=0.0, ngroups=10, seed=3,
        effects=Effects.none(snowballs=True, saturation=True, snowball_rate=0.4),
    )  # fmt: skip
    events = exposure.raw.events
    assert len(events) > 1
    assert set(events["kind"]) == {b"snowball"}
    y, x = np.indices(exposure.raw.rate.shape)
    saturated = exposure.raw.saturated_group[0]
    for event in events:
        distance = np.hypot(y - event["y"], x - event["x"])
        assert np.all(saturated[distance <= event["radius"]] <= event["frame"])
    unaffected = charge_of_events(exposure) == 0
    assert np.all(saturated[unaffected] == 10)
    halo = (charge_of_events(exposure) > 0) & (charge_of_events(exposure) < 1e5)
    assert halo.sum() > 20
    assert np.all(exposure.raw.data[0, -1][halo] > exposure.observation.maps.spec.bias)


def test_traps_release_what_an_earlier_exposure_left():
    bright = tiny_exposure(size=24, rate=3000.0, ngroups=6, effects=Effects.only("persistence", "saturation"))
    caught, maps = bright.raw.caught, bright.observation.maps
    assert isinstance(caught, Trapped)
    np.testing.assert_allclose(science(bright, caught.charge), 0.006 * 3000 * 60, rtol=0.01)
    settings = {"size": 24, "rate": 10.0, "ngroups": 6, "nints": 2}
    later = tiny_exposure(effects=Effects.only("persistence"), trapped=caught.after(100.0), **settings)
    plain = tiny_exposure(effects=Effects.none(), **settings)
    left = caught.charge * np.exp(-100.0 / 400.0)
    np.testing.assert_allclose(later.raw.released, left, rtol=1e-5)
    for i in range(2):
        start, end = i * 70.0, i * 70.0 + 10.0 * np.arange(1, 7)
        released = left * (np.exp(-start / 400) - np.exp(-end / 400))[:, None, None] / maps.gain
        excess = later.raw.data[i].astype(float) - plain.raw.data[i]
        np.testing.assert_allclose(science(later, excess), science(later, released), atol=1.01)


def test_a_faint_exposure_fills_no_traps():
    faint = tiny_exposure(size=16, rate=10.0, effects=Effects.only("persistence"))
    assert np.all(faint.raw.caught.charge == 0)


def test_a_programme_hands_traps_on_to_the_next_exposure(tmp_path):
    catalog = np.zeros(1, CATALOG_DTYPE)
    catalog["type"], catalog["ra"], catalog["dec"], catalog["flux_ujy"] = "star", *TARGET, 1e6
    run = simulate(
        tmp_path, n_dithers=2, dither_step=0.0, subarray=tiny_subarray(32), ngroups=5, catalog=catalog,
        effects=Effects.only("persistence", "saturation"), with_references=False,
    )  # fmt: skip
    with fits.open(run.truths[1]) as truth:
        assert truth["TRAPPED"].data.max() > 100
    with fits.open(run.truths[0]) as truth:
        assert "TRAPPED" not in [hdu.name for hdu in truth]


def test_migrating_charge_goes_to_the_four_neighbours():
    rate = np.ones((24, 24), np.float32)
    rate[12, 12] = 1500.0
    settings = {"size": 24, "rate": rate, "ngroups": 6, "readpatt": "RAPID"}
    exposure, with_spill, without = pair("charge_migration", "saturation", **settings, migration_threshold=15000.0)
    change = (with_spill - without)[0]
    beyond = np.maximum(0.0, without[0, :, 12, 12] - exposure.observation.maps.spec.bias - 15000.0)
    assert np.all(change[beyond == 0] == 0)
    assert change[-1, 12, 12] < -500
    neighbours = change[:, [11, 13, 12, 12], [12, 12, 11, 13]]
    np.testing.assert_allclose(neighbours.sum(axis=1), -change[:, 12, 12], atol=6)
    assert np.ptp(neighbours[-1]) <= 0.02 * neighbours[-1].max() + 1
    change[:, 11:14, 11:14] = 0
    assert np.all(change == 0)


def test_the_thermal_pattern_varies_from_group_to_group():
    exposure, with_pattern, without = pair("picture_frame", instrument="NIRSPEC", size=48, ngroups=6)
    shift = (with_pattern - without)[0]
    pattern = exposure.maker.pictureframe().arrays["SCI"]
    strengths = (shift * pattern).sum(axis=(1, 2)) / (pattern**2).sum()
    assert strengths.std() > 50
    np.testing.assert_allclose(shift, strengths[:, None, None] * pattern, atol=1.1)
    assert "pictureframe" not in exposure.references, "sub-arrays have no such correction"
