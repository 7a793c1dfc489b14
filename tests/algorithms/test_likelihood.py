"""The likelihood fit against dense matrices built from single reads, and against the truth of simulated ramps."""

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
from jwcore.algorithms.likelihood import fit_ramps_by_likelihood
from jwcore.algorithms.ramp_fit import fit_ramps

ONE, TWO = 20.25, 23.8
SINGLE = [[10.0 * (k + 1)] for k in range(8)]
AVERAGED = [list(50.0 * k + 10.0 * np.arange(1, 5)) for k in range(8)]
UNEVEN = [[3.0, 6.0], [9.0], [20.0, 23.0, 26.0], [40.0], [43.0, 46.0], [80.0], [83.0]]


def covariance(times, flux, read):
    """Covariance of the scaled differences: photons in all reads after them, read noise in each, then averages."""
    reads = np.concatenate(times)
    of_reads = flux * np.minimum(reads[:, None], reads) + read * np.eye(len(reads))
    average = np.zeros((len(times), len(reads)))
    first = 0
    for row, group in zip(average, times, strict=True):
        row[first : first + len(group)] = 1 / len(group)
        first += len(group)
    mean = average @ reads
    scaled = np.diff(average, axis=0) / np.diff(mean)[:, None]
    return scaled @ of_reads @ scaled.T


def dense_fit(d, used, matrix):
    """Rate, shares of the differences in it, variance and chi squared."""
    index = np.flatnonzero(used)
    inverse = np.linalg.inv(matrix[np.ix_(index, index)])
    one = np.ones(len(index))
    shares = np.zeros(len(d))
    shares[index] = one @ inverse / (one @ inverse @ one)
    residual = d[index] - shares @ d
    return shares @ d, shares, 1 / (one @ inverse @ one), residual @ inverse @ residual


def dense_search(d, used, times, matrix):
    """Leave out what gains most, as long as two differences are left; try all there is."""
    used = used.copy()
    n = len(d)
    jumps = 0
    while True:
        rate, _, _, chi_squared = dense_fit(d, used, matrix)
        if used.sum() < 3 or (jumps and used.sum() < 4):
            return rate, used, jumps
        candidates = [([j], ONE) for j in range(n) if used[j]]
        candidates += [
            ([j, j + 1], TWO)
            for j in range(n - 1)
            if used[j] and used[j + 1] and len(times[j + 1]) > 1 and used.sum() >= 4
        ]
        gains = []
        for omitted, threshold in candidates:
            without = used.copy()
            without[omitted] = False
            gains.append(chi_squared - dense_fit(d, without, matrix)[3] - threshold)
        if max(gains) <= 0:
            return rate, used, jumps
        omitted = candidates[int(np.argmax(gains))][0]
        used[omitted] = False
        jumps += len(omitted)


def dense_ramp(ramp, flags, gain, readnoise, times, dark, zero):
    """Fit one ramp: rate, variance, flags, photon variance per flux, its flux, read variance and chi squared."""
    ramp, flags = ramp.astype(float), flags.astype(int)
    sound = np.isfinite(ramp) & (flags & ~(JUMP_DET | PERSISTENCE) == 0)
    if zero is not None:
        n = len(times[0])
        times = [times[0][:1], times[0][1:], *times[1:]]
        ramp = np.concatenate([[zero, (ramp[0] * n - zero) / (n - 1)], ramp[1:]])
        first = bool(sound[0] and zero != 0)
        sound, flags = np.concatenate([[first, first], sound[1:]]), np.concatenate([flags[:1], flags])
    d = np.nan_to_num(np.diff(ramp)) / np.diff([np.mean(group) for group in times])
    jump = flags & JUMP_DET != 0
    inside = jump & (np.array([len(group) for group in times]) > 1)
    inside[0] = False
    used = sound[1:] & sound[:-1] & ~jump[1:] & ~inside[:-1]
    bits = int(np.bitwise_or.reduce(flags)) & (JUMP_DET | PERSISTENCE | SATURATED)
    if not used.any() or not gain > 0 or not readnoise > 0:
        return np.nan, 0, bits | (DO_NOT_USE if gain > 0 else DO_NOT_USE | NO_GAIN_VALUE), 0, 0, 0, 0
    read, dark = readnoise**2 / 2, dark / gain
    guess = max(np.median(d[used]), 0) + dark
    rate, used, jumps = dense_search(d, used, times, covariance(times, guess / gain, read))
    flux = max(rate, 0) + dark
    rate, shares, variance, chi_squared = dense_fit(d, used, covariance(times, flux / gain, read))
    photon = shares @ covariance(times, 1 / gain, 0) @ shares
    return rate, variance, bits | (JUMP_DET if jumps else 0), photon, flux, variance - photon * flux, chi_squared


