"""Undersampled stars and cosmic rays: what the two searches for outliers take, counted against the truth."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from astropy.io import fits

from jwcore import models, planner
from jwcore.algorithms import dq
from jwcore.api import ExposureSet
from jwcore.synth import simulate
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.psf import make_psf
from jwcore.synth.scene import add_sources
from jwcore.synth.sky import read_catalog
from tests.algorithms._sky import pointed
from tests.builtin._dithers import OFFSETS, SHAPE, cosmic_rays, exposure
from tests.builtin.test_outlier_detection import with_sky_levels

from .conftest import FIELD, star_field

FILTER, PIXEL = "F070W", 0.031
"""The shortest filter on the pixels of the short-wavelength channel: images of stars are 0.7 pixels wide."""
CORE = 1.5
"""Radius of a star core, pixels."""


class Score(NamedTuple):
    """Cosmic rays found and there; pixels of star cores that no particle hit, flagged and there."""

    found: int
    rays: int
    lost: int
    cores: int

    def __add__(self, other):
        """Sum over exposures."""
        return Score(*map(sum, zip(self, other, strict=True)))


def near(x, y, shape):
    """Pixels in star cores."""
    rows, columns = np.indices(shape)
    inside = (x > -2) & (x < shape[1] + 1) & (y > -2) & (y < shape[0] + 1)
    return np.any([np.hypot(columns - a, rows - b) < CORE for a, b in zip(x[inside], y[inside], strict=True)], axis=0)


def score(made, *, usable, rays, hit, cores):
    """Judge one exposure; `rays` are those to be found, `hit` all pixels that a particle touched."""
    flagged = made.dq & dq.OUTLIER > 0
    rays, cores = rays & usable, cores & usable & ~hit
    return Score(int((flagged & rays).sum()), int(rays.sum()), int((flagged & cores).sum()), int(cores.sum()))


def run(exposures, use):
    """Run the usual search, or a named one."""
    named = {"outlier_detection": use} if use else None
    return list(planner.plan(exposures, "outlier_detection", references="none", use=named).run()["science"])


def compare(usual, safe):
    """Hold the requirement: at least as complete, at most a tenth of the losses."""
    assert (usual.rays, usual.cores) == (safe.rays, safe.cores)
    assert safe.found >= usual.found
    assert safe.lost <= 0.1 * usual.lost


# ---- calibrated images made directly
@cache
def stars():
    """Sky positions and fluxes of 80 stars."""
    rng = np.random.default_rng(11)
    x, y = rng.uniform(-10, SHAPE[1] + 10, 80), rng.uniform(-10, SHAPE[0] + 10, 80)
    ra, dec = pointed(SHAPE)(x, y, with_bounding_box=False)
    return ra, dec, 10 ** rng.uniform(1, 2.7, 80)


def places(k):
    """Pixel coordinates of the stars in exposure k."""
    ra, dec, _ = stars()
    return pointed(SHAPE, offset=OFFSETS[k]).invert(ra, dec, with_bounding_box=False)


def scene(k):
    """The stars as exposure k sees them."""
    psf = make_psf(bandpass=NIRCAM.bandpasses[FILTER], pixel_scale=PIXEL, radius=40)
    image, (x, y) = np.zeros(SHAPE, np.float32), places(k)
    add_sources(image=image, x=x, y=y, flux=stars()[2], psf=psf, radius=20)
    return image


def dithers(count):
    return list(with_sky_levels(ExposureSet([exposure(k, scene=scene) for k in range(count)])))


def judge(exposures, made):
    """Sum the scores of exposures."""
    total = Score(0, 0, 0, 0)
    for k, (before, after) in enumerate(zip(exposures, made, strict=True)):
        rays = np.zeros(SHAPE, bool)
        rays[cosmic_rays(k)] = True
        usable = before.dq & dq.DO_NOT_USE == 0
        total += score(after, usable=usable, rays=rays, hit=rays, cores=near(*places(k), SHAPE))
    return total


@pytest.mark.parametrize("count", [2, 4])
def test_star_cores_survive_while_cosmic_rays_go(count):
    exposures = dithers(count)
    usual, safe = (judge(exposures, run(exposures, use)) for use in (None, "builtin:undersampled"))
    compare(usual, safe)
    assert usual.lost > 10 * count
    assert safe.found > (0.95 if count > 2 else 0.8) * safe.rays


# ---- from raw data
@pytest.mark.slow
def test_from_raw_data_without_the_search_for_jumps(tmp_path):
    """With no search for jumps all cosmic rays are left for the second pass."""
    made = simulate(
        tmp_path / "raw", filter=FILTER, readpatt="SHALLOW4", ngroups=10, subarray=FIELD, seed=3, pointing_error_mas=3.0,
        catalog=star_field(half_width=6.5, bright=(18.5, 22.0), seed=3), full_frame_references=False,
    )  # fmt: skip
    planner.plan(made.uncals, "auto", to="cal", output_dir=tmp_path, skip=["jump"]).run()
    cals = sorted(tmp_path.glob("*_cal.fits"))
    (flat,) = (fits.getdata(path, "SCI") for path in made.cache.rglob("*_flat_*.fits"))
    catalog = read_catalog(made.truth_catalog)
    catalog = catalog[catalog["abmag"] < 23]
    total = []
    for use in (None, "builtin:undersampled"):
        total.append(Score(0, 0, 0, 0))
        for path, truth, after in zip(cals, made.truths, run([str(path) for path in cals], use), strict=True):
            before, hits = models.read(path), fits.getdata(truth, "HITS")
            expected = fits.getdata(truth, "RATE") / flat * before.meta.photometry.conversion_megajanskys
            hit = np.zeros(before.shape, bool)
            hit[hits["y"], hits["x"]] = True
            usable = before.dq & dq.DO_NOT_USE == 0
            rays = hit & (before.data - expected > 5 * before.err)
            x, y = before.wcs.invert(catalog["ra"], catalog["dec"], with_bounding_box=False)
            total[-1] += score(after, usable=usable, rays=rays, hit=hit, cores=near(x, y, before.shape))
    compare(*total)
    assert total[0].lost > 50
    assert total[1].found > 0.9 * total[1].rays
