"""What steps hand back to the runner, and leave in the record: a wrong answer is refused with the name of its step."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from jwcore import api, context, models, planner, provenance
from jwcore.cli import root
from jwcore.errors import BadInput, PluginError, UsageError
from jwcore.models import history
from jwcore.params import check_defaults
from jwcore.replay import replay
from jwcore.testing import tiny_image

BASE = "jw00001001001_02101_0000{}_nrca{}_cal.fits"
SETS = """
from jwcore import api

@api.step(stage="skymatch", name="all", alternative=True)
def keep_all(exposures):
    return exposures

@api.step(stage="skymatch", name="one", alternative=True)
def keep_one(exposures):
    return exposures[0]

@api.step(stage="skymatch", name="two", alternative=True)
def keep_two(exposures):
    return api.ExposureSet([exposures[0], exposures[1]])

@api.step(stage="skymatch", name="bundle", alternative=True)
def bundle(exposures):
    return {"first": exposures[0]}

@api.step(stage="skymatch", where={"DETECTOR": "NRCA1"})
def for_one_detector(exposures):
    return exposures
"""
NAMES = """
from jwcore import api

@api.stage()
def shift(exposure):
    "Add one."

@api.step(stage="shift")
def add_one(exposure):
    exposure.data += 1
    return exposure

class Options(api.Params):
    save_middle: bool = api.param(False, "Write the exposure after the first shift")

@api.hookimpl
def jwcal_recipes():
    entries = (api.Step("shift"), api.Save("science", "middle", "save_middle"), api.Step("shift", label="again"))
    return [api.Recipe("shifting", entries, {"science": "final"}, params=Options)]
