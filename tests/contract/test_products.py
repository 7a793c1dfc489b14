"""What the runner does with products: side products and figures of pieces, catalogues, members that were left alone."""

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from jwcore import models, planner
from jwcore.cli import root
from jwcore.models import history
from jwcore.replay import replay
from jwcore.synth import tiny_exposure
from tests.algorithms._sky import pointed
from tests.builtin._dithers import SHAPE, dithered
from tests.truth._reduce import reduce

SKIPS = ("assign_wcs", "flat_field", "photom", "resample")
CATALOGUE = """
from astropy.table import Table
from jwcore import api

@api.stage(gives=("cat", "list"), status="source_catalog")
def count_up(exposure, context):
    "List the pixels."

@api.stage()
def keep(exposure):
    "Make a copy."

@api.step(stage="keep")
def keep_copy(exposure):
    return exposure.copy()

@api.stage(gives=("again",))
def hand_on(exposure):
    "Give the image a second name."

@api.step(stage="hand_on")
def hand_itself_on(exposure):
    return {"again": exposure}

@api.step(stage="count_up", products=("values",))
def list_pixels(exposure, context):
    exposure.meta.source_catalog = context.file_name("cat", "ecsv")
    context.save("values", {"other": api.Catalog(Table({"value": [1]}), base="other")})
    return {name: api.Catalog(Table({"value": exposure.data.ravel()}), extension=extension)
            for name, extension in (("cat", "ecsv"), ("list", "fits"))}

@api.hookimpl
def jwcal_recipes():
    steps = api.Step("keep", gives="i2d"), api.Step("count_up", on=("i2d",))
    twice = api.Recipe("twice", (api.Step("keep", gives="i2d"), api.Step("hand_on", on=("i2d",))),
                       {"i2d": "i2d", "again": "again"})
    return [api.Recipe("counting", steps, {"cat": "cat", "list": "list", "i2d": "i2d"}), twice]
"""


def figures(result):
    """Counts of all steps by label, without times."""
    (outcome,) = result.outcomes.values()
    return {step["label"]: (step["status"], step.get("counts")) for step in outcome.steps}


@pytest.mark.parametrize("cap", [1, 350_200_000])
def test_a_ramp_in_pieces_gives_the_same_side_products_figures_and_keywords(tmp_path, cap):
    exposure = tiny_exposure(size=48, rate=np.geomspace(5, 4000, 48)[:, None], nints=2, ngroups=6)
    params = {
        "dark_current": {"dark_output": "yes"},
        "ramp_fit": {"save_opt": True, "save_results": True},
        "linearity": {"save_results": True},
    }
    folders = tmp_path / "whole", tmp_path / "pieces"
    whole, pieces = (
        reduce(exposure, folder, params=params, output_dir=folder / "out", max_memory=limit)
        for folder, limit in zip(folders, (None, cap), strict=True)
    )
    assert figures(pieces) == figures(whole)
    written = sorted(path.name for path in (folders[0] / "out").iterdir())
    assert sorted(path.name for path in (folders[1] / "out").iterdir()) == written
    assert {"dark", "fitopt", "linearity", "rate", "rateints", "ramp"} <= {models.suffix_of(name) for name in written}
    for name in written:
        found, expected = (models.read(folder / "out" / name) for folder in reversed(folders))
        assert found.arrays() == expected.arrays()
        for array in expected.arrays():
            np.testing.assert_array_equal(getattr(found, array), getattr(expected, array), err_msg=f"{name} {array}")
        found, expected = (keywords(one) for one in (found, expected))
        rates = [one.pop("exposure.primary_cosmic_rays", 0.0) for one in (found, expected)]
        assert rates[0] == pytest.approx(rates[1], rel=1e-12)
        assert found == expected


def keywords(product):
    """Metadata without date and the folders of references."""
    return {key: value for key, value in product.meta.items() if key != "date" and not key.startswith("ref_file")}


@pytest.fixture
def counting(image, tmp_path):
    """Run a recipe that makes catalogues; give the folder of its products."""
    (tmp_path / "counter.py").write_text(CATALOGUE)
    models.write(image(), tmp_path / "x_rate.fits")
    planner.plan(
        tmp_path / "x_rate.fits", "counting", references="none", plugins=(str(tmp_path / "counter.py"),),
        output_dir=tmp_path / "out",
    ).run()  # fmt: skip
    return tmp_path / "out"


def test_a_catalogue_explains_itself_and_can_be_made_again(counting, tmp_path):
    catalogue = counting / "x_cat.ecsv"
    answer = CliRunner().invoke(root, ["explain", str(catalogue)])
    assert "counting of x" in answer.output
    assert "counter:count_up" in answer.output
    replay(catalogue, output_dir=tmp_path / "again").run()
    again = models.read(tmp_path / "again" / "x_cat.ecsv")
    assert again.table["value"].tolist() == models.read(catalogue).table["value"].tolist()
    assert history.runs(again.provenance)


def test_catalogues_may_be_fits_and_their_names_are_known_beforehand(counting):
    listed = models.Catalog(path=counting / "x_list.fits")
    assert len(listed.table) == 24
    assert history.runs(listed.provenance)
    assert models.read_meta(counting / "x_i2d.fits").source_catalog == "x_cat.ecsv"
    assert (counting / "other_values.ecsv").exists()


