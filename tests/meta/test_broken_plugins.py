"""Every promise has a plugin that breaks it, and is caught by exactly the check of that promise."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from jwcore.cli import root
from jwcore.errors import UsageError
from jwcore.testing import ConformanceError, NotChecked, checks, tiny_references

BROKEN = Path(__file__).parent / "broken"
CAUGHT_BY = {
    "returns_nothing": "returns a product",
    "clears_flags": "lets DQ bits only grow",
    "gives_up_late": "skips before it edits",
    "wrong_chunk": "is honest about chunks",
    "wrong_chunk_image": "is honest about chunks",
    "wrong_chunk_fit": "is honest about chunks",
    "wrong_chunk_cube": "is honest about chunks",
    "wrong_reference": "runs",
    "heavy_import": "imports nothing heavy",
    "closed_room": "imports only the open rooms",
    "writes_reference": "leaves references alone",
    "secret_product": "saves only declared products",
    "secret_keyword": "writes only declared keywords",
    "bad_default": "loads",
    "changes_type": "keeps shapes and types",
    "unpredictable": "gives the same answer twice",
    "unknown_stage": "loads",
    "unknown_keyword": "loads",
    "crashes": "runs",
    "wrapper_crashes": "runs",
    "wrapper_yields_twice": "runs",
    "wrapper_clears_flags": "lets DQ bits only grow",
    "wrapper_returns_nothing": "returns a product",
}


def failures(plugin):
    found = []
    for check in checks(str(plugin)):
        try:
            check()
        except NotChecked:
            continue
        except ConformanceError as error:
            found.append(check.promise)
            if len(str(error).splitlines()) != 1:
                pytest.fail(f"not one line: {error}")
    return found


@pytest.mark.parametrize(("name", "promise"), CAUGHT_BY.items())
def test_each_broken_plugin_is_caught_by_exactly_its_check(name, promise):
    assert failures(BROKEN / f"{name}.py") == [promise]


@pytest.mark.parametrize(("name", "number"), [("crashes", 9), ("wrapper_crashes", 7)])
def test_what_cannot_be_checked_is_not_called_kept(name, number):
    answer = CliRunner().invoke(root, ["check", "-v", str(BROKEN / f"{name}.py")])
    assert f"{number} not checked" in answer.output.splitlines()[-1]
    assert f"({name}.py:" in answer.output, "the line that crashed"
    line = next(line for line in answer.output.splitlines() if line.startswith("not checked"))
    assert "lets DQ bits only grow" in line
    assert line.endswith("(it fails on the tiny exposure: ZeroDivisionError)")


def test_a_step_whose_reference_is_unknown_is_not_checked(tmp_path):
    path = tmp_path / "needy.py"
    path.write_text(
        "from jwcore import api\n@api.step(stage='photom', references=('wavemap',))\n"
        "def p(exposure, references):\n    return exposure\n"
    )
    with pytest.raises(NotChecked, match="no wavemap reference is known here; give one: --override wavemap=FILE"):
        next(check for check in checks(str(path)) if check.promise == "runs")()


GHOST = """
from jwcore import api

@api.step(stage="photom", references=("ghost", "flat"), images=("ghost",), chunk="rows")
def photom(exposure, references):
    exposure.data -= references["ghost"].array("SCI") * references["flat"].array("SCI")
    return exposure
"""


@pytest.mark.parametrize("given", ["array", "mapping", "reference", "file", "full frame"])
def test_a_step_is_checked_with_references_of_its_own_type(tmp_path, given):
    path = tmp_path / "haunted.py"
    path.write_text(GHOST)
    plane = np.arange(32 * 32, dtype="f4").reshape(32, 32)
    whole = np.zeros((2048, 2048), "f4") if given == "full frame" else plane
    where = {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": whole.shape[1], "SUBSIZE2": whole.shape[0]}
    image = fits.ImageHDU(whole, name="SCI", header=fits.Header(where))
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "ghost.fits")
    ghost = {"array": plane, "mapping": {"SCI": plane}, "reference": tiny_references(ghost=plane)["ghost"]}
    for check in checks(str(path), references={"ghost": ghost.get(given, tmp_path / "ghost.fits")}):
        check()
    answer = CliRunner().invoke(root, ["check", str(path), "--override", f"ghost={tmp_path / 'ghost.fits'}"])
    assert answer.output == "17 promises kept, 0 broken\n"


def test_a_chunk_that_cannot_be_tried_is_not_called_kept(tmp_path):
    path = tmp_path / "flat.py"
    path.write_text(
        "from jwcore import api\n@api.step(stage='flat_field', chunk='integrations')\n"
        "def mine(exposure: 'Image'):\n    return exposure\n"
    )
    with pytest.raises(NotChecked, match="an image has no integrations"):
        next(check for check in checks(str(path)) if check.promise == "is honest about chunks")()


def test_references_that_nobody_can_use_are_refused(tmp_path):
    path = tmp_path / "haunted.py"
    path.write_text(GHOST)
    with pytest.raises(UsageError, match=r"unknown name 'gost' .references of haunted. — did you mean 'ghost'"):
        checks(str(path), references={"gost": np.ones((32, 32))})
    with pytest.raises(UsageError, match=r"there is no file nowhere\.fits .reference ghost."):
        checks(str(path), references={"ghost": "nowhere.fits"})
    with pytest.raises(UsageError, match=r"no ghost reference is known here — hand one over: tiny_references\(ghost="):
        tiny_references(["ghost"])


def test_a_plugin_that_does_not_exist_breaks_no_promise():
    with pytest.raises(UsageError, match="no plugin named"):
        checks("nowhere")


def test_every_broken_plugin_is_listed():
    assert {path.stem for path in BROKEN.glob("*.py")} == set(CAUGHT_BY)


def test_every_module_of_a_package_keeps_to_the_open_rooms(tmp_path, monkeypatch):
    package = tmp_path / "acme_rooms"
    (package / "tests").mkdir(parents=True)
    (package / "__init__.py").write_text("from acme_rooms.steps import flat\n")
    (package / "steps.py").write_text(
        "from jwcore import api\nfrom jwcore.planner import plan\n\n"
        "@api.step(stage='flat_field')\ndef flat(exposure):\n    return exposure\n"
    )
    (package / "tests/test_flat.py").write_text("import jwcore.testing\n")
    monkeypatch.syspath_prepend(tmp_path)
    rooms = next(check for check in checks("acme_rooms") if check.promise == "imports only the open rooms")
    with pytest.raises(ConformanceError, match=r"steps.py of acme_rooms imports jwcore.planner"):
        rooms()
    (package / "steps.py").write_text("from jwcore import api\n")
    rooms()
