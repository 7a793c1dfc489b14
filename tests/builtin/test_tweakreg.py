import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from astropy.wcs import WCS

from jwcore.api import Context, ExposureSet, StepFailed, UsageError
from jwcore.builtin.image3.tweakreg import TweakregParams, tweakreg
from tests.algorithms._sky import pointed, separation

from ._fields import DITHERS, ERRORS, SHAPE, dithered, exposure, pointing_errors, sky_stars

SEGMENTS = {"starfinder": "segmentation", "bkg_boxsize": 100}


def align(exposures, *, context=None, **params):
    return tweakreg(exposures, TweakregParams(**params), context or Context())


def test_truth_injected_errors_are_removed():
    exposures, context = dithered(), Context()
    assert max(pointing_errors(exposures)) > 20
    assert align(exposures, context=context, **SEGMENTS) is exposures
    assert max(pointing_errors(exposures)) < 1.0
    assert (context.counts["groups"], context.counts["aligned"], context.counts["unaligned"]) == (4, 3, 0)
    assert 0 < context.counts["largest_rmse_mas"] < 2


@pytest.mark.parametrize("finder", ["iraf", "dao"])
def test_star_finders(finder):
    exposures = dithered()
    align(exposures, starfinder=finder, bkg_boxsize=100, roundlo=-0.5, roundhi=0.5, sharplo=0.2)
    assert max(pointing_errors(exposures)) < 6.0


def test_header_follows_the_wcs():
    exposures = dithered()
    before = [made.meta.wcsinfo.s_region for made in exposures]
    align(exposures, **SEGMENTS)
    assert exposures[0].meta.wcsinfo.s_region == before[0]  # the reference was not touched
    made = exposures[2]
    assert made.meta.wcsinfo.s_region.startswith("POLYGON ICRS  ")
    names = ("crpix1", "crpix2", "crval1", "crval2", "cd1_1", "cd1_2", "cd2_1", "cd2_2", "ctype1", "ctype2")
    header = {name.upper(): made.meta.get(f"wcsinfo.{name}") for name in names}
    header |= {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}  # without distortion there are no polynomials
    x, y = np.array([10.0, 390.0, 200.0]), np.array([30.0, 380.0, 10.0])
    assert separation(*WCS(header).wcs_pix2world(x, y, 0), *made.wcs(x, y)).max() < 0.6


def test_detectors_of_one_exposure_move_together():
    exposures = dithered()
    exposures = ExposureSet(list(exposures), members_info=[{}, {"group_id": "a"}, {"group_id": "a"}, {}])
    context = Context()
    align(exposures, context=context, save_catalogs=True, **SEGMENTS)
    assert context.counts["groups"] == 3
    fits = context.saved["alignment"].table
    assert fits["rmse"][1] == fits["rmse"][2] != fits["rmse"][3]


def test_one_exposure_fails_and_stays():
    exposures = ExposureSet([exposure(sky_stars(), error=ERRORS[1])])
    wcs, data = exposures[0].wcs, exposures[0].data.copy()
    with pytest.raises(StepFailed, match="nothing to align with"):
        align(exposures)
    assert exposures[0].wcs is wcs
    np.testing.assert_array_equal(exposures[0].data, data)


def test_catalogues_may_be_fits():
    context = Context()
    align(dithered(), context=context, save_catalogs=True, catalog_format="fits", **SEGMENTS)
    assert {catalog.extension for catalog in context.saved["cat"].values()} == {"fits"}


def test_one_exposure_can_still_save_its_catalogue():
    context = Context()
    with pytest.raises(StepFailed, match="catalogues are saved"):
        align(ExposureSet([exposure(sky_stars())]), context=context, save_catalogs=True, **SEGMENTS)
    ((name, catalog),) = context.saved["cat"].items()
    assert catalog.base == name == "field1_cal"
    assert catalog.table.colnames == ["id", "x", "y", "flux"]
    assert len(catalog.table) > 30


def test_too_few_matches_are_refused():
    exposures = dithered(sky_stars(12))
    wcses, regions = [made.wcs for made in exposures], [made.meta.wcsinfo.s_region for made in exposures]
    with pytest.raises(StepFailed, match="matches, 15 needed"):
        align(exposures, **SEGMENTS)
    assert [made.wcs for made in exposures] == wcses
    assert [made.meta.wcsinfo.s_region for made in exposures] == regions
    align(exposures, minobj=5, **SEGMENTS)
    assert max(pointing_errors(exposures)) < 3.0


