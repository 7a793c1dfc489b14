import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table

from jwcore import models, planner
from jwcore.api import Context, Image, Meta, Reference, SkipStep, UsageError
from jwcore.builtin.image3.source_catalog import SourceCatalogParams, source_catalog
from jwcore.testing import tiny_image
from tests.algorithms._sky import pointed, separation, star_field

STERADIANS = 1e-13
TO_JANSKY = 1e6 * STERADIANS
SIGMA = 1.0
"""Width of the stars; their encircled energy follows."""


def apcorr(**keys):
    """Apertures of Gaussian stars, for one setting, and useless ones for others."""
    names = list(keys) or ["filter", "pupil"]
    wanted = list(keys.values()) or ["F200W", "CLEAR"]
    rows = []
    for percent in (10, 30, 50, 70, 80):
        radius = SIGMA * np.sqrt(-2 * np.log(1 - percent / 100))
        rows.append((*wanted, percent / 100, radius, 100 / percent, 6.0, 9.0))
        rows.append((*["OTHER"] * len(names), percent / 100, 9.0, 99.0, 11.0, 12.0))
    dtype = [(name, "S12") for name in names]
    dtype += [(name, "f4") for name in ("eefraction", "radius", "apcorr", "skyin", "skyout")]
    return Reference.from_arrays("apcorr", {"APCORR": np.array(rows, dtype=dtype)})


def references(offset=1.25):
    table = Table({"filter": ["F356W", "F200W"], "pupil": ["CLEAR", "CLEAR"], "abvega_offset": [9.9, offset]})
    vega = Reference.from_arrays("abvegaoffset", tree={"abvega_offset": table})
    return {"apcorr": apcorr(), "abvegaoffset": vega}


def mosaic(image=None, *, ratio=None):
    if image is None:
        image = star_field(noise=0.01)[0]
    made = Image(
        data=image, err=np.full(image.shape, 0.01, np.float32), wht=np.ones(image.shape, np.float32), meta=Meta()
    )
    made.data[:, :20] = np.nan
    made.err[:, :20] = np.nan
    made.wht[380:] = 0
    made.meta.bunit_data = made.meta.bunit_err = "MJy/sr"
    made.meta.photometry.pixelarea_steradians = STERADIANS
    made.meta.resample.pixel_scale_ratio = ratio
    made.meta.instrument.filter, made.meta.instrument.pupil = "F200W", "CLEAR"
    made.meta.instrument.name = "NIRCAM"
    made.wcs = pointed()
    return made


def run(exposure, refs=None, context=None, **params):
    return source_catalog(exposure, refs or references(), SourceCatalogParams(**params), context or Context())


def truth(table):
    """Flux in Jy of the star at each source."""
    _, x, y, flux = star_field()
    nearest = np.hypot(np.subtract.outer(table["xcentroid"], x), np.subtract.outer(table["ycentroid"], y))
    assert nearest.min(axis=1).max() < 0.3
    return flux[nearest.argmin(axis=1)] * TO_JANSKY


def test_truth_of_the_whole_catalogue():
    exposure, context = mosaic(), Context()
    products = run(exposure, context=context, npixels=10)
    table, labels = products["cat"].table, products["segm"].data
    np.testing.assert_allclose(table["aper_total_flux"].to_value("Jy"), truth(table), rtol=0.08)
    np.testing.assert_allclose(table["isophotal_flux"].to_value("Jy"), truth(table), rtol=0.03)
    np.testing.assert_allclose(table["aper_bkg_flux"].to_value("Jy"), 0.5 * TO_JANSKY, rtol=0.02)
    np.testing.assert_allclose(table["aper_total_abmag"] - table["aper_total_vegamag"], 1.25)
    ra, dec = exposure.wcs(table["xcentroid"], table["ycentroid"])
    assert separation(table["sky_centroid"].ra.deg, table["sky_centroid"].dec.deg, ra, dec).max() < 1e-6
    np.testing.assert_array_equal(np.unique(labels), [0, *table["label"]])
    assert labels.dtype == np.uint32
    assert not labels[380:].any()
    assert not labels[:, :20].any()
    assert context.counts["sources"] == len(table) > 40
    assert context.counts["extended"] == 0


