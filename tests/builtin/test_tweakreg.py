import logging

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from astropy.wcs import WCS

from jwcore import models
from jwcore.algorithms.proper_motion import moved_stars, year_of
from jwcore.api import BadInput, Context, Cube, ExposureSet, StepFailed, UsageError
from jwcore.builtin.image3.tweakreg import TweakregParams, tweakreg
from jwcore.builtin.image3.tweakreg_catalogs import reference_catalog
from tests.algorithms._sky import pointed, separation

from . import _modules
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

    paths = [models.write(made, tmp_path / made.meta.filename) for made in dithered()]
    exposures = ExposureSet(paths, in_memory=False, scratch=tmp_path)
    align(exposures, **SEGMENTS)
    assert max(pointing_errors(exposures)) < 1.0
    assert "v2v3corr" in exposures[3].wcs.available_frames
    exposures.close()


# ---- two modules: one correction for both, residuals of each
MODULE_ERRORS = ((0.0, 0.0, 0.0), (0.021, -0.012, 0.004), (-0.009, 0.024, -0.003))
"""Some 15 mas per axis, and a roll of 15 mas at 5 arcmin."""


def test_truth_two_modules_are_aligned_with_one_another():
    exposures, context = _modules.exposures(MODULE_ERRORS), Context()
    assert max(_modules.errors_of(exposures, MODULE_ERRORS)) > 20
    align(exposures, context=context, **SEGMENTS)
    assert max(_modules.errors_of(exposures, MODULE_ERRORS)) < 1.0
    rows = context.record["alignment"]
    assert [row["detector"] for row in rows] == ["NRCA1", "NRCB1"] * 3
    assert [row["group"] for row in rows] == [f"dither{k}" for k in (1, 1, 2, 2, 3, 3)]
    assert [row["status"] for row in rows] == ["reference"] * 2 + ["aligned"] * 4
    assert rows[0] | {"exposure": "", "group": ""} == {
        "exposure": "", "group": "", "detector": "NRCA1", "n_matches": 0, "dx_mas": None, "dy_mas": None,
        "rms_mas": None, "status": "reference",
    }  # fmt: skip
    for row in rows[2:]:
        assert row["n_matches"] > 10
        assert np.hypot(row["dx_mas"], row["dy_mas"]) < 1.0
        assert 0 < row["rms_mas"] < 3.0


def test_truth_two_modules_are_aligned_with_a_catalogue(tmp_path):
    errors = np.add(MODULE_ERRORS, (0.12, -0.3, 0.01))
    exposures, context = _modules.exposures(errors), Context()
    path = write_reference(tmp_path / "gaia.csv", stars=_modules.stars())
    align(exposures, context=context, abs_refcat=path, **SEGMENTS)
    assert max(_modules.errors_of(exposures, errors)) < 1.0
    assert {row["status"] for row in context.record["alignment"]} == {"aligned"}
    assert exposures[5].wcs.name == "FIT-LVL3-gaia.csv"


def test_one_line_is_logged_for_each_group(caplog):
    with caplog.at_level(logging.INFO, "jwcal"):
        align(_modules.exposures(MODULE_ERRORS), **SEGMENTS)
    lines = [record.message for record in caplog.records if record.name == "jwcal.step" and "shift" in record.message]
    assert [line.split(":")[0] for line in lines] == ["dither2", "dither3"]
    assert all("NRCA1 " in line and "NRCB1 " in line for line in lines)


# ---- refusals
def turned(*rolls):
    return dithered(errors=[(*error[:2], roll) for error, roll in zip(ERRORS, rolls, strict=True)])


def test_an_exposure_whose_fit_is_not_believed_stays_behind(caplog):
    exposures, context = turned(0.0, 0.001, -0.002, 0.25), Context()
    before = exposures[3].wcs, dict(exposures[3].meta.items())
    align(exposures, context=context, **SEGMENTS)
    assert (exposures[3].wcs, dict(exposures[3].meta.items())) == before
    assert max(pointing_errors(exposures)[:3]) < 1.0
    assert (context.unchanged, context.counts["aligned"], context.counts["unaligned"]) == ({3}, 2, 1)
    rows = context.record["alignment"]
    assert [row["status"].split(":")[0] for row in rows] == ["reference", "aligned", "aligned", "refused"]
    assert rows[3]["n_matches"] > 15
    assert "field4_cal is not aligned: refused: it is turned by" in caplog.text


def test_where_most_fits_are_not_believed_nothing_changes():
    exposures, context = turned(0.25, 0.0, 0.001, 0.002), Context()
    before = [(made.wcs, dict(made.meta.items())) for made in exposures]
    with pytest.raises(
        StepFailed, match=r"aligned: field2_cal: refused: it is turned by -?0\.2\d+ deg.*kernel_fwhm.*accept_d"
    ):
        align(exposures, context=context, **SEGMENTS)
    assert [(made.wcs, dict(made.meta.items())) for made in exposures] == before
    rows = context.record["alignment"]
    assert [row["status"].split(":")[0] for row in rows] == ["undone", "refused", "refused", "refused"]


