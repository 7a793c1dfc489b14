"""A plan says what was named in vain, what is tied, and which products it will write."""

import json
import logging
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from jwcore import models, planner
from jwcore.cli import root
from jwcore.errors import UsageError
from jwcore.references import Found
from jwcore.report.remarks import _other_sources
from jwcore.testing import tiny_image, tiny_ramp

STEP = """
from jwcore import api

@api.step(stage="{stage}"{extra})
def {name}(exposure):
    return exposure
"""
WRAPPER = 'from jwcore import api\n\n@api.wrapper(stage="{}")\ndef w(exposure):\n    return (yield)\n'
SKIPS = ("assign_wcs", "flat_field", "photom", "resample")


@pytest.fixture
def write_plugin(tmp_path):
    def write(name, *, stage="photom", extra="", text=None):
        path = tmp_path / f"{name}.py"
        path.write_text(text or STEP.format(stage=stage, extra=extra, name=name))
        return str(path)

    return write


@pytest.fixture
def image2():
    """Plan image2 on a tiny image without any reference."""

    def make(*plugins, skip=SKIPS, **options):
        return planner.plan(tiny_image(), "image2", plugins=plugins, skip=skip, references="none", **options)

    return make


def test_a_recipe_of_other_modes_is_remarked():
    spectrum = tiny_image()
    spectrum.meta.set_keyword("EXP_TYPE", "NRC_WFSS")
    [remark] = planner.plan(spectrum, "image2", skip=SKIPS, references="none").remarks
    assert remark.startswith("image2 is no recipe of NRC_WFSS exposures; theirs: detector1")
    assert not planner.plan(tiny_image(), "image2", skip=SKIPS, references="none").remarks


def test_exposures_of_several_kinds_have_recipes_of_their_own():
    dark, image = tiny_ramp(), tiny_ramp()
    dark.meta.set_keyword("EXP_TYPE", "NRC_DARK")
    dark.meta.filename = "jw00001001001_02101_00002_nrca1_uncal.fits"
    image.meta.set_keyword("EXP_TYPE", "NRC_IMAGE")
    image.meta.filename = "jw00001001001_02101_00001_nrca1_uncal.fits"
    plan = planner.plan([image, dark], "auto", references="none")
    assert {node.recipe for node in plan.nodes} >= {"detector1", "image2", "dark"}
    assert not [remark for remark in plan.remarks if "no recipe of" in remark]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"extra": ", where={'INSTRUME': 'MIRI'}"}, "acme:photom is for INSTRUME=MIRI"),
        ({"stage": "jump"}, "jump is no step of this plan"),
        ({"stage": "flat_field"}, "flat_field does not run (by request)"),
        ({"extra": ", name='odd', alternative=True"}, "builtin:photom implements photom, choose it with --use photom=acme:odd"),
        ({"text": WRAPPER.format("jump")}, "jump is no step"),
    ],
    ids=["where", "recipe", "skipped", "alternative", "wrapper"],
)  # fmt: skip
def test_a_plugin_that_does_nothing_is_noted_with_the_reason(image2, write_plugin, how, why):
    skip = () if "alternative" in how.get("extra", "") else SKIPS[:2] if "where" in how.get("extra", "") else SKIPS
    plan = image2(write_plugin("acme", **how), skip=skip)
    (remark,) = plan.remarks
    assert remark.startswith("plugin acme is named but does nothing here: ")
    assert why in remark
    assert f"note: {remark}" in str(plan)
    assert plan.to_dict()["remarks"] == [remark]


def test_the_log_of_the_run_warns_of_it(image2, write_plugin, caplog):
    with caplog.at_level(logging.WARNING, "jwcal"):
        image2(write_plugin("acme", stage="jump")).run()
    assert "plugin acme is named but does nothing here" in caplog.text


def test_a_plugin_that_acts_is_not_noted(image2, write_plugin):
    hook = "from jwcore import api\n@api.hookimpl\ndef jwcal_run_finished(result):\n    pass\n"
    plan = image2(
        write_plugin("acme"),
        write_plugin("bcme", text=WRAPPER.format("photom")),
        write_plugin("ccme", text=hook),
        skip=SKIPS[:2],
    )
    assert plan.remarks == []


def test_choices_and_files_without_effect_are_noted(image2):
    plan = image2(use={"jump": "builtin"}, overrides={"gain": "x.fits", "flat": "N/A"})
    assert plan.remarks == [
        "--use jump=builtin has no effect: jump is no step of this plan",
        "--override gain has no effect: no step that runs uses it",
        "--override flat has no effect: no step that runs uses it",
    ]
    with pytest.raises(UsageError, match="did you mean 'flat'"):
        image2(overrides={"flt": "x.fits"})


