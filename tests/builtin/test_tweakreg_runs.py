"""tweakreg in a run: status keywords, the record, and delivered parameters."""

import logging
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from jwcore import models, planner
from jwcore.api import Context, StepFailed, UsageError
from jwcore.builtin.image3.tweakreg import TweakregParams, tweakreg
from jwcore.builtin.image3.tweakreg_catalogs import check_reference, reference_catalog
from jwcore.cli import root
from jwcore.references import Found
from jwcore.report.story import story
from jwcore.testing import tiny_image
from tests.algorithms._sky import pointed

from ._fields import SHAPE, dithered, exposure, sky_stars
from .test_tweakreg import SEGMENTS, write_reference

DELIVERED = """#ASDF 1.0.0
--- !core/asdf-1.1.0
class: jwst.tweakreg.tweakreg_step.TweakRegStep
name: tweakreg
parameters: {abs_refcat: GAIADR3, snr_threshold: 7.0}
"""


class Delivery:
    """References that consist of one file with parameters."""

    name, context = "delivery", "test"

    def __init__(self, folder):
        self.path = folder / "jwst_test_pars-tweakregstep_0001.asdf"
        self.path.write_text(DELIVERED)

    def find(self, types, parameters):
        wanted = [type_ for type_ in types if type_ == "pars-tweakregstep"]
        return {type_: Found(type_, self.path, self.path.name, self.name, self.context) for type_ in wanted}


def test_a_delivered_catalogue_service_is_replaced_by_none(tmp_path):
    path = models.write(tiny_image(), tmp_path / "x_cal.fits")

    def planned(**params):
        made = planner.plan(path, "image3", references=Delivery(tmp_path), params={"tweakreg": params})
        return made, next(step for node in made.nodes for step in node.steps() if step.label == "tweakreg")

    made, step = planned()
    assert (step.params["abs_refcat"], step.params["snr_threshold"]) == (None, 7.0)
    assert step.origins["abs_refcat"] == "default in place of GAIADR3 of jwst_test_pars-tweakregstep_0001.asdf"
    (remark,) = [remark for remark in made.remarks if "GAIADR3" in remark]
    assert remark.startswith(
        "tweakreg.abs_refcat = None: GAIADR3 of jwst_test_pars-tweakregstep_0001.asdf is not avail"
    )
    assert "-s tweakreg.abs_refcat=... (Reference catalogue: a file" in remark
    (tmp_path / "gaia.ecsv").write_text(Path(write_reference(tmp_path / "stars.ecsv")).read_text())
    made, step = planned(abs_refcat=str(tmp_path / "gaia.ecsv"))
    assert step.params["abs_refcat"].endswith("gaia.ecsv")
    assert not [remark for remark in made.remarks if "GAIADR3" in remark]
    with pytest.raises(UsageError, match="no catalogue is fetched"):
        planned(abs_refcat="GAIADR3")


def written(folder, wcses):
    """Write exposures whose headers claim these WCSes; the first two saw one field, the third another one."""
    paths = []
    for number, wcs in enumerate(wcses, start=1):
        made = tiny_image(EXPOSURE=f"{number:05d}")
        seen = exposure(sky_stars(seed=2 if number < 3 else 5), seed=number)
        made.data, made.dq, made.err, made.wcs = seen.data, seen.dq, seen.err, wcs
        made.var_rnoise = made.var_poisson = made.var_flat = np.full(SHAPE, 1e-4, np.float32)
        for name in ("v2_ref", "v3_ref", "roll_ref", "ra_ref", "dec_ref"):
            made.meta.set(f"wcsinfo.{name}", seen.meta.get(f"wcsinfo.{name}"))
        for step in ("assign_wcs", "flat_field", "photom"):
            made.meta.set(f"cal_step.{step}", "COMPLETE")
        paths.append(str(models.write(made, folder / f"jw00001001001_02101_{number:05d}_nrca1_cal.fits")))
    return paths


OTHERS = ["skymatch", "outlier_detection", "resample", "source_catalog"]


def run_image3(folder, wcses):
    """Align such exposures; return the products and the recorded step."""
    products = planner.plan(
        written(folder, wcses), "image3", references="none", params={"tweakreg": SEGMENTS},
        skip=OTHERS,
    ).run()  # fmt: skip
    (outcome,) = products.outcomes.values()
    return products["crf"], next(step for step in outcome.steps if step["label"] == "tweakreg")