def test_metadata_and_files(tmp_path):
    products = run(mosaic(), npixels=10)
    models.write(products["cat"], tmp_path / "x_cat.ecsv")
    models.write(products["segm"], tmp_path / "x_segm.fits")
    table = QTable.read(tmp_path / "x_cat.ecsv")
    assert table["aper50_flux"].unit == "Jy"
    assert table["nn_dist"].unit == "pix"
    assert table.colnames[:4] == ["label", "xcentroid", "ycentroid", "sky_centroid"]
    assert table.colnames[-1] == "sky_bbox_ur"
    assert table.meta["abvega_offset"] == 1.25
    assert table.meta["aperture_params"]["aperture_ee"] == [30, 50, 70]
    assert models.read(tmp_path / "x_segm.fits").wcs is not None


def test_metadata_tell_how_it_was_made():
    meta = run(mosaic(), npixels=10)["cat"].table.meta
    assert meta["aperture_params"]["aperture_corrections"] == pytest.approx([100 / 30, 2.0, 100 / 70])
    assert (meta["local_bkg_width"], meta["aperture_mask_method"]) == (0, "correct")
    assert meta["kron_params"] == [2.5, 1.4, 0.0]
    assert meta["date"].endswith("UTC")


def test_labels_have_no_unit():
    exposure = mosaic()
    exposure.meta.photometry.conversion_megajanskys = 0.5
    exposure.meta.exposure.exposure_time = 100.0
    labels = run(exposure, npixels=10)["segm"].meta
    assert [labels.bunit_data, labels.photometry.pixelarea_steradians, labels.exposure.exposure_time] == [None] * 3
    assert labels.photometry.conversion_megajanskys is None
    assert labels.instrument.filter == "F200W"
    assert exposure.meta.bunit_data == "MJy/sr"


def test_the_mosaic_names_its_catalogue():
    exposure, context = mosaic(), Context(namer=lambda product, extension: f"x_{product}.{extension}")
    products = run(exposure, context=context, npixels=10)
    assert (exposure.meta.source_catalog, exposure.meta.segmentation_map) == ("x_cat.ecsv", "x_segm.fits")
    assert products["segm"].meta.source_catalog == "x_cat.ecsv"
    run(exposure, context=context, starfinder="dao", sharplo=0.2, roundlo=-0.5, roundhi=0.5)
    assert exposure.meta.segmentation_map is None


@pytest.mark.parametrize("finder", ["dao", "iraf"])
def test_star_finders_give_no_segments(finder):
    products = run(mosaic(), starfinder=finder, snr_threshold=30.0, sharplo=0.2, roundlo=-0.5, roundhi=0.5)
    assert list(products) == ["cat"]
    table = products["cat"].table
    assert len(table) > 30
    np.testing.assert_allclose(table["aper_total_flux"].to_value("Jy"), truth(table), rtol=0.15)
    assert np.isnan(table["isophotal_flux"]).all()
    assert np.isnan(table["sky_bbox_ll"].ra).all()


def test_other_apertures_name_the_columns():
    table = run(mosaic(), aperture_ee1=10, aperture_ee2=70, aperture_ee3=80)["cat"].table
    assert {"aper10_flux", "aper80_vegamag_err", "CI_70_10", "CI_80_70", "CI_80_10"} <= set(table.colnames)
    with pytest.raises(SkipStep, match="no aperture of 60%"):
        run(mosaic(), aperture_ee2=60)
    with pytest.raises(UsageError, match="do not increase"):
        SourceCatalogParams(aperture_ee1=50)


