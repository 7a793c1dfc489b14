"""The forward model: every effect alone, statistics of averaged groups, and the truth that goes with it."""

import numpy as np
import pytest
from scipy.signal import convolve2d

from jwcore.algorithms import dq
from jwcore.synth import Effects, tiny_exposure, tiny_subarray
from jwcore.synth._random import derive_key, hash64, normal_pair, poisson
from jwcore.synth.detector_references import inverse_kernel, reverse_series
from jwcore.synth.instruments import Subarray
from jwcore.synth.maps import DetectorMaps
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.noise import pink_noise, readout_noise
from jwcore.synth.siaf import load_aperture
from tests.synth.plain import linear_ramp, science, slope


@pytest.mark.parametrize("effect", ["bias", "dark", "flat", "ipc", "nonlinearity", "reference_pixels", "bad_pixels"])
@pytest.mark.parametrize("readpatt", ["RAPID", "SHALLOW4"])
def test_each_systematic_effect_alone_is_removed_by_its_reference(effect, readpatt):
    exposure = tiny_exposure(effects=Effects.only(effect), readpatt=readpatt, ngroups=6, size=48)
    error = science(exposure, slope(exposure)[0] - exposure.rate)
    # what is left is the rounding of the converter, 0.3 DN per group
    assert np.abs(error).max() < 0.03
    assert abs(error.mean()) < 1e-3


def test_flat_reference_recovers_the_illumination():
    exposure = tiny_exposure(effects=Effects.only("flat"), rate=100.0)
    maps = exposure.observation.maps
    flat = exposure.references["flat"].arrays["SCI"]
    # uniform light is 1 / area per unit area of pixel; the flat contains area, response and gain
    expected = 100.0 / maps.spec.gain / maps.area
    np.testing.assert_allclose((exposure.rate / flat)[4:, 4:], expected[4:, 4:], rtol=1e-4)


def test_everything_on_gives_an_unbiased_rate():
    exposure = tiny_exposure(size=128, nints=2, effects=Effects(cosmic_rays=False, one_over_f=False, drifts=False))
    maps = exposure.observation.maps
    good = science(exposure, ~maps.hot & ~maps.dead)
    error = science(exposure, slope(exposure) - exposure.rate).mean(axis=0)[good]
    truth = science(exposure, exposure.rate)[good]
    assert abs(error.mean() / truth.mean()) < 0.002
    assert error.std() / np.sqrt(error.size) < 0.01


def test_read_noise_is_that_of_the_reference():
    exposure = tiny_exposure(size=96, rate=0.0, effects=Effects.only("read_noise", "ipc"), ngroups=20)
    differences = np.diff(linear_ramp(exposure)[0], axis=0)
    reference = exposure.references["readnoise"].arrays["SCI"]
    ratio = science(exposure, (differences**2).mean(axis=0) / reference**2)
    assert ratio.mean() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("readpatt", ["MEDIUM8", "SHALLOW2"])
def test_averaged_groups_have_the_statistics_of_averaged_frames(readpatt):
    effects = Effects.only("poisson", "read_noise")
    settings = {"size": 128, "rate": 8.0, "effects": effects}
    averaged = tiny_exposure(readpatt=readpatt, ngroups=4, **settings)
    readout = averaged.programme.readout
    frames = tiny_exposure(readpatt="RAPID", ngroups=readout.frames, seed=2, **settings).raw.data[0].astype(float)
    starts = [readout.first_frame(g) for g in range(4)]
    groups = np.stack([frames[s : s + readout.nframes].mean(axis=0) for s in starts])
    ours = science(averaged, averaged.raw.data[0].astype(float))
    brute = science(averaged, groups)
    np.testing.assert_allclose(ours.mean(axis=(1, 2)), brute.mean(axis=(1, 2)), atol=0.6)
    np.testing.assert_allclose(
        np.diff(ours, axis=0).var(axis=(1, 2)), np.diff(brute, axis=0).var(axis=(1, 2)), rtol=0.06
    )


def test_averaging_across_the_full_well_is_followed_frame_by_frame():
    effects = Effects.only("saturation")
    settings = {"size": 16, "rate": 2500.0, "effects": effects}
    averaged = tiny_exposure(readpatt="MEDIUM8", ngroups=1, **settings)
    frames = tiny_exposure(readpatt="RAPID", ngroups=8, **settings).raw.data[0].astype(float)
    np.testing.assert_allclose(averaged.raw.data[0, 0], frames.mean(axis=0), atol=1.0)
    assert np.all(averaged.raw.saturated_group[0][4:, 4:] == 0)
    threshold = averaged.references["saturation"].arrays["SCI"]
    assert np.all(frames[-1][4:, 4:] >= threshold[4:, 4:])


def test_converter_limit_holds_without_a_full_well():
    exposure = tiny_exposure(size=16, rate=1e5, effects=Effects.none(), ngroups=3)
    assert exposure.raw.data.max() == 65535