def test_doubtful_fits_are_applied_on_demand(caplog):
    exposures, context = turned(0.0, 0.001, -0.002, 0.25), Context()
    align(exposures, context=context, accept_doubtful=True, **SEGMENTS)
    assert max(pointing_errors(exposures)) < 1.0
    assert "field4_cal is aligned though it is turned by -0.2" in caplog.text
    assert context.record["alignment"][3]["status"].startswith("aligned though it is turned")
    assert context.record["alignment"][2]["status"] == "aligned"


def warm_pixels(exposures, number=90):
    """Add warm pixels whose charge has spread to their neighbours; the finder takes them for stars."""
    rng = np.random.default_rng(8)
    y, x = rng.integers(10, 385, (2, number))
    level = rng.uniform(1.5, 6.0, number)
    for made in exposures:
        made.data[y, x] += level
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            made.data[y + dy, x + dx] += 0.35 * level


@pytest.mark.parametrize("offset", [(1.23, 0.05), (2.41, -0.07)])
def test_truth_warm_pixels_do_not_undo_a_dither(offset, caplog):
    """They outnumber the stars, match perfectly, and a shift by the dither is within the search radius."""
    exposures = [
        exposure(sky_stars(40), offset=at, error=(0.004 * k, -0.003 * k, 0.0), number=k + 1, seed=k)
        for k, at in enumerate([(0.0, 0.0), offset])
    ]
    warm_pixels(exposures)
    context = Context()
    align(ExposureSet(exposures), context=context, bkg_boxsize=100, sip_approx=False)
    places = np.array([5, 200, 395]), np.array([5, 200, 395])
    assert separation(*exposures[1].wcs(*places), *pointed(SHAPE, offset=offset)(*places)).max() < 6.0
    assert context.counts["fixed_on_detector"] > 100
    assert context.record["alignment"][1]["n_matches"] > 20
    assert "sources keep their place on detector" in caplog.text


def test_exposures_that_could_not_be_aligned_are_marked(caplog):
    exposures, context = dithered(), Context()
    exposures[1].data[:] = np.nan
    exposures[2].wcs = pointed(SHAPE, offset=(3600.0, 0.0))
    align(exposures, context=context, **SEGMENTS)
    assert context.unchanged == {1, 2}
    assert context.counts["unaligned"] == 2
    assert [row["status"] for row in context.record["alignment"]] == [
        "reference", "no sources", "it overlaps with nothing that is aligned", "aligned",
    ]  # fmt: skip
    assert "is not aligned: no sources" in caplog.text


def test_exposures_that_do_not_overlap_are_refused():
    exposures = ExposureSet([exposure(sky_stars(), number=1), exposure(sky_stars(seed=3), number=2)])
    exposures[1].wcs = pointed(SHAPE, offset=(0.0, 900.0))
    with pytest.raises(StepFailed, match="could be aligned: field2_cal: it overlaps with nothing that is aligned"):
        align(exposures, **SEGMENTS)


def test_the_catalogue_must_fit_the_exposures_that_fit_one_another(tmp_path):
    """Else one that fits the catalogue alone would be moved, and the others would not."""
    stars = sky_stars()
    exposures = dithered(errors=np.add(ERRORS, (-3.0, 0.0, 0.0)))
    exposures[2] = exposure(stars, offset=DITHERS[2], number=3, seed=2)
    path = write_reference(tmp_path / "reference.ecsv")
    with pytest.raises(StepFailed, match=r"the 3 exposures that fit one another: \d+ matches, 15 needed"):
        align(exposures, abs_refcat=path, abs_searchrad=1.0, searchrad=0.5, **SEGMENTS)


def test_settings_without_effect_are_told(caplog):
    with caplog.at_level(logging.INFO, "jwcal"):
        align(dithered(), xoffset=0.1, roundhi=0.3, kron_params=(2.0, 1.0), catfile=__file__, **SEGMENTS)
    (line,) = [record.message for record in caplog.records if "without effect" in record.message]
    assert line == (
        "without effect: roundhi (starfinder segmentation), kron_params (starfinder segmentation), "
        "xoffset (use2dhist finds the offset), catfile (use_custom_catalogs is off)"
    )


