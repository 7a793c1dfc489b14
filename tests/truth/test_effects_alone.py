"""Each detector effect, switched on alone in the simulator, is removed by its step: rates are unbiased to 0.1 %."""

import numpy as np
import pytest

from jwcore import planner
from jwcore.synth import Effects, tiny_exposure

SIZE = 128
EFFECTS = ("bias", "ktc", "dark", "flat", "ipc", "nonlinearity", "drifts", "one_over_f", "bad_pixels", "cosmic_rays")
"""Noise-like effects (read noise, photon noise) are judged by the residuals below."""


def reduce(exposure, folder, **options):
    path = exposure.write(folder)
    overrides = exposure.write_references(folder)
    return planner.plan(str(path), "detector1", references="none", overrides=overrides, **options).run()["rate"]


def good(rate):
    """Pixels that carry a science value."""
    return (rate.dq & (1 | 512)) == 0


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_alone_is_removed(tmp_path, effect):
    exposure = tiny_exposure(size=SIZE, effects=Effects.only(effect, "reference_pixels"), ngroups=10, seed=3)
    rate = reduce(exposure, tmp_path)
    use = good(rate) & (exposure.rate > 1)
    ratio = rate.data[use] / exposure.rate[use]
    assert use.sum() > 0.9 * (SIZE - 8) ** 2
    assert abs(np.median(ratio) - 1) < 1e-3
    assert abs(np.sum(rate.data[use]) / np.sum(exposure.rate[use]) - 1) < 1e-3
