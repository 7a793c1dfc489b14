"""Every promise has a plugin that breaks it, and is caught by exactly the check of that promise."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from jwcore.cli import root
from jwcore.errors import UsageError
from jwcore.testing import ConformanceError, NotChecked, checks

BROKEN = Path(__file__).parent / "broken"
CAUGHT_BY = {
    "returns_nothing": "returns a product",
    "clears_flags": "lets DQ bits only grow",
    "gives_up_late": "skips before it edits",
    "wrong_chunk": "is honest about chunks",
    "heavy_import": "imports nothing heavy",
    "closed_room": "imports only the open rooms",
    "writes_reference": "leaves references alone",
    "secret_product": "saves only declared products",
    "secret_keyword": "writes only declared keywords",
    "bad_default": "loads",
    "changes_type": "keeps shapes and types",
    "unpredictable": "gives the same answer twice",
    "unknown_stage": "loads",
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


@pytest.mark.parametrize("name", ["crashes", "wrapper_crashes"])
def test_what_cannot_be_checked_is_not_called_kept(name):
    answer = CliRunner().invoke(root, ["check", "-v", str(BROKEN / f"{name}.py")])
    assert "7 not checked" in answer.output.splitlines()[-1]
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
    with pytest.raises(NotChecked, match="no wavemap reference is known here"):
        next(check for check in checks(str(path)) if check.promise == "runs")()


def test_a_plugin_that_does_not_exist_breaks_no_promise():
    with pytest.raises(UsageError, match="no plugin named"):
        checks("nowhere")


def test_every_broken_plugin_is_listed():
    assert {path.stem for path in BROKEN.glob("*.py")} == set(CAUGHT_BY)
