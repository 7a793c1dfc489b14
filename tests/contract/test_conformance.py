"""Our own plugins keep every promise of the contract."""

import numpy as np
import pytest

from jwcore import planner
from jwcore.testing import checks
from jwcore.testing.exposures import tiny_ramp

LEVEL = """
import numpy as np
from jwcore import api


def level(exposure):
    return np.median(exposure.data)


@api.step(stage="superbias", chunk="rows", survey={"level": level})
def levelled(exposure, context):
    exposure.data -= context.survey["level"]
    return exposure
"""


@pytest.mark.parametrize(
    "check", [c for name in ("builtin", "nircam", "niriss", "miri", "nirspec", "fgs") for c in checks(name)], ids=str
)
def test_our_plugins_conform(check):
    check()


def test_a_step_on_pieces_may_ask_about_the_whole_exposure(tmp_path):
    plugin = tmp_path / "level.py"
    plugin.write_text(LEVEL)
    for check in checks(str(plugin)):
        check()
    settings = {"plugins": [str(plugin)], "references": "none"}
    whole, pieces = (planner.plan(tiny_ramp(), "superbias", max_memory=cap, **settings).run() for cap in (None, 1))
    assert np.median(whole["superbias"].data) == 0
    np.testing.assert_array_equal(pieces["superbias"].data, whole["superbias"].data)
