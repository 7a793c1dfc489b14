import numpy as np
import pytest

from jwcore.algorithms.readout import ReadoutLayout
from jwcore.algorithms.refpix import correct_amplifiers
from jwcore.algorithms.sirs import SideKernels, real_kernels
from jwcore.synth import Effects, tiny_exposure
from jwcore.synth.instruments import Subarray
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.niriss import NIRISS
from jwcore.synth.noise import readout_noise
from jwcore.synth.side_kernels import transfer_functions

FULL = Subarray(name="FULL", xstart=1, ystart=1, xsize=2048, ysize=2048, noutputs=4)
EFFECTS = Effects.only("one_over_f", "drifts", "read_noise", "reference_pixels")


@pytest.mark.parametrize("spec", [NIRCAM.detectors["NRCA1"], NIRISS.detectors["NIS"]], ids=lambda spec: spec.name)
def test_truth_kernels_leave_less_banding_than_the_running_median(spec):
    rng = np.random.default_rng(3)
    layout = ReadoutLayout(spec.fastaxis, spec.slowaxis, FULL.shape)
    banding = readout_noise(rng=rng, spec=spec, subarray=FULL, nframes=1, effects=EFFECTS)[None]
    white = rng.normal(0, spec.read_noise / spec.gain, banding.shape).astype(np.float32)
    gamma, zeta = (real_kernels(one, halfwidth=30, gaussmooth=1.0) for one in transfer_functions(spec, EFFECTS))
    left = {}
    for name, kernels in (("median", None), ("sirs", SideKernels(gamma, zeta))):
        data = banding + white
        correct_amplifiers(data, np.zeros(FULL.shape, bool), layout=layout, kernels=kernels)
        active = layout.view(data - white)[0, 4:-4, 4:-4]
        assert abs(active.mean()) < 0.1
        left[name] = active.std()
    assert left["sirs"] < 0.93 * left["median"]


def test_without_banding_nothing_is_predicted():
    for one in transfer_functions(NIRCAM.detectors["NRCA1"], Effects.none()):
        assert one.shape == (4, 1025)
        assert not one.any()


def test_outer_amplifiers_trust_their_own_side():
    gamma, zeta = (np.abs(one) for one in transfer_functions(NIRCAM.detectors["NRCB1"], EFFECTS))
    assert (gamma[0] > zeta[0]).all()
    np.testing.assert_allclose(gamma, zeta[::-1])
    np.testing.assert_allclose(gamma[1], zeta[1])
    assert (np.diff(gamma[1]) < 0).all(), "noise of the reference pixels counts more at high frequencies"


def test_only_whole_frames_come_with_kernels():
    assert "sirskernel" not in tiny_exposure(size=16).references
