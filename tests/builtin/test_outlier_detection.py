"""outlier_detection: cosmic rays go, stars stay."""

import numpy as np
import pytest

from jwcore import models, planner
from jwcore.algorithms import dq
from jwcore.algorithms.footprint import parse_s_region
from jwcore.api import BadInput, Context, ExposureSet, SkipStep, StepFailed
from jwcore.builtin.image3.outlier_detection import OutlierDetectionParams, outlier_detection
from jwcore.declare import ExposureType
from jwcore.testing import tiny_image
from tests.builtin._dithers import (
    SHAPE,
    SKIES,
    cosmic_rays,
    dithered,
    exposure,
    fingerprints,
    on_disk,
    star_image,
    star_places,
)


def run(exposures, context=None, **params):
    return outlier_detection(exposures, OutlierDetectionParams(**params), context or Context("outlier_detection"))


def with_sky_levels(exposures):
    for made, sky in zip(exposures, SKIES, strict=False):
        made.meta.background.level, made.meta.background.subtracted = sky, False
    return exposures


def flagged(made):
    return made.dq & dq.OUTLIER > 0


@pytest.fixture(scope="module")
def cleaned():
    return run(with_sky_levels(dithered()))


def star_cores(k):
    """Pixels within 1.5 pixels of a star."""
    x, y, flux = star_places(k)
    rows, columns = np.indices(SHAPE)
    return np.any([np.hypot(columns - a, rows - b) < 1.5 for a, b, f in zip(x, y, flux, strict=True) if f > 3], axis=0)


def test_cosmic_rays_are_found(cleaned):
    found = total = 0
    for k, made in enumerate(cleaned):
        rows, columns = cosmic_rays(k)
        usable = (exposure(k).dq[rows, columns] & 1 == 0) & ~star_cores(k)[rows, columns]
        found += flagged(made)[rows, columns][usable].sum()
        total += usable.sum()
    assert found >= 0.98 * total


def test_star_cores_survive(cleaned):
    cores = lost = 0
    for k, made in enumerate(cleaned):
        core = star_cores(k)
        core[cosmic_rays(k)] = False
        cores += core.sum()
        lost += (flagged(made) & core).sum()
    assert cores > 200
    assert lost <= 0.04 * cores


def test_little_else_is_flagged(cleaned):
    for k, made in enumerate(cleaned):
        elsewhere = ~star_cores(k)
        elsewhere[cosmic_rays(k)] = False
        assert (flagged(made) & elsewhere).sum() < 0.001 * made.data.size


def test_flags_and_nan_go_together(cleaned):
    context = Context("outlier_detection")
    exposures = run(with_sky_levels(dithered()), context)
    assert context.counts["outliers"] == sum(flagged(made).sum() for made in exposures)
    on_stars = sum((flagged(made) & (star_image(k) > 0.03)).sum() for k, made in enumerate(exposures))
    in_sources = context.counts["outliers_in_sources"]
    assert (
        0 < on_stars <= in_sources < 0.3 * context.counts["outliers"]
    )  # at the edge half of a ray is in the median of two
    for k, made in enumerate(exposures):
        assert np.all(made.dq[flagged(made)] & dq.DO_NOT_USE)
        bad = made.dq & dq.DO_NOT_USE > 0
        for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
            assert np.array_equal(np.isnan(getattr(made, name)), bad), name
        before = exposure(k)
        assert np.array_equal(made.dq & before.dq, before.dq)
        np.testing.assert_array_equal(made.data[~bad], before.data[~bad])


@pytest.mark.parametrize("resample_data", [True, False])
def test_outliers_that_lie_in_sources_are_remarked(caplog, resample_data):
    """The stars of one exposure are not where its WCS puts them; undersampled ones alone are no reason."""
    context = Context("outlier_detection")
    run(with_sky_levels(dithered()), context)
    assert not context.record
    exposures = dithered() if resample_data else ExposureSet([exposure(0, sky=0.3, group=k) for k in (1, 2, 3)])
    if resample_data:
        with_sky_levels(exposures)
    exposures[1].data, exposures[1].err = (np.roll(plane, 3, axis=1) for plane in (exposures[1].data, exposures[1].err))
    run(exposures, context := Context("outlier_detection"), resample_data=resample_data)
    ((text,),) = [row.values() for row in context.record["warnings"]]
    assert f"{context.counts['outliers_in_sources']} of {context.counts['outliers']} outliers (" in text
    assert text in caplog.text


