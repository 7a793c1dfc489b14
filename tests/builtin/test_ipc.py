import numpy as np
import pytest

from jwcore.api import BadInput
from jwcore.builtin.detector1.ipc import ipc

from ._ramps import context, ramp, reference

KERNEL = np.array([[0, -0.01, 0], [-0.01, 1.04, -0.01], [0, -0.01, 0]], np.float32)


def point(**keywords):
    exposure = ramp((1, 2, 32, 32), value=0, **keywords)
    exposure.data[:, :, 10, 10] = 100
    return exposure


def test_kernel_is_applied_to_active_pixels_only():
    exposure = point()
    exposure.data[:, :, :4] = 7
    ipc(exposure, reference("ipc", SCI=KERNEL), context())
    np.testing.assert_allclose(exposure.data[0, 1, 9:12, 9:12], 100 * KERNEL, rtol=1e-6)
    assert (exposure.data[:, :, :4] == 7).all()
    assert (exposure.data[:, :, 4] == 0).all()


def test_kernel_for_each_pixel_and_the_place_of_a_subarray():
    exposure = ramp((1, 1, 8, 8), value=1, SUBSTRT1=3, SUBSTRT2=25)
    kernel = np.zeros((3, 3, 8, 8), np.float32)
    kernel[1, 1] = np.arange(8)
    ipc(exposure, reference("ipc", SCI=kernel), context())
    # columns 3 and 4 and row 29 on of the detector are reference pixels
    np.testing.assert_array_equal(exposure.data[0, 0, 0], [1, 1, 2, 3, 4, 5, 6, 7])
    assert (exposure.data[0, 0, 4:] == 1).all()


def test_reference_pixels_are_those_of_the_detector():
    exposure = ramp((1, 1, 32, 32), value=1)
    ipc(exposure, reference("ipc", SCI=2 * np.ones((1, 1), np.float32)), context(reference_pixels=(4, 4, 0, 0)))
    assert (exposure.data[..., 4:28] == 2).all()
    assert (exposure.data[..., :4] == 1).all()


def test_kernels_that_cannot_be_meant():
    with pytest.raises(BadInput, match="3 axes"):
        ipc(point(), reference("ipc", SCI=np.zeros((3, 3, 3), np.float32)), context())
    with pytest.raises(BadInput, match=r"covers \(5, 5\)"):
        ipc(point(), reference("ipc", SCI=np.zeros((3, 3, 5, 5), np.float32)), context())
    with pytest.raises(BadInput, match=r"50 rows .* FASTAXIS=1"):
        ipc(ramp((1, 2, 50, 32)), reference("ipc", SCI=KERNEL), context())
