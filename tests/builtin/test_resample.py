"""resample: drizzle exposures onto one image."""

import numpy as np
import pytest

from jwcore.algorithms.footprint import parse_s_region, sky_area
from jwcore.api import BadInput, Context, Cube, ExposureSet, UsageError, read, write
from jwcore.builtin.image3.resample import ResampleParams, resample
from tests.algorithms._sky import PIXEL
from tests.builtin._dithers import NOISE, SHAPE, SKIES, dithered, exposure, fingerprints, on_disk, stars


def run(exposures, **params):
    return resample(exposures, ResampleParams(**params), Context("resample"))


def with_sky_levels(exposures):
    for made, sky in zip(exposures, SKIES, strict=False):
        made.meta.background.level, made.meta.background.subtracted = sky, False
    return exposures


def test_skies_that_are_recorded_are_subtracted_on_the_fly():
    exposures = with_sky_levels(dithered(rays=False))
    before = fingerprints(exposures)
    mosaic = run(exposures)
    assert abs(np.nanmedian(mosaic.data)) < NOISE
    assert fingerprints(exposures) == before


def test_star_flux_survives():
    mosaic = run(with_sky_levels(dithered(rays=False, noise=0.0)))
    y, x = np.indices(mosaic.shape)
    for ra, dec, flux in zip(*stars(), strict=True):
        xs, ys = mosaic.wcs.invert(ra, dec, with_bounding_box=False)
        others = np.hypot(*np.subtract(mosaic.wcs.invert(*stars()[:2], with_bounding_box=False), [[xs], [ys]]))
        near = np.hypot(x - xs, y - ys) < 6
        deep = near.sum() > 100 and mosaic.wht[near].min() > 3 * np.median(mosaic.wht) / 4
        if flux > 30 and deep and np.sort(others)[1] > 14:
            assert mosaic.data[near].sum() == pytest.approx(flux, rel=0.02)
            break
    else:
        pytest.fail("no isolated star")


def test_arrays_of_a_mosaic():
    mosaic = run(dithered())
    covered = mosaic.wht > 0
    assert mosaic.con.shape == (1, *mosaic.shape)
    assert mosaic.con.max() == 15
    assert np.array_equal(mosaic.con[0] != 0, covered)
    for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
        assert np.array_equal(np.isfinite(getattr(mosaic, name)), covered), name
    total = mosaic.var_poisson + mosaic.var_rnoise + mosaic.var_flat
    np.testing.assert_allclose(mosaic.err, np.sqrt(total), rtol=1e-5)
    assert mosaic.dq is None
    deep = mosaic.con[0] == 15
    assert np.median(mosaic.var_rnoise[deep]) == pytest.approx(NOISE**2 / 4, rel=0.05)


def test_keywords_of_a_mosaic():
    meta = run(with_sky_levels(dithered())).meta
    assert (meta.keyword("NDRIZ"), meta.keyword("RESWHT"), meta.keyword("PIXFRAC"), meta.keyword("PXSCLRT")) == (
        4, "ivm", 1.0, 1.0,
    )  # fmt: skip
    assert meta.keyword("PIXAR_A2") == pytest.approx(PIXEL**2, rel=1e-4)
    assert meta.keyword("PIXAR_SR") == pytest.approx((PIXEL / 206264.806) ** 2, rel=1e-4)
    assert meta.keyword("EFFEXPTM") == 406.0
    assert meta.keyword("TMEASURE") == 366.0
    assert (meta.keyword("EXPSTART"), meta.keyword("EXPEND"), meta.keyword("EXPMID")) == (60000.0, 60003.5, 60001.75)
    assert meta.background.level is None
    assert meta.background.subtracted is None
    assert meta.keyword("CTYPE1") == "RA---TAN"
    assert meta.wcsinfo.roll_ref is None
    assert meta.wcsinfo.a_order is None
    assert meta.resample.kernel == "square"


def test_times_count_once_for_the_detectors_of_an_exposure():
    exposures = ExposureSet([exposure(0, group=1), exposure(1, group=1), exposure(2, group=2)])
    meta = run(exposures).meta
    assert meta.exposure.exposure_time == 202.0
    assert meta.resample.pointings == 2
    exposures[2].meta.exposure.measurement_time = None
    assert run(exposures).meta.exposure.measurement_time is None


def test_headers_of_the_inputs_are_kept_in_a_table():
    mosaic = run(dithered())
    assert mosaic.hdrtab["FILENAME"].tolist() == [f"jw01234001001_02101_{k:05d}_nrca1_cal.fits" for k in range(1, 5)]
    assert run(dithered(), blendheaders=False).hdrtab is None
    assert run(dithered(count=1)).hdrtab is None


def test_the_footprint_is_the_union():
    exposures = dithered()
    region = parse_s_region(run(exposures).meta.wcsinfo.s_region)
    assert len(region) > 8
    single = sky_area(parse_s_region(exposures[0].meta.wcsinfo.s_region))
    assert single < sky_area(region) < 1.5 * single
    assert run(exposures, output_shape=(80, 80), crpix=(40, 40)).meta.wcsinfo.s_region.count("POLYGON") == 1


def test_one_exposure_gives_a_quick_look():
    made = exposure(0)
    mosaic = run(ExposureSet([made]))
    assert mosaic.meta.resample.pointings == 1
    assert abs(mosaic.shape[0] - SHAPE[0]) <= 1
    np.testing.assert_allclose(np.nanmedian(mosaic.data), np.nanmedian(made.data), rtol=0.01)


