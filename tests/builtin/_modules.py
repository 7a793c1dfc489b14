"""Exposures of two modules, far apart in the focal plane, whose common pointing errs: for the truth test of tweakreg."""

from functools import cache

import numpy as np

from jwcore.algorithms.wcs import Pointing, imaging_wcs
from jwcore.api import ExposureSet, Image, Meta
from jwcore.synth.wcs import Attitude
from tests.algorithms._sky import DEC, RA, ROLL, V2, V3, add_stars, distortion, separation

SHAPE = (280, 280)
MODULES = {"NRCA1": (120.0, -527.0), "NRCB1": (-120.0, -530.0)}
"""Reference points of the detectors (V2, V3 in arcsec), four arcminutes apart."""
DITHERS = ((0.0, 0.0), (2.13, 1.71), (-1.3, 2.6))


def attitude(dither, error=(0.0, 0.0, 0.0)):
    """Attitude of the telescope: offset and its error in arcsec east and north, and error of the roll in degrees."""
    east, north = np.add(dither, error[:2])
    ra, dec = RA + east / 3600 / np.cos(np.deg2rad(DEC)), DEC + north / 3600
    return Attitude.at(ra=ra, dec=dec, roll=ROLL + error[2], v2=MODULES["NRCA1"][0], v3=MODULES["NRCA1"][1])


def wcs_of(detector, attitude):
    """The WCS of a detector at some attitude, and its pointing."""
    from astropy.modeling.models import Shift

    v2, v3 = MODULES[detector]
    ra, dec = (float(value) for value in attitude.to_sky(v2, v3))
    pointing = Pointing(v2, v3, ra, dec, attitude.roll(v2, v3))
    centre = ((SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2)
    to_v2v3 = distortion(centre) | Shift(v2 - V2) & Shift(v3 - V3)
    box = ((-0.5, SHAPE[1] - 0.5), (-0.5, SHAPE[0] - 0.5))
    return imaging_wcs(to_v2v3=to_v2v3, pointing=pointing, va_scale=None, box=box), pointing


@cache
def stars(n=35):
    """RA, Dec and flux of stars around both modules; none is near another."""
    rng, places = np.random.default_rng(4), []
    for detector in MODULES:
        kept: list[np.ndarray] = []
        for place in rng.uniform(-40, 320, (3000, 2)):
            if len(kept) < n and all(np.hypot(*(place - other)) > 18 for other in kept):
                kept.append(place)
        places.append(wcs_of(detector, attitude((0.0, 0.0)))[0](*np.transpose(kept), with_bounding_box=False))
    ra, dec = np.concatenate(places, axis=1)
    return ra, dec, rng.uniform(60, 300, ra.size)


def exposure(number, detector, error):
    """One calibrated image of the stars; the header knows the dither, not its error."""
    true, _ = wcs_of(detector, attitude(DITHERS[number], error))
    rng = np.random.default_rng([number, list(MODULES).index(detector)])
    ra, dec, flux = stars()
    x, y = true.invert(ra, dec, with_bounding_box=False)
    inside = (x > -9) & (x < SHAPE[1] + 8) & (y > -9) & (y < SHAPE[0] + 8)
    image = add_stars(rng.normal(0.5, 0.01, SHAPE), x[inside], y[inside], flux[inside], sigma=1.1)
    made = Image(data=image.astype(np.float32), dq=np.zeros(SHAPE, np.uint32), meta=Meta())
    made.wcs, pointing = wcs_of(detector, attitude(DITHERS[number]))
    made.meta.filename = f"module{number + 1}_{detector.lower()}_cal.fits"
    made.meta.instrument.detector = detector
    known = {"v2_ref": pointing.v2_ref, "v3_ref": pointing.v3_ref, "ra_ref": pointing.ra_ref,
             "dec_ref": pointing.dec_ref, "roll_ref": pointing.roll_ref, "crpix1": 140.5, "crpix2": 140.5}  # fmt: skip
    for name, value in known.items():
        made.meta.set(f"wcsinfo.{name}", value)
    return made


def exposures(errors):
    """Every dither with both modules, each dither a group."""
    pairs = [(number, detector) for number in range(len(errors)) for detector in MODULES]
    return ExposureSet(
        [exposure(number, detector, errors[number]) for number, detector in pairs],
        members_info=[{"group_id": f"dither{number + 1}"} for number, _ in pairs],
    )


def errors_of(found, errors):
    """Largest error of every WCS in mas."""
    x, y = np.meshgrid(np.linspace(5, 275, 5), np.linspace(5, 275, 5))
    pairs = [(number, detector) for number in range(len(errors)) for detector in MODULES]
    return [
        separation(*made.wcs(x, y), *wcs_of(detector, attitude(DITHERS[number], errors[number]))[0](x, y)).max()
        for made, (number, detector) in zip(found, pairs, strict=True)
    ]
