"""The examples do what their first lines say."""

from pathlib import Path

import numpy as np
import pytest

from jwcore import models, planner
from jwcore.testing import checks, tiny_ramp

EXAMPLES = Path(__file__).parents[2] / "examples"
DETECTOR = str(EXAMPLES / "clipped_jump.py")


def plan(folder, ramp, **options):
    path = models.write(ramp, folder / "jw00001001001_02101_00001_det_ramp.fits")
    return planner.plan(str(path), "jump", references="none", plugins=[DETECTOR], **options)


def miri(**keywords):
    return tiny_ramp(
        INSTRUME="MIRI", DETECTOR="MIRIMAGE", EXP_TYPE="MIR_IMAGE", MODULE=None, CHANNEL=None, PUPIL=None, FILTER="F770W",
        NGROUPS=20, **keywords,
    )  # fmt: skip


def test_the_detector_replaces_ours_for_one_instrument_only(tmp_path):
    (step,) = plan(tmp_path, miri()).nodes[0].steps()
    assert step.implementation == "clipped_jump:jump"
    (step,) = plan(tmp_path, tiny_ramp()).nodes[0].steps()
    assert not step.implementation.startswith("clipped_jump")


def test_the_detector_finds_cosmic_rays(tmp_path):
    ramp = miri(seed=4)
    before = ramp.groupdq.copy()
    out = plan(tmp_path, ramp).run()["science"]
    flagged = (out.groupdq & 4) > 0
    steps = np.diff(ramp.data, axis=1) > 2500
    assert steps.sum() >= 15
    assert flagged[:, 1:][steps].mean() > 0.95
    assert flagged[:, 1:][~steps].mean() < 1e-3
    assert np.all(out.groupdq & before == before)


@pytest.mark.parametrize("check", checks(DETECTOR), ids=str)
def test_the_detector_conforms(check):
    check()
