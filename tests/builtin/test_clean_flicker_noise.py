from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from jwcore import planner
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, MSA_FAILED_OPEN, NON_SCIENCE, SATURATED
from jwcore.api import (
    BadInput,
    Context,
    Cube,
    Detector,
    ExposureType,
    IFUImage,
    Image,
    Ramp,
    Reference,
    SkipStep,
    StepFailed,
)
from jwcore.builtin.detector1.clean_flicker_noise import CleanFlickerNoiseParams, clean_flicker_noise, needed
from jwcore.builtin.detector1.ramp_fit import RampFitParams, ramp_fit
from jwcore.synth import Effects, tiny_exposure
from tests.truth._reduce import write_references

from ._ramps import ramp, reference

RATE = 20.0
SHAPE = (32, 256)
IMAGING = ExposureType("ANY_IMAGE", "ANY", "imaging", direct_image=True)


def services(*, shape=SHAPE, exposure_type=IMAGING, assign_wcs=lambda rate: rate, **traits):
    """A context in which ramp_fit and assign_wcs can be called."""
    detector = Detector("TEST", "ANY", shape=shape, **traits)

    def run(stage, product, *, consume, params):
        if stage == "assign_wcs":
            return assign_wcs(product)
        assert (stage, consume) == ("ramp_fit", True)
        size = product.shape[-2:]
        references = reference("gain", 2, shape=size) | reference("readnoise", 5, shape=size)
        return ramp_fit(product, references, RampFitParams(**params), Context(detector=detector))

    return Context(detector=detector, exposure_type=exposure_type, nested=run)


def noisy_ramp(nints=2, ngroups=4, *, shape=SHAPE, seed=1, along_x=True, sigma=1.5, stripes=1.0, **keywords):
    """Ramps of a constant rate, with white noise and an offset of every line; and those offsets."""
    rng = np.random.default_rng(seed)
    exposure = ramp((nints, ngroups, *shape), TGROUP=10.0, TFRAME=10.0, **keywords)
    exposure.data += RATE * np.arange(ngroups, dtype=np.float32)[:, None, None]
    exposure.data += rng.normal(0, sigma, exposure.shape).astype("f4")
    lines = rng.normal(0, stripes, (nints, ngroups, shape[0 if along_x else 1])).astype("f4")
    noise = np.broadcast_to(lines[..., :, None] if along_x else lines[..., None, :], exposure.shape)
    exposure.data += noise
    return exposure, noise


def clean(exposure, references=None, context=None, **params):
    context = context or services(shape=exposure.shape[-2:])
    return clean_flicker_noise(exposure, references or {}, CleanFlickerNoiseParams(**params), context)


def left_over(exposure, noise):
    """Scatter of what is left of the offsets of lines, relative to the first group, which stays."""
    axis = 3 if np.ptp(noise[0, 0], axis=1).max() == 0 else 2
    lines = (exposure.data - noise[:, :1]).mean(axis=axis)
    lines = (lines - lines[:, :1])[:, 1:]
    return (lines - lines.mean(axis=2, keepdims=True)).std()


AXES = [((1, 2), True), ((-1, 2), True), ((2, 1), False), ((-2, -1), False)]


@pytest.mark.parametrize(("axes", "along_x"), AXES)
def test_lines_of_the_fast_axis_lose_their_offsets(axes, along_x):
    shape = SHAPE if along_x else SHAPE[::-1]
    exposure, noise = noisy_ramp(shape=shape, along_x=along_x, FASTAXIS=axes[0], SLOWAXIS=axes[1])
    first, context = exposure.data[:, 0].copy(), services(shape=shape)
    before = left_over(exposure, noise)
    result = clean(exposure, context=context)
    assert result is exposure
    assert left_over(exposure, noise) < 0.4 * before
    np.testing.assert_array_equal(exposure.data[:, 0], first)
    assert context.counts["cleaned_images"] == 2 * 3


