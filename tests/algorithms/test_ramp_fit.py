"""The ramp fit against its literal definition, worked values, and the truth of simulated ramps."""

import numpy as np
import pytest

from jwcore.algorithms.dq import (
    CHARGELOSS,
    DO_NOT_USE,
    DROPOUT,
    HOT,
    JUMP_DET,
    NO_GAIN_VALUE,
    PERSISTENCE,
    SATURATED,
)
from jwcore.algorithms.ramp_fit import fit_ramps

UNUSABLE = DO_NOT_USE | SATURATED
POWERS = [(5, 0), (10, 0.4), (20, 1), (50, 3), (100, 6), (np.inf, 10)]


def segments_of(flags):
    flags = flags & (0xFF ^ PERSISTENCE)
    found = []
    group = 0
    while group < len(flags):
        start = group
        while group < len(flags) and flags[group] == 0:
            group += 1
        if group > start:
            extended = start > 0 and flags[start - 1] == JUMP_DET
            found.append((start - 1 if extended else start, group))
        group += 1
    longer = [s for s in found if s[1] - s[0] > 1]
    return longer or found[:1]


def weighted_slope(y, gain, noise):
    signal = (y[-1] - y[0]) * gain
    snr = max(0, signal / np.sqrt(noise**2 + signal)) if noise**2 + signal > 0 else 0
    power = next(p for limit, p in POWERS if snr < limit)
    x = np.arange(len(y))
    middle = (len(y) - 1) / 2
    w = np.abs((x - middle) / middle) ** power if len(y) > 2 else np.ones(2)
    return (w.sum() * (w * x * y).sum() - (w * x).sum() * (w * y).sum()) / (
        w.sum() * (w * x * x).sum() - (w * x).sum() ** 2
    )


def segment_results(y, flags, single_time, gain, noise, flux, group_time):
    """Slope, photon variance and read variance of every segment."""
    results = []
    for start, stop in segments_of(flags):
        length, time = stop - start, group_time
        if length == 1:
            length, time = 2, single_time
            slope = y[start] / time
        else:
            slope = weighted_slope(y[start:stop], gain, noise) / time
        read = 12 * (noise / time) ** 2 / ((length**3 - length) * gain**2)
        results.append((slope, flux / (time * gain * (length - 1)), read))
    return np.array(results).reshape(-1, 3)


def ramp_of(y, flags, zero, *, nframes, frame_time, group_time, suppress):
    """The ramp as it is fitted: values, flags, time of a single group, and whether it is given up."""
    y, flags = y.astype(float), flags.copy()
    flags[~np.isfinite(y)] |= DO_NOT_USE
    good = np.flatnonzero(flags & (0xFF ^ PERSISTENCE) == 0)
    time = (nframes + 1) / 2 * frame_time + (good[0] if len(good) else 0) * group_time
    if len(y) > 1 and suppress:
        return y, flags, time, len(good) == 1
    if len(y) > 1 and not len(good) and zero:
        y[0], flags[0] = zero, 0
        return y, flags, frame_time, False
    return y, flags, time, False


def median_rate(y, flags, single_time, given_up, raw, raw_flags, group_time):
    """Rate for the photon noise; the raw ramp is that before any special start."""
    steps = [
        raw[g + 1] - raw[g]
        for g in range(len(y) - 1)
        if not (raw_flags[g] | raw_flags[g + 1]) & UNUSABLE
        and not raw_flags[g + 1] & JUMP_DET
        and np.isfinite(raw[g + 1] - raw[g])
    ]
    if steps:
        return np.median(steps) / group_time
    good = np.flatnonzero(flags & (0xFF ^ PERSISTENCE) == 0)
    return None if given_up or not len(good) else y[good[0]] / single_time


