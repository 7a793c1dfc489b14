import numpy as np
import pytest

from jwcore.api import BadInput, Context
from jwcore.builtin.image2.flat_field import FlatFieldParams, flat_field
from jwcore.references import Reference
from jwcore.references.subarray import Window
from tests.builtin._images import image

SHAPE = (20, 24)


def _reference(value=2.0, shape=SHAPE, **arrays):
    return Reference.from_arrays("flat", {"SCI": np.full(shape, value, np.float32), **arrays})


@pytest.mark.parametrize("shape", [SHAPE, (3, *SHAPE)])
def test_divides_every_plane(shape):
    exposure = image(shape)
    data, poisson = exposure.data.copy(), exposure.var_poisson.copy()
    context = Context()
    flat_field(exposure, {"flat": _reference(ERR=np.full(SHAPE, 0.1, np.float32))}, FlatFieldParams(), context)
    np.testing.assert_allclose(exposure.data, data / 2)
    np.testing.assert_allclose(exposure.var_poisson, poisson / 4)
    np.testing.assert_allclose(exposure.var_flat, (data / 2 * 0.05) ** 2, rtol=1e-5)
    assert context.counts == {"pixels_without_flat": 0}


def test_inverse_undoes():
    exposure = image()
    data = exposure.data.copy()
    references = {"flat": _reference()}
    flat_field(exposure, references, FlatFieldParams(), Context())
    flat_field(exposure, references, FlatFieldParams(inverse=True), Context())
    np.testing.assert_allclose(exposure.data, data)


def test_exposure_without_variances():
    exposure = image()
    exposure.var_poisson = exposure.var_rnoise = None
    err = exposure.err.copy()
    flat_field(exposure, {"flat": _reference()}, FlatFieldParams(), Context())
    assert exposure.var_poisson is None
    np.testing.assert_allclose(exposure.err, err / 2, rtol=1e-6)


def test_bare_image():
    exposure = image()
    exposure.var_poisson = exposure.var_rnoise = exposure.err = exposure.dq = None
    flat_field(exposure, {"flat": _reference(np.nan)}, FlatFieldParams(), Context())
    assert np.isnan(exposure.data).all()
    assert (exposure.dq & 1).all()


@pytest.mark.parametrize("header", [{}, {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 24, "SUBSIZE2": 20}])
def test_a_flat_smaller_than_the_exposure_is_refused_before_any_edit(header):
    exposure = image()
    data = exposure.data.copy()
    size = SHAPE if header else (SHAPE[0] - 1, SHAPE[1])
    flat = Reference.from_arrays(
        "flat", {"SCI": np.ones(size, np.float32)}, header=header, window=Window(x=3, y=1, nx=24, ny=20)
    )
    with pytest.raises(BadInput, match=r"does not contain it|does not say where it lies"):
        flat_field(exposure, {"flat": flat}, FlatFieldParams(), Context())
    np.testing.assert_array_equal(exposure.data, data)


def test_wrong_shape_is_refused_before_any_edit():
    exposure = image()
    data = exposure.data.copy()
    with pytest.raises(BadInput, match="shape"):
        flat_field(exposure, {"flat": _reference(shape=(5, 5))}, FlatFieldParams(), Context())
    np.testing.assert_array_equal(exposure.data, data)
    assert exposure.var_flat is None