"""


@pytest.fixture
def sets(tmp_path):
    """Write the plugin, and plan one of its steps on three exposures."""
    (tmp_path / "sets.py").write_text(SETS)

    def make(use=None, *, detectors=(1, 1, 1), **options):
        exposures = [tiny_image(DETECTOR=f"NRCA{detector}") for detector in detectors]
        for number, (one, detector) in enumerate(zip(exposures, detectors, strict=True)):
            one.meta.filename = BASE.format(number + 1, detector)
        chosen = {"skymatch": f"sets:{use}"} if use else None
        plugins = (str(tmp_path / "sets.py"),)
        return planner.plan(exposures, "skymatch", plugins=plugins, use=chosen, references="none", **options)

    return make


@pytest.mark.parametrize(("use", "words"), [("one", "1 of 3"), ("two", "2 of 3"), ("bundle", "several products")])
def test_a_set_comes_back_whole(sets, use, words):
    sets("all").run()
    with pytest.raises(PluginError, match=f"sets:{use} returned {words}"):
        sets(use).run()


@pytest.mark.parametrize(("detectors", "chosen"), [((1, 1, 1), "sets:skymatch"), ((1, 2, 1), "builtin:skymatch")])
def test_a_step_for_some_exposures_does_not_take_a_set_of_others_too(sets, detectors, chosen):
    plan = sets(detectors=detectors)
    (step,) = plan.nodes[0].steps()
    assert step.implementation == chosen
    assert any("for DETECTOR=NRCA1 alone" in remark for remark in plan.remarks) == (chosen == "builtin:skymatch")


@pytest.fixture
def shifting(tmp_path):
    """Run the recipe that writes an exposure in its middle and at its end."""
    (tmp_path / "names.py").write_text(NAMES)
    models.write(tiny_image(), tmp_path / "x_rate.fits")

    def run(output=tmp_path / "out", **options):
        plan = planner.plan(
            tmp_path / "x_rate.fits", "shifting", plugins=(str(tmp_path / "names.py"),), references="none",
            params={"shifting": {"save_middle": True}}, output_dir=output, **options,
        )  # fmt: skip
        return plan, plan.run()

    return run


def test_an_exposure_is_written_in_the_middle_and_at_the_end(shifting, tmp_path):
    plan, result = shifting()
    assert sorted(path.name for path in result.paths()) == ["x_final.fits", "x_middle.fits"]
    middle, final = result["middle"], result["final"]
    np.testing.assert_array_equal(final.data, middle.data + 1)
    assert "saves: final, middle" in str(plan)
    _, again = shifting(resume=True)
    assert [outcome.reused for outcome in again.outcomes.values()] == [True]
    (tmp_path / "out" / "x_middle.fits").unlink()
    _, again = shifting(resume=True)
    assert [outcome.reused for outcome in again.outcomes.values()] == [False]


def test_rerun_makes_what_was_written_in_the_middle(shifting, tmp_path):
    _, result = shifting()
    replay(tmp_path / "out" / "x_middle.fits", output_dir=tmp_path / "again").run()
    np.testing.assert_array_equal(models.read(tmp_path / "again" / "x_middle.fits").data, result["middle"].data)


def test_a_result_saved_on_the_way_does_not_name_what_follows(sets, tmp_path):
    plan = sets("all", save=("skymatch",), output_dir=tmp_path / "out")
    names = {path.name.split("_", 3)[-1] for path in plan.run().paths()}
    assert not any(name.count("skymatch") > 1 for name in names), names


@pytest.mark.parametrize(
    ("name", "rows"),
    [("counts", [{"a": 1}]), ("table", {"a": 1}), ("table", [{"a": 1}, {"b": 1}]), ("table", [{"a": np.zeros(2)}]),
     ("table", [{"a": object()}])],
)  # fmt: skip
def test_what_is_no_table_is_refused_by_the_step_that_notes_it(name, rows):
    with pytest.raises(PluginError, match=f"flat_field notes '{name}'"):
        context.Context("flat_field").note(name, rows)


def test_numbers_of_arrays_can_be_noted():
    record = {}
    context.Context("flat_field", record=record).note("table", [{"level": np.float32(0.5), "count": np.int64(3)}])
    assert json.loads(json.dumps(record)) == {"table": [{"level": 0.5, "count": 3}]}


def test_pieces_of_a_step_are_recorded_as_one():
    pieces = [
        {"label": "s", "status": "COMPLETE", "seconds": 1.0, "counts": {"a": 1}, "table": [{"row": 1}]},
        {"label": "s", "status": "SKIPPED", "reason": "nothing here"},
        {"label": "s", "status": "COMPLETE", "seconds": 2.0, "counts": {"a": 2}, "table": [{"row": 2}]},
    ]
    expected = {
        "label": "s",
        "status": "COMPLETE",
        "seconds": 3.0,
        "counts": {"a": 3},
        "table": [{"row": 1}, {"row": 2}],
    }
    assert history.summed(pieces) == expected
    assert history.summed(pieces[1:]) == {**pieces[2], "table": [{"row": 2}]}


@pytest.mark.parametrize(
    "declared", ["applies=lambda params: 1 / 0", "scratch=lambda params: 'big'", "wants=lambda nothing: ()"]
)
def test_what_a_plan_asks_may_fail_with_the_name_of_the_step(tmp_path, declared):
    text = f"from jwcore import api\n@api.step(stage='photom', {declared})\ndef mine(exposure):\n    return exposure\n"
    (tmp_path / "asked.py").write_text(text)
    with pytest.raises(PluginError, match="asked:photom cannot be planned"):
        planner.plan(tiny_image(), "photom", plugins=(str(tmp_path / "asked.py"),), references="none")


def test_parameters_of_all_steps_keep_their_type():
    class Wrong(api.Params):
        skip: float = 1.0

    with pytest.raises(PluginError, match="skip of Wrong"):
        check_defaults(Wrong)


@pytest.mark.parametrize(
    "content", [{"a": 1}, ["x"], [{"kind": "run"}], [{"kind": "run", "configuration": "?", "inputs": {}, "steps": []}]]
)
def test_a_history_that_is_none_is_told(tmp_path, content):
    exposure = tiny_image()
    exposure.provenance = content
    path = models.write(exposure, tmp_path / "x_cal.fits")
    with pytest.raises(BadInput, match="record"):
        history.runs(models.read(path).provenance)
    assert CliRunner().invoke(root, ["explain", str(path)]).exit_code


@pytest.fixture
def carrying(shifting, tmp_path):
    """Give a product that holds the source of a plugin whose file is gone."""
    shifting()
    (tmp_path / "names.py").unlink()
    return tmp_path / "out" / "x_final.fits"


def test_a_program_inside_a_product_is_run_with_consent_only(carrying, tmp_path):
    with pytest.raises(UsageError, match="whose source it holds"):
        replay(carrying, output_dir=tmp_path / "again")
    assert replay(carrying, output_dir=tmp_path / "again", trust=True).run()["final"].data.size


def test_the_source_inside_a_product_can_be_read(carrying):
    assert NAMES.strip() in CliRunner().invoke(root, ["explain", "--source", str(carrying)]).output


def test_signatures_name_the_version():
    exposure = tiny_image()
    provenance.sign(exposure, "x_cal.fits", settings={"context": "jwst_1.pmap"})
    assert exposure.meta.filename == "x_cal.fits"
    assert exposure.meta.get("ref_file.crds.context_used") == "jwst_1.pmap"


def test_a_stage_stands_in_a_recipe_once(tmp_path):
    text = """
from jwcore import api

@api.stage(before="flat_field")
def ghost(exposure):
    "Subtract a ghost."

@api.step(stage="ghost")
def subtract(exposure):
    return exposure

@api.hookimpl
def jwcal_recipes():
    return [api.Recipe("quick", (api.Step("ghost"), api.Step("flat_field")), {"science": "quick"})]
"""
    (tmp_path / "ghosts.py").write_text(text)
    with pytest.raises(PluginError, match=r"quick names ghost.* @api.stage\(\) alone"):
        planner.plan(tiny_image(), "quick", plugins=(str(tmp_path / "ghosts.py"),), references="none")


def test_a_parameter_without_type_is_named(tmp_path):
    text = """
from jwcore import api

class Mine(api.Params):
    level = api.param(1.0, "Level")
"""
    (tmp_path / "untyped.py").write_text(text)
    with pytest.raises(PluginError, match="the parameter level has no type"):
        planner.plan(tiny_image(), "photom", plugins=(str(tmp_path / "untyped.py"),), references="none")