@pytest.mark.parametrize("kind", [Ramp, Cube, Image])
def test_noise_is_reported_before_and_after(kind):
    exposure, _ = noisy_ramp()
    if kind is not Ramp:
        exposure = kind(data=exposure.data[(0, -1) if kind is Image else np.s_[:, -1]], meta=exposure.meta)
    context = services()
    clean(exposure, context=context)
    counts = context.counts
    assert counts["row_noise_before"] == pytest.approx(np.sqrt(2) if kind is Ramp else 1, rel=0.5)
    assert counts["row_noise_after"] < 0.5 * counts["row_noise_before"]
    assert counts["column_noise_after"] == pytest.approx(counts["column_noise_before"], rel=0.3)


def test_noise_that_cannot_be_measured_is_not_reported():
    exposure, _ = noisy_ramp()
    exposure.groupdq[0] = DO_NOT_USE
    context = services()
    clean(exposure, context=context)
    assert set(context.counts) == {"cleaned_images"}


def test_mid_infrared_columns():
    exposure, noise = noisy_ramp(shape=SHAPE[::-1], along_x=False)
    before = left_over(exposure, noise)
    clean(exposure, context=services(shape=SHAPE[::-1], readout="mid-infrared"))
    assert left_over(exposure, noise) < 0.4 * before


@pytest.mark.parametrize("background", ["median", "model", None])
def test_the_background_stays(background):
    exposure, _ = noisy_ramp(1, shape=(64, 256))
    exposure.data += (np.linspace(0, 5, 256) * np.arange(4)[:, None, None]).astype("f4")  # a slope along x
    context = services(shape=(64, 256))
    clean(exposure, context=context, background_method=background, save_background=True, background_box_size=(8, 8))
    level = np.diff(exposure.data.astype(float), axis=1).mean()
    kept = context.saved["flicker_bkg"].data
    assert not kept[:, 0].any()
    if background is None:  # the background is part of what is measured
        assert level == pytest.approx(0, abs=0.3)
        assert not kept.any()
        return
    assert level == pytest.approx(RATE + 2.5, abs=0.3)
    assert kept[:, 1:].mean() == pytest.approx(RATE + 2.5, abs=0.3)
    slope = np.polyfit(np.arange(256), kept[0, 1:].mean(axis=(0, 1)), 1)[0]
    assert slope == pytest.approx(5 / 255 if background == "model" else 0, rel=0.1, abs=1e-6)


def brute_force(data, flags, mask):
    """The median method with a level, in plain numpy."""
    data = data.astype(float)
    cleaned = data.copy()
    for g in range(1, len(data)):
        image = data[g] - data[g - 1]
        use = mask & (flags[g] & 7 == 0) & (flags[g - 1] & 3 == 0)
        low, high = mirrored_limits(image[use], 3.0)
        use &= (image >= low) & (image <= high)
        image -= np.median(image[use])
        low, high = mirrored_limits(image[use], 2.0)
        use &= (image >= low) & (image <= high)
        lines = [np.median(row[keep]) if keep.any() else 0 for row, keep in zip(image, use, strict=True)]
        cleaned[g:] -= np.array(lines)[:, None]
    return cleaned


def mirrored_limits(values, n_sigma):
    """Centre and sigma of the lower half, with its mirror image."""
    from astropy.stats import sigma_clipped_stats

    centre = sigma_clipped_stats(values)[1]
    low = values[values <= centre]
    sigma = sigma_clipped_stats(np.concatenate([low, 2 * centre - low]))[2]
    return centre - n_sigma * sigma, centre + n_sigma * sigma


def test_against_a_plain_formula(tmp_path):
    exposure, _ = noisy_ramp(ngroups=6)
    rng = np.random.default_rng(3)
    exposure.groupdq[rng.random(exposure.data.shape) < 0.02] = JUMP_DET
    exposure.groupdq[0, 2, 5] = DO_NOT_USE
    exposure.groupdq[1, 3:, 8, :20] = SATURATED
    exposure.groupdq[1, 2] |= np.uint8(DO_NOT_USE)  # a group that is lost altogether
    mask = rng.random(SHAPE) < 0.8
    mask[12] = False
    fits.writeto(tmp_path / "mask.fits", mask.astype("f4"))
    present = [[0, 1, 2, 3, 4, 5], [0, 1, 3, 4, 5]]
    expected = [
        brute_force(exposure.data[i, groups], exposure.groupdq[i, groups], mask) for i, groups in enumerate(present)
    ]
    clean(exposure, user_mask=str(tmp_path / "mask.fits"))
    for i, groups in enumerate(present):
        np.testing.assert_allclose(exposure.data[i, groups], expected[i], rtol=2e-6)


