"""What a plan refuses because of what its inputs are."""

import pytest

from jwcore import models, planner
from jwcore.errors import BadInput, UsageError
from jwcore.runner import run_plan
from jwcore.testing import tiny_image

BASE = "jw00001001001_02101_0000{}_nrca1"
PLUGIN = """
from jwcore import api

@api.step(stage="{stage}")
def without_references(exposure):
    return exposure
"""


def image(tmp_path, number=1, suffix="cal", *, done=(), **keywords):
    """Write an exposure that has been through some steps."""
    exposure = tiny_image(EXPOSURE=f"{number:05d}", **keywords)
    for status in done:
        exposure.meta.set(f"cal_step.{status}", "COMPLETE")
    return models.write(exposure, tmp_path / f"{BASE.format(number)}_{suffix}.fits")


def make(inputs, recipe, **options):
    return planner.plan([str(path) for path in inputs], recipe, references="none", **options)


def repetition(plan):
    return [problem for problem in plan.problems if "has been through" in problem.text]


@pytest.fixture
def plugins(tmp_path):
    """Steps that need no references."""
    paths = [tmp_path / f"{stage}_.py" for stage in ("assign_wcs", "flat_field", "photom")]
    for path in paths:
        path.write_text(PLUGIN.format(stage=path.stem[:-1]))
    return [str(path) for path in paths]


def test_a_correction_is_not_applied_twice(tmp_path, plugins):
    path = image(tmp_path, done=("assign_wcs", "flat_field", "photom"))
    (problem,) = make([path], "image2", plugins=plugins).problems
    assert problem.text == f"{path.name} has been through flat_field and photom already"
    assert problem.cure == "give what came before flat_field, or --from resample"
    with pytest.raises(BadInput, match="has been through photom already — give what came before photom"):
        run_plan(make([path], "photom", plugins=plugins))


UNDOABLE = """
from jwcore import api

class PhotomParams(api.Params):
    inverse: bool = api.param(False, "Halve instead of double")

@api.step(stage="photom", params=PhotomParams, undoes="inverse")
def double(exposure, params):
    exposure.data *= 0.5 if params.inverse else 2.0
    return exposure
"""


@pytest.mark.parametrize("step", ["flat_field", "photom"])
def test_a_correction_that_can_be_undone_is_undone_only_where_it_was_made(tmp_path, step):
    inverse = {step: {"inverse": True}}
    assert not repetition(make([image(tmp_path, done=(step,))], step, params=inverse))
    (problem,) = make([image(tmp_path, suffix="rate")], "image2", params=inverse).problems
    assert problem.text == f"{BASE.format(1)}_rate.fits has not been through {step}: there is nothing to undo"
    assert problem.cure == f"--skip {step}"


def test_what_was_undone_may_be_done_again(tmp_path):
    (tmp_path / "undoable.py").write_text(UNDOABLE)
    given = models.read(image(tmp_path, done=("photom",)))
    for inverse, status in ((True, None), (False, "COMPLETE")):
        plan = planner.plan(
            given, "photom", references="none", params={"photom": {"inverse": inverse}},
            use={"photom": str(tmp_path / "undoable.py")},
        )  # fmt: skip
        ((outcome,),) = (run_plan(plan).outcomes.values(),)
        (made,) = outcome.products.values()
        assert made.meta.cal_step.photom == status
        given = made
    assert (made.data == models.read(image(tmp_path)).data).all()


def test_going_on_where_an_earlier_run_stopped_is_no_repetition(tmp_path, plugins):
    path = image(tmp_path, done=("assign_wcs", "flat_field", "photom"))
    assert not make([path], "image2", start="resample", plugins=plugins).problems
    assert not make([path], "assign_wcs", plugins=plugins).problems


def test_steps_that_may_run_again_do(tmp_path):
    done = ("flat_field", "photom", "tweakreg", "skymatch", "outlier_detection")
    paths = [image(tmp_path, number, "crf", done=done) for number in (1, 2)]
    assert not repetition(make(paths, "image3"))
    mosaic = image(tmp_path, 3, "i2d", done=("resample",))
    (problem,) = repetition(make([*paths, mosaic], "image3"))
    assert "has been through resample" in problem.text


