"""Interference against formulas written out in numpy: clock, shape, joint fit and folding."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from jwcore.algorithms import emi, emi_joint, emi_sequential

FREQUENCY = 218.52055
CLOCK = emi.Clock(rowclocks=28, frameclocks=8512, samples=1, reset_frame=True, shape=(64, 72))
WAVE = np.sin(2 * np.pi * (np.arange(50) + 0.5) / 50) + 0.4 * np.cos(4 * np.pi * (np.arange(50) + 0.5) / 50 + 1)


def times(clock, nints, ngroups):
    """Ticks since the start of the exposure at which steps are read, (nints, ngroups, ny, nsteps), counted one by one."""
    ny, nx = clock.shape
    frame = ny * clock.rowclocks + (1024 - ny) * 7
    between = clock.frameclocks if clock.reset_frame else 0
    within = np.arange(ny)[:, None] * clock.rowclocks + np.arange(nx // 4) * clock.samples
    starts = np.arange(nints)[:, None] * (ngroups * frame + between) + np.arange(ngroups) * frame
    return starts[..., None, None] + within


def shape_at(phase, wave=WAVE):
    x = (np.arange(wave.size + 1) + 0.5) / wave.size
    return CubicSpline(x, np.append(wave, wave[0]), bc_type="periodic")(np.asarray(phase) % 1)


def disturbed(nints=2, ngroups=6, *, amplitude=5.0, noise=1.0, clock=CLOCK, phase=0.3):
    """A ramp with a wave, and the wave itself."""
    rng = np.random.default_rng(3)
    cycles = times(clock, nints, ngroups) * emi.TICK * FREQUENCY + phase
    wave = np.repeat(amplitude * shape_at(cycles), 4, axis=-1)
    level = rng.uniform(9000, 11000, clock.shape) + 100.0 * np.arange(ngroups)[:, None, None]
    return (level + wave + rng.normal(0, noise, wave.shape)).astype(np.float32), wave


@pytest.mark.parametrize("reset_frame", [True, False])
@pytest.mark.parametrize("samples", [1, 9])
def test_phases_are_those_of_the_clock(reset_frame, samples):
    clock = emi.Clock(28, 8512, samples, reset_frame, (64, 72))
    phases = clock.phases(FREQUENCY, ngroups=5)
    starts = phases.starts(phases.of_integrations(3), 5)
    expected = times(clock, 3, 5) * emi.TICK * FREQUENCY
    difference = phases.pixel + starts[..., None, None] - expected
    np.testing.assert_allclose(difference, np.round(difference), atol=1e-8)


def test_columns_at_the_start_of_the_detector_are_not_measured():
    assert np.flatnonzero(~CLOCK.usable_steps()).tolist() == [1, 2]
    assert np.flatnonzero(~emi.Clock(28, 8512, 1, True, (64, 72), first_column=8).usable_steps()).tolist() == [0]
    assert emi.Clock(28, 8512, 1, True, (64, 72), first_column=412).usable_steps().all()


def test_a_wave_is_the_periodic_spline_through_its_samples():
    spline = emi.wave_spline(WAVE)
    starts = np.array([0.0, 0.123, 0.99, 1.0, -0.3])
    values = emi.evaluate(starts, 7, spline)
    np.testing.assert_allclose(values, shape_at(starts[:, None] + (np.arange(7) + 0.5) / 7), atol=1e-12)


@pytest.mark.parametrize("phase", [0.01 - 1e-16, 0.01, np.nextafter(0.01, 0), 1.0 - 1e-16, 0.0, 1.01 - 2e-16, 1.999999])
def test_a_wave_is_known_at_the_seams(phase):
    """Half a sample before the first one, rounding leads to the place behind the last one."""
    assert emi.wave_at(phase, emi.wave_spline(WAVE)) == pytest.approx(shape_at(phase), abs=1e-9)


def test_subtraction_follows_phases_and_amplitudes():
    data, wave = disturbed(noise=0.0)
    clean = disturbed(noise=0.0, amplitude=0.0)[0]
    phases = CLOCK.phases(FREQUENCY, ngroups=6)
    starts = phases.starts((0.3 + phases.of_integrations(2)) % 1, 6)
    emi.subtract_wave(data, phases.pixel, starts, np.array([5.0, 0.0]), emi.wave_spline(WAVE))
    np.testing.assert_allclose(data[0], clean[0], atol=2e-3)
    np.testing.assert_allclose(data[1], clean[1] + wave[1], atol=2e-3)


# ---------------------------------------------------------------------------------------------------------- joint
def test_usable_pixels_are_quiet_ones():
    data, _ = disturbed()
    data[0, 3:, 5, 5] += 1000
    data[:, :, 7, 7] = 65535
    bad = np.zeros(CLOCK.shape, bool)
    bad[9, 9] = True
    spread = data.std(axis=1)
    expected = (spread < 2 * np.median(spread)) & ~bad & (spread > 0)
    np.testing.assert_array_equal(emi_joint.usable_pixels(data, bad), expected)
    assert not expected[0, 5, 5]
    assert not expected[:, 7, 7].any()
    np.testing.assert_allclose(emi_joint.scatter(data), spread, rtol=1e-3)


def test_sums_are_those_of_the_pixels_of_a_phase():
    data, _ = disturbed()
    usable = np.random.default_rng(1).random((2, *CLOCK.shape)) < 0.8
    pixel = CLOCK.phases(FREQUENCY, ngroups=6).pixel
    sums = emi_joint.phase_sums(data, usable, pixel=pixel, m=50)
    place = np.repeat((pixel * 50).astype(int), 4, axis=-1)
    for b in (0, 17, 49):
        members = usable & (place == b)
        assert sums.number[:, b].tolist() == members.sum(axis=(1, 2)).tolist()
        expected = [[data[i, g][members[i]].astype(float).sum() for g in range(6)] for i in range(2)]
        np.testing.assert_allclose(sums.data[:, :, b], expected, rtol=1e-6)


@pytest.mark.parametrize("separately", [True, False])
def test_the_fit_is_the_least_squares_solution(separately):
    """A straight line for every pixel and one wave for all, solved on a fine grid of phases by projection."""
    data, _ = disturbed(noise=2.0)
    phases = CLOCK.phases(FREQUENCY, ngroups=6)
    every = np.ones((2, *CLOCK.shape), bool)
    sums = emi_joint.phase_sums(data, every, pixel=phases.pixel, m=50)
    fit = emi_joint.fit_wave(sums, phases, emi.wave_spline(WAVE), separately=separately)
    rests = emi_joint.without_line(data.astype(float).reshape(2, 6, -1))
    trials = np.linspace(0.29, 0.31, 41)
    best = []
    for members in ([0], [1]) if separately else ([0, 1],):
        gains, factors = [], []
        for trial in trials:
            cycles = times(CLOCK, 2, 6) * emi.TICK * FREQUENCY + trial
            wave = emi_joint.without_line(np.repeat(shape_at(cycles), 4, axis=-1).reshape(2, 6, -1))[members]
            cross, power = np.sum(rests[members] * wave), np.sum(wave**2)
            gains.append(cross**2 / power)
            factors.append(cross / power)
        best += [(trials[np.argmax(gains)], factors[int(np.argmax(gains))])] * len(members)
    expected = (np.array([phase for phase, _ in best]) + phases.of_integrations(2)) % 1
    np.testing.assert_allclose(fit.phases, expected, atol=1e-3)
    np.testing.assert_allclose(fit.amplitudes, [amplitude for _, amplitude in best], rtol=3e-3)


def test_truth_of_phases_between_the_steps_of_a_table():
    """Phases that are rounded to 500 steps, those of later integrations among them, leave five times as much of a wave."""
    data, wave = disturbed(nints=3, amplitude=15.0, noise=0.0, phase=0.3007)
    phases = CLOCK.phases(FREQUENCY, ngroups=6)
    spline = emi.wave_spline(WAVE)
    sums = emi_joint.phase_sums(data, np.ones((3, *CLOCK.shape), bool), pixel=phases.pixel, m=50)
    fit = emi_joint.fit_wave(sums, phases, spline)
    left = []
    for first in (fit.phases, np.rint(fit.phases * 500) / 500):
        result = np.zeros_like(data)
        emi.subtract_wave(result, phases.pixel, phases.starts(first, 6), fit.amplitudes, spline)
        left.append(np.std(result + wave))
    assert left[0] < 0.015
    assert left[1] > 4 * left[0]


def test_straight_lines_leave_nothing():
    line = 3.0 + 2.0 * np.arange(5)[:, None] * np.ones(4)
    assert np.abs(emi_joint.without_line(line)).max() < 1e-12


@pytest.mark.parametrize("frequency", [1e5 / CLOCK.frame, 117.001e5 / CLOCK.frame])
def test_a_wave_of_nearly_whole_periods_in_a_frame_stays(frequency):
    """A straight line per pixel takes nearly all of it up; an amplitude fitted to the rest would be noise."""
    data, _ = disturbed(amplitude=0.0)
    phases = CLOCK.phases(frequency, ngroups=6)
    sums = emi_joint.phase_sums(data, np.ones((2, *CLOCK.shape), bool), pixel=phases.pixel, m=50)
    assert not emi_joint.fit_wave(sums, phases, emi.wave_spline(WAVE)).amplitudes.any()


def test_nothing_usable_fits_nothing():
    data, _ = disturbed()
    phases = CLOCK.phases(FREQUENCY, ngroups=6)
    sums = emi_joint.phase_sums(data, np.zeros((2, *CLOCK.shape), bool), pixel=phases.pixel, m=50)
    assert not emi_joint.fit_wave(sums, phases, emi.wave_spline(WAVE)).amplitudes.any()


@pytest.mark.parametrize("three", [(1.0, 4.0, 1.0), (3.0, 4.0, 1.0), (1.0, 1.0, 1.0), (0.0, 1.0, 2.0)])
def test_vertex(three):
    place = emi_joint.vertex(*three)
    a, b, _ = np.polyfit([-1, 0, 1], three, 2)
    assert place == pytest.approx(-b / 2 / a if abs(a) > 1e-9 else 0.0)


# ----------------------------------------------------------------------------------------------------- sequential
@pytest.mark.parametrize("ngroups", [4, 5, 8])
def test_residuals_have_no_slope_bias_or_level(ngroups):
    ramps = disturbed(1, ngroups)[0][0]
    steps = CLOCK.usable_steps()
    g = np.arange(ngroups)
    inner = slice(1, ngroups - 1)
    slope = np.polyfit(g[inner], ramps[inner].reshape(ngroups - 2, -1).astype(float), 1)[0].reshape(CLOCK.shape)
    left = ramps - slope * g[:, None, None]
    left = left - np.median(left[inner], axis=0)
    left = left.reshape(ngroups, 64, 18, 4).mean(axis=-1)
    left[..., ~steps] = np.nan
    left -= np.nanmedian(left, axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(emi_sequential.residuals(ramps, steps), left, atol=2e-3)


def test_means_in_bins_are_clipped():
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, (1, 3, 64, 18)).astype(np.float32)
    values[0, 1, ::7, 4] = 40
    values[..., 1:3] = np.nan
    pixel = CLOCK.phases(FREQUENCY, ngroups=3).pixel
    starts = np.array([[0.0, 0.4, 0.8]])
    means, centres = emi_sequential.clipped_bin_means(values, pixel, starts, 20)
    phase = (pixel + starts[..., None, None]) % 1
    for b in range(20):
        members = (np.floor(phase * 20) == b) & np.isfinite(values)
        kept = values[members].astype(float)
        for _ in range(5):
            kept = kept[np.abs(kept - np.median(kept)) <= 3 * kept.std()]
        assert means[b] == pytest.approx(kept.mean(), abs=1e-5)
        assert centres[b] == pytest.approx(phase[members].mean())


def test_empty_bins_are_unknown():
    means, centres = emi_sequential.clipped_bin_means(
        np.ones((1, 1, 2, 2), np.float32), np.zeros((2, 2)), np.zeros((1, 1)), 4
    )
    assert means.tolist()[0] == 1
    assert np.isnan(means[1:]).all()
    assert np.isnan(centres[1:]).all()


def test_folding_finds_shape_phase_and_amplitude():
    data, _ = disturbed(1, 12, noise=0.5)
    phases = CLOCK.phases(FREQUENCY, ngroups=12)
    wave = emi_sequential.folded_wave(data, phases, steps=CLOCK.usable_steps(), nbins=100)
    expected = 5 * shape_at((np.arange(100) + 0.5) / 100 + 0.3)
    assert np.corrcoef(wave, expected)[0, 1] > 0.99
    phase, amplitude = emi_sequential.match_reference(wave, emi.wave_spline(WAVE))
    assert phase == pytest.approx(0.3, abs=2e-3)
    assert amplitude == pytest.approx(5.0, rel=0.03)


def test_folding_data_without_values_finds_nothing():
    phases = CLOCK.phases(FREQUENCY, ngroups=6)
    data = np.full((1, 6, 64, 72), np.nan, np.float32)
    assert emi_sequential.folded_wave(data, phases, steps=CLOCK.usable_steps(), nbins=20) is None


def test_a_flat_reference_matches_with_no_amplitude():
    assert emi_sequential.match_reference(np.ones(20), emi.wave_spline(np.ones(5)))[1] == 0