def test_sources_do_not_count():
    exposure, noise = noisy_ramp()
    source = 500 * np.arange(4, dtype=np.float32)[:, None, None]
    exposure.data[:, :, 8:16, 20:220] += source
    context = services()
    clean(exposure, context=context, save_mask=True, save_noise=True)
    exposure.data[:, :, 8:16, 20:220] -= source
    assert left_over(exposure, noise) < 0.7
    mask = context.saved["mask"].data
    assert mask.shape == SHAPE
    assert not mask[8:16, 20:220].any()
    assert mask[:8].mean() > 0.9
    subtracted = context.saved["flicker_noise"].data
    assert subtracted.shape == exposure.data.shape
    difference = (subtracted - noise + noise[:, :1]).mean(axis=3)
    assert (difference - difference.mean(axis=2, keepdims=True)).std() < 0.7


def test_one_mask_for_each_integration():
    exposure, _ = noisy_ramp(stripes=0.1)
    exposure.data[1, :, 3:6, 3:6] += 300 * np.arange(4, dtype=np.float32)[:, None, None]
    context = services()
    clean(exposure, context=context, save_mask=True, single_mask=False)
    masks = context.saved["mask"].data
    assert masks.shape == (2, *SHAPE)
    assert not masks[1, 3:6, 3:6].any()
    assert masks[0, 3:6, 3:6].mean() > 0.5


@pytest.mark.parametrize("kind", [Image, Cube])
def test_rates(kind):
    exposure, noise = noisy_ramp()
    pick = (0, -1) if kind is Image else (slice(None), -1)
    data, noise = exposure.data[pick].copy(), noise[pick]
    data[..., 20, 10] = np.nan
    truth = data - noise
    rate = kind(data=data, meta=exposure.meta)
    context = services()
    clean(rate, context=context, save_mask=True, save_noise=True)
    np.testing.assert_array_equal(np.isnan(rate.data), np.isnan(truth))
    assert np.nanmean(rate.data - truth, axis=-1).std() < 0.3
    assert context.saved["flicker_noise"].data.shape == rate.data.shape
    assert context.saved["mask"].data.shape == SHAPE
    assert not context.saved["mask"].data[20, 10]


def test_flagged_pixels_of_a_rate_do_not_count():
    exposure, _ = noisy_ramp(1)
    rate = Image(data=exposure.data[0, -1], dq=np.zeros(SHAPE, np.uint32), meta=exposure.meta)
    rate.dq[7] = DO_NOT_USE
    context = services()
    clean(rate, context=context, save_mask=True, save_noise=True)
    assert not context.saved["mask"].data[7].any()
    assert not context.saved["flicker_noise"].data[7].any()


def test_amplifiers_one_by_one():
    shape = (32, 512)
    exposure, _ = noisy_ramp(1, shape=shape, stripes=0.0)
    offsets = np.repeat(np.random.default_rng(5).normal(0, 1, (1, 4, 32, 4)), 128, axis=3).astype("f4")
    exposure.data += offsets

    def scatter():
        left = (exposure.data - offsets[:, :1]).reshape(1, 4, 32, 4, 128).mean(axis=4)
        return (left - left[:, :1])[:, 1:].std(axis=(2, 3)).mean()

    before = scatter()
    clean(exposure, fit_by_channel=True)
    assert scatter() < 0.5 * before


def test_by_channel_says_when_it_has_no_effect(caplog):
    exposure, noise = noisy_ramp()
    before = left_over(exposure, noise)
    clean(exposure, context=services(shape=(2048, 2048)), fit_by_channel=True)
    assert "fit_by_channel has no effect" in caplog.text
    assert left_over(exposure, noise) < 0.4 * before


