"""Random effects, alone and together with no others: rates stay unbiased, and their errors are the real ones."""

import numpy as np
import pytest

from jwcore.synth import Effects, tiny_exposure
from jwcore.synth.nircam import NIRCAM

from ._reduce import STRIPE, live, reduce, residuals, with_subarray

SIZE = 144
CENTRE = 501
"""First row and column of exposures that need no reference pixels."""


def noise(*effects, rate, readpatt="RAPID", ngroups=10, group_time=20.0, **settings):
    """An exposure without reference pixels, in which nothing is on but the effects."""
    pattern = NIRCAM.read_patterns[readpatt]
    return tiny_exposure(
        size=SIZE, rate=rate, effects=Effects.only(*effects), xstart=CENTRE, ystart=CENTRE, readpatt=readpatt,
        ngroups=ngroups, frame_time=group_time / (pattern.nframes + pattern.groupgap), seed=5, **settings,
    )  # fmt: skip


@pytest.mark.parametrize("readpatt", ["RAPID", "MEDIUM8"])
def test_read_noise(tmp_path, readpatt):
    exposure = noise("read_noise", rate=0.0, readpatt=readpatt)
    rate = reduce(exposure, tmp_path, skip=["refpix"])["rate"]
    read = np.sqrt(rate.var_rnoise)
    assert abs(np.mean(rate.data / read)) < 4 / SIZE
    # the weights favour the ends of what looks like a rising ramp, hence slightly more than the noise of even weights
    assert residuals(exposure, rate, err=read).sigma == pytest.approx(1.0, abs=0.03)
    # errors include the photon noise of a rate that is not known to be zero
    assert residuals(exposure, rate).sigma == pytest.approx(0.95, abs=0.03)


def test_photon_noise(tmp_path):
    exposure = noise("poisson", rate=80.0)
    rate = reduce(exposure, tmp_path)["rate"]
    found = residuals(exposure, rate)
    assert abs(found.bias) < min(4 * found.bias_error, 1e-3)
    assert residuals(exposure, rate, err=np.sqrt(rate.var_poisson)).sigma == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ("readpatt", "ngroups", "lowest"),
    [
        ("RAPID", 10, 0.97),
        ("RAPID", 3, 0.97),
        ("RAPID", 2, 0.97),
        ("BRIGHT2", 8, 0.96),
        ("SHALLOW4", 5, 0.95),
        ("MEDIUM8", 6, 0.95),
        ("DEEP8", 8, 0.97),
        # the noise model does not know that averaging takes photon noise away within a group, which counts for short ramps
        ("MEDIUM8", 2, 0.83),
    ],
)
def test_errors_are_right_at_all_fluxes(tmp_path, readpatt, ngroups, lowest):
    gradient = np.geomspace(0.3, 100.0, SIZE)[:, None] * np.ones(SIZE)
    exposure = noise("read_noise", "poisson", rate=gradient, readpatt=readpatt, ngroups=ngroups)
    rate = reduce(exposure, tmp_path)["rate"]
    found = residuals(exposure, rate)
    assert abs(found.bias) < min(4 * found.bias_error, 1e-3)
    for rows in np.array_split(np.arange(SIZE), 4):
        band = np.isin(np.arange(SIZE), rows)[:, None]
        assert lowest < residuals(exposure, rate, where=band).sigma < 1.10


def test_faint_rates_are_unbiased(tmp_path):
    exposure = noise("read_noise", "poisson", rate=0.3, readpatt="SHALLOW4")
    found = residuals(exposure, reduce(exposure, tmp_path)["rate"])
    assert abs(found.bias) < 4 * found.bias_error
    assert found.bias_error < 1.5e-3


def test_two_integrations_halve_the_variance(tmp_path):
    exposure = noise("read_noise", "poisson", "ktc", rate=10.0, nints=2)
    products = reduce(exposure, tmp_path)
    rate, single = products["rate"], products["rateints"]
    assert single.shape == (2, SIZE, SIZE)
    assert np.median(single.err[0] / rate.err) == pytest.approx(np.sqrt(2), rel=0.01)
    assert abs(residuals(exposure, rate).bias) < 1e-3
    assert 0.95 < residuals(exposure, rate).sigma < 1.10
    for data, err in zip(single.data, single.err, strict=True):
        deviation = (data - exposure.rate) / err
        assert abs(deviation.mean()) < 0.05
        assert 0.95 < deviation.std() < 1.10


def test_banding_of_four_amplifiers_is_reduced_without_bias(tmp_path):
    exposure = with_subarray(STRIPE, rate=40.0, effects=Effects.only("reference_pixels", "one_over_f"), seed=4)
    use = live(exposure)
    spread = {}
    for skipped in ("", "refpix"):
        rate = reduce(exposure, tmp_path / f"without {skipped}", skip=[skipped] if skipped else [])["rate"]
        difference = (rate.data - exposure.rate)[use]
        # the mean over the exposure is known as well as the reference pixels know the drift, 0.01 DN/s
        assert abs(difference.mean()) < 0.02
        assert abs(difference.mean()) < 1e-3 * exposure.rate[use].mean()
        spread[skipped] = difference.std()
    assert spread[""] < 0.93 * spread["refpix"]
