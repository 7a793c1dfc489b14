"""The figures in the record of a product, in words."""

import pytest

from jwcore.report.story import story


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"row_noise_before": 3.14159, "row_noise_after": 0.5, "jumps": 12}, "row noise 3.14 -> 0.5  jumps 12"),
        ({"sources_before": 4}, "sources before 4"),
        ({"bad_pixels": 207}, "bad pixels 207"),
    ],
)
def test_what_changed_is_told_as_a_change(counts, words):
    steps = [{"label": "refpix", "status": "COMPLETE", "seconds": 0.5, "counts": counts}]
    settings = {"kind": "configuration", "digest": "b", "entries": [], "plugins": {}, "selection": {}}
    run = {
        "kind": "run",
        "digest": "a",
        "configuration": "b",
        "recipe": "detector1",
        "base": "x",
        "inputs": {},
        "steps": steps,
    }
    lines = list(story([settings, run], shown=set()))
    assert lines[-1].endswith(f"0.50 s  {words}")