def test_flat_field():
    shape = (64, 64)
    flat = np.random.default_rng(2).normal(1, 0.1, shape).astype("f4")
    noisy, noise = noisy_ramp(1, shape=shape, sigma=0.5)
    holes = flat.copy()
    holes[10:13, 10:13] = np.nan
    holes[20, 20] = 0
    left = {}
    for applied in (True, False):
        exposure = noisy.copy()
        exposure.data *= flat
        clean(exposure, reference("flat", SCI=holes), apply_flat_field=applied)
        exposure.data /= flat
        left[applied] = left_over(exposure, noise)
    assert left[True] < 0.5 * left[False]


def test_nothing_usable_is_skipped():
    exposure, _ = noisy_ramp()
    before = exposure.data.copy()
    for flag in (SATURATED, DO_NOT_USE):
        exposure.groupdq[:] = flag
        with pytest.raises(SkipStep, match="not one ramp"):
            clean(exposure)
    np.testing.assert_array_equal(exposure.data, before)
    with pytest.raises(SkipStep, match="single group"):
        clean(noisy_ramp(1, 1)[0])


def test_one_integration_without_usable_pixels():
    exposure, noise = noisy_ramp()
    exposure.groupdq[1] = DO_NOT_USE
    before = exposure.data[1].copy()
    context = services()
    clean(exposure, context=context, single_mask=False)
    assert context.counts["cleaned_images"] == 3
    np.testing.assert_array_equal(exposure.data[1], before)
    exposure.data, noise = exposure.data[:1], noise[:1]
    assert left_over(exposure, noise) < 0.5


def test_nan_stays_where_it_is():
    exposure, _ = noisy_ramp()
    exposure.data[0, 2, 5, 5] = np.nan
    clean(exposure)
    assert np.argwhere(np.isnan(exposure.data)).tolist() == [[0, 2, 5, 5]]


def test_one_integration_has_no_median():
    exposure, _ = noisy_ramp(1)
    with pytest.raises(StepFailed, match="several integrations"):
        clean(exposure, background_method="median_image")
    with pytest.raises(StepFailed, match="several integrations"):
        clean(Image(data=exposure.data[0, 0], meta=exposure.meta), background_method="median_image")


def spectra(family):
    return ExposureType("ANY_SPECTRA", "ANY", family)


def no_slits(rate):
    raise BadInput("no open slit")


@pytest.mark.parametrize(
    ("params", "traits", "reason"),
    [
        ({"apply_flat_field": True}, {}, "no flat reference"),
        ({}, {"readout": "mid-infrared", "exposure_type": spectra("ifu")}, "mid-infrared"),
        ({"fit_method": "fft"}, {}, "fft is for spectra"),
        ({"fit_method": "fft"}, {"exposure_type": spectra("wfss")}, "fft is for spectra"),
        ({"mask_science_regions": True}, {"exposure_type": spectra("slit")}, "assign_wcs gives none"),
        ({"mask_science_regions": True}, {"exposure_type": spectra("mos"), "assign_wcs": no_slits}, "no open slit"),
        ({"mask_science_regions": True}, {"exposure_type": spectra("soss")}, "pastasoss"),
        ({"mask_science_regions": True}, {"readout": "mid-infrared"}, "flat reference that fits"),
    ],
)
def test_what_cannot_be_done_fails_before_it_edits(params, traits, reason):
    exposure, _ = noisy_ramp()
    before = exposure.data.copy()
    with pytest.raises(StepFailed, match=reason):
        clean(exposure, context=services(**traits), **params)
    np.testing.assert_array_equal(exposure.data, before)


def test_a_user_mask_must_fit(tmp_path):
    fits.writeto(tmp_path / "mask.fits", np.ones((3, 3), "f4"))
    (tmp_path / "text.fits").write_text("no FITS file")
    with pytest.raises(StepFailed, match=r"holds \(3, 3\), the images are"):
        clean(noisy_ramp()[0], user_mask=str(tmp_path / "mask.fits"))
    with pytest.raises(BadInput, match="cannot read"):
        clean(noisy_ramp()[0], user_mask=str(tmp_path / "text.fits"))


def test_missing_axes_are_an_error():
    exposure, _ = noisy_ramp()
    exposure.meta.subarray.fastaxis = None
    with pytest.raises(BadInput, match="FASTAXIS"):
        clean(exposure)


