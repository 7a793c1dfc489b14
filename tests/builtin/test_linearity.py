import numpy as np
import pytest

from jwcore.algorithms import dq
from jwcore.api import BadInput
from jwcore.builtin.detector1.linearity import linearity

from ._ramps import context, ramp, reference


def planes(*coefficients):
    return np.stack([np.full((32, 32), c, np.float32) for c in coefficients])


def test_groups_zero_frames_and_flags():
    exposure = ramp(value=10, zeroframe=10)
    exposure.groupdq[0, 2, 5, 5] = dq.SATURATED
    exposure.zeroframe[0, 6, 6] = 0
    coefficients = planes(1, 1, 0.1)
    coefficients[1, 8, 8] = 0
    services = context()
    linearity(exposure, reference("linearity", COEFFS=coefficients, dq=dq.NONLINEAR), services)
    assert exposure.data[0, 0, 0, 0] == 21
    assert exposure.data[0, 2, 5, 5] == 10
    assert (exposure.data[0, :, 8, 8] == 10).all()
    assert exposure.zeroframe[0, 0, 0] == 21
    assert exposure.zeroframe[0, 6, 6] == 0
    assert exposure.pixeldq[0, 0] == dq.NONLINEAR
    assert exposure.pixeldq[8, 8] == dq.NONLINEAR | dq.NO_LIN_CORR
    assert services.counts == {"uncorrected_pixels": 1}


def test_inverse_coefficients_matter_for_averaged_groups_only():
    flux = 1000.0
    references = reference("linearity", COEFFS=planes(0, 1, 1e-6, 2e-12, 5e-18), INV_COEFFS=planes(0, 1, -1e-6))

    def corrected(nframes, **free):
        exposure = ramp((1, 4, 32, 32), NFRAMES=nframes)
        linear = flux * (1 + np.arange(4 * nframes).reshape(4, nframes))
        exposure.data[:] = (linear - 1e-6 * linear**2).mean(axis=1)[None, :, None, None]
        for path, value in free.items():
            exposure.meta.set(f"exposure.{path}", value)
        linearity(exposure, references, context())
        return exposure.data[0, :, 0, 0], linear.mean(axis=1)

    result, truth = corrected(4)
    plain, _ = corrected(4, read_times=[[1.0]])
    # the mean of squares exceeds the square of the mean by the variance of the frames, 1.25 flux^2
    np.testing.assert_allclose(plain - result, -1.25e-6 * flux**2, rtol=0.1)
    assert np.abs(result - truth).max() < 0.05
    np.testing.assert_allclose(corrected(1)[0], truth[0] / 2.5 * np.arange(1, 5), rtol=1e-4)


def test_reference_without_coefficients():
    with pytest.raises(BadInput, match="no extension COEFFS"):
        linearity(ramp(), reference("linearity", 1), context())


def test_reference_stays_as_it_is():
    references = reference("linearity", COEFFS=planes(0, 0), dq=0)
    linearity(ramp(), references, context())
    assert not references["linearity"].dq().any()
