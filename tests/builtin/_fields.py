"""Dithered exposures of one star field with known pointing errors, and a mosaic, for the tests of stage 3."""

from functools import cache

import numpy as np

from jwcore.algorithms import dq
from jwcore.api import ExposureSet, Image, Meta
from tests.algorithms._sky import DEC, RA, ROLL, V2, V3, add_stars, pointed, separation

SHAPE = (400, 400)
DITHERS = ((0.0, 0.0), (3.13, 2.71), (-2.3, 4.6), (5.9, -3.3))
ERRORS = ((0.0, 0.0, 0.0), (0.015, -0.018, 0.001), (-0.02, 0.008, -0.002), (0.012, 0.016, 0.001))
"""Errors of the pointings: arcsec east, arcsec north, degrees of roll."""


@cache
def sky_stars(n=60, *, seed=2, spacing=14.0):
    """RA, Dec and flux of stars that touch neither one another nor an edge of an exposure."""
    rng = np.random.default_rng(seed)
    sky = pointed(SHAPE)
    candidates = rng.uniform(-40, 440, (2000, 2))
    position = sky(*candidates.T, with_bounding_box=False)
    on_edge = np.zeros(len(candidates), bool)
    for offset in DITHERS:
        x, y = pointed(SHAPE, offset=offset).invert(*position, with_bounding_box=False)
        on_edge |= (np.minimum(np.abs(x), np.abs(y)) < 12) | (np.minimum(np.abs(x - 400), np.abs(y - 400)) < 8)
    places: list[np.ndarray] = []
    for place in candidates[~on_edge]:
        if len(places) < n and all(np.hypot(*(place - other)) > spacing for other in places):
            places.append(place)
    ra, dec = sky(*np.transpose(places), with_bounding_box=False)
    return ra, dec, rng.uniform(30, 300, n)


def exposure(stars, *, offset=(0.0, 0.0), error=(0.0, 0.0, 0.0), number=1, seed=0):
    """A calibrated image of the stars whose WCS errs."""
    image = np.random.default_rng(seed).normal(0.5, 0.01, SHAPE)
    x, y = pointed(SHAPE, offset=offset).invert(*stars[:2], with_bounding_box=False)
    near = (x > -9) & (x < SHAPE[1] + 8) & (y > -9) & (y < SHAPE[0] + 8)
    add_stars(image, x[near], y[near], stars[2][near], sigma=1.1)
    flags = np.zeros(SHAPE, np.uint32)
    flags[:4] = flags[:, :4] = dq.DO_NOT_USE | dq.NON_SCIENCE
    flags[100:102, 300] = dq.DO_NOT_USE
    image[flags > 0] = np.nan
    made = Image(data=image.astype(np.float32), err=np.full(SHAPE, 0.01, np.float32), dq=flags, meta=Meta())
    made.meta.filename = f"field{number}_cal.fits"
    pointing = {"v2_ref": V2, "v3_ref": V3, "ra_ref": RA, "dec_ref": DEC, "roll_ref": ROLL + error[2]}
    for name, value in pointing.items():
        made.meta.set(f"wcsinfo.{name}", value)
    made.meta.wcsinfo.crpix1 = made.meta.wcsinfo.crpix2 = 200.5
    made.wcs = pointed(SHAPE, offset=np.add(offset, error[:2]), roll=error[2])
    return made


def dithered(stars=None, *, errors=ERRORS, **options):
    """Four exposures of one field; the first pointing is right."""
    stars = sky_stars() if stars is None else stars
    exposures = [
        exposure(stars, offset=offset, error=error, number=k + 1, seed=k)
        for k, (offset, error) in enumerate(zip(DITHERS, errors, strict=True))
    ]
    return ExposureSet(exposures, **options)


def pointing_errors(exposures):
    """Largest errors of the WCSes in mas."""
    x, y = np.meshgrid(np.linspace(5, 395, 9), np.linspace(5, 395, 9))
    return [
        separation(*made.wcs(x, y), *pointed(SHAPE, offset=offset)(x, y)).max()
        for made, offset in zip(exposures, DITHERS, strict=False)
    ]
