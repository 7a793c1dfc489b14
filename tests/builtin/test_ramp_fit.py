import numpy as np
import pytest

from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.api import BadInput, Context, Cube, Detector, ExposureType, Image, UsageError, read, write
from jwcore.builtin.detector1.ramp_fit import RampFitParams, ramp_fit, refuse_names

from ._ramps import DETECTOR, context, ramp, reference


def references(**header):
    return reference("gain", 2.0, header=header) | reference("readnoise", 10.0)


def exposure(nints=1, ngroups=6, **keywords):
    result = ramp((nints, ngroups, 32, 32), value=100, TGROUP=10.0, TFRAME=10.0, **keywords)
    result.data += 100 * np.arange(ngroups, dtype=np.float32)[:, None, None]
    return result


def fit(ramps, services=None, **params):
    return ramp_fit(ramps, references(), RampFitParams(**params), services or context())


def test_products():
    source = exposure(nints=2)
    source.groupdq[1, 3, 4, 5] = JUMP_DET
    columns = [f"int_{when}_{scale}" for scale in ("MJD_UTC", "BJD_TDB") for when in ("start", "mid", "end")]
    source.int_times = np.zeros(2, [("integration_number", "i4"), *((name, "f8") for name in columns)])
    source.meta.target.catalog_name = "a star"
    services = context()
    products = fit(source, services)
    rate, rateints = products["rate"], products["rateints"]
    assert isinstance(rate, Image)
    assert isinstance(rateints, Cube)
    np.testing.assert_allclose(rate.data, 10, rtol=1e-6)
    np.testing.assert_allclose(rateints.data, 10, rtol=1e-6)
    np.testing.assert_allclose([rate.var_poisson[0, 0], rate.var_rnoise[0, 0]], [0.05, 0.0142857], rtol=1e-5)
    np.testing.assert_allclose(rateints.err[:, 0, 0], 0.358569, rtol=1e-5)
    assert rate.dq[4, 5] == rateints.dq[1, 4, 5] == JUMP_DET
    assert rateints.dq[0, 4, 5] == 0
    assert len(rateints.int_times) == 2
    for product in (rate, rateints):
        assert product.meta.bunit_data == "DN/s"
        assert product.meta.target.catalog_name == "a star"
        assert product.meta is not source.meta
    assert services.counts == {"lost_pixels": 0}


def test_products_can_be_written(tmp_path):
    for name, product in fit(exposure()).items():
        again = read(write(product, tmp_path / f"x_{name}.fits"))
        np.testing.assert_array_equal(again.data, product.data)
        np.testing.assert_array_equal(again.var_rnoise, product.var_rnoise)


@pytest.mark.parametrize(
    ("family", "mode", "model"),
    [
        ("ifu", None, "IFUImage"),
        ("lamp", "IFU", "IFUImage"),
        ("lamp", "FIXEDSLIT", "Image"),
        ("calibration", "IFU", "Image"),
    ],
)
def test_spectra_in_slices_have_their_own_model(family, mode, model):
    services = Context(detector=DETECTOR, exposure_type=ExposureType("ANY", "ANY", family=family))
    assert type(fit(exposure(OPMODE=mode), services)["rate"]).__name__ == model


def test_dark_current_adds_noise():
    source = exposure()
    source.average_dark_current = np.full((32, 32), 5.0, np.float32)
    # 5 electron/s are 2.5 DN/s at this gain, a quarter of the rate
    np.testing.assert_allclose(fit(source)["rate"].var_poisson, 0.1 * 1.25, rtol=1e-5)


def test_gain_factor_is_handed_on():
    products = ramp_fit(exposure(), references(GAINFACT=2.5), RampFitParams(), context())
    assert products["rate"].meta.exposure.gain_factor == 2.5
    assert products["rateints"].meta.exposure.gain_factor == 2.5
    assert fit(exposure())["rate"].meta.exposure.gain_factor is None


def saturated():
    """Ramps that are saturated from the start."""
    source = exposure()
    source.groupdq[:] = SATURATED
    return source


def too_short():
    """Ramps of which one group is left."""
    source = exposure(ngroups=3)
    source.groupdq[:, [0, -1]] = DO_NOT_USE
    return source


@pytest.mark.parametrize("readout", ["near-infrared", "mid-infrared"])
@pytest.mark.parametrize(
    ("source", "flags", "reason"),
    [(saturated(), SATURATED, "all are saturated in the first group"), (too_short(), 0, "too few")],
)
def test_products_without_values_say_why(source, flags, reason, readout, caplog):
    services = context(readout=readout)
    for product in fit(source, services).values():
        assert np.isnan(product.data).all()
        assert (product.dq == flags | DO_NOT_USE).all()
        for array in (product.err, product.var_poisson, product.var_rnoise):
            assert not array.any()
    assert f"{reason}" in caplog.text
    assert services.counts == {"lost_pixels": 32 * 32}


def test_a_piece_does_not_speak_for_the_exposure(caplog):
    fit(saturated(), Context(detector=DETECTOR, rows=slice(0, 32)))
    assert not caplog.text