def test_switches():
    mosaic = run(dithered(count=2), enable_err=False, enable_ctx=False)
    assert (mosaic.err, mosaic.con, mosaic.var_flat) == (None, None, None)
    mosaic = run(dithered(count=2), report_var=False, propagate_dq=True)
    assert mosaic.err is not None
    assert mosaic.var_rnoise is None
    assert set(np.unique(mosaic.dq)) == {0, 4}
    assert run(dithered(count=2), fillval="-5").data.min() == -5
    assert np.isnan(run(dithered(count=2), fillval="INDEF").data).any()


@pytest.mark.parametrize("weight_type", ["ivm", "exptime", "None"])
def test_weights(weight_type):
    exposures = dithered(count=2, rays=False)
    mosaic = run(exposures, weight_type=weight_type)
    one = {"ivm": NOISE**-2, "exptime": 90.0, "None": 1.0}[weight_type]
    assert np.median(mosaic.wht[mosaic.con[0] == 1]) == pytest.approx(one, rel=0.1)
    assert np.nanmedian(mosaic.data[mosaic.con[0] == 3]) == pytest.approx(0.36, abs=0.01)


def test_without_read_noise_variance_pixels_count_alike():
    exposures = dithered(count=2)
    for made in exposures:
        made.var_rnoise = None
    mosaic = run(exposures)
    assert np.median(mosaic.wht[mosaic.con[0] == 3]) == pytest.approx(2.0, rel=1e-4)
    assert np.isfinite(mosaic.err[mosaic.con[0] == 3]).all()


def test_grid_parameters():
    mosaic = run(dithered(count=2), pixel_scale=0.03, rotation=0.0, crval=(150.0, 2.0), kernel="turbo", pixfrac=0.8)
    assert mosaic.meta.keyword("PXSCLRT") == pytest.approx(0.5, rel=1e-4)
    assert mosaic.meta.keyword("CRVAL1") == 150.0
    assert mosaic.meta.keyword("PC1_1") == pytest.approx(-1.0)
    assert run(dithered(count=2), pixel_scale_ratio=0.5).meta.keyword("CDELT1") == pytest.approx(PIXEL / 7200, rel=1e-5)


def test_a_mosaic_that_no_machine_can_hold_is_refused_beforehand():
    with pytest.raises(UsageError, match=r"GB of memory.* pixel_scale"):
        run(dithered(count=2), pixel_scale=1e-6)


def test_grid_from_a_file(tmp_path):
    asdf = pytest.importorskip("asdf")
    first = run(dithered())
    path = tmp_path / "grid.asdf"
    asdf.AsdfFile({"wcs": first.wcs, "array_shape": list(first.shape)}).write_to(path)
    again = run(dithered(), output_wcs=str(path))
    assert again.shape == first.shape
    np.testing.assert_array_equal(again.con, first.con)
    np.testing.assert_allclose(again.data, first.data, rtol=1e-5)
    path.write_text("nothing")
    with pytest.raises(UsageError, match="output_wcs"):
        run(dithered(), output_wcs=str(path))


def test_every_group_onto_an_image_of_its_own():
    images = run(dithered(count=3), single=True)
    assert len(images) == 3
    assert len({image.shape for image in images}) == 1
    assert all(image.con.max() == 1 for image in images)


def test_a_set_on_disk_gives_the_same(tmp_path):
    exposures = with_sky_levels(dithered(count=3))
    expected = run(exposures)
    with on_disk(exposures, tmp_path) as stored:
        found = run(stored)
    for name in ("data", "err", "wht", "con"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_round_trip(tmp_path):
    mosaic = run(dithered(count=2))
    found = read(write(mosaic, tmp_path / "mosaic_i2d.fits"))
    np.testing.assert_array_equal(found.con, mosaic.con)
    np.testing.assert_allclose(found.wcs(20, 30), mosaic.wcs(20, 30), rtol=1e-12)
    assert found.hdrtab.size == 2


def test_errors_name_the_exposure():
    far = dithered(count=3)
    far[1].meta.wcsinfo.s_region = "POLYGON ICRS  151.0 2.0 151.0 2.001 151.001 2.001 151.001 2.0"
    with pytest.raises(BadInput, match=r"jw01234001001_02101_00002_nrca1_cal\.fits lies"):
        run(far)
    with pytest.raises(BadInput, match="3 dimensions"):
        run(ExposureSet([Cube(data=np.zeros((2, 5, 5)), meta=exposure(0).meta)]))
    bare = exposure(0)
    bare.wcs = None
    with pytest.raises(BadInput, match="assign_wcs"):
        run(ExposureSet([bare]))


def test_exposures_in_different_units_are_refused():
    mixed = dithered(count=3)
    mixed[1].meta.bunit_data = "DN/s"
    with pytest.raises(BadInput, match=r"combines .*00002_nrca1_cal\.fits \(DN/s\) with others \(MJy/sr\)"):
        run(mixed)


def test_lanczos_has_no_use_for_pixfrac(caplog):
    whole, shrunk = (run(dithered(count=2), kernel="lanczos2", pixfrac=pixfrac) for pixfrac in (1.0, 0.5))
    np.testing.assert_array_equal(whole.data, shrunk.data)
    assert shrunk.meta.resample.pixfrac == 1.0
    assert "kernel lanczos2 has no use for pixfrac 0.5" in caplog.text
    assert "does not conserve flux" in caplog.text
    assert run(dithered(count=2), kernel="turbo", pixfrac=0.5).meta.resample.pixfrac == 0.5
