from itertools import pairwise

import numpy as np
import pytest

from jwcore import models, planner
from jwcore.algorithms.footprint import footprint, format_s_region
from jwcore.api import Context, SkipStep
from jwcore.builtin.image3.assign_mtwcs import AssignMtwcsParams, assign_mtwcs
from jwcore.declare import STEP_MARK
from jwcore.testing import tiny_image
from tests.algorithms._sky import DEC, PIXEL, RA, add_stars, pointed, separation

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


# ---- truth: a target that moves among stars, tracked by the telescope
SIZE = (130, 130)
MOTION = ((0.0, 0.0), (0.62, 0.31), (1.21, 0.64), (1.83, 0.93))
"""Way of the target since the first exposure, arcsec east and north: ten pixels from exposure to exposure."""
STARS = np.array([[30.3, 100.6], [95.2, 80.7], [110.4, 115.1]])
TARGET = (64.5, 64.5)


def write_moving(folder):
    """Calibrated exposures: the target always on the same pixel, the stars wherever the telescope has left them."""
    stars = pointed(SIZE)(*STARS.T, with_bounding_box=False)
    for number, motion in enumerate(MOTION, start=1):
        wcs = pointed(SIZE, offset=motion)
        image = np.random.default_rng(number).normal(0.2, 0.01, SIZE)
        add_stars(image, *wcs.invert(*stars, with_bounding_box=False), 100.0, sigma=1.2)
        add_stars(image, [TARGET[0]], [TARGET[1]], 100.0, sigma=1.2)
        made = tiny_image(EXPOSURE=f"{number:05d}")
        made.data, made.dq = image.astype(np.float32), np.zeros(SIZE, np.uint32)
        made.err = made.var_rnoise = made.var_poisson = made.var_flat = np.full(SIZE, 1e-4, np.float32)
        made.wcs = wcs
        ra, dec = wcs(*TARGET)
        facts = {"target.type": "MOVING", "wcsinfo.mt_ra": float(ra), "wcsinfo.mt_dec": float(dec), "wcsinfo.vparity": -1,
                 "wcsinfo.v3yangle": 40.0, "wcsinfo.roll_ref": 33.0, "wcsinfo.ra_ref": float(ra), "wcsinfo.dec_ref": float(dec),
                 "wcsinfo.s_region": format_s_region(footprint(wcs)),
                 "bunit_data": "MJy/sr", "bunit_err": "MJy/sr"}  # fmt: skip
        for path, value in facts.items():
            made.meta.set(path, value)
        for step in ("assign_wcs", "flat_field", "photom"):
            made.meta.set(f"cal_step.{step}", "COMPLETE")
        yield models.write(made, folder / f"jw00001001001_02101_{number:05d}_nrca1_cal.fits")


def brightness(mosaic, ra, dec, *, reach=6):
    """Sum and largest value of a mosaic around a place, less the sky."""
    x, y = (int(round(float(value))) for value in mosaic.wcs.invert(ra, dec, with_bounding_box=False))
    part = mosaic.data[y - reach : y + reach + 1, x - reach : x + reach + 1] - np.nanmedian(mosaic.data)
    return np.nansum(part), np.nanmax(part)


def test_truth_the_target_is_sharp_and_the_stars_trail(tmp_path):
    paths = [str(path) for path in write_moving(tmp_path)]
    options = {"references": "none", "skip": ["outlier_detection", "source_catalog"]}
    products = planner.plan(paths, "image3", **options).run()
    mosaic, crf = products["i2d"], products["crf"]
    assert [made.meta.cal_step.assign_mtwcs for made in crf] == ["COMPLETE"] * 4
    assert {made.meta.cal_step.tweakreg for made in crf} == {None}
    peak = 100.0 / (2 * np.pi * 1.2**2)
    total, top = brightness(mosaic, mosaic.meta.wcsinfo.mt_avra, mosaic.meta.wcsinfo.mt_avdec)
    assert total == pytest.approx(100.0, rel=0.02)
    assert top > 0.75 * peak  # its place between the pixels takes a sixth
    for star in STARS:
        places = [made.wcs(*frame.invert(*pointed(SIZE)(*star), with_bounding_box=False), with_bounding_box=False)
                  for made, frame in zip(crf, (pointed(SIZE, offset=motion) for motion in MOTION), strict=True)]  # fmt: skip
        found = [brightness(mosaic, *place) for place in places]
        assert all(total == pytest.approx(25.0, rel=0.1) for total, _ in found)  # a quarter in each place of the trail
        assert all(top < 0.3 * peak for _, top in found)
        steps = [separation(*a, *b) for a, b in pairwise(places)]
        assert min(steps) > 9 * 1e3 * PIXEL