def test_the_record_tells_the_residuals_also_of_a_refusal(tmp_path):
    here, turned, far = pointed(SHAPE), pointed(SHAPE, roll=0.3), pointed(SHAPE, offset=(0.0, 7200.0))
    made, step = run_image3(tmp_path, [here, pointed(SHAPE, offset=(0.02, 0.0)), far])
    assert [one.meta.cal_step.tweakreg for one in made] == ["COMPLETE", "COMPLETE", "SKIPPED"]
    assert [row["status"] for row in step["alignment"]][:2] == ["reference", "aligned"]
    told = "\n".join(story(made[0].provenance, shown=set()))
    assert "alignment:" in told
    assert "it overlaps with nothing that is aligned" in told
    made, step = run_image3(tmp_path, [here, turned])
    assert [one.meta.cal_step.tweakreg for one in made] == ["FAILED", "FAILED"]
    assert step["alignment"][1]["status"].startswith("refused: it is turned by")
    assert step["alignment"][1]["n_matches"] > 15


def test_the_last_lines_of_a_run_name_what_was_left_out(tmp_path):
    paths = written(
        tmp_path, [pointed(SHAPE), pointed(SHAPE, offset=(0.02, 0.0)), pointed(SHAPE, offset=(0.0, 7200.0))]
    )
    options = [f"-stweakreg.{name}={value}" for name, value in SEGMENTS.items()]
    options += ["--references=none", *(f"--skip={label}" for label in OTHERS), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(root, ["run", "image3", *paths, *options])
    *_, warning, last = done.output.splitlines()
    assert last.startswith("done in")
    assert warning.startswith("warning: tweakreg: 1 of 3 groups of exposures could not be aligned and keep the WCS")
    assert "jw00001001001_02101_00003_nrca1_cal: it overlaps with nothing that is aligned; leave" in warning
    assert "searchrad (now 2 arcsec)" in warning
    assert not done.exit_code


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("stars.csv", "x,y\n1.0,2.0\n", "has no columns RA and DEC, nor sky_centroid; there is: x, y"),
        ("stars.txt", "RA DEC\n1.0 2.0\nbad 3.0\n", "column RA cannot be used: row 2 holds 'bad'"),
        ("rows.csv", "RA,DEC\n", "reference catalogue is empty: it has no rows"),
        ("places.csv", "RA,DEC\n,2.0\n", "reference catalogue is empty: none of its 1 rows"),
        ("nothing.csv", "", "cannot read this catalogue: the file is empty"),
        ("motion.csv", "RA,DEC,pmRA,pmDE\n1.0,2.0,3.0,4.0\n", "no column ref_epoch"),
        (".", "", r"tweakreg\.abs_refcat = .* is a folder, not a file"),
    ],
)
def test_unfit_reference_catalogues_are_refused_while_planning(tmp_path, name, text, message):
    product = models.write(tiny_image(), tmp_path / "x_cal.fits")
    if text or name != ".":
        (tmp_path / name).write_text(text)
    params = {"tweakreg": {"abs_refcat": str(tmp_path / name)}}
    with pytest.raises(UsageError, match=message):
        planner.plan(product, "image3", references="none", params=params)


def test_large_reference_catalogues_are_read_when_they_are_used(tmp_path, monkeypatch):
    (tmp_path / "large.csv").write_text("x,y\n1.0,2.0\n")
    monkeypatch.setattr("jwcore.builtin.image3.tweakreg_catalogs.LARGEST_CHECKED", 5)
    check_reference(str(tmp_path / "large.csv"))
    with pytest.raises(UsageError, match="no columns"):
        reference_catalog(str(tmp_path / "large.csv"), year=None)


def test_a_catalogue_of_another_field_is_named_with_its_place(tmp_path, caplog):
    ra, dec, flux = sky_stars()
    path = write_reference(tmp_path / "wrong.ecsv", stars=(ra + 180.0, -dec, flux))
    exposures, context = dithered(), Context()
    wcses = [made.wcs for made in exposures]
    with caplog.at_level(logging.INFO, "jwcal"), pytest.raises(StepFailed) as failure:
        tweakreg(exposures, TweakregParams(abs_refcat=path, **SEGMENTS), context)
    text = str(failure.value)
    assert text.startswith(
        f"the exposures do not fit the catalogue {path}: the catalogue has 0 sources near the images"
    )
    for part in (
        "images lie around RA",
        "180 deg away",
        "with one another is not applied either",
        "abs_searchrad (now 6",
    ):
        assert part in text
    assert "leave" not in text
    assert not [
        record.message for record in caplog.records if record.name == "jwcal.step" and "shift" in record.message
    ]
    assert [made.wcs for made in exposures] == wcses
    assert {row["status"].split(":")[0] for row in context.record["alignment"]} == {"undone"}


def test_a_catalogue_that_is_off_is_named(tmp_path):
    ra, dec, flux = sky_stars()
    path = write_reference(tmp_path / "near.ecsv", stars=(ra, dec + 25.0 / 3600, flux))
    with pytest.raises(
        StepFailed, match=r"do not fit the catalogue .*near\.ecsv: the 4 exposures that fit one another: \d+ m"
    ):
        tweakreg(dithered(), TweakregParams(abs_refcat=path, **SEGMENTS), Context())