def pixel_definition(ramps, flags, pixeldq, gain, readnoise, dark, zeros, *, nframes, frame_time, group_time, suppress):
    """All results of one pixel: (slope, err, dq, var_poisson, var_rnoise) of each integration, and of the exposure."""
    noise = readnoise * gain / np.sqrt(2 * nframes)
    times = {"nframes": nframes, "frame_time": frame_time, "group_time": group_time}
    prepared = [ramp_of(y, f, z, **times, suppress=suppress) for y, f, z in zip(ramps, flags, zeros, strict=True)]
    rates = [median_rate(*p, y, f, group_time) for p, y, f in zip(prepared, ramps, flags, strict=True)]
    rates = [r for r in rates if r is not None]
    gain_ok = gain > 0
    flux = max(max(np.mean(rates) if rates else 0, 0) + (dark / gain if gain_ok else 0), 0)
    integrations, everything, everything_read, seen = [], [], [], 0
    for (y, f, single_time, given_up), raw in zip(prepared, flags, strict=True):
        dq = pixeldq | (int(np.bitwise_or.reduce(raw)) & (JUMP_DET | PERSISTENCE | SATURATED))
        lost = given_up or f[0] & SATURATED or pixeldq & DO_NOT_USE or not gain_ok or not noise > 0
        empty = np.empty((0, 3))
        results = empty if lost else segment_results(y, f, single_time, gain, noise, flux, group_time)
        readmitted = results
        if np.any(raw & CHARGELOSS) and gain_ok and noise > 0:
            g = np.where(raw & CHARGELOSS, f & (0xFF ^ (CHARGELOSS | DO_NOT_USE)), f)
            readmitted = segment_results(y, g, single_time, gain, noise, flux, group_time)
        read = 1 / np.sum(1 / readmitted[:, 2]) if len(readmitted) else 0
        if len(results):
            slope = np.sum(results[:, 0] / results[:, 2]) / np.sum(1 / results[:, 2])
            err = np.sqrt(1 / np.sum(1 / (results[:, 1] + results[:, 2])))
            poisson = 1 / np.sum(1 / results[:, 1]) if flux > 0 else 0
        else:
            slope, err, poisson = np.nan, 0, 0
            dq |= DO_NOT_USE if gain_ok else DO_NOT_USE | NO_GAIN_VALUE
        integrations.append((slope, err, dq, poisson, read))
        everything.append(results)
        everything_read.append(readmitted)
        seen |= dq
    results, readmitted = np.concatenate(everything), np.concatenate(everything_read)
    read = 1 / np.sum(1 / readmitted[:, 2]) if len(readmitted) else 0
    dq = pixeldq | (seen & ~DO_NOT_USE)
    if not len(results):
        return integrations, (np.nan, 0, dq | DO_NOT_USE, 0, read)
    weight = np.sum(1 / results[:, 2])
    poisson = 1 / np.sum(1 / results[:, 1]) if flux > 0 else 0
    return integrations, (
        np.sum(results[:, 0] / results[:, 2]) / weight,
        np.sqrt(poisson + 1 / weight),
        dq,
        poisson,
        read,
    )


def definition(data, groupdq, pixeldq, gain, readnoise, dark=None, zeroframe=None, suppress_one_group=True, **times):
    nints, _, ny, nx = data.shape
    integrations, exposure = np.zeros((5, nints, ny, nx)), np.zeros((5, ny, nx))
    with np.errstate(invalid="ignore", divide="ignore"):
        for y, x in np.ndindex(ny, nx):
            each, combined = pixel_definition(
                data[..., y, x], groupdq[..., y, x], int(pixeldq[y, x]), float(gain[y, x]), float(readnoise[y, x]),
                0 if dark is None else dark[y, x], [0] * nints if zeroframe is None else zeroframe[:, y, x],
                suppress=suppress_one_group, **times,
            )  # fmt: skip
            integrations[..., y, x] = np.array(each).T
            exposure[..., y, x] = combined
    return exposure, integrations


def check(fit, expected):
    for rates, (slope, err, dq, var_poisson, var_rnoise) in zip(fit[:2], expected, strict=True):
        assert np.array_equal(rates.dq, dq.astype(np.uint32))
        np.testing.assert_allclose(rates.err, err, rtol=1e-5)
        np.testing.assert_allclose(rates.var_poisson, var_poisson, rtol=1e-5)
        np.testing.assert_allclose(rates.var_rnoise, var_rnoise, rtol=1e-5)
        assert np.array_equal(np.isnan(rates.slope), np.isnan(slope))
        good = np.isfinite(slope)
        difference = np.abs(rates.slope[good] - slope[good])
        assert np.all(difference <= 1e-5 * np.maximum(np.abs(slope[good]), err[good]))