def test_empty_fields_are_refused():
    with pytest.raises(StepFailed, match="0 of 4 groups"):
        align(dithered(tuple(np.empty((3, 0)))), **SEGMENTS)


def test_an_exposure_without_wcs_or_data():
    exposures = dithered()
    exposures[1].data[:] = np.nan
    align(exposures, **SEGMENTS)
    assert pointing_errors(exposures)[1] > 20
    exposures[1].wcs = None
    with pytest.raises(StepFailed, match="no WCS"):
        align(exposures)


def test_exposures_on_disk(tmp_path):
    from jwcore import models

    paths = [models.write(made, tmp_path / made.meta.filename) for made in dithered()]
    exposures = ExposureSet(paths, in_memory=False, scratch=tmp_path)
    align(exposures, **SEGMENTS)
    assert max(pointing_errors(exposures)) < 1.0
    assert "v2v3corr" in exposures[3].wcs.available_frames
    exposures.close()


# ---- catalogues
def true_catalog(stars, offset, names=("x", "y")):
    x, y = pointed(SHAPE, offset=offset).invert(*stars[:2], with_bounding_box=False)
    return Table([x, y], names=names)


@pytest.mark.parametrize("how", ["catfile", "association", "header"])
def test_catalogues_of_the_user(tmp_path, how):
    stars = sky_stars()
    exposures = dithered(tuple(np.empty((3, 0))))  # nothing to be found in the images
    info, lines = [], []
    for k, made in enumerate(exposures):
        name = f"stars{k}.{('ecsv', 'fits', 'txt', 'ecsv')[k]}"
        names = ("xcentroid", "ycentroid") if k == 3 else ("x", "y")
        kind = {"ecsv": "ascii.ecsv", "fits": "fits", "txt": "ascii.commented_header"}[name.split(".")[1]]
        true_catalog(stars, DITHERS[k], names).write(tmp_path / name, format=kind)
        lines.append(f"some/where/{made.meta.filename} {name}")
        info.append({"tweakreg_catalog": str(tmp_path / name)} if how == "association" else {})
        if how == "header":
            made.meta.tweakreg_catalog = str(tmp_path / name)
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n\n")
    exposures = ExposureSet(list(exposures), members_info=info)
    catfile = str(tmp_path / "list.txt") if how == "catfile" else None
    align(exposures, use_custom_catalogs=True, catfile=catfile)
    assert max(pointing_errors(exposures)) < 1e-3


def test_an_exposure_without_catalogue_is_searched(tmp_path):
    exposures = dithered()
    true_catalog(sky_stars(), DITHERS[1]).write(tmp_path / "stars.ecsv")
    (tmp_path / "list.txt").write_text(f"field1_cal.fits\nfield2_cal.fits {tmp_path / 'stars.ecsv'}\n")
    context = Context()
    align(exposures, context=context, use_custom_catalogs=True, catfile=str(tmp_path / "list.txt"), save_catalogs=True,
          **SEGMENTS)  # fmt: skip
    assert max(pointing_errors(exposures)) < 2.0
    assert "flux" in context.saved["cat"]["field1_cal"].table.colnames
    assert "flux" not in context.saved["cat"]["field2_cal"].table.colnames


def test_bad_catalogues_are_named(tmp_path):
    exposures = dithered()
    (tmp_path / "list.txt").write_text("field1_cal.fits nowhere.ecsv")
    with pytest.raises(UsageError, match=r"nowhere\.ecsv"):
        align(exposures, use_custom_catalogs=True, catfile=str(tmp_path / "list.txt"))
    Table({"a": [1.0], "y": [2.0]}).write(tmp_path / "nowhere.ecsv")
    with pytest.raises(UsageError, match="no columns x and y"):
        align(exposures, use_custom_catalogs=True, catfile=str(tmp_path / "list.txt"))


# ---- reference catalogue
OFFSET = (0.3, -0.2, 0.003)