def test_apertures_that_the_reference_lacks_are_refused_in_the_plan(tmp_path):
    path = tmp_path / "apcorr.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(references()["apcorr"].table("APCORR"), name="APCORR")]).writeto(
        path
    )
    exposures = [tiny_image(seed=seed, FILTER="F200W", PUPIL="CLEAR") for seed in (1, 2)]

    def plan(**params):
        overrides = {"apcorr": str(path), "abvegaoffset": str(path)}
        return planner.plan(
            exposures, "image3", references="none", overrides=overrides, params={"source_catalog": params}
        )

    with pytest.raises(UsageError, match=r"source_catalog: apcorr\.fits has no aperture of 60% .* 10, 30, 50, 70, 80"):
        plan(aperture_ee2=60)
    assert not plan(aperture_ee3=80).problems


def test_apertures_are_pixels_of_the_detector():
    one, half = (run(mosaic(ratio=ratio))["cat"].table.meta["aperture_params"] for ratio in (1.0, 0.5))
    np.testing.assert_allclose(half["aperture_radii"], 2 * np.array(one["aperture_radii"]))
    assert (half["bkg_aperture_inner_radius"], half["bkg_aperture_outer_radius"]) == (12.0, 18.0)


def test_rows_are_selected_by_the_columns_there_are():
    exposure = mosaic()
    exposure.meta.subarray.name = "FULL"
    refs = references() | {"apcorr": apcorr(filter="F200W", subarray="full")}
    assert run(exposure, refs)["cat"].table.meta["aperture_params"]["aperture_corrections"][2] == pytest.approx(1 / 0.7)
    table = references()["apcorr"].table("APCORR")
    plain = Reference.from_arrays(
        "apcorr", {"APCORR": table[["eefraction", "radius", "apcorr", "skyin", "skyout"]][::2].copy()}
    )
    assert run(exposure, references() | {"apcorr": plain})["cat"].table.meta["aperture_params"]["aperture_radii"][0] < 1


def test_unknown_settings_are_not_corrected(caplog):
    exposure = mosaic()
    exposure.meta.instrument.filter = "F480M"
    table = run(exposure)["cat"].table
    assert table.meta["aperture_params"]["aperture_radii"] == [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(table["aper_total_flux"], table["aper70_flux"])
    assert np.isnan(table["aper_total_vegamag"]).all()
    assert np.isfinite(table["aper_total_abmag"]).all()
    assert "no apertures" in caplog.text
    assert "no offset" in caplog.text


def test_reasons_for_no_catalogue():
    empty = mosaic(np.random.default_rng(0).normal(0, 1, (400, 400)).astype(np.float32))
    before = empty.data.copy()
    with pytest.raises(SkipStep, match="no sources"):
        run(empty, snr_threshold=20.0)
    np.testing.assert_array_equal(empty.data, before)
    empty.wht[:] = 0
    with pytest.raises(SkipStep, match="no pixel"):
        run(empty)
    with pytest.raises(SkipStep, match="no apcorr"):
        run(mosaic(), {"abvegaoffset": references()["abvegaoffset"]})
    rates = mosaic()
    rates.meta.bunit_data = rates.meta.bunit_err = "DN/s"
    with pytest.raises(SkipStep, match=r"not flux calibrated: .* DN/s"):
        run(rates)
    uncalibrated = mosaic()
    uncalibrated.meta.photometry.pixelarea_steradians = None
    with pytest.raises(SkipStep, match="PIXAR_SR"):
        run(uncalibrated)
    uncalibrated.wcs = None
    with pytest.raises(SkipStep, match="no WCS"):
        run(uncalibrated)


def test_a_single_source():
    image = np.random.default_rng(0).normal(0, 0.01, (400, 400)).astype(np.float32)
    from tests.algorithms._sky import add_stars

    table = run(mosaic(add_stars(image, [200.0], [190.0], [50.0])))["cat"].table
    assert len(table) == 1
    assert table["nn_label"][0] == -1
    assert np.isnan(table["nn_dist"][0])


def test_the_image_stays_as_it_is():
    exposure = mosaic()
    copy = exposure.copy()
    run(exposure)
    np.testing.assert_array_equal(exposure.data, copy.data)
    np.testing.assert_array_equal(exposure.err, copy.err)
