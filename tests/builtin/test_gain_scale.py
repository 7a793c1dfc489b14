import numpy as np
import pytest

from jwcore.api import Cube, Image, Meta, SkipStep
from jwcore.builtin.detector1.gain_scale import gain_scale

from ._ramps import context, reference


def rates(kind, shape, factor=None):
    meta = Meta()
    meta.exposure.gain_factor = factor
    arrays = {name: np.full(shape, 2, np.float32) for name in ("data", "err", "var_poisson", "var_rnoise")}
    return kind(meta=meta, **arrays)


@pytest.mark.parametrize(("kind", "shape"), [(Image, (4, 5)), (Cube, (2, 4, 5))])
def test_rates_and_variances(kind, shape):
    exposure = rates(kind, shape, factor=3.0)
    gain_scale(exposure, {}, context())
    assert (exposure.data == 6).all()
    assert (exposure.err == 6).all()
    assert (exposure.var_poisson == 18).all()
    assert (exposure.var_rnoise == 18).all()
    assert exposure.data.dtype == np.float32
    assert exposure.meta.exposure.gain_factor == 3


def test_shared_arrays_are_scaled_once():
    rate = rates(Image, (4, 5), factor=3.0)
    rateints = Cube(meta=rate.meta.copy(), data=rate.data[None])
    gain_scale(rate, {}, context())
    gain_scale(rateints, {}, context())
    assert (rate.data == 6).all()
    assert (rateints.data == 6).all()


def test_factor_of_the_reference_counts_when_the_exposure_has_none():
    exposure = rates(Image, (4, 5))
    gain_scale(exposure, reference("gain", 1, header={"GAINFACT": 2.0}), context())
    assert (exposure.data == 4).all()
    assert exposure.meta.exposure.gain_factor == 2
    exposure = rates(Image, (4, 5), factor=3.0)
    gain_scale(exposure, reference("gain", 1, header={"GAINFACT": 2.0}), context())
    assert (exposure.data == 6).all()


@pytest.mark.parametrize("references", [{}, reference("gain", 1)])
def test_nothing_to_do(references):
    with pytest.raises(SkipStep, match="GAINFACT"):
        gain_scale(rates(Image, (4, 5)), references, context())


def test_useless_factor():
    with pytest.raises(SkipStep, match="no factor"):
        gain_scale(rates(Image, (4, 5), factor=-1.0), {}, context())
