import numpy as np
import pytest
from astropy.io import fits

from jwcore import planner
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.api import BadInput, Context, Cube, Detector, ExposureType, Image, SkipStep, StepFailed
from jwcore.builtin.detector1.clean_flicker_noise import CleanFlickerNoiseParams, clean_flicker_noise
from jwcore.builtin.detector1.ramp_fit import RampFitParams, ramp_fit
from jwcore.synth import Effects, tiny_exposure
from tests.truth._reduce import write_references

from ._ramps import ramp, reference

RATE = 20.0
SHAPE = (32, 256)
IMAGING = ExposureType("ANY_IMAGE", "ANY", "imaging", direct_image=True)


def services(*, shape=SHAPE, exposure_type=IMAGING, **traits):
    """A context in which ramp_fit can be called."""
    detector = Detector("TEST", "ANY", shape=shape, **traits)

    def run(stage, product, *, consume, params):
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


@pytest.mark.parametrize(
    ("params", "traits", "reason"),
    [
        ({"apply_flat_field": True}, {}, "no flat reference"),
        ({}, {"readout": "mid-infrared", "exposure_type": ExposureType("MRS", "ANY", "ifu")}, "mid-infrared"),
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
    with pytest.raises(BadInput, match=r"\(3, 3\)"):
        clean(noisy_ramp()[0], user_mask=str(tmp_path / "mask.fits"))
    with pytest.raises(BadInput, match="cannot read"):
        clean(noisy_ramp()[0], user_mask=str(tmp_path / "text.fits"))


def test_missing_axes_are_an_error():
    exposure, _ = noisy_ramp()
    exposure.meta.subarray.fastaxis = None
    with pytest.raises(BadInput, match="FASTAXIS"):
        clean(exposure)


# ---- automatic parameters
def test_automatic_parameters(caplog):
    caplog.set_level("INFO")
    shape = (64, 256)
    exposure, _ = noisy_ramp(1, shape=shape)
    exposure.meta.instrument.name = "NIRCAM"
    exposure.data += np.repeat([0.0, 5, 0, 5], 64).astype("f4") * np.arange(4, dtype="f4")[:, None, None]
    clean(exposure, reference("flat", 1.0, shape=shape), autoparam=True)
    assert "autoparam: background_method=median, fit_by_channel=True, apply_flat_field=True" in caplog.text


def test_automatic_parameters_need_a_known_imager(caplog):
    exposure, noise = noisy_ramp()
    clean(exposure, autoparam=True)
    assert "autoparam has no effect" in caplog.text
    assert left_over(exposure, noise) < 0.5


# ---- through a plan
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
