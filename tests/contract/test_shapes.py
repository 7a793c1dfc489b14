"""The hard shapes of calibration recipes, exercised by toy plugins."""

import json
import pickle

import numpy as np
import pytest

from jwcore import models, planner
from jwcore.errors import UsageError
from jwcore.params import Layer
from jwcore.testing.exposures import tiny_meta


def steps_of(outcome):
    return {step["label"]: step for step in outcome.steps}


def only(result):
    return next(iter(result.outcomes.values()))


def test_a_step_runs_and_leaves_the_callers_object_alone(image, toy_plan):
    original = image()
    result = toy_plan(original, "toy_add").run()
    np.testing.assert_array_equal(result["added"].data, original.data + 1)
    assert original.data[0, 0] == 0


def test_one_stage_runs_alone(image, toy_plan):
    result = toy_plan(image(), "toy_photom").run()
    assert result["toy_photom"].data[0, 1] == 10


def test_labels_separate_two_uses_of_one_stage(image, toy_plan):
    plan = toy_plan(image(), "toy_twice", params={"second": {"value": "5"}})
    first, second = plan.nodes[0].entries
    assert (first.params["value"], first.origins["value"]) == (3.0, "recipe toy_twice")
    assert (second.params["value"], second.origins["value"]) == (5.0, "command line")
    np.testing.assert_array_equal(plan.run()["twice"].data[0, 0], 8)


def test_steps_run_on_background_members_too(image, toy_plan, tmp_path):
    for name, offset in (("science", 50.0), ("b1", 1.0), ("b2", 3.0)):
        models.write(image(offset=offset), tmp_path / f"{name}_rate.fits")
    members = [{"expname": "science_rate.fits", "exptype": "science"}]
    members += [{"expname": f"{name}_rate.fits", "exptype": "background"} for name in ("b1", "b2")]
    asn = {"asn_type": "image2", "asn_id": "a3001", "products": [{"name": "out", "members": members}]}
    (tmp_path / "x_asn.json").write_text(json.dumps(asn))
    result = toy_plan(tmp_path / "x_asn.json", "toy_background").run()
    np.testing.assert_allclose(result["bsub"].data, 48.0)
    assert steps_of(only(result))["toy_subtract"]["counts"] == {"backgrounds": 2}


def test_without_background_members_the_step_is_left_out_with_a_reason(image, toy_plan):
    plan = toy_plan(image(), "toy_background")
    assert plan.nodes[0].entries[1].action == "skip"
    assert "background" in plan.nodes[0].entries[1].reason


def test_branches_are_split_and_merged(image, toy_plan):
    data = toy_plan(image(), "toy_branches").run()["merged"].data
    expected = np.arange(24, dtype="f4").reshape(4, 6)
    np.testing.assert_array_equal(data[:, :3], expected[:, :3] + 1)
    np.testing.assert_array_equal(data[:, 3:], expected[:, 3:] * 10)


def test_branch_steps_have_their_own_labels(image, toy_plan):
    plan = toy_plan(image(), "toy_branches", params={"left.toy_add": {"value": 7}})
    assert plan.run()["merged"].data[0, 0] == 7


def test_photom_after_extraction_leaves_the_image_uncalibrated(image, toy_plan):
    result = toy_plan(image(), "toy_soss").run()
    np.testing.assert_array_equal(result["cal"].data, image().data)
    np.testing.assert_array_equal(result["x1d"].data, image().data.sum(axis=0, keepdims=True) * 10)


def test_nested_calls_work_on_copies_and_are_recorded_inside(image, toy_plan):
    result = toy_plan(image(), "toy_nested").run()
    np.testing.assert_allclose(result["mbsub"].data, image().data - np.median(image().data))
    record = steps_of(only(result))["toy_master"]
    assert [call["stage"] for call in record["calls"]] == ["toy_flat", "toy_flat"]
    assert "toy_master.toy_flat" not in steps_of(only(result))