@pytest.mark.parametrize(
    ("prefix", "geometry"),
    [("", "shift"), ("", "rshift"), ("", "rscale"), ("", "general"), ("abs_", "shift")],
)
def test_fit_geometries(tmp_path, prefix, geometry):
    """A shift leaves the rolls, which move the corners by more than half a mas."""
    path = write_reference(tmp_path / "reference.ecsv") if prefix else None
    exposures = dithered(tuple(np.empty((3, 0))), errors=np.add(ERRORS, (0, 0, 0.01)) if prefix else ERRORS)
    align(exposures, abs_refcat=path, **from_catalogs(tmp_path), **{f"{prefix}fitgeometry": geometry})
    assert max(pointing_errors(exposures)) < (5.0 if geometry == "shift" else 0.01)
    assert max(pointing_errors(exposures)) > 0.5 or geometry != "shift"


# ---- catalogues
def from_catalogs(folder):
    """Parameters that take the sources from catalogues without errors, which are written here."""
    for k, offset in enumerate(DITHERS):
        true_catalog(sky_stars(), offset).write(folder / f"stars{k}.ecsv")
    (folder / "list.txt").write_text("".join(f"field{k + 1}_cal.fits stars{k}.ecsv\n" for k in range(len(DITHERS))))
    return {"use_custom_catalogs": True, "catfile": str(folder / "list.txt"), "sip_approx": False}


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


def gaia(*, year):
    """A table as the archive gives it: positions of 2016, proper motions, some missing; and where the stars are."""
    rng = np.random.default_rng(9)
    ra, dec, _ = sky_stars()
    pm_ra, pm_dec = rng.normal(0, 40, (2, ra.size))
    then = moved_stars(ra, dec, pm_ra=pm_ra, pm_dec=pm_dec, years=2016.0 - year)
    table = Table({"source_id": np.arange(ra.size), "ra": then[0], "dec": then[1]}, masked=True)
    table["pmra"], table["pmdec"], table["ref_epoch"] = pm_ra, pm_dec, np.full(ra.size, 2016.0)
    table["pmra"].mask[:7] = table["pmdec"].mask[:7] = True
    table["dec"][:7] += 0.1 / 3600  # nobody knows where these are
    return table


def written(table, path):
    table.write(path)
    return path


@pytest.mark.parametrize("kind", ["ecsv", "fits", "csv", "vot"])
def test_proper_motions_are_applied(tmp_path, kind):
    exposures, context = dithered(tuple(np.empty((3, 0))), errors=np.add(ERRORS, OFFSET)), Context()
    for made in exposures:
        made.meta.exposure.mid_time = 60370.0
    table = gaia(year=year_of(60370.0))
    if kind in ("ecsv", "fits"):
        table["ra"].unit, table["dec"].unit, table["pmra"].unit, table["pmdec"].unit = "deg", "deg", "mas/yr", "mas/yr"
        table["ra"], table["ra"].unit = np.deg2rad(table["ra"]), "rad"
    path = tmp_path / f"gaia.{kind}"
    table.write(path, format={"ecsv": "ascii.ecsv", "csv": "ascii.csv", "vot": "votable"}.get(kind, kind))
    align(exposures, context=context, abs_refcat=str(path), save_abs_catalog=True, **from_catalogs(tmp_path))
    assert max(pointing_errors(exposures)) < 0.05
    assert len(context.saved["abscat"].table) == 53  # those without a motion are left out
    assert separation(*(context.saved["abscat"].table[axis][0] for axis in ("RA", "DEC")),
                      *(sky_stars()[axis][7] for axis in (0, 1))) < 0.05  # fmt: skip


def test_proper_motions_need_two_epochs(tmp_path):
    exposures, table = dithered(), gaia(year=2024.0)
    table.write(tmp_path / "gaia.ecsv")
    with pytest.raises(UsageError, match=r"no exposure knows its time .* add EXPMID"):
        align(exposures, abs_refcat=str(tmp_path / "gaia.ecsv"))
    table.remove_column("ref_epoch")
    table.write(tmp_path / "without.ecsv")
    with pytest.raises(UsageError, match=r"no column ref_epoch .*2016\.0 for Gaia DR3"):
        align(exposures, abs_refcat=str(tmp_path / "without.ecsv"))
    table.remove_columns(["pmra", "dec"])
    table["dec"] = "north"
    table.write(tmp_path / "text.ecsv")
    with pytest.raises(UsageError, match=r"column dec cannot be used: .*write numbers in deg"):
        align(exposures, abs_refcat=str(tmp_path / "text.ecsv"))


def test_the_reference_catalogue_is_saved_also_when_nothing_fits_it(tmp_path):
    context, path = Context(), write_reference(tmp_path / "other.ecsv", stars=sky_stars(seed=77))
    with pytest.raises(StepFailed):
        align(dithered(), context=context, abs_refcat=path, abs_tolerance=0.1, save_abs_catalog=True, **SEGMENTS)
    assert len(context.saved["abscat"].table) == 60


