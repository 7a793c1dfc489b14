"""Questions about a whole exposure have one answer, however small the pieces in which it is worked on."""

import numpy as np
import pytest
from astropy.io import fits

from jwcore import planner
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.testing.exposures import KEYWORDS, SHAPE, tiny_ramp

INSTRUMENTS = pytest.mark.parametrize("instrument", ["NIRCAM", "MIRI"])
SPARED = 20, 7
"""A pixel that keeps its groups when those of all others are given up."""


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """Gain and read noise, type -> path."""
    found = {}
    for kind, value in (("gain", 2.0), ("readnoise", 10.0)):
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.full(SHAPE, value, np.float32), name="SCI")])
        hdus[0].header.update({name: KEYWORDS[name] for name in ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2")})
        path = tmp_path_factory.mktemp("references") / f"{kind}.fits"
        hdus.writeto(path)
        found[kind] = str(path)
    return found


def exposure(instrument, *, nints=2, ngroups=14, lost=(), flag=DO_NOT_USE, spared=None):
    """A tiny ramp whose given groups carry a flag in all pixels but one."""
    ramp = tiny_ramp(INSTRUME=instrument, NINTS=nints, NGROUPS=ngroups)
    kept = ramp.groupdq[..., *spared].copy() if spared else None
    ramp.groupdq[:, lost] |= np.uint8(flag)
    if spared:
        ramp.groupdq[..., *spared] = kept
    return ramp


def run_both(ramp, references, **settings):
    """Products of the steps from jump on, of the whole and of one row at a time."""
    plans = (
        planner.plan(
            ramp.copy(), "detector1", start="jump", references="none", overrides=references, max_memory=cap,
            params={label: values for label, values in settings.items() if label != "save"}
            | {"detector1": {"save_calibrated_ramp": settings.get("save", False)}},
        )
        for cap in (None, 1)
    )  # fmt: skip
    return [plan.run() for plan in plans]


def assert_same(found, expected):
    assert found.names() == expected.names()
    for name in expected.names():
        for array in expected[name].arrays():
            np.testing.assert_array_equal(
                getattr(found[name], array), getattr(expected[name], array), err_msg=f"{name} {array}"
            )
    rates = [product["rate"].meta.exposure.primary_cosmic_rays for product in (found, expected)]
    assert rates[0] == pytest.approx(rates[1], rel=1e-12)


@pytest.mark.parametrize("save", [True, False])
@pytest.mark.parametrize("spared", [SPARED, None])
@INSTRUMENTS
def test_one_pixel_keeps_groups_that_all_others_have_lost(instrument, spared, save, references):
    """With its groups there are enough differences for a single pass, and a first group that is not left out."""
    ramp = exposure(instrument, lost=[0, 1, 2, 3, -1], spared=spared)
    ramp.groupdq[:, 4, 5] |= np.uint8(JUMP_DET)
    whole, pieces = run_both(ramp, references, save=save)
    assert_same(pieces, whole)


def test_the_method_is_that_of_the_whole_exposure(references):
    """Low jumps are found by the iterative search alone, which makes do with fewer differences."""
    ramps = [exposure("NIRCAM", lost=[0, 1, 2, 3, -1], spared=spared) for spared in (SPARED, None)]
    done = [run_both(ramp, references, save=True) for ramp in ramps]
    flags = [[np.delete(product["ramp"].groupdq, SPARED[0], axis=2) for product in both] for both in done]
    assert not np.array_equal(flags[0][0], flags[1][0])
    for whole, pieces in flags:
        np.testing.assert_array_equal(pieces, whole)


@pytest.mark.parametrize("spared", [SPARED, None])
def test_a_group_is_flooded_if_it_is_in_all_pieces(spared, references):
    """One pixel without the step that all others see makes the difference: then these are jumps."""
    ramp = exposure("NIRCAM", nints=12, ngroups=4)
    ramp.data[5, 2:] += 9000
    if spared:
        ramp.data[5, 2:, *spared] -= 9000
    whole, pieces = run_both(ramp, references, save=True, jump={"minimum_sigclip_groups": 10, "rejection_threshold": 3})
    jumps = whole["ramp"].groupdq[5, 2] & JUMP_DET != 0
    assert jumps.mean() > 0.99 if spared else jumps.mean() < 0.01
    assert_same(pieces, whole)


@INSTRUMENTS
@pytest.mark.parametrize("algorithm", ["OLS_C", "LIKELY"])
@pytest.mark.parametrize(
    ("lost", "flag"), [(slice(None), DO_NOT_USE), (slice(None), SATURATED), (slice(1, None), DO_NOT_USE)]
)
def test_an_exposure_without_a_valid_ramp_has_products_without_values(instrument, algorithm, lost, flag, references):
    ramp = exposure(instrument, lost=lost, flag=flag)
    both = run_both(ramp, references, ramp_fit={"algorithm": algorithm})
    for products in both:
        for name in ("rate", "rateints"):
            assert np.isnan(products[name].data).all()
            assert np.all(products[name].dq & flag)
            assert np.all(products[name].dq & DO_NOT_USE)
    for name in ("rate", "rateints"):
        for array in ("err", "dq", "var_poisson", "var_rnoise"):
            np.testing.assert_array_equal(*(getattr(products[name], array) for products in both), err_msg=array)