def write_reference(path, *, names=("RA", "Dec"), stars=None):
    ra, dec, _ = sky_stars() if stars is None else stars
    if names == "sky_centroid":
        QTable({"sky_centroid": SkyCoord(ra, dec, unit="deg")}).write(path)
    else:
        Table([ra, dec], names=names).write(path)
    return str(path)


@pytest.mark.parametrize("names", [("RA", "Dec"), ("ra", "DEC"), "sky_centroid"])
def test_absolute_alignment(tmp_path, names):
    exposures, context = dithered(errors=np.add(ERRORS, OFFSET)), Context()
    path = write_reference(tmp_path / "reference.ecsv", names=names)
    align(exposures, context=context, abs_refcat=path, save_abs_catalog=True, **SEGMENTS)
    assert max(pointing_errors(exposures)) < 1.0
    assert [made.wcs.name for made in exposures] == ["FIT-LVL3-reference.ecsv"] * 4
    assert len(context.saved["abscat"].table) == 60
    assert context.counts["aligned"] == 4


def test_absolute_alignment_of_one_exposure(tmp_path):
    exposures = ExposureSet([exposure(sky_stars(), error=OFFSET)])
    align(exposures, abs_refcat=write_reference(tmp_path / "reference.ecsv"), **SEGMENTS)
    assert pointing_errors(exposures)[0] < 1.0


def test_absolute_alignment_can_fail(tmp_path):
    exposures = dithered()
    wcses = [made.wcs for made in exposures]
    few = tuple(column[:6] for column in sky_stars())
    path = write_reference(tmp_path / "reference.ecsv", stars=few)
    with pytest.raises(StepFailed, match="sources near the images; 15 are needed"):
        align(exposures, abs_refcat=path, **SEGMENTS)
    other = sky_stars(seed=77)
    path = write_reference(tmp_path / "other.ecsv", stars=other)
    with pytest.raises(StepFailed, match="needed"):
        align(exposures, abs_refcat=path, abs_searchrad=0.2, abs_tolerance=0.1, **SEGMENTS)
    assert [made.wcs for made in exposures] == wcses


def test_bad_reference_catalogues(tmp_path):
    exposures = dithered()
    Table({"RA": [1.0], "ra": [1.0], "DEC": [2.0]}).write(tmp_path / "twice.ecsv")
    Table({"RA": [1.0], "delta": [2.0]}).write(tmp_path / "without.ecsv")
    (tmp_path / "broken.ecsv").write_text("no table")
    cases = {"twice": "ambiguous", "without": "no columns RA", "broken": "cannot read"}
    for name, message in cases.items():
        with pytest.raises(UsageError, match=message):
            align(exposures, abs_refcat=str(tmp_path / f"{name}.ecsv"))


@pytest.mark.parametrize("name", ["GAIADR3", "gaiarefcat", "GAIADR3_S3"])
def test_catalogue_services_are_refused_with_a_cure(name):
    with pytest.raises(UsageError, match="RA and DEC"):
        TweakregParams(abs_refcat=name)


@pytest.mark.parametrize("prefix", ["", "abs_"])
def test_separation_must_exceed_tolerance(prefix):
    with pytest.raises(UsageError, match=f"{prefix}separation"):
        TweakregParams(**{f"{prefix}separation": 0.9})


def test_texts_of_the_command_line():
    from jwcore.params import Layer, resolve

    texts = {"connectivity": "4", "kron_params": "2.5,1.0", "abs_refcat": "None", "brightest": "None", "catfile": ""}
    params, _ = resolve(TweakregParams, label="tweakreg", layers=[Layer("cli", {"tweakreg": texts})])
    assert (params.connectivity, params.kron_params, params.brightest) == (4, (2.5, 1.0), None)
    assert not params.abs_refcat
    assert not params.catfile


def test_a_group_that_does_not_fit_the_others_goes_to_the_catalogue_alone(tmp_path):
    exposures = dithered(errors=np.add(ERRORS, OFFSET))
    exposures[2] = exposure(sky_stars(), offset=DITHERS[2], error=(2.5, 1.0, 0.0), number=3, seed=2)  # beyond searchrad
    context = Context()
    align(exposures, context=context, abs_refcat=write_reference(tmp_path / "reference.ecsv"), **SEGMENTS)
    assert max(pointing_errors(exposures)) < 1.5
    assert context.counts["aligned"] == 4