def test_without_sky_levels_the_parameter_counts():
    exposures = dithered(count=3, sky=0.3, rays=False)
    assert sum(flagged(made).sum() for made in run(exposures)) < 60
    shifted = run(dithered(count=3, sky=0.3, rays=False), backg=5.0)
    assert all(flagged(made).mean() > 0.8 for made in shifted)


def test_pixel_by_pixel():
    images = [exposure(0) for _ in range(3)]
    for k, made in enumerate(images):
        made.data[10 + k, 40] = 50.0
        made.meta.observation.exposure_number = f"{k:05d}"
    exposures = run(ExposureSet(images), resample_data=False)
    for k, made in enumerate(exposures):
        assert np.argwhere(flagged(made)).tolist() == [[10 + k, 40]]
    images[1] = exposure(1)
    images[1].data = images[1].data[:100]
    with pytest.raises(BadInput, match="resample_data=true"):
        run(ExposureSet(images), resample_data=False)


def test_pixel_by_pixel_the_sky_is_no_outlier():
    images = [exposure(0, rays=False, sky=sky) for sky in SKIES[:3]]
    for k, made in enumerate(with_sky_levels(images)):
        made.data[10 + k, 40] += 50.0
        made.meta.observation.exposure_number = f"{k:05d}"
    for k, made in enumerate(run(ExposureSet(images), resample_data=False)):
        assert np.argwhere(flagged(made)).tolist() == [[10 + k, 40]]


@pytest.mark.parametrize("resample_data", [True, False])
@pytest.mark.parametrize("err", [None, 0.0])
def test_an_exposure_of_unknown_noise_fails_unchanged(resample_data, err):
    exposures = with_sky_levels(dithered(count=2))
    exposures[1].err = None if err is None else np.zeros_like(exposures[1].data)
    before = fingerprints(exposures)
    with pytest.raises(StepFailed, match=r"00002_nrca1_cal\.fits has no error above 0"):
        run(exposures, resample_data=resample_data)
    assert fingerprints(exposures) == before


def test_an_exposure_without_any_value_does_not_stop_the_others():
    exposures = with_sky_levels(dithered(count=3))
    for name in ("data", "err"):
        getattr(exposures[1], name)[:] = np.nan
    assert flagged(run(exposures)[0])[cosmic_rays(0)].mean() > 0.8


def test_intermediate_products():
    context = Context("outlier_detection")
    saved = []
    context.save = lambda name, product: saved.append((name, product))
    run(with_sky_levels(dithered(count=2)), context, save_intermediate_results=True)
    assert [name for name, _ in saved] == ["outlier_i2d", "outlier_i2d", "median", "blot", "blot"]
    (_, group), _, (_, median), (_, blotted), _ = saved
    assert group[0].shape == median[0].shape
    assert group[0].wht.max() > 0
    assert blotted[0].shape == SHAPE
    assert blotted[0].meta.filename == dithered(count=1)[0].meta.filename