# ---- spectra
class Box:
    """A bounding box as astropy has it."""

    def __init__(self, x, y):
        self.intervals = [SimpleNamespace(lower=low, upper=high) for low, high in (x, y)]


def mask_of(exposure, references=None, *, context, **params):
    clean(exposure, references, context, mask_science_regions=True, save_mask=True, n_sigma=0, **params)
    return context.saved["mask"].data != 0


def with_wcs(wcs, **arrays):
    def assign_wcs(rate):
        rate.wcs = wcs
        for name, array in arrays.items():
            setattr(rate, name, array)
        return rate

    return assign_wcs


@pytest.mark.parametrize("compound", [True, False])
def test_boxes_around_slits_do_not_count(compound):
    first, second = Box((-0.5, 99.5), (3.5, 7.5)), Box((49.5, 400.5), (19.5, 21.5))
    box = SimpleNamespace(bounding_boxes={1: first, 2: second}) if compound else first
    assign_wcs = with_wcs(SimpleNamespace(bounding_box=box))
    mask = mask_of(noisy_ramp()[0], context=services(exposure_type=spectra("slit"), assign_wcs=assign_wcs))
    expected = np.ones(SHAPE, bool)
    expected[4:8, :100] = False
    if compound:
        expected[20:22, 50:] = False
    np.testing.assert_array_equal(mask, expected)


def test_stuck_shutters_do_not_count():
    exposure, _ = noisy_ramp()
    exposure.pixeldq[10, 5] = MSA_FAILED_OPEN
    wcs = SimpleNamespace(bounding_box=None)
    mask = mask_of(exposure, context=services(exposure_type=spectra("mos"), assign_wcs=with_wcs(wcs)))
    assert np.argwhere(~mask).tolist() == [[10, 5]]


def test_slices_do_not_count():
    def wcs(x, y):
        return x, y, np.where((x > 50) & (x < 80), 2e-6, np.nan)

    context = services(exposure_type=spectra("ifu"), assign_wcs=with_wcs(wcs))
    mask = mask_of(noisy_ramp()[0], context=context)
    assert np.flatnonzero(~mask.all(axis=0)).tolist() == list(range(51, 80))
    labels = np.zeros(SHAPE, np.int32)
    labels[:, 3:5] = 7
    rate = IFUImage(data=noisy_ramp()[0].data[0, -1], meta=noisy_ramp()[0].meta)
    rate.wcs, rate.regions = wcs, labels
    mask = mask_of(rate, context=services(exposure_type=spectra("ifu")))
    assert np.flatnonzero(~mask.all(axis=0)).tolist() == [3, 4]


def test_rows_behind_fixed_slits_do_not_count():
    shape = (1200, 16)
    context = services(
        shape=shape, exposure_type=spectra("mos"), assign_wcs=with_wcs(SimpleNamespace(bounding_box=None))
    )
    mask = mask_of(noisy_ramp(1, 2, shape=shape)[0], context=context)
    assert np.flatnonzero(~mask.any(axis=1)).tolist() == list(range(922, 1116))


def test_traces_do_not_count():
    exposure, _ = noisy_ramp(1, 2, shape=(96, 200), SUBSTRT2=1803, PWCPOS=245.8)
    trace = np.stack([np.arange(0, 150.0), np.full(150, 60.0)], axis=1)
    tree = {"meta": {"pwcpos_cmd": 245.8}, "traces": [{"pivot_x": 50.0, "pivot_y": 60.0, "trace": trace}]}
    references = {"pastasoss": Reference.from_arrays("pastasoss", tree=tree)}
    mask = mask_of(exposure, references, context=services(shape=(2048, 2048), exposure_type=spectra("soss")))
    expected = np.ones((96, 200), bool)
    expected[60 - 10 - 16 : 60 - 10 + 17, :150] = False
    np.testing.assert_array_equal(mask, expected)