def definition(data, groupdq, pixeldq, gain, readnoise, read_times, dark=None, zeroframe=None):
    """All results: (slope, err, dq, var_poisson, var_rnoise) of exposure and integrations, and chi squared."""
    nints, _, ny, nx = data.shape
    integrations, exposure, total = np.zeros((5, nints, ny, nx)), np.zeros((5, ny, nx)), np.zeros((ny, nx))
    for y, x in np.ndindex(ny, nx):
        current = 0 if dark is None else dark[y, x]
        fits = np.array([
            dense_ramp(
                data[i, :, y, x], groupdq[i, :, y, x], float(gain[y, x]), float(readnoise[y, x]), read_times, current,
                None if zeroframe is None else float(zeroframe[i, y, x]),
            ) for i in range(nints)
        ])  # fmt: skip
        bits = fits[:, 2].astype(int) | int(pixeldq[y, x])
        integrations[:, :, y, x] = fits[:, 0], np.sqrt(fits[:, 1]), bits, fits[:, 3] * fits[:, 4], fits[:, 5]
        total[y, x] = fits[:, 6].sum()
        dq = int(np.bitwise_or.reduce(bits)) & ~DO_NOT_USE | int(np.bitwise_and.reduce(bits)) & DO_NOT_USE
        known = fits[np.isfinite(fits[:, 0])]
        if nints == 1:
            exposure[:, y, x] = integrations[:, 0, y, x]
        elif not len(known):
            exposure[:, y, x] = np.nan, 0, dq, 0, 0
        else:
            rate = np.median(known[:, 0])
            for _ in range(2):
                photon = known[:, 3] * (max(rate, 0) + (current / gain[y, x]))
                weights = 1 / (photon + known[:, 5])
                weights /= weights.sum()
                rate = weights @ known[:, 0]
            parts = weights**2 @ photon, weights**2 @ known[:, 5]
            exposure[:, y, x] = rate, np.sqrt(sum(parts)), dq, *parts
    return exposure, integrations, total


def simulate(times, *, nints=1, plane=(5, 6), seed=0, rates=None, gain=1.8, readnoise=12.0, jumps=0.0):
    """Ramps of single reads with the noise that they have in truth, averaged into groups."""
    rng = np.random.default_rng(seed)
    rates = 10 ** rng.uniform(-1, 2.5, plane) if rates is None else np.broadcast_to(rates, plane)
    reads = np.concatenate(times)
    steps = np.diff(reads, prepend=0)[:, None, None]
    electrons = rng.poisson(rates * gain * steps, (nints, len(reads), *plane))
    hits = rng.random(electrons.shape) < jumps
    levels = np.cumsum(electrons + hits * rng.exponential(2000, hits.shape), axis=1) / gain
    levels += rng.normal(0, readnoise / np.sqrt(2), levels.shape)
    ends = np.cumsum([len(group) for group in times])
    groups = [part.mean(axis=1) for part in np.split(levels, ends[:-1], axis=1)]
    data = np.stack(groups, axis=1).astype(np.float32)
    one = np.ones(plane, np.float32)
    return {
        "data": data, "groupdq": np.zeros(data.shape, np.uint8), "pixeldq": np.zeros(plane, np.uint32),
        "gain": gain * one, "readnoise": readnoise * one, "read_times": times,
    }, levels[:, 0].astype(np.float32)  # fmt: skip