def test_a_tie_is_shown_as_one_with_the_flag(image2, write_plugin):
    text = str(image2(write_plugin("acme"), write_plugin("bcme"), skip=SKIPS[:2]))
    line = next(line for line in text.splitlines() if line.strip().startswith("! photom"))
    assert "acme:photom and bcme:photom both implement photom" in line
    assert line.endswith("--use photom=acme:photom")
    assert "skip: acme" not in text


SIDE = """
from jwcore import api

class Switches(api.Params):
    save_model: bool = api.param(False, "Save the model")

@api.step(stage="photom", params=Switches, products={products})
def photom(exposure, context):
    return exposure
"""


def saved(plan):
    lines = str(plan).splitlines()
    return [line.strip() for line in lines if "saves:" in line or "also save:" in line]


def test_the_plan_lists_what_will_be_saved_and_nothing_else(image2, write_plugin):
    assert saved(image2()) == ["saves: cal/calints"]
    assert saved(image2(skip=SKIPS[:3])) == ["saves: cal/calints, i2d"]
    switched = write_plugin("acme", text=SIDE.format(products='{"model": "save_model"}'))
    assert saved(image2(switched, skip=(*SKIPS[:2], "resample"))) == ["saves: cal/calints"]
    on = image2(switched, skip=(*SKIPS[:2], "resample"), params={"photom": {"save_model": True}}, save=("photom",))
    assert saved(on) == ["saves: cal/calints, model, photom"]
    free = image2(write_plugin("bcme", text=SIDE.format(products='"model"')), skip=(*SKIPS[:2], "resample"))
    assert saved(free) == ["saves: cal/calints", "may also save: model (photom)"]


def test_without_the_fit_there_is_no_rate():
    ramp = tiny_ramp()
    plan = planner.plan(ramp, "detector1", skip=("ramp_fit",), references="none")
    assert saved(plan)[0] == "saves: ramp"
    assert "gain_scale           skip: nothing makes rate" in str(plan)


@pytest.mark.parametrize(
    ("recipe", "make"), [("image2", tiny_ramp), ("flat_field", tiny_ramp), ("detector1", tiny_image)]
)
def test_a_product_of_the_wrong_level_is_refused_while_planning(tmp_path, recipe, make):
    path = tmp_path / "x_odd.fits"
    models.write(make(), path)
    answer = CliRunner().invoke(root, ["plan", recipe, str(path), "--references", "none"])
    assert f"{recipe} cannot take x_odd.fits" in str(answer.exception)


def test_the_same_exposure_twice_is_refused(tmp_path):
    path = tmp_path / "x_rate.fits"
    models.write(tiny_image(), path)
    with pytest.raises(UsageError, match="image2:x would run twice"):
        planner.plan([path, path], "image2", references="none")


def test_remarks_are_part_of_the_json(tmp_path, write_plugin):
    path = tmp_path / "x_rate.fits"
    models.write(tiny_image(), path)
    words = ["plan", "image2", str(path), "-p", write_plugin("acme", stage="jump"), "--references", "none", "--json"]
    assert json.loads(CliRunner().invoke(root, words).output)["remarks"]


@pytest.mark.parametrize(
    ("provider", "folder", "words"),
    [("synthetic", None, "bring their references along"), ("crds", None, ""), ("crds", "mine", "no reference is taken from"),
     ("directory", "refs", "")],
)  # fmt: skip
def test_references_from_elsewhere_are_remarked(tmp_path, monkeypatch, provider, folder, words):
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "cache"))
    for name in ("mine", "refs"):
        (tmp_path / name).mkdir()
    place = tmp_path / {"crds": "cache/references/jwst"}.get(provider, "refs")
    found = Found("flat", place / "flat.fits", "flat.fits", provider)
    step = SimpleNamespace(runs=True, references={"flat": found})
    said = " ".join(_other_sources([step], folder and str(tmp_path / folder)))
    assert words in said
    assert bool(said) == bool(words)


def test_a_recipe_that_saves_nothing_is_remarked(write_plugin):
    text = """
from jwcore import api

@api.hookimpl
def jwcal_recipes():
    return [api.Recipe("quick", (api.Step("photom"),), {"sciense": "quick"})]
"""
    plan = planner.plan(
        tiny_image(), "quick", plugins=(write_plugin("typo", text=text),), skip=("photom",), references="none"
    )
    assert any("saves nothing" in remark for remark in plan.remarks)
