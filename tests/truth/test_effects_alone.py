"""Each detector effect, switched on alone in the simulator, is removed by its step: rates are unbiased to 0.1 %."""

import numpy as np
import pytest
from astropy.io import fits

from jwcore import planner
from jwcore.synth import Effects, simulate

UNIFORM = 400.0
"""Sky of the tests, MJy/sr: bright enough that the converter's rounding does not matter."""


def reduced(folder, effects):
    """Simulate one sub-array exposure, reduce it to rates; give the rate, and the true rate in DN/s."""
    made = simulate(
        folder,
        n_dithers=1,
        subarray="SUB160",
        effects=effects,
        ngroups=10,
        readpatt="RAPID",
        background=UNIFORM,
        seed=3,
    )
    rate = planner.plan([str(path) for path in made.uncals], "detector1").run()["rate"]
    return rate, fits.getdata(made.truths[0], "RATE")


def good(rate):
    """Pixels that carry a science value."""
    return ((rate.dq & (1 | 512)) == 0) & np.isfinite(rate.data)


def bias(rate, truth):
    use = good(rate) & (truth > 1)
    assert use.mean() > 0.9
    return rate.data[use].sum(dtype=float) / truth[use].sum(dtype=float) - 1


@pytest.mark.parametrize(
    "effect",
    [
        "bias",
        "ktc",
        "dark",
        "flat",
        "ipc",
        "nonlinearity",
        "saturation",
        "drifts",
        "bad_pixels",
        "cosmic_rays",
        "read_noise",
    ],
)
def test_an_effect_alone_is_removed(tmp_path, effect):
    rate, truth = reduced(tmp_path, Effects.only(effect, "reference_pixels"))
    assert abs(bias(rate, truth)) < 1e-3


def test_photon_noise_alone_has_the_errors_that_are_stated(tmp_path):
    rate, truth = reduced(tmp_path, Effects.only("poisson", "reference_pixels"))
    assert abs(bias(rate, truth)) < 1e-3
    use = good(rate)
    residuals = (rate.data[use] - truth[use]) / rate.err[use]
    assert 0.95 < residuals.std() < 1.10


def test_banding_alone_adds_noise_but_no_bias_beyond_it(tmp_path):
    """1/f noise is not removed in stage 1; its mean over a sub-array is limited by its few independent modes."""
    rate, truth = reduced(tmp_path, Effects.only("one_over_f", "reference_pixels"))
    assert abs(bias(rate, truth)) < 5e-3


def test_all_effects_together(tmp_path):
    rate, truth = reduced(tmp_path, Effects())
    use = good(rate)
    residuals = (rate.data[use] - truth[use]) / rate.err[use]
    assert abs(bias(rate, truth)) < 5e-3
    assert 0.95 < 1.4826 * np.median(np.abs(residuals - np.median(residuals))) < 1.10