@pytest.mark.parametrize("readpatt", ["RAPID", "MEDIUM8"])
def test_particle_charge_appears_where_the_truth_says(readpatt):
    exposure = tiny_exposure(
        size=64, rate=0.0, effects=Effects.only("cosmic_rays"), ngroups=8, frame_time=30.0, readpatt=readpatt
    )
    hits, readout, maps = exposure.raw.hits, exposure.programme.readout, exposure.observation.maps
    assert hits.size > 20
    assert np.all(np.diff(hits["frame"]) >= 0)
    expected = np.zeros(maps.aperture.subarray.shape)
    np.add.at(expected, (hits["y"], hits["x"]), hits["charge"])
    seen = hits["frame"] <= readout.first_frame(7)
    sure = np.ones_like(expected, bool)
    sure[hits["y"][~seen], hits["x"][~seen]] = False
    signal = exposure.raw.data[0, -1] - maps.bias
    np.testing.assert_allclose(signal[sure], (expected / maps.gain)[sure], atol=1.0)


def test_same_seed_same_counts_other_seed_other_counts():
    first, again, other = (tiny_exposure(size=32, seed=s).raw.data for s in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_zeroframe_is_the_first_frame_of_the_first_group():
    settings = {"size": 64, "rate": 60.0, "readpatt": "MEDIUM8", "ngroups": 2}
    exposure = tiny_exposure(zeroframe=True, effects=Effects.none(), **settings)
    plain = tiny_exposure(zeroframe=False, effects=Effects.none(), **settings)
    assert np.array_equal(exposure.raw.data, plain.raw.data)
    signal = science(exposure, exposure.raw.zeroframe[0] - exposure.observation.maps.bias)
    np.testing.assert_allclose(signal, science(exposure, exposure.rate * 10.0), atol=0.51)
    single = tiny_exposure(zeroframe=True, size=32, ngroups=2)
    assert np.array_equal(single.raw.zeroframe, single.raw.data[:, 0])


def test_reference_pixels_see_offsets_but_no_light():
    exposure = tiny_exposure(size=64, rate=200.0, effects=Effects.only("reference_pixels", "drifts"))
    border = exposure.raw.data[0, :, :4, :].astype(float) - exposure.observation.maps.bias[:4]
    assert abs(border.mean()) < 6
    assert border.mean(axis=(1, 2)).std() > 1
    assert np.all(exposure.raw.rate[:4] == 0)
    assert np.all(exposure.references["mask"].flags[:4] == dq.REFERENCE_PIXEL)


@pytest.mark.parametrize(
    "name", ["bias", "gain", "read_noise", "dark", "response", "well", "nonlinearity", "pixel_flags"]
)
def test_subarray_properties_are_a_slice_of_a_larger_area(name):
    spec = NIRCAM.detectors["NRCA1"]

    def maps(subarray):
        aperture = load_aperture(instrument=NIRCAM, detector="NRCA1", subarray=subarray)
        return DetectorMaps(spec=spec, aperture=aperture, effects=Effects())

    small = maps(Subarray(name="A", xstart=11, ystart=5, xsize=20, ysize=24))
    large = maps(tiny_subarray(64))
    np.testing.assert_array_equal(getattr(small, name), getattr(large, name)[4:28, 10:30])


@pytest.mark.parametrize("mean", [0.03, 3.0, 11.0, 13.0, 400.0])
def test_poisson_deviates_have_the_right_moments(mean):
    key, other = derive_key("test", mean), derive_key("other", mean)

    def draw(k):
        bits, more_bits = (np.uint64(hash64(which, np.uint64(k))) for which in (key, other))
        return poisson(mean, normal_pair(bits)[0], more_bits)

    draws = np.array([draw(k) for k in range(40000)])
    assert draws.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / 40000))
    assert draws.var() == pytest.approx(mean, rel=0.05)
    skewness = ((draws - draws.mean()) ** 3).mean() / draws.std() ** 3
    assert skewness == pytest.approx(1 / np.sqrt(mean), abs=0.08 + 0.3 / np.sqrt(mean) * (mean < 1))


def test_pink_noise_has_unit_rms_and_a_falling_spectrum():
    series = np.stack([pink_noise(rng=np.random.default_rng(k), size=4096) for k in range(40)])
    assert np.sqrt((series**2).mean()) == pytest.approx(1, abs=0.05)
    power = (np.abs(np.fft.rfft(series, axis=1)) ** 2).mean(axis=0)
    assert power[10:20].mean() / power[100:200].mean() == pytest.approx(10, rel=0.35)


def test_banding_runs_along_the_rows_and_averages_down():
    spec, subarray = NIRCAM.detectors["NRCA1"], tiny_subarray(128)
    settings = {"spec": spec, "subarray": subarray, "effects": Effects.only("one_over_f")}
    frames = [readout_noise(rng=np.random.default_rng(k), nframes=1, **settings) for k in range(6)]
    rows = np.mean([f.mean(axis=1).std() for f in frames])
    columns = np.mean([f.mean(axis=0).std() for f in frames])
    assert rows > 3 * columns
    averaged = np.mean([readout_noise(rng=np.random.default_rng(k), nframes=8, **settings).std() for k in range(6)])
    assert averaged < np.mean([f.std() for f in frames])


def test_inverse_kernel_and_reversed_series():
    maps = tiny_exposure(size=16, effects=Effects.only("ipc")).observation.maps
    product = convolve2d(maps.ipc_kernel, inverse_kernel(maps.ipc_kernel))
    product[2, 2] -= 1
    assert np.abs(product).max() < 2e-4
    assert product.sum() == pytest.approx(0, abs=1e-12)
    coefficients = (0.0, 1.0, 0.05, 0.01, 0.002)
    value = np.polynomial.polynomial.polyval(0.5, coefficients)
    assert np.polynomial.polynomial.polyval(value, reverse_series(coefficients)) == pytest.approx(0.5, abs=1e-6)