def check(fit, expected):
    exposure, integrations, chi_squared = expected
    for rates, (slope, err, dq, var_poisson, var_rnoise) in zip(fit[:2], (exposure, integrations), strict=True):
        np.testing.assert_array_equal(rates.dq, dq.astype(np.uint32))
        np.testing.assert_allclose(rates.err, err, rtol=1e-5)
        np.testing.assert_allclose(rates.var_poisson, var_poisson, rtol=1e-4, atol=1e-6 * np.nanmax(err) ** 2)
        np.testing.assert_allclose(rates.var_rnoise, var_rnoise, rtol=1e-4)
        np.testing.assert_array_equal(np.isnan(rates.slope), np.isnan(slope))
        good = np.isfinite(slope)
        assert np.all(np.abs(rates.slope - slope)[good] <= 1e-5 * np.maximum(np.abs(slope), err)[good])
    np.testing.assert_allclose(fit.chi_squared, chi_squared, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("times", [SINGLE, AVERAGED, UNEVEN], ids=["single", "averaged", "uneven"])
@pytest.mark.parametrize("nints", [1, 3])
@pytest.mark.parametrize("kind", ["clean", "jumps", "spoilt"])
def test_fit_is_that_of_dense_matrices(times, nints, kind):
    arrays, zeroframe = simulate(times, nints=nints, seed=len(times), jumps=0 if kind == "clean" else 0.1)
    rng = np.random.default_rng(nints)
    if kind == "spoilt":
        groupdq = arrays["groupdq"]
        for flag in (DO_NOT_USE, PERSISTENCE, DROPOUT, JUMP_DET):
            groupdq[rng.random(groupdq.shape) < 0.08] |= flag
        first = rng.integers(1, 3 * len(times), (nints, 1, 5, 6))
        groupdq[np.arange(len(times))[None, :, None, None] >= first] |= SATURATED
        groupdq[0, :, 0, 0] = SATURATED
        groupdq[:, :, 0, 1] = DO_NOT_USE
        groupdq[:, 2:, 0, 2] = SATURATED
        arrays["data"][:, 3, 1, 1] = np.nan
        arrays["gain"][2, :3] = [0, -1, np.nan]
        arrays["readnoise"][3, :2] = [0, np.nan]
        arrays["pixeldq"][4, :] = HOT
        arrays["dark"] = rng.uniform(0, 30, (5, 6)).astype(np.float32)
        if len(times[0]) > 1:
            zeroframe[:, 4, :2] = 0
            arrays["zeroframe"] = zeroframe
    check(fit_ramps_by_likelihood(**arrays), definition(**arrays))


def test_zero_frames_without_a_value_do_not_bias():
    """The offset of a ramp is free, so that the first read is far from zero in units of its noise."""
    arrays, zeroframe = simulate(AVERAGED, plane=(60, 50), rates=3.0, seed=7)
    arrays["data"] += 500
    zeroframe += 500
    zeroframe[:, 30:] = 0
    rates = fit_ramps_by_likelihood(**arrays, zeroframe=zeroframe).exposure
    for rows in (np.s_[:30], np.s_[30:]):
        pulls = (rates.slope[rows] - 3) / rates.err[rows]
        assert abs(pulls.mean()) < 4 / np.sqrt(pulls.size)
        assert pulls.std() == pytest.approx(1, abs=0.1)
        assert np.mean(rates.dq[rows] != 0) < 0.01  # false alarms


def test_wide_rows_are_worked_in_blocks():
    arrays, _ = simulate(AVERAGED, plane=(2, 300), seed=4, jumps=0.02, nints=2)
    check(fit_ramps_by_likelihood(**arrays), definition(**arrays))


def test_single_integration_shares_memory():
    arrays, _ = simulate(SINGLE)
    exposure, integrations, _, _ = fit_ramps_by_likelihood(**arrays)
    assert np.shares_memory(exposure.slope, integrations.slope)
    np.testing.assert_array_equal(exposure.err, integrations.err[0])
    assert not np.shares_memory(exposure.err, integrations.err)


def test_jumps_are_counted_and_flagged():
    arrays, _ = simulate(AVERAGED, rates=5.0, seed=3)
    arrays["data"][0, 5:, 2, 2] += 1000
    fit = fit_ramps_by_likelihood(**arrays)
    assert fit.ramps_with_jumps == 1
    assert np.argwhere(fit.exposure.dq).tolist() == [[2, 2]]
    assert fit.exposure.dq[2, 2] == JUMP_DET


def test_a_flagged_jump_spoils_one_difference_other_flags_two():
    """The level after a jump is sound: only the step to it is not."""
    arrays, _ = simulate(SINGLE, rates=5.0)
    err = []
    for flag in (0, PERSISTENCE, JUMP_DET, CHARGELOSS):
        arrays["groupdq"][0, 3] = flag
        err.append(fit_ramps_by_likelihood(**arrays).exposure.err[0, 0])
    assert err[0] == err[1] < err[2] < err[3]


def test_a_flagged_jump_inside_an_averaged_group_spoils_two_differences():
    """Its level lies between those before and after; rates are right wherever in the group the hit was."""
    arrays, _ = simulate(AVERAGED, plane=(80, 80), rates=5.0, seed=4)
    arrays["data"][:, 4] += 250 * np.arange(4).repeat(20)[:, None]
    arrays["data"][:, 5:] += 1000
    arrays["groupdq"][:, 4] = JUMP_DET
    fit = fit_ramps_by_likelihood(**arrays)
    assert fit.ramps_with_jumps < 3
    scaled = (fit.exposure.slope - 5) / np.median(fit.exposure.err)
    np.testing.assert_allclose(scaled.reshape(4, -1).mean(axis=1), 0, atol=4 / 40)


def test_first_and_last_group_and_trimming():
    arrays, _ = simulate(SINGLE, nints=2, seed=5)
    inner = arrays | {"groupdq": arrays["groupdq"].copy()}
    inner["groupdq"][:, [0, 1, 7]] = DO_NOT_USE
    expected = fit_ramps_by_likelihood(**inner)
    inner["groupdq"][:, [0, 1, 7]] |= JUMP_DET | SATURATED
    inner["groupdq"][:, 2] |= JUMP_DET
    limited = fit_ramps_by_likelihood(**arrays, firstgroup=2, lastgroup=6)
    trimmed = fit_ramps_by_likelihood(**inner, trim_unusable=True)
    for fit in (limited, trimmed):
        np.testing.assert_allclose(fit.exposure.slope, expected.exposure.slope, rtol=1e-6)
        np.testing.assert_array_equal(fit.exposure.dq, expected.exposure.dq)


@pytest.mark.parametrize("ngroups", [1, 2, 3])
def test_few_groups(ngroups):
    arrays, _ = simulate(AVERAGED[:ngroups], nints=2, rates=20.0)
    fit = fit_ramps_by_likelihood(**arrays)
    if ngroups == 1:
        assert np.isnan(fit.exposure.slope).all()
        assert (fit.integrations.dq == DO_NOT_USE).all()
    else:
        np.testing.assert_allclose(fit.exposure.slope, 20, atol=2)


# ---------------------------------------------------------------- truth


@pytest.mark.parametrize("rate", [0.0, 0.3, 3.0, 100.0])
@pytest.mark.parametrize("times", [SINGLE, AVERAGED], ids=["single", "averaged"])
def test_rates_are_unbiased_and_errors_are_right(times, rate):
    """A ramp that fluctuates upwards has the larger error, so rates are averaged without weights."""
    arrays, _ = simulate(times, plane=(120, 120), rates=rate, seed=8)
    fit = fit_ramps_by_likelihood(**arrays).exposure
    scatter = fit.slope.std()
    assert abs(fit.slope.mean() - rate) < 3 * scatter / 120
    assert abs(scatter / np.median(fit.err) - 1) < 3 / (120 * np.sqrt(2))
    assert np.mean(fit.dq != 0) < 5e-4


def test_rates_scatter_less_than_those_of_weighted_lines():
    """Lines of a bright ramp that a jump has cut in two are weighted by their read noise alone."""
    arrays, _ = simulate(SINGLE, plane=(150, 150), rates=30.0, seed=9)
    arrays["data"][:, 3:] += 1000
    arrays["groupdq"][:, 3] = JUMP_DET
    likely = fit_ramps_by_likelihood(**arrays).exposure.slope
    arrays.pop("read_times")
    lines = fit_ramps(**arrays, nframes=1, frame_time=10.0, group_time=10.0).exposure.slope
    np.testing.assert_allclose([likely.mean(), lines.mean()], 30, rtol=3e-3)
    assert likely.std() < 0.97 * lines.std()


def test_combined_integrations_are_unbiased():
    """Weights that depend on the noise of each rate would prefer the low ones."""
    arrays, _ = simulate(SINGLE[:6], nints=5, plane=(200, 200), rates=0.2, seed=11)
    fit = fit_ramps_by_likelihood(**arrays).exposure
    residual = (fit.slope - 0.2) / fit.err
    assert abs(residual.mean()) < 2 / 200
    assert abs(residual.std() - 1) < 0.02


def test_ramps_that_saturate_early_have_no_false_jumps():
    """A guess from all differences, most of them saturated, would know no photon noise."""
    arrays, _ = simulate(SINGLE, plane=(60, 60), rates=3000.0, seed=12)
    arrays["data"][:, 4:] = 60000
    arrays["groupdq"][:, 4:] = SATURATED
    fit = fit_ramps_by_likelihood(**arrays)
    assert fit.ramps_with_jumps < 10
    assert abs(np.mean((fit.exposure.slope - 3000) / fit.exposure.err)) < 4 / 60


@pytest.mark.parametrize("ngroups", [4, 5])
def test_short_ramps_with_jumps(ngroups):
    """Few differences, an even number too: jumps are found, and at least two differences agree on the rate."""
    arrays, _ = simulate(SINGLE[:ngroups], plane=(60, 60), rates=0.0, seed=13)
    arrays["data"][:, 2:] += 500
    fit = fit_ramps_by_likelihood(**arrays)
    assert (fit.exposure.dq == JUMP_DET).all()
    assert abs(np.mean(fit.exposure.slope / fit.exposure.err)) < 4 / 60


def test_two_differences_must_agree_on_the_rate():
    """Of the differences 11, 17 and 5 two are spoilt, each in its own way: the result lies between two, not on one."""
    arrays, _ = simulate(AVERAGED[:4], plane=(40, 40), rates=5.0, seed=14)
    arrays["data"][:, 1] += 300
    arrays["data"][:, 2:] += 900
    ours = fit_ramps_by_likelihood(**arrays).exposure
    assert (ours.dq == JUMP_DET).all()
    assert np.all(np.minimum(np.abs(ours.slope - 8), np.abs(ours.slope - 14)) < 1.5)