def test_an_interactive_session_shows_plans_and_results_in_words(image):
    result = planner.plan(image(), "image2", skip=SKIPS, references="none").run()
    assert repr(result.plan).startswith("plan image2: 1 node")
    assert repr(result) == "<Result of image2, to be asked for cal or calints or science>"


def test_a_product_that_stays_tells_the_status_of_what_was_made_of_it(counting):
    assert models.read_meta(counting / "x_i2d.fits").cal_step.source_catalog == "COMPLETE"


def test_a_product_under_two_names_is_whole_in_both_files(image, tmp_path):
    (tmp_path / "counter.py").write_text(CATALOGUE)
    made = image()
    made.err = made.var_poisson = made.data + 1
    models.write(made, tmp_path / "x_rate.fits")
    planner.plan(
        tmp_path / "x_rate.fits", "twice", references="none", plugins=(str(tmp_path / "counter.py"),),
        output_dir=tmp_path / "out",
    ).run()  # fmt: skip
    whole, same = (models.read(tmp_path / "out" / f"x_{suffix}.fits") for suffix in ("i2d", "again"))
    for name in made.arrays():
        np.testing.assert_array_equal(getattr(whole, name), getattr(made, name))
        np.testing.assert_array_equal(getattr(same, name), getattr(made, name))


def test_a_member_that_was_left_alone_is_not_complete():
    exposures = list(dithered(count=3))
    exposures[2].wcs = pointed(SHAPE, offset=(3600.0, 0.0))
    (outcome,) = planner.plan(exposures, "skymatch", references="none").run().outcomes.values()
    (found,) = outcome.products.values()
    assert [one.meta.cal_step.skymatch for one in found] == ["COMPLETE", "COMPLETE", "SKIPPED"]


def test_a_users_flat_needs_no_reference(image, tmp_path):
    flat = np.arange(1, 81, dtype=np.float32).reshape(8, 10)
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(flat, name="SCI")])
    hdus[0].header.update({"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 10, "SUBSIZE2": 8})
    hdus.writeto(tmp_path / "mine.fits")
    exposure = image(SUBSTRT1=3, SUBSTRT2=2, SUBSIZE1=6, SUBSIZE2=4)

    def plan(name):
        params = {"flat_field": {"user_supplied_flat": str(tmp_path / name)}}
        return planner.plan(exposure, "flat_field", references="none", params=params)

    assert not plan("mine.fits").problems
    (outcome,) = plan("mine.fits").run().outcomes.values()
    (found,) = outcome.products.values()
    np.testing.assert_allclose(found.data, exposure.data / flat[1:5, 2:8], rtol=1e-6)
    assert found.meta.ref_file.flat.name.endswith("mine.fits")
    (problem,) = plan("other.fits").problems
    assert problem.exit_code == 3
    assert "other.fits does not exist" in problem.text
    (problem,) = planner.plan(exposure, "flat_field", references="none").problems
    assert "flat" in problem.text


def background(image, tmp_path):
    return str(models.write(image(offset=-5.0), tmp_path / "jw00001002001_02101_00001_nrca1_rate.fits"))


def test_a_background_that_nobody_gave_is_not_attempted(image, tmp_path):
    def status(recipe, **params):
        plan = planner.plan(image(), recipe, references="none", params=params)
        step = next(step for step in plan.nodes[0].steps() if step.label == "bkg_subtract")
        return step.runs, step.attempted

    assert status("image2") == (False, False)
    assert status("bkg_subtract") == (False, True)
    assert status("image2", bkg_subtract={"bkg_list": [background(image, tmp_path)]}) == (True, True)
    assert status("image2", bkg_subtract={"skip": True}) == (False, True)


@pytest.mark.parametrize("cubes", [False, True])
def test_save_bsub_saves_what_the_background_step_made(image, tmp_path, cubes):
    science = image()
    if cubes:
        science = models.Cube(data=np.stack([science.data] * 2), meta=science.meta)
        science.meta.model_type = "CubeModel"
    path = models.write(science, tmp_path / "jw00001001001_02101_00001_nrca1_rate.fits")
    params = {"image2": {"save_bsub": True}, "bkg_subtract": {"bkg_list": [background(image, tmp_path)]}}
    skip = ["assign_wcs", "flat_field", "photom", "resample"]
    plan = planner.plan(path, "image2", references="none", params=params, skip=skip, output_dir=tmp_path / "out")
    plan.run()
    suffix = "bsubints" if cubes else "bsub"
    saved = models.read(tmp_path / "out" / f"jw00001001001_02101_00001_nrca1_{suffix}.fits")
    np.testing.assert_array_equal(saved.data, np.broadcast_to(np.float32(5), saved.shape))
    assert saved.meta.cal_step.bkg_subtract == "COMPLETE"


def test_in_memory_of_a_single_step(image):
    def in_memory(recipe, **params):
        return planner.plan([image()], recipe, references="none", params=params).nodes[0].in_memory

    assert in_memory("resample") is True
    assert in_memory("resample", resample={"in_memory": False}) is False
    assert in_memory("image3", image3={"in_memory": False}) is False