def test_weights_of_the_user_decide(tmp_path):
    exposures = dithered(tuple(np.empty((3, 0))))
    how = from_catalogs(tmp_path)
    for k in (1, 2, 3):
        table = Table.read(tmp_path / f"stars{k}.ecsv")
        table["weight"] = 1.0
        table["x"][:12] += 2.0
        table["weight"][:9], table["weight"][9:12] = 1e-9, [0.0, -1.0, np.nan]
        table.write(tmp_path / f"stars{k}.ecsv", overwrite=True)
    align(exposures, nclip=0, **how)
    assert max(pointing_errors(exposures)) < 0.1


def test_columns_are_found_by_any_of_their_names(tmp_path):
    table = gaia(year=2024.0)
    expected, _ = reference_catalog(str(written(table, tmp_path / "gaia.ecsv")), year=2024.0)
    table["Weight"] = 2.0
    table["Weight"][7] = 0.0
    table.rename_columns(["pmra", "pmdec"], ["pmRA", "pmDE"])
    found, moved = reference_catalog(str(written(table, tmp_path / "vizier.ecsv")), year=2024.0)
    assert moved == len(found) == 52
    np.testing.assert_array_equal(found.ra, expected.ra[1:])
    assert set(found.weight) == {2.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.remove_column("pmdec"), r"pmra is the only proper motion .* add the other of PMRA and PMDEC"),
        (lambda table: table.remove_column("pmra"), r"pmdec is the only proper motion"),
        (lambda table: table.add_column(table["pmdec"], name="pmDE"), r"columns pmdec and pmDE are ambiguous"),
        (lambda table: table.replace_column("ref_epoch", 0 * table["ref_epoch"]), r"ref_epoch = 0 is no year"),
        (lambda table: table.replace_column("ref_epoch", 57388.5 + 0 * table["ref_epoch"]),
         r"ref_epoch = 57388\.5 is no year .*2016\.0"),
    ],
)  # fmt: skip
def test_proper_motions_that_cannot_be_applied_are_refused(tmp_path, change, message):
    table = gaia(year=2024.0)
    change(table)
    with pytest.raises(UsageError, match=message):
        reference_catalog(str(written(table, tmp_path / "gaia.ecsv")), year=2024.0)


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


COMMON = (0.5, -0.4, 0.0)
"""Pointing error of a whole visit: much more than that between its exposures."""


def test_truth_an_exposure_without_a_fit_moves_onto_the_catalogue_with_the_others(tmp_path, caplog):
    exposures, context = dithered(errors=np.add(ERRORS, COMMON)), Context()
    few = tuple(column[:6] for column in sky_stars())
    exposures[2] = exposure(few, offset=DITHERS[2], error=np.add(ERRORS[2], COMMON), number=3, seed=2)
    regions = [made.meta.wcsinfo.s_region for made in exposures]
    assert min(pointing_errors(exposures)) > 600
    align(exposures, context=context, abs_refcat=write_reference(tmp_path / "reference.ecsv"), **SEGMENTS)
    errors = pointing_errors(exposures)
    assert max(errors[:2] + errors[3:]) < 1.0
    assert errors[2] < 25.0  # that between the exposures
    assert [row["status"] for row in context.record["alignment"]] == [
        "aligned", "aligned", "carried: 6 matches, 15 needed", "aligned",
    ]  # fmt: skip
    assert (context.counts["aligned"], context.counts["carried"], context.counts["unaligned"]) == (3, 1, 0)
    assert not context.unchanged  # it has a new WCS
    assert exposures[2].wcs.name == "FIT-LVL3-reference.ecsv"
    assert exposures[2].meta.wcsinfo.s_region != regions[2]
    assert "field3_cal has no fit of its own and moves with the others" in caplog.text


def test_one_refused_exposure_does_not_hinder_the_others(tmp_path):
    exposures, context = turned(0.0, 0.001, -0.002, 0.25), Context()
    align(exposures, context=context, abs_refcat=write_reference(tmp_path / "reference.ecsv"), **SEGMENTS)
    assert max(pointing_errors(exposures)[:3]) < 1.0
    assert context.record["alignment"][3]["status"].startswith("carried: refused: it is turned")


def test_only_images_with_a_bounding_box_are_searched():
    exposures = list(dithered())
    made = exposures[1]
    exposures[1] = Cube(data=np.stack([made.data] * 2), err=np.stack([made.err] * 2), meta=made.meta)
    exposures[1].wcs = made.wcs
    with pytest.raises(BadInput, match=r"images, and this is a cube \[field2_cal\]"):
        align(ExposureSet(exposures), **SEGMENTS)
    made.wcs.bounding_box = None
    with pytest.raises(BadInput, match="no bounding box"):
        align(ExposureSet([exposures[0], made]), **SEGMENTS)