def test_headers_of_intermediate_products_say_where_their_pixels_lie(tmp_path):
    from astropy.coordinates import SkyCoord
    from astropy.io import fits
    from astropy.wcs import WCS

    exposures = with_sky_levels(ExposureSet([exposure(k, group=group) for k, group in enumerate((1, 1, 2))]))
    corners = np.concatenate([parse_s_region(meta.wcsinfo.s_region) for meta in exposures.metas()])
    saved = []
    context = Context("outlier_detection", saver=lambda name, product: saved.append((name, product[0])))
    run(exposures, context, save_intermediate_results=True)
    on_grid = [(name, image) for name, image in saved if name != "blot"]
    for (name, image), pointings, seconds in zip(on_grid, (1, 1, 2), (100.0, 102.0, 202.0), strict=True):
        with fits.open(models.write(image, tmp_path / f"{name}_{pointings}.fits")) as hdus:
            wcs, header = WCS(hdus["SCI"].header), {**hdus[0].header, **hdus["SCI"].header}
        x, y = np.array([0.0, 100.0, 30.0]), np.array([0.0, 100.0, 120.0])
        told = SkyCoord(wcs.pixel_to_world(x, y))
        assert told.separation(SkyCoord(*image.wcs(x, y), unit="deg")).arcsec.max() < 1e-6, name
        pixel = told[0].separation(SkyCoord(*image.wcs(1.0, 0.0), unit="deg")).arcsec
        assert header["PIXAR_A2"] == pytest.approx(pixel**2, rel=1e-4)
        for keyword in ("A_ORDER", "V2_REF", "ROLL_REF", "CD1_1", "BKGLEVEL", "BKGSUB"):
            assert keyword not in header, keyword
        expected = {"NDRIZ": pointings, "RESWHT": "ivm", "PIXFRAC": 1.0, "S_RESAMP": "COMPLETE", "XPOSURE": seconds}
        assert {keyword: header[keyword] for keyword in expected} == expected
    outline = parse_s_region(on_grid[2][1].meta.wcsinfo.s_region)
    np.testing.assert_allclose([outline.min(0), outline.max(0)], [corners.min(0), corners.max(0)], atol=1e-8)
    for (_, blotted), made in zip(saved[-3:], exposures, strict=True):
        assert (blotted.wcs, blotted.meta.wcsinfo.s_region) == (made.wcs, made.meta.wcsinfo.s_region)
        assert blotted.meta.background.level is None
    assert [meta.background.level for meta in exposures.metas()] == list(SKIES[:3])


def test_a_set_on_disk_gives_the_same(tmp_path, cleaned):
    with on_disk(with_sky_levels(dithered()), tmp_path) as stored:
        for a, b in zip(run(stored), cleaned, strict=True):
            np.testing.assert_array_equal(a.dq, b.dq)
            np.testing.assert_array_equal(a.data, b.data)


def test_temporary_files_give_the_same(cleaned):
    for a, b in zip(run(with_sky_levels(dithered()), in_memory=False), cleaned, strict=True):
        np.testing.assert_array_equal(a.dq, b.dq)


def test_the_order_does_not_matter(cleaned):
    turned = run(ExposureSet(list(with_sky_levels(dithered()))[::-1]))
    for a, b in zip(reversed(list(turned)), cleaned, strict=True):
        differing = (flagged(a) != flagged(b)).sum()  # the grid follows the first exposure
        assert differing <= 0.05 * flagged(b).sum()


def test_one_exposure_fails_unchanged():
    exposures = dithered(count=1)
    before = fingerprints(exposures)
    with pytest.raises(StepFailed, match="one exposure"):
        run(exposures)
    assert fingerprints(exposures) == before


def test_other_modes_are_refused():
    context = Context("outlier_detection", exposure_type=ExposureType("", "", family="ifu"))
    with pytest.raises(SkipStep, match="ifu"):
        run(dithered(count=2), context)
    ami = [tiny_image(EXP_TYPE="NIS_AMI", INSTRUME="NIRISS", DETECTOR="NIS") for _ in range(2)]
    (step,) = planner.plan(ami, "outlier_detection", references="none").nodes[0].entries
    assert "ami exposures is not available yet" in step.reason


def test_exposures_without_weight_stay_out_of_the_median():
    images = [exposure(0) for _ in range(3)]
    images[0].data[:] = 1000.0
    images[0].var_rnoise[:] = 0.0
    for k, made in enumerate(images):
        made.meta.observation.exposure_number = f"{k:05d}"
    context = Context("outlier_detection")
    saved = []
    context.save = lambda name, product: saved.append(product[0])
    run(ExposureSet(images), context, resample_data=False, save_intermediate_results=True)
    np.testing.assert_array_equal(saved[0].data, exposure(0).data)


def test_exposures_in_different_units_are_refused():
    mixed = dithered(count=2)
    mixed[1].meta.bunit_data = "DN/s"
    with pytest.raises(BadInput, match=r"00002_nrca1_cal\.fits \(DN/s\) with others"):
        run(mixed)


def test_one_threshold_serves_both_passes():
    assert run(dithered(count=2), snr="7") is not None


@pytest.mark.parametrize(
    "params",
    [{"snr": text} for text in ("-5 -4", "0", "5 0", "nan", "inf", "5 4 3", "five")]
    + [{"scale": "-1"}, {"scale": "nan"}],
)
def test_thresholds_are_positive_numbers(params):
    with pytest.raises(ValueError, match="give "):
        OutlierDetectionParams(**params)