def test_the_plan_shows_callees_with_their_parameters(image, toy_plan):
    master = toy_plan(image(), "toy_nested", params={"toy_master.toy_flat": {"skip": "no"}}).nodes[0].entries[0]
    assert [(c.label, c.params["inverse"]) for c in master.calls] == [("toy_master.toy_flat", False)]


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_state_passes_between_exposures_of_a_detector_in_time_order(image, toy_plan, tmp_path, executor):
    exposures = {"late": (2.0, "NRCA1"), "early": (1.0, "NRCA1"), "other": (1.5, "NRCA2")}
    for name, (start, detector) in exposures.items():
        models.write(image(EXPSTART=start, DETECTOR=detector), tmp_path / f"{name}_rate.fits")
    files = [tmp_path / f"{name}_rate.fits" for name in exposures]
    plan = toy_plan(files, "toy_persistence", output_dir=tmp_path / "out", executor=executor, jobs=2)
    late = plan.node("toy_persistence:late")
    assert late.state_from == "toy_persistence:early"
    assert [node.id for node in plan.nodes].index(late.id) > 0
    plan.run()
    assert np.all(models.read(tmp_path / "out" / "late_relaxed.fits").data == 0)
    assert models.read(tmp_path / "out" / "other_relaxed.fits").data[0, 1] == 1


def test_fan_out_over_sources_known_at_run_time(image, toy_plan, tmp_path):
    plan = toy_plan(image(), "toy_fan_out", output_dir=tmp_path)
    assert "known at run time" in str(plan)
    result = plan.run()
    assert sorted(path.name[-11:] for path in result.paths()) == [f"s{row}_cal.fits" for row in range(4)]
    last = models.read(next(path for path in result.paths() if "_s3_" in path.name))
    np.testing.assert_array_equal(last.data, image().data[3:] * 10)


def test_the_most_specific_implementation_wins(image, toy_plan):
    short, long = image(CHANNEL="SHORT"), image(CHANNEL="LONG")
    assert toy_plan(short, "toy_add").run()["added"].data[0, 0] == 1
    assert toy_plan(long, "toy_add").run()["added"].data[0, 0] == 100


def test_an_alternative_runs_only_when_named(image, toy_plan):
    assert toy_plan(image(), "toy_add", use={"toy_add": "shapes:double"}).run()["added"].data[0, 0] == 2
    with pytest.raises(UsageError, match="did you mean 'shapes:double'"):
        toy_plan(image(), "toy_add", use={"toy_add": "shapes:dubble"})


def test_plans_survive_pickling(image, toy_plan, tmp_path):
    models.write(image(), tmp_path / "x_rate.fits")
    plan = toy_plan(tmp_path / "x_rate.fits", "toy_add")
    copy = pickle.loads(pickle.dumps(plan))
    assert copy.to_dict() == plan.to_dict()
    assert copy.run()["added"].data[0, 0] == 1


def test_plans_print_as_json(image, toy_plan):
    text = json.dumps(toy_plan(image(), "toy_branches").to_dict(), default=str)
    assert "toy_merge" in text


def ramp():
    exposure = models.Ramp(data=np.random.default_rng(1).normal(size=(3, 4, 12, 8)).astype("f4"))
    exposure.meta = tiny_meta(SUBSIZE1=8, SUBSIZE2=12, NINTS=3, NGROUPS=4)
    exposure.meta.exposure.type = None
    exposure.meta.model_type = "RampModel"
    return exposure


def test_the_chunk_axis_may_change_and_arrays_do_not_depend_on_it(toy_plan):
    whole = toy_plan(ramp(), "toy_stream").run()
    pieces = toy_plan(ramp(), "toy_stream", max_memory=1).run()
    np.testing.assert_array_equal(pieces["rate"].data, whole["rate"].data)
    np.testing.assert_array_equal(pieces["rate"].dq, whole["rate"].dq)
    assert set(np.unique(pieces["rate"].dq)) == {12}
    counts = [[step.get("counts") for step in only(run).steps] for run in (whole, pieces)]
    assert counts[1][1] == counts[0][1] == {"frames": 12}
    assert [step["label"] for step in only(pieces).steps] == ["toy_rows", "toy_integrations", "again", "toy_fit"]