def test_what_is_closed_to_the_sky_does_not_count():
    flags = np.zeros(SHAPE, np.uint32)
    flags[:, 9], flags[3] = NON_SCIENCE, DO_NOT_USE
    flat = {"flat": Reference.from_arrays("flat", {"SCI": np.ones(SHAPE, "f4")}, dq=flags)}
    mask = mask_of(noisy_ramp()[0], flat, context=services(readout="mid-infrared"))
    np.testing.assert_array_equal(mask, flags == 0)
    assert mask_of(noisy_ramp()[0], context=services()).all()  # light reaches all pixels of other images


@pytest.mark.parametrize("shape", [(64, 512), (256, 32)])
def test_fourier_series(shape):
    rng = np.random.default_rng(3)
    full = shape[0] < shape[1]
    exposure, _ = noisy_ramp(1, 3, shape=shape, stripes=0)
    spectrum = np.fft.rfftfreq(shape[0] * (shape[1] + 12))
    spectrum[1:] **= -0.5
    series = np.fft.irfft(spectrum * np.exp(2j * np.pi * rng.random((3, spectrum.size))), n=shape[0] * (shape[1] + 12))
    noise = (10 * series / series.std()).reshape(3, shape[0], -1)[:, :, : shape[1]].astype("f4")
    exposure.data[0] += noise
    exposure.groupdq[:, 1:, :, 10:18] = JUMP_DET

    def scatter():
        return (exposure.data[0] - noise[0])[1:].std(axis=(1, 2)).mean()

    before, context = scatter(), services(shape=shape if full else (2048, 2048), exposure_type=spectra("slit"))
    clean(exposure, context=context, fit_method="fft", n_sigma=5.0)
    assert scatter() < (0.85 if full else 0.72) * before


# ---- time series
def series(nints=9, *, noise=1.0):
    """Integrations of a star that varies, on a background that does not, with lines of noise; and brightnesses."""
    rng = np.random.default_rng(8)
    exposure, lines = noisy_ramp(nints, 3, stripes=noise)
    brightness = 1 + 0.05 * np.sin(np.arange(nints))
    star = np.zeros(SHAPE, np.float32)
    star[:, 60:200] = 200 * rng.random((32, 140))  # no line is free of it
    exposure.data += brightness[:, None, None, None].astype("f4") * star * np.arange(1, 4)[:, None, None]
    return exposure, lines, brightness


def test_light_of_a_time_series_is_known():
    exposure, noise, _ = series()
    context = services()
    truth = exposure.data - noise

    def left(data):
        lines = (data - truth).mean(axis=3)
        return (lines - np.median(lines, axis=0)).std()

    before = left(exposure.data)
    clean(exposure, context=context, background_method="median_image", save_background=True, save_mask=True)
    assert left(exposure.data) < 0.3 * before
    assert context.counts["cleaned_images"] == 9 * 3
    assert context.saved["mask"].data.shape == (9, *SHAPE)
    signal = context.saved["flicker_bkg"].data
    np.testing.assert_allclose(signal, truth, atol=0.05 * 600)
    assert np.abs(signal - truth).mean() < 3


def test_rates_of_a_time_series():
    exposure, noise, _ = series()
    rate = Cube(data=exposure.data[:, -1], meta=exposure.meta)
    lines = (rate.data - (rate.data - noise[:, -1])).mean(axis=2)
    truth = rate.data - noise[:, -1]
    clean(rate, background_method="median_image")
    left = (rate.data - truth).mean(axis=2)
    assert (left - np.median(left, axis=0)).std() < 0.4 * lines.std()


# ---- automatic parameters
def test_automatic_parameters(caplog):
    caplog.set_level("INFO")
    shape = (64, 256)
    exposure, _ = noisy_ramp(1, shape=shape)
    exposure.meta.instrument.name = "NIRCAM"
    exposure.data += np.repeat([0.0, 5, 0, 5], 64).astype("f4") * np.arange(4, dtype="f4")[:, None, None]
    clean(exposure, reference("flat", 1.0, shape=shape), autoparam=True)
    assert "autoparam: background_method=median, fit_by_channel=True, apply_flat_field=True" in caplog.text