def simulate(shape, *, seed):
    """Ramps of very different brightness, with planes and random pixel flags."""
    rng = np.random.default_rng(seed)
    plane = shape[2:]
    rate = 10 ** rng.uniform(-1, 3, plane)
    data = 1000 + np.cumsum(rng.poisson(rate, shape), axis=1) + rng.normal(0, 7, shape)
    return {
        "data": data.astype(np.float32),
        "groupdq": np.zeros(shape, np.uint8),
        "pixeldq": rng.choice(np.array([0] * 8 + [HOT, DO_NOT_USE], np.uint32), plane),
        "gain": rng.uniform(1.2, 2.5, plane).astype(np.float32),
        "readnoise": rng.uniform(8, 14, plane).astype(np.float32),
    }


def spoil(arrays, *, seed, jumps=0.1, saturated=0.3, others=0.05, charge_loss=0.0):
    """Add random group flags, with pixels that are lost in every way."""
    rng = np.random.default_rng(seed)
    groupdq = arrays["groupdq"]
    shape = groupdq.shape
    groupdq[rng.random(shape) < jumps] |= JUMP_DET
    for flag in (DO_NOT_USE, PERSISTENCE, DROPOUT):
        groupdq[rng.random(shape) < others] |= flag
    for bits, fraction in ((SATURATED, saturated), (CHARGELOSS | DO_NOT_USE, charge_loss)):
        first = np.where(
            rng.random((shape[0], 1, *shape[2:])) < fraction, rng.integers(0, shape[1], (shape[0], 1, *shape[2:])), 99
        )
        groupdq[np.arange(shape[1])[None, :, None, None] >= first] |= bits
    groupdq[:, :, 0, 0] = DO_NOT_USE
    groupdq[:, :, 0, 1] = JUMP_DET
    groupdq[:, :, 0, 2] = SATURATED
    groupdq[0, :, 0, 3] = UNUSABLE
    groupdq[:, 1:, 0, 4] = JUMP_DET | DO_NOT_USE
    return arrays


TIMES = {"nframes": 4, "frame_time": 10.0, "group_time": 50.0}


@pytest.mark.parametrize("nints", [1, 2, 3])
@pytest.mark.parametrize("ngroups", [1, 2, 3, 4, 5, 10, 30])
@pytest.mark.parametrize("kind", ["clean", "spoilt", "charge loss", "one group"])
def test_fit_is_that_of_the_definition(nints, ngroups, kind):
    arrays = simulate((nints, ngroups, 6, 9), seed=ngroups)
    if kind != "clean":
        loss = 0.5 if kind == "charge loss" else 0
        spoil(arrays, seed=nints, charge_loss=loss, jumps=0.3 if kind == "one group" else 0.1)
        arrays["gain"][1, :3] = [0, -1, np.nan]
        arrays["readnoise"][1, 3:5] = [0, np.nan]
        arrays["data"][:, :, 1, 5:] = np.where(np.random.default_rng(1).random((nints, ngroups, 4)) < 0.2, np.nan, 100)
    arrays |= {
        "dark": np.linspace(-1, 1, 54, dtype=np.float32).reshape(6, 9),
        "suppress_one_group": kind != "one group",
    }
    if kind == "one group":
        arrays["zeroframe"] = np.random.default_rng(2).choice([0, 120, 7000], (nints, 6, 9)).astype(np.float32)
    check(fit_ramps(**arrays, **TIMES), definition(**arrays, **TIMES))


def test_wide_rows_are_worked_in_blocks():
    arrays = spoil(simulate((1, 6, 2, 300), seed=1), seed=2, jumps=0.01, saturated=0.02, others=0)
    check(fit_ramps(**arrays, **TIMES), definition(**arrays, **TIMES))


def worked(groups=()):
    data = np.arange(100, 700, 100, dtype=np.float32)[None, :, None, None]
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[0, list(groups)] = JUMP_DET
    plane = np.ones((1, 1), np.float32)
    return {
        "data": data, "groupdq": groupdq, "pixeldq": np.zeros((1, 1), np.uint32), "gain": 2 * plane, "readnoise": 10 * plane,
        "nframes": 1, "frame_time": 10, "group_time": 10,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("jumps", "slope", "err", "var_poisson", "var_rnoise"),
    [((), 10, 0.358569, 0.1, 0.0285714), ((1, 2), 10, np.sqrt(0.1666667 + 0.1), 0.1666667, 0.1)],
)
def test_worked_values(jumps, slope, err, var_poisson, var_rnoise):
    exposure, integrations, _ = fit_ramps(**worked(jumps))
    for rates in (exposure, integrations):
        found = [array.item() for array in (rates.slope, rates.err, rates.var_poisson, rates.var_rnoise)]
        np.testing.assert_allclose(found, [slope, err, var_poisson, var_rnoise], rtol=1e-5)
        assert rates.dq.item() == (JUMP_DET if jumps else 0)