def test_the_exposure_decides_which_groups_are_left_out():
    """A pixel elsewhere keeps the first group, so that a jump into the second one is a jump."""
    source = exposure()
    source.groupdq[:, 0] = DO_NOT_USE
    source.groupdq[:, 1] = JUMP_DET
    survey = {"usable": np.ones((1, 6), bool)}
    rate = fit(source, Context(detector=Detector("TEST", "ANY", readout="mid-infrared"), survey=survey))["rate"]
    assert (rate.dq == JUMP_DET).all()


def test_single_group():
    np.testing.assert_allclose(fit(exposure(ngroups=1, NFRAMES=4))["rate"].data, 100 / 25, rtol=1e-6)


def test_zero_frame_rescues_saturated_ramps_when_single_groups_are_kept():
    source = exposure()
    source.groupdq[:] = SATURATED
    source.zeroframe = np.full((1, 32, 32), 30, np.float32)
    source.zeroframe[0, 0, 0] = 0
    rate = fit(source, suppress_one_group=False)["rate"]
    assert np.isnan(rate.data[0, 0])
    assert rate.data[1, 1] == 3
    assert rate.dq[1, 1] == SATURATED


def test_trait_of_the_detector_decides_about_trimming():
    source = exposure()
    source.groupdq[:, 0] = DO_NOT_USE
    source.groupdq[:, 1] = JUMP_DET
    assert (fit(source)["rate"].dq == JUMP_DET).all()
    assert not fit(source, context(readout="mid-infrared"))["rate"].dq.any()


def test_segments_are_saved_on_request(tmp_path):
    source = exposure(DRPFRMS1=1)
    source.groupdq[0, 3, 4, 5] = JUMP_DET
    services = context()
    fit(source, services, save_opt=True)
    table = services.saved["fitopt"]
    assert table.slope.shape == (1, 2, 32, 32)
    np.testing.assert_allclose(table.slope[0, :, 4, 5], 10, rtol=1e-6)
    np.testing.assert_allclose(table.yint[0, :, 4, 5], 100, rtol=1e-6)
    # signal-to-noise class 1: of the three groups of a segment only the outer two have weight
    np.testing.assert_allclose(table.sigslope[0, :, 4, 5], 10 / np.sqrt(2) / np.sqrt(2) / 10, rtol=1e-6)
    np.testing.assert_allclose(table.sigyint[0, 0, 4, 5], 10 / np.sqrt(2) * np.sqrt(1 / 2 + 1 / 2), rtol=1e-6)
    np.testing.assert_allclose(table.weights[0, 0], 1 / table.var_rnoise[0, 0], rtol=1e-6)
    assert table.crmag[0, 0, 4, 5] == 100
    assert table.pedestal[0, 4, 5] == pytest.approx(100 - 10 * 20, abs=1e-3)  # two frames since the reset
    assert np.count_nonzero(table.slope[0, 1]) == 1
    assert read(write(table, tmp_path / "x_fitopt.fits")).crmag.shape == (1, 1, 32, 32)


def test_names_of_files_are_refused():
    with pytest.raises(UsageError, match="files are named by a rule"):
        fit(exposure(), opt_name="mine")
    with pytest.raises(UsageError, match="int_name='mine'"):
        refuse_names(exposure().meta, RampFitParams(int_name="mine"))


def test_likelihood_finds_jumps_itself():
    source = exposure(nints=2)
    source.data[0, 3:, 4, 5] += 3000
    services = context()
    products = fit(source, services, algorithm="LIKELY", save_opt=True)
    np.testing.assert_allclose(products["rate"].data, 10, rtol=1e-5)
    assert products["rate"].dq[4, 5] == products["rateints"].dq[0, 4, 5] == JUMP_DET
    assert services.counts == {"lost_pixels": 0, "ramps_with_jumps": 1}
    assert services.saved["likely_chisq"].data.shape == (32, 32)
    assert services.saved["likely_chisq"].data.max() < 1e-6


def test_likelihood_with_three_groups_is_that_of_segments(caplog):
    source = exposure(ngroups=3)
    both = [fit(source, algorithm=algorithm)["rate"] for algorithm in ("LIKELY", "OLS_C")]
    np.testing.assert_array_equal(both[0].err, both[1].err)
    assert "LIKELY needs 4 groups, there are 3" in caplog.text


def test_explicit_read_times_force_likelihood():
    source = exposure(ngroups=3)
    times = [[10.0, 20.0], [50.0], [70.0, 80.0, 90.0]]
    source.data[:] = 7 * np.array([np.mean(t) for t in times], np.float32)[:, None, None]
    source.meta.set("exposure.read_times", times)
    services = context()
    np.testing.assert_allclose(fit(source, services)["rate"].data, 7, rtol=1e-5)
    assert "ramps_with_jumps" in services.counts
    source.meta.set("exposure.read_times", times[:2])
    with pytest.raises(BadInput, match="read times of 2 groups for 3"):
        fit(source)
