import numpy as np
import pytest

from jwcore.api import Context, SkipStep
from jwcore.builtin.image3.assign_mtwcs import AssignMtwcsParams, assign_mtwcs
from jwcore.declare import STEP_MARK
from tests.algorithms._sky import DEC, RA, separation

from ._fields import dithered


def moving(*, start=(RA, DEC), step=(0.001, -0.0005)):
    exposures = dithered(tuple(np.empty((3, 0))))
    for k, made in enumerate(exposures):
        made.meta.target.type = "MOVING"
        made.meta.wcsinfo.mt_ra, made.meta.wcsinfo.mt_dec = start[0] + k * step[0], start[1] + k * step[1]
    return exposures


def test_truth_the_target_stays_at_its_mean_position():
    exposures = moving()
    pixels = [made.wcs.invert(made.meta.wcsinfo.mt_ra, made.meta.wcsinfo.mt_dec) for made in exposures]
    assert assign_mtwcs(exposures, AssignMtwcsParams(), Context()) is exposures
    for made, (x, y) in zip(exposures, pixels, strict=True):
        assert separation(*made.wcs(x, y), RA + 0.0015, DEC - 0.00075) < 1e-5
        assert made.wcs.available_frames[-1] == "moving_target"
        assert made.meta.wcsinfo.mt_avra == pytest.approx(RA + 0.0015, abs=1e-12)
        assert made.meta.wcsinfo.mt_avdec == pytest.approx(DEC - 0.00075, abs=1e-12)


def test_the_mean_does_not_break_at_ra_zero():
    exposures = moving()
    for k, made in enumerate(exposures):
        made.meta.wcsinfo.mt_ra = (359.999 + 0.001 * k) % 360
    assign_mtwcs(exposures, AssignMtwcsParams(), Context())
    assert exposures[0].meta.wcsinfo.mt_avra == pytest.approx(0.0005, abs=1e-10)


def test_footprints_follow():
    exposures = moving()
    assign_mtwcs(exposures, AssignMtwcsParams(), Context())
    for made in exposures:
        corner = made.wcs(-0.5, -0.5)
        words = made.meta.wcsinfo.s_region.split()
        np.testing.assert_allclose([float(words[2]), float(words[3])], corner, atol=1e-9)


def test_missing_positions_leave_everything_as_it_is():
    exposures = moving()
    exposures[2].meta.wcsinfo.mt_dec = None
    frames = [made.wcs.available_frames for made in exposures]
    with pytest.raises(SkipStep, match="1 of 4"):
        assign_mtwcs(exposures, AssignMtwcsParams(), Context())
    assert [made.wcs.available_frames for made in exposures] == frames
    assert exposures[0].meta.wcsinfo.mt_avra is None
    exposures = moving()
    exposures[1].wcs = None
    with pytest.raises(SkipStep, match="no WCS"):
        assign_mtwcs(exposures, AssignMtwcsParams(), Context())


@pytest.mark.parametrize(("kind", "applies"), [("MOVING", True), ("moving", True), ("FIXED", False), (None, False)])
def test_only_moving_targets(kind, applies):
    (made, *_) = moving()
    made.meta.target.type = kind
    reason = getattr(assign_mtwcs, STEP_MARK).applies(made.meta, AssignMtwcsParams(), {})
    assert (reason is None) == applies