def test_what_nobody_knows_survives_a_step_that_makes_a_new_product(toy_plan, tmp_path):
    from astropy.io import fits

    exposure = ramp()
    exposure.meta.filename = "x_ramp.fits"
    exposure.meta.exposure.type = "NRC_IMAGE"
    models.write(exposure, tmp_path / "x_ramp.fits")
    with fits.open(tmp_path / "x_ramp.fits", mode="update") as hdus:
        hdus[0].header["MYCARD"] = (42, "nobody knows")
        hdus.append(fits.ImageHDU(np.arange(5), name="MYHDU"))
    toy_plan(tmp_path / "x_ramp.fits", "toy_stream", output_dir=tmp_path).run()
    with fits.open(tmp_path / "x_rate.fits") as hdus:
        assert hdus[0].header["MYCARD"] == 42
        np.testing.assert_array_equal(hdus["MYHDU"].data, np.arange(5))


def test_what_is_set_for_a_stage_holds_for_all_its_labels(image, toy_plan):
    plan = toy_plan(image(), "toy_twice", skip=("second",))
    assert [step.action for step in plan.nodes[0].entries] == ["run", "skip"]
    assert [step.action for step in toy_plan(image(), "toy_twice", skip=("toy_add",)).nodes[0].entries] == ["skip"] * 2
    values = toy_plan(image(), "toy_twice", params={"toy_add": {"value": 9}, "second": {"value": 4}}).nodes[0].entries
    assert [step.params["value"] for step in values] == [9.0, 4.0]


def test_asking_for_what_nobody_implements_is_a_problem(toy_plan):
    plan = toy_plan(ramp(), "emicorr")
    assert [problem.text for problem in plan.problems] == ["no implementation of emicorr"]
    assert not toy_plan(ramp(), "emicorr", params={"emicorr": {"skip": "true"}}).problems


def known_ramp():
    exposure = ramp()
    exposure.meta.exposure.type = "NRC_IMAGE"
    return exposure


def test_a_step_that_is_run_by_name_runs_though_its_default_is_not_to(monkeypatch):
    """Nor does a delivered setting, which is meant for recipes, keep it from running; the user does."""
    delivered = Layer("pars.asdf", {"charge_migration": {"skip": True, "signal_threshold": 5.0}})
    monkeypatch.setattr(planner, "parameter_layers", lambda *_: [delivered])
    step = planner.plan(known_ramp(), "charge_migration", references="none").nodes[0].entries[0]
    assert (step.action, step.origins["skip"], step.params["signal_threshold"]) == ("run", "run by name", 5.0)
    own = {"charge_migration": {"skip": True}}
    step = planner.plan(known_ramp(), "charge_migration", references="none", params=own).nodes[0].entries[0]
    assert (step.action, step.reason) == ("skip", "skip is set by command line")


@pytest.mark.parametrize("stage", ["rscd", "emicorr"])
def test_a_step_that_is_for_other_exposures_is_skipped(stage):
    plan = planner.plan(known_ramp(), stage, references="none")
    assert plan.problems == []
    assert plan.nodes[0].entries[0].reason == f"{stage} is for INSTRUME=MIRI"
    assert getattr(plan.run()[stage].meta.cal_step, stage) == "SKIPPED"


def test_recipe_parameters_are_checked(image, toy_plan):
    with pytest.raises(UsageError, match="did you mean 'in_memory'"):
        toy_plan(image(), "image3", params={"image3": {"in_memry": False}})
    assert toy_plan(image(), "image3", params={"image3": {"in_memory": "no"}}).nodes[0].in_memory is False
