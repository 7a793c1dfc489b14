"""From what the user names to jobs: files, folders, associations, chains."""

import json

import pytest

from jwcore import models, planner
from jwcore.errors import BadInput, UsageError
from jwcore.testing import tiny_image, tiny_ramp

BASE = "jw00001001001_02101_0000{}_nrca1"


def ids(plan):
    return [node.id.split(":")[0] for node in plan.nodes]


@pytest.fixture
def folder(tmp_path):
    """Two raw exposures, and a rate that was made of the first of them earlier."""
    for number in (1, 2):
        models.write(tiny_ramp(EXPOSURE=f"{number:05d}"), tmp_path / f"{BASE.format(number)}_uncal.fits")
    models.write(tiny_image(), tmp_path / f"{BASE.format(1)}_rate.fits")
    (tmp_path / "notes.fits").write_text("no exposure")
    return tmp_path


def test_auto_chains_the_recipes_of_the_exposure_type(folder):
    plan = planner.plan(str(folder), "auto", references="none")
    assert ids(plan) == ["detector1", "detector1", "image2", "image2", "image3"]
    assert plan.nodes[-1].inputs["science"][0].node.startswith("image2:")


def test_a_folder_gives_each_exposure_once_the_rawest(folder):
    sources = [
        s.path
        for node in planner.plan(str(folder), "detector1", references="none").nodes
        for s in node.inputs["science"]
    ]
    assert [path[-10:] for path in sources] == ["uncal.fits"] * 2


def test_auto_stops_where_it_is_told(folder):
    assert set(ids(planner.plan(str(folder), "auto", to="rate", references="none"))) == {"detector1"}
    with pytest.raises(UsageError, match="did you mean 'i2d'"):
        planner.plan(str(folder), "auto", to="i3d", references="none")


def test_auto_begins_where_the_inputs_are(folder):
    plan = planner.plan(str(folder / f"{BASE.format(1)}_rate.fits"), "auto", to="cal", references="none")
    assert ids(plan) == ["image2"]


def test_auto_does_not_guess(tmp_path):
    models.write(tiny_image(), tmp_path / "picture.fits")
    with pytest.raises(UsageError, match="name the recipe instead of auto"):
        planner.plan(str(tmp_path / "picture.fits"), "auto", references="none")


def test_quick_look_is_planned_for_what_will_be_an_image(folder):
    plan = planner.plan(str(folder), "auto", references="none")
    image2 = next(node for node in plan.nodes if node.recipe == "image2")
    assert next(step for step in image2.steps() if step.label == "resample").runs


LATE = ("resample", "source_catalog")


@pytest.mark.parametrize(
    ("to", "recipes", "idle"),
    [
        ("i2d", {"detector1", "image2", "image3"}, {"source_catalog"}),
        ("crf", {"detector1", "image2", "image3"}, {"resample", "source_catalog"}),
        ("cal", {"detector1", "image2"}, {"resample"}),
        ("rate", {"detector1"}, set()),
    ],
)
def test_auto_does_what_the_product_asked_for_needs(folder, to, recipes, idle):
    plan = planner.plan(str(folder), "auto", to=to, references="none")
    assert set(ids(plan)) == recipes
    last = plan.nodes[-1]
    assert {step.label for step in last.steps() if step.label in LATE and not step.runs} == idle
    assert plan.nodes[0].recipe == "detector1"
    assert not any("not needed" in step.reason for step in plan.nodes[0].steps())


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(UsageError, match="no exposures found"):
        planner.plan(str(tmp_path), "auto", references="none")


def test_an_association_without_science_or_with_too_much(tmp_path):
    for number in (1, 2):
        models.write(tiny_image(), tmp_path / f"{BASE.format(number)}_rate.fits")

    def asn(*roles):
        members = [{"expname": f"{BASE.format(n)}_rate.fits", "exptype": role} for n, role in enumerate(roles, 1)]
        path = tmp_path / "x_asn.json"
        path.write_text(json.dumps({"asn_type": "image2", "products": [{"name": "x", "members": members}]}))
        return str(path)

    with pytest.raises(BadInput, match="no science member"):
        planner.plan(asn("background"), "image2", references="none")
    with pytest.raises(BadInput, match="2 science exposures but image2 takes one"):
        planner.plan(asn("science", "science"), "image2", references="none")