def test_errors_of_integration_and_exposure_differ_with_several_segments():
    exposure, integrations, _ = fit_ramps(**worked([2]))
    # segments of 2 and 4 groups: read 0.5 and 0.05 (DN/s)^2, Poisson 0.5 and 0.5 / 3
    assert integrations.err.item() == pytest.approx(np.sqrt(1 / (1 / 1.5 + 1 / (0.5 / 3 + 0.1))), rel=1e-5)
    assert exposure.err.item() == pytest.approx(np.sqrt(1 / (1 / 0.5 + 3 / 0.5) + 1 / (1 / 1.0 + 1 / 0.1)), rel=1e-5)


def test_single_integration_shares_arrays():
    exposure, integrations, _ = fit_ramps(**worked())
    for name in ("slope", "dq", "var_poisson", "var_rnoise"):
        assert np.shares_memory(getattr(exposure, name), getattr(integrations, name))
    assert not np.shares_memory(exposure.err, integrations.err)


def test_first_and_last_group():
    arrays = simulate((2, 8, 3, 4), seed=5)
    inner = arrays | {"groupdq": arrays["groupdq"].copy()}
    inner["groupdq"][:, [0, 1, 7]] = DO_NOT_USE
    expected = fit_ramps(**inner, **TIMES)
    for part, same in zip(fit_ramps(**arrays, **TIMES, firstgroup=2, lastgroup=6)[:2], expected[:2], strict=True):
        for array, other in zip(part, same, strict=True):
            np.testing.assert_array_equal(array, other)
    everything = fit_ramps(**arrays, **TIMES)
    for limits in ((5, 5), (6, 2)):
        ignored = fit_ramps(**arrays, **TIMES, firstgroup=limits[0], lastgroup=limits[1])
        np.testing.assert_array_equal(ignored.exposure.slope, everything.exposure.slope)


@pytest.mark.parametrize("good", [0, 1, 3])
def test_a_single_good_group_gives_the_true_rate(good):
    """A ramp of 10 DN/s without bias; all other groups are unusable."""
    arrays = worked() | {"suppress_one_group": False}
    arrays["groupdq"][:] = DO_NOT_USE
    arrays["groupdq"][:, good] = 0
    fit = fit_ramps(**arrays)
    np.testing.assert_allclose(fit.exposure.slope, 10, rtol=1e-6)
    np.testing.assert_allclose(fit.exposure.var_rnoise, 1 / (good + 1) ** 2, rtol=1e-6)


def test_flags_of_trimmed_groups_do_not_count():
    arrays = simulate((1, 8, 3, 4), seed=6)
    arrays["pixeldq"][:] = 0
    arrays["groupdq"][:, [0, -1]] = DO_NOT_USE | PERSISTENCE
    arrays["groupdq"][:, 1] = JUMP_DET
    trimmed = fit_ramps(**arrays, **TIMES, trim_unusable=True)
    assert not trimmed.exposure.dq.any()
    plain = fit_ramps(**arrays, **TIMES)
    assert (plain.exposure.dq == JUMP_DET | PERSISTENCE).all()
    np.testing.assert_allclose(trimmed.exposure.slope, plain.exposure.slope, rtol=1e-6)


@pytest.mark.parametrize(
    ("flags", "dq"),
    [
        ([SATURATED] * 6, SATURATED | DO_NOT_USE),
        ([SATURATED, 0, 0, 0, 0, 0], SATURATED | DO_NOT_USE),
        ([0] + [SATURATED] * 5, SATURATED | DO_NOT_USE),  # a single good group is given up
        ([DO_NOT_USE] * 6, DO_NOT_USE),
        ([JUMP_DET] * 6, JUMP_DET | DO_NOT_USE),
    ],
)
def test_ramps_that_cannot_be_fitted(flags, dq):
    arrays = worked()
    arrays["groupdq"][0, :, 0, 0] = flags
    for rates in fit_ramps(**arrays)[:2]:
        assert np.isnan(rates.slope.item())
        assert rates.dq.item() == dq
        assert not rates.err.any()
        assert not rates.var_poisson.any()
        assert not rates.var_rnoise.any()


