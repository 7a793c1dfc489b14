"""Four dithered exposures of stars with different skies and cosmic rays, for the tests of the mosaic steps."""

from contextlib import contextmanager
from functools import cache

import numpy as np

from jwcore.algorithms import dq
from jwcore.algorithms.footprint import footprint, format_s_region
from jwcore.api import ExposureSet, Image, write
from tests.algorithms._sky import DEC, RA, ROLL, V2, V3, add_stars, pointed

SHAPE = (150, 160)
OFFSETS = ((0.0, 0.0), (0.63, 0.41), (-0.35, 0.74), (0.92, -0.55))
SKIES = (0.30, 0.42, 0.25, 0.35)
NOISE = 0.01
SIGMA = 0.9
"""Width of the stars in pixels: undersampled, so that their cores put outlier detection to the test."""


@cache
def stars(n=25):
    rng = np.random.default_rng(4)
    x, y = rng.uniform(-10, SHAPE[1] + 10, n), rng.uniform(-10, SHAPE[0] + 10, n)
    ra, dec = pointed(SHAPE)(x, y, with_bounding_box=False)
    return ra, dec, 10 ** rng.uniform(0, 2.5, n)


def star_places(k):
    """Pixel coordinates and fluxes of the stars in exposure k."""
    ra, dec, flux = stars()
    x, y = pointed(SHAPE, offset=OFFSETS[k]).invert(ra, dec, with_bounding_box=False)
    return x, y, flux


def star_image(k):
    """The stars as exposure k sees them, without sky and noise."""
    x, y, flux = star_places(k)
    near = (x > -9) & (x < SHAPE[1] + 8) & (y > -9) & (y < SHAPE[0] + 8)
    return add_stars(np.zeros(SHAPE), x[near], y[near], flux[near], sigma=SIGMA)


def cosmic_rays(k, n=60):
    """Places (rows, columns) of the cosmic rays of exposure k, away from the border and from one another."""
    rng = np.random.default_rng(100 + k)
    places = rng.choice((SHAPE[0] - 40) // 3 * ((SHAPE[1] - 40) // 3), n, replace=False)
    return 20 + 3 * (places // ((SHAPE[1] - 40) // 3)), 20 + 3 * (places % ((SHAPE[1] - 40) // 3))


def exposure(k, *, sky=None, rays=True, noise=NOISE, group=None, scene=star_image):
    """Exposure k: stars (or another scene), sky, noise, a bad border, bad pixels and cosmic rays."""
    rng = np.random.default_rng(k)
    model = scene(k) + (SKIES[k] if sky is None else sky)
    poisson, read = model / 2000, np.full(SHAPE, NOISE**2) * rng.uniform(0.8, 1.2, SHAPE)
    data = model + rng.normal(0, 1, SHAPE) * np.sqrt(poisson + read) * (noise / NOISE)
    if rays:
        data[cosmic_rays(k)] += 10 ** rng.uniform(0, 1.5, 60)
    flags = np.zeros(SHAPE, np.uint32)
    flags[:4] = flags[:, :4] = dq.DO_NOT_USE | dq.NON_SCIENCE
    flags[rng.uniform(size=SHAPE) < 0.003] |= dq.DO_NOT_USE
    flags[rng.uniform(size=SHAPE) < 0.01] |= dq.JUMP_DET
    planes = {"data": data, "err": np.sqrt(poisson + read), "var_poisson": poisson, "var_rnoise": read,
              "var_flat": (0.002 * model) ** 2}  # fmt: skip
    for plane in planes.values():
        plane[flags & dq.DO_NOT_USE > 0] = np.nan
    made = Image(dq=flags, **{name: plane.astype(np.float32) for name, plane in planes.items()})
    made.wcs = pointed(SHAPE, offset=OFFSETS[k])
    _describe(made, k, group=k + 1 if group is None else group)
    return made


def _describe(made, k, *, group):
    facts = {
        "filename": f"jw01234001001_02101_{k + 1:05d}_nrca1_cal.fits",
        "instrument.name": "NIRCAM", "instrument.detector": "NRCA1", "exposure.type": "NRC_IMAGE",
        "bunit_data": "MJy/sr", "bunit_err": "MJy/sr",
        "observation.program_number": "01234", "observation.observation_number": "001", "observation.visit_number": "001",
        "observation.visit_group": "02", "observation.sequence_id": "1", "observation.activity_id": "01",
        "observation.exposure_number": f"{group:05d}", "observation.date": "2027-01-01",
        "exposure.exposure_time": 100.0 + k, "exposure.effective_exposure_time": 100.0 + k,
        "exposure.measurement_time": 90.0 + k, "exposure.duration": 110.0 + k, "exposure.elapsed_exposure_time": 111.0 + k,
        "exposure.start_time": 60000.0 + k, "exposure.end_time": 60000.5 + k, "exposure.mid_time": 60000.25 + k,
        "wcsinfo.v2_ref": V2, "wcsinfo.v3_ref": V3, "wcsinfo.ra_ref": RA + OFFSETS[k][0] / 3600, "wcsinfo.dec_ref": DEC,
        "wcsinfo.roll_ref": ROLL, "wcsinfo.vparity": -1, "wcsinfo.v3yangle": 40.0, "wcsinfo.a_order": 2,
        "wcsinfo.s_region": format_s_region(footprint(made.wcs)),
    }  # fmt: skip
    for path, value in facts.items():
        made.meta.set(path, value)


def dithered(*, count=4, **options):
    """A set of the first `count` exposures."""
    return ExposureSet([exposure(k, **options) for k in range(count)])


@contextmanager
def on_disk(exposures, folder):
    """The same exposures as a set that holds one of them in memory at a time."""
    stored = ExposureSet([write(made.copy(), folder / made.meta.filename) for made in exposures], in_memory=False)
    yield stored
    stored.close()


def fingerprints(exposures):
    """All arrays and keywords as bytes, to see whether anything changed."""
    return [
        ({name: getattr(made, name).tobytes() for name in made.arrays()}, dict(made.meta.items())) for made in exposures
    ]
