"""emicorr: waves of interference that are put in come off again, with a reference and without."""

import numpy as np
import pytest
from jwcal_miri.emicorr import EmiCorrParams, emicorr, not_correctable

from jwcore.api import BadInput, Context, Reference, SkipStep, UsageError
from jwcore.synth import Effects, tiny_exposure

ROUNDING = 0.42
"""Scatter of the difference of two exposures that are both rounded to whole DN."""
LINES = (390.625, 10.039216)


@pytest.fixture(scope="module")
def disturbed():
    """A coronagraphic exposure with noise and cosmic rays, with interference of 3 DN and without."""
    names = ("read_noise", "poisson", "bad_pixels", "cosmic_rays")
    settings = {"instrument": "MIRI", "subarray": "MASK1140", "ngroups": 6, "nints": 2, "rate": 30.0}
    return [tiny_exposure(effects=Effects.only(*n), **settings) for n in ((*names, "interference"), names)]


def left(disturbed, **params):
    """Run the step; give the standard deviation, in DN, of what is left of the interference, and the context."""
    simulated, clean = disturbed
    exposure, context = simulated.ramp(), Context()
    emicorr(exposure, simulated.step_references(), EmiCorrParams(**params), context)
    return np.std(exposure.data - clean.ramp().data), context


def test_the_waves_of_the_reference_come_off_completely(disturbed):
    assert np.std(disturbed[0].ramp().data - disturbed[1].ramp().data) > 3
    for separately in (False, True):
        scatter, context = left(disturbed, fit_ints_separately=separately)
        assert scatter < ROUNDING
        assert context.counts == {"waves": 2}


def test_waves_folded_with_their_period(disturbed):
    assert left(disturbed, algorithm="sequential")[0] < 0.45


def test_waves_measured_without_a_reference(disturbed):
    scatter, context = left(disturbed, onthefly_corr_freq=LINES, save_intermediate_results=True)
    assert scatter < 0.6
    saved = context.saved["emi_ref_waves"].content
    assert {one["frequency"] for one in saved["frequencies"].values()} == set(LINES)
    again = {"emicorr": Reference.from_arrays("emicorr", tree=saved)}
    exposure = disturbed[0].ramp()
    emicorr(exposure, again, EmiCorrParams(), Context())
    assert np.std(exposure.data - disturbed[1].ramp().data) < 0.6


def test_what_cannot_be_corrected_says_why(disturbed):
    simulated = disturbed[0]
    references = simulated.step_references()

    def reason(params=None, given=references, **keywords):
        exposure = simulated.ramp()
        before = exposure.data.copy()
        for name, value in keywords.items():
            exposure.meta.set_keyword(name, value)
        with pytest.raises(SkipStep) as caught:
            emicorr(exposure, given, params or EmiCorrParams(), Context())
        np.testing.assert_array_equal(exposure.data, before)
        return str(caught.value)

    assert "FASTGRPAVG" in reason(READPATT="FASTGRPAVG")
    assert "no emicorr reference" in reason(given={})
    assert "SUB256" in reason(SUBARRAY="SUB256")
    assert "SUBXY is not known" in reason(EmiCorrParams(onthefly_corr_freq=LINES), SUBARRAY="SUBXY")
    assert "SLOWR1" in reason(given=_without_slow(references["emicorr"]), READPATT="SLOWR1")
    assert "2 groups" in reason(NGROUPS=2)
    assert "3 groups" in reason(EmiCorrParams(algorithm="sequential"), NGROUPS=3)


def _without_slow(reference):
    case = {**reference.tree["subarray_cases"]["MASK1140"], "freqs": {"FAST": ["Hz390"]}}
    return {"emicorr": Reference.from_arrays("emicorr", tree={**reference.tree, "subarray_cases": {"MASK1140": case}})}


METHODS = [{}, {"fit_ints_separately": True}, {"algorithm": "sequential"}, {"onthefly_corr_freq": LINES}]


def corrected(disturbed, spoil, references=None, **params):
    """Run the step on spoilt data; give those, and the result."""
    exposure = disturbed[0].ramp()
    spoil(exposure)
    before = exposure.data.copy()
    emicorr(exposure, references or disturbed[0].step_references(), EmiCorrParams(**params), Context())
    return before, exposure.data


@pytest.mark.parametrize("params", METHODS)
@pytest.mark.parametrize("value", [65535.0, np.nan])
def test_data_without_a_value_stay(disturbed, params, value):
    before, after = corrected(disturbed, lambda exposure: exposure.data.fill(value), **params)
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("params", METHODS)
@pytest.mark.parametrize("where", [np.s_[:, :, 60:90, 100:160], np.s_[:, 3:, 60:90, 100:160], np.s_[1]])
def test_saturated_pixels_and_integrations_do_not_disturb_others(disturbed, params, where):
    def saturate(exposure):
        exposure.data[where] = 65535.0

    _, after = corrected(disturbed, saturate, **params)
    sound = np.ones(after.shape, bool)
    sound[where] = False
    assert np.std((after - disturbed[1].ramp().data)[sound]) < (0.45 if not params.get("onthefly_corr_freq") else 0.7)


def test_pixels_that_are_all_bad_fit_nothing(disturbed):
    before, after = corrected(disturbed, lambda exposure: exposure.pixeldq.fill(1))
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("name", ["frequency", "phase_amplitudes"])
def test_a_reference_that_lacks_values_is_refused(disturbed, name):
    tree = disturbed[0].step_references()["emicorr"].tree
    wave = tree["frequencies"]["Hz390"]
    spoilt = {**wave, name: np.where(np.arange(np.size(wave[name])) == 0, np.nan, wave[name]).tolist()}
    spoilt["frequency"] = np.ravel(spoilt["frequency"])[0]
    frequencies = {**tree["frequencies"], "Hz390": spoilt}
    given = {"emicorr": Reference.from_arrays("emicorr", tree={**tree, "frequencies": frequencies})}
    with pytest.raises(BadInput, match="Hz390 lacks values"):
        corrected(disturbed, lambda exposure: None, given)


def test_the_old_way_of_naming_a_reference_is_refused(disturbed):
    with pytest.raises(UsageError, match="--override emicorr=FILE"):
        not_correctable(disturbed[0].ramp().meta, EmiCorrParams(user_supplied_reffile="x.asdf"), {})