def test_unknown_and_useless_variances():
    arrays = worked()
    arrays["readnoise"][:] = 1e6
    exposure, integrations, _ = fit_ramps(**arrays)
    assert exposure.var_rnoise.item() == 0
    assert exposure.err.item() == pytest.approx(np.sqrt(exposure.var_poisson.item()))
    assert integrations.err.item() == 0


def test_noise_of_the_dark_current():
    """Once the dark is subtracted its photon noise is left: ERR must be right where there is nothing else."""
    rng = np.random.default_rng(3)
    shape, gain, dark = (1, 8, 100, 100), 2.5, 40.0
    electrons = (rng.poisson(dark * 10, shape) - dark * 10.0).cumsum(axis=1)
    plane = np.ones(shape[2:], np.float32)
    fit = fit_ramps(
        data=(electrons / gain + rng.normal(0, 1, shape)).astype(np.float32), groupdq=np.zeros(shape, np.uint8),
        pixeldq=np.zeros(shape[2:], np.uint32), gain=gain * plane, readnoise=np.float32(np.sqrt(2)) * plane, nframes=1,
        frame_time=10, group_time=10, dark=np.float32(dark) * plane,
    ).exposure  # fmt: skip
    # correlated noise is not weighted by an unweighted line: 20 % more than the best, which the formula gives
    assert 0.95 < np.std(fit.slope / fit.err) < 1.25


@pytest.mark.parametrize("rate", [0.05, 1.0, 30.0, 2000.0])
def test_rates_are_unbiased_and_errors_are_right(rate):
    """Residuals of a simulated flat field have mean 0 and spread 1 in units of ERR, whatever the weights."""
    rng = np.random.default_rng(8)
    shape, gain, readnoise, group_time = (1, 8, 120, 120), 1.8, 12.0, 10.0
    electrons = rng.poisson(rate * gain * group_time, shape).cumsum(axis=1)
    data = (electrons / gain + rng.normal(0, readnoise / np.sqrt(2), shape)).astype(np.float32)
    plane = np.ones(shape[2:], np.float32)
    fit = fit_ramps(
        data=data, groupdq=np.zeros(shape, np.uint8), pixeldq=np.zeros(shape[2:], np.uint32), gain=gain * plane,
        readnoise=readnoise * plane, nframes=1, frame_time=group_time, group_time=group_time,
    ).exposure  # fmt: skip
    number = plane.size
    residual = (fit.slope - rate) / np.sqrt(np.mean(fit.err**2))
    # up to 12 % more: the formula holds for optimal weights, of which the six classes are approximations
    assert abs(residual.mean()) < 4 * residual.std() / np.sqrt(number)
    assert 0.93 < residual.std() < 1.15


def test_jumps_do_not_bias():
    rng = np.random.default_rng(9)
    shape, rate = (1, 10, 80, 80), 5.0
    data = rng.poisson(rate * 10, shape).cumsum(axis=1) + rng.normal(0, 5, shape)
    groupdq = np.zeros(shape, np.uint8)
    where = rng.integers(1, 10, shape[2:])
    hit = np.arange(10)[:, None, None] == where
    data[0] += 1000 * np.cumsum(hit, axis=0)
    groupdq[0][hit] = JUMP_DET
    plane = np.ones(shape[2:], np.float32)
    fit = fit_ramps(
        data=data.astype(np.float32), groupdq=groupdq, pixeldq=np.zeros(shape[2:], np.uint32), gain=plane,
        readnoise=7.07 * plane, nframes=1, frame_time=10, group_time=10,
    ).exposure  # fmt: skip
    assert abs(fit.slope.mean() - rate) < 4 * fit.slope.std() / 80
    assert 0.9 < np.std((fit.slope - rate) / fit.err) < 1.2


@pytest.mark.parametrize("lost", range(6))
def test_nan_groups_do_not_count(lost):
    """Truth: a constant rate with one group that was lost, at any place, is that rate."""
    sound = fit_ramps(**worked()).exposure
    arrays = worked()
    arrays["data"][0, lost] = np.nan
    rates = fit_ramps(**arrays).exposure
    assert rates.slope.item() == pytest.approx(10, rel=1e-5)
    assert rates.err.item() > sound.err.item()