def choice(caplog, *, response, detector_shape, references, **settings):
    """What is chosen for a sky that is even, seen with a response, in a quiet NIRCam exposure."""
    caplog.set_level("INFO")
    exposure, _ = noisy_ramp(2, shape=response.shape, sigma=0.01, stripes=0.01)
    exposure.meta.instrument.name = "NIRCAM"
    exposure.data += RATE * (response - 1) * np.arange(4, dtype="f4")[:, None, None]
    clean(exposure, references, services(shape=detector_shape), autoparam=True, **settings)
    return caplog.text.partition("autoparam: ")[2].splitlines()[0]


SLOPING = (1 + 0.05 * np.linspace(-0.5, 0.5, 256) * np.ones((64, 1))).astype("f4")


@pytest.mark.parametrize(("flat", "background", "flat_used"), [(None, "model", False), (SLOPING, "median", True)])
def test_a_sloping_flat_is_no_sloping_background(caplog, flat, background, flat_used):
    references = {} if flat is None else {"flat": Reference.from_arrays("flat", {"SCI": flat})}
    chosen = choice(caplog, response=SLOPING, detector_shape=SLOPING.shape, references=references)
    assert chosen == f"background_method={background}, fit_by_channel=False, apply_flat_field={flat_used}"


@pytest.mark.parametrize(("response", "background"), [(SLOPING, "model"), (np.ones_like(SLOPING), "median")])
def test_sub_arrays_have_automatic_parameters(caplog, response, background):
    chosen = choice(caplog, response=response, detector_shape=(512, 512), references={}, single_mask=False)
    assert chosen == f"background_method={background}, fit_by_channel=False, apply_flat_field=False"


def test_automatic_parameters_need_a_known_imager(caplog):
    exposure, noise = noisy_ramp()
    clean(exposure, autoparam=True)
    assert "autoparam has no effect" in caplog.text
    assert left_over(exposure, noise) < 0.5


# ---- through a plan
@pytest.mark.parametrize(
    ("params", "callees", "kinds"),
    [
        ({}, ["ramp_fit"], []),
        ({"mask_science_regions": True}, ["ramp_fit"], ["flat"]),
        ({"user_mask": "mask.fits"}, [], []),
        ({"user_mask": "mask.fits", "autoparam": True}, ["ramp_fit"], ["flat"]),
        ({"apply_flat_field": True}, ["ramp_fit"], ["flat"]),
    ],
)
def test_the_plan_holds_what_is_needed(tmp_path, monkeypatch, params, callees, kinds):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mask.fits").touch()
    exposure = tiny_exposure(size=32, ngroups=3)
    plan = planner.plan(
        str(exposure.write(tmp_path)), "clean_flicker_noise", references="none",
        overrides=write_references(exposure, tmp_path), params={"clean_flicker_noise": {"skip": False} | params},
    )  # fmt: skip
    (planned,) = plan.nodes[0].entries
    assert [callee.stage for callee in planned.calls] == callees
    assert list(planned.references) == kinds


def test_spectra_ask_for_a_wcs():
    params = CleanFlickerNoiseParams(mask_science_regions=True)
    assert needed(params, spectra("mos")) == {"ramp_fit", "assign_wcs"}
    assert needed(params, spectra("soss")) == {"ramp_fit", "pastasoss"}
    assert needed(params, None) == {"ramp_fit", "flat"}


def test_end_to_end(tmp_path):
    effects = Effects.only("bias", "reference_pixels", "read_noise", "one_over_f")
    exposure = tiny_exposure(size=64, rate=20.0, ngroups=6, nints=2, effects=effects)
    overrides, path = write_references(exposure, tmp_path), exposure.write(tmp_path)
    off = planner.plan(str(path), "detector1", references="none", overrides=overrides)
    assert "off by default" in next(s.reason for s in off.nodes[0].steps() if s.stage == "clean_flicker_noise")
    params = {"clean_flicker_noise": {"skip": False, "save_mask": True, "save_noise": True}}
    on = planner.plan(str(path), "detector1", references="none", overrides=overrides, params=params).run()
    assert on["rate"].meta.cal_step.clean_flicker_noise == "COMPLETE"
    assert on["mask"].data.shape == (64, 64)
    assert on["flicker_noise"].data.shape == (2, 6, 64, 64)
    assert np.ptp(on["flicker_noise"].data, axis=3).max() == 0
    assert on["flicker_noise"].data[:, 1:].std() > 0.5
