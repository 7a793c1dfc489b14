"""Every promise has a plugin that breaks it, and is caught by exactly the check of that promise."""

from pathlib import Path

import pytest

from jwcore.testing import ConformanceError, checks

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
    "bad_default": "has valid defaults",
    "changes_type": "keeps shapes and types",
    "unpredictable": "gives the same answer twice",
    "unknown_stage": "loads",
}


def failures(plugin):
    found = []
    for check in checks(str(plugin)):
        try:
            check()
        except ConformanceError as error:
            found.append(check.promise)
            if len(str(error).splitlines()) != 1:
                pytest.fail(f"not one line: {error}")
    return found


@pytest.mark.parametrize(("name", "promise"), CAUGHT_BY.items())
def test_each_broken_plugin_is_caught_by_exactly_its_check(name, promise):
    assert failures(BROKEN / f"{name}.py") == [promise]


def test_every_broken_plugin_is_listed():
    assert {path.stem for path in BROKEN.glob("*.py")} == set(CAUGHT_BY)
