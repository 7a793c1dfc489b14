import numpy as np

from jwcore.algorithms import dq
from jwcore.builtin.detector1.superbias import superbias

from ._ramps import ramp, reference


def test_truth_bias_is_removed_and_flags_merged():
    rng = np.random.default_rng(1)
    bias = rng.normal(1000, 50, (32, 32)).astype(np.float32)
    exposure = ramp((2, 3, 32, 32), value=0, zeroframe=5)
    exposure.data += bias
    exposure.zeroframe += bias
    exposure.zeroframe[1, 4, 4] = 0
    bias[7, 7] = np.nan
    superbias(exposure, reference("superbias", SCI=bias, dq=dq.UNRELIABLE_BIAS))
    kept = exposure.data[:, :, 7, 7].copy()
    exposure.data[:, :, 7, 7] = 0
    assert (exposure.data == 0).all()
    assert (kept > 500).all()
    np.testing.assert_allclose(np.delete(exposure.zeroframe[0].ravel(), 7 * 32 + 7), 5, atol=1e-3)
    assert exposure.zeroframe[1, 4, 4] == 0
    assert (exposure.pixeldq == dq.UNRELIABLE_BIAS).all()


def test_reference_without_flags():
    exposure = ramp(value=7)
    superbias(exposure, reference("superbias", 7))
    assert not exposure.data.any()
    assert not exposure.pixeldq.any()
