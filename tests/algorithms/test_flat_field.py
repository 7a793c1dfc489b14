import numpy as np
import pytest

from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, NO_FLAT_FIELD, UNRELIABLE_FLAT
from jwcore.algorithms.flat_field import apply_flat

SHAPE = (12, 14)


def _inputs(shape=SHAPE):
    rng = np.random.default_rng(1)

    def make(low, high, of=shape):
        return rng.uniform(low, high, of).astype(np.float32)

    flat = {"flat": make(0.5, 1.5, SHAPE), "flat_err": make(0.001, 0.01, SHAPE), "flat_dq": np.zeros(SHAPE, np.uint32)}
    science = {"data": make(-5, 20), "err": make(0, 1), "var_poisson": make(0.1, 2), "var_rnoise": make(0.1, 0.5)}
    return science | flat | {"dq": np.full(shape, JUMP_DET, np.uint32)}


def _read_only(inputs):
    for name in ("flat", "flat_err", "flat_dq"):
        inputs[name].flags.writeable = False
    return inputs


@pytest.mark.parametrize("shape", [SHAPE, (3, *SHAPE)])
def test_formulas(shape):
    inputs = _read_only(_inputs(shape))
    before = {name: array.copy() for name, array in inputs.items()}
    var_flat, missing = apply_flat(**inputs)
    flat = before["flat"].astype(float)
    quotient = before["data"] / flat
    expected = {
        "data": quotient,
        "var_poisson": before["var_poisson"] / flat**2,
        "var_rnoise": before["var_rnoise"] / flat**2,
    }
    of_flat = (quotient * before["flat_err"] / flat) ** 2
    expected["err"] = np.sqrt(expected["var_poisson"] + expected["var_rnoise"] + of_flat)
    for name, value in expected.items():
        np.testing.assert_allclose(inputs[name], value, rtol=1e-6)
    np.testing.assert_allclose(var_flat, of_flat, rtol=1e-6)
    assert missing == 0
    np.testing.assert_array_equal(inputs["dq"], before["dq"])


def test_unusable_flat():
    inputs = _inputs()
    inputs["flat"][1, 1] = np.nan
    inputs["flat"][2, 2] = 0
    inputs["flat_dq"][3, 3] = NO_FLAT_FIELD
    inputs["flat_dq"][4, 4] = DO_NOT_USE
    inputs["flat_dq"][5, 5] = UNRELIABLE_FLAT
    dq, data = inputs["dq"], inputs["data"]
    var_flat, missing = apply_flat(**_read_only(inputs))
    assert missing == 3
    for k in (1, 2, 3):
        assert dq[k, k] == JUMP_DET | DO_NOT_USE | NO_FLAT_FIELD
    assert dq[4, 4] == JUMP_DET | DO_NOT_USE
    assert dq[5, 5] == JUMP_DET | UNRELIABLE_FLAT
    bad = np.zeros(SHAPE, bool)
    bad[[1, 2, 3, 4], [1, 2, 3, 4]] = True
    for plane in (data, inputs["err"], inputs["var_poisson"], inputs["var_rnoise"], var_flat):
        np.testing.assert_array_equal(np.isnan(plane), bad)


def test_nan_and_flags_are_matched():
    inputs = _inputs()
    for k, name in enumerate(("data", "var_poisson", "var_rnoise")):
        inputs[name][k, 0] = np.nan
    inputs["dq"][3, 0] |= DO_NOT_USE
    inputs["err"][4, 0] = np.nan  # made anew, so it does not matter
    apply_flat(**_read_only(inputs))
    assert np.isnan(inputs["data"]).sum() == 4
    np.testing.assert_array_equal(inputs["dq"] & DO_NOT_USE != 0, np.isnan(inputs["err"]))
    np.testing.assert_array_equal(np.isnan(inputs["data"]), np.isnan(inputs["err"]))


def test_inverse_undoes():
    inputs = _read_only(_inputs())
    before = {name: array.copy() for name, array in inputs.items()}
    apply_flat(**inputs)
    var_flat, _ = apply_flat(**inputs, inverse=True)
    for name in ("data", "var_poisson", "var_rnoise"):
        np.testing.assert_allclose(inputs[name], before[name], rtol=1e-6)
    np.testing.assert_allclose(inputs["err"], np.sqrt(before["var_poisson"] + before["var_rnoise"]), rtol=1e-6)
    assert not var_flat.any()


def test_wrong_shapes_are_refused():
    inputs = _inputs()
    inputs["flat"] = inputs["flat"][:-1]
    with pytest.raises(ValueError, match="the flat field has shape"):
        apply_flat(**inputs)
    inputs = _inputs()
    inputs["dq"] = inputs["dq"][:, :-1]
    with pytest.raises(ValueError, match="one shape"):
        apply_flat(**inputs)