def test_a_product_does_not_replace_an_input(tmp_path):
    paths = [image(tmp_path, number, "crf") for number in (1, 2)]
    with pytest.raises(UsageError, match=r"would replace its own input .*_crf\.fits"):
        make(paths, "image3", output_dir=tmp_path)
    make(paths, "image3", output_dir=tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=r"would replace its own input .*_cal\.fits"):
        make([image(tmp_path)], "image2", output_dir=tmp_path)
    make([image(tmp_path, suffix="rate")], "image2", output_dir=tmp_path)


@pytest.mark.parametrize(("keyword", "values"), [("TARGPROP", ("NGC-1", "NGC-2")), ("FILTER", ("F200W", "F150W"))])
def test_loose_exposures_of_different_things_are_not_combined(tmp_path, keyword, values):
    paths = [image(tmp_path, number, **{keyword: value}) for number, value in enumerate(values, 1)]
    with pytest.raises(BadInput, match=f"different {keyword}: {values[0]}, {values[1]}.*asn from-list"):
        make(paths, "image3")
    plan = make(paths, "auto")
    assert len([node for node in plan.nodes if node.recipe == "image3"]) == 2


def test_exposures_in_different_units_are_not_combined(tmp_path):
    paths = [image(tmp_path, number) for number in (1, 2, 3)]
    assert make(paths, "image3").nodes
    odd = models.read(paths[1])
    odd.meta.bunit_data = "MJy/sr"
    models.write(odd, tmp_path / "again.fits").replace(paths[1])
    with pytest.raises(BadInput, match=r"combines \S+ \(MJy/sr\) with others \(DN/s\) — leave it out"):
        make(paths, "image3")


def test_a_mosaic_is_made_without_the_references_of_its_catalogue(tmp_path):
    plan = make([image(tmp_path, number) for number in (1, 2)], "image3")
    assert not plan.problems
    (catalogue,) = (step for step in plan.nodes[0].steps() if step.label == "source_catalog")
    assert catalogue.action == "skip"
    assert "no source of references is in use" in catalogue.reason
    mistyped = make([image(tmp_path, number) for number in (1, 2)], "image3", overrides={"apcorr": "nowhere.fits"})
    assert [problem.text for problem in mistyped.problems if "nowhere.fits does not exist" in problem.text]
    alone = make([image(tmp_path, 3, "i2d")], "source_catalog")
    assert {problem.exit_code for problem in alone.problems} == {3}


def test_auto_says_when_nothing_follows(tmp_path):
    path = image(tmp_path, EXP_TYPE="NRC_DARK")
    with pytest.raises(UsageError, match=r"nothing follows .*_cal\.fits in the chain of NRC_DARK"):
        make([path], "auto")


def test_products_of_a_chain_have_names_of_their_own(tmp_path):
    plan = make([image(tmp_path, suffix="rate", TARGPROP="NGC-1")], "auto")
    bases = {node.recipe: node.base for node in plan.nodes}
    assert bases["image2"] == BASE.format(1)
    assert "ngc-1" in bases["image3"]


def test_an_image_that_will_exceed_the_memory_is_noted(tmp_path):
    path = image(tmp_path, suffix="rate")
    (remark,) = make([path], "image2", max_memory=1).remarks
    assert "cannot be cut into pieces and needs about" in remark
    assert not make([path], "image2", max_memory=10**10).remarks


def test_a_set_does_not_hold_one_exposure_twice(tmp_path):
    path = image(tmp_path)
    with pytest.raises(UsageError, match=r"would take .* twice"):
        make([path, path], "image3")


def test_a_set_is_of_calibrated_exposures(tmp_path):
    with pytest.raises(BadInput, match="has not been through image2 — run image2 first, or auto"):
        make([image(tmp_path, number, "rate") for number in (1, 2)], "image3")


@pytest.mark.parametrize(("recipe", "suffix"), [("image2", "rate"), ("image3", "cal"), ("auto", "rate")])
def test_a_recipe_takes_from_a_folder_what_it_is_made_for(tmp_path, recipe, suffix):
    for name in ("rate", "cal", "o001_crf"):
        image(tmp_path, suffix=name)
    first = make([tmp_path], recipe).nodes[0]
    assert [source.path.rpartition("_")[2] for source in first.inputs["science"]] == [f"{suffix}.fits"]
