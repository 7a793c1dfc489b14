"""Small star fields, with and without a WCS, for the tests of detection, alignment and photometry."""

import numpy as np

from jwcore.algorithms.wcs import Pointing, imaging_wcs

PIXEL = 0.06
"""Arcsec per pixel."""
V2, V3 = 80.0, -490.0
RA, DEC, ROLL = 150.0, 2.0, 33.0


def add_stars(image, x, y, flux, *, sigma=1.0, reach=9):
    """Add Gaussian stars, sampled at pixel centres, of the given total flux."""
    for xs, ys, fs in zip(x, y, np.broadcast_to(flux, np.shape(x)), strict=True):
        x0, y0 = int(np.floor(xs)), int(np.floor(ys))
        rows = slice(max(y0 - reach, 0), max(min(y0 + reach + 1, image.shape[0]), 0))
        columns = slice(max(x0 - reach, 0), max(min(x0 + reach + 1, image.shape[1]), 0))
        yy, xx = np.mgrid[rows, columns]
        image[rows, columns] += (
            fs * np.exp(-0.5 * ((xx - xs) ** 2 + (yy - ys) ** 2) / sigma**2) / (2 * np.pi * sigma**2)
        )
    return image


def star_field(shape=(400, 400), *, n=60, seed=1, noise=0.02, sky=0.5, spacing=18.0, flux=(20.0, 200.0)):
    """An image (float32) of isolated stars on a sky; returns it with x, y and flux of the stars."""
    rng = np.random.default_rng(seed)
    x, y = [], []
    while len(x) < n:
        xs, ys = rng.uniform(12, shape[1] - 12), rng.uniform(12, shape[0] - 12)
        if all(np.hypot(xs - a, ys - b) > spacing for a, b in zip(x, y, strict=True)):
            x.append(xs)
            y.append(ys)
    x, y = np.array(x), np.array(y)
    fluxes = rng.uniform(*flux, n)
    image = sky + rng.normal(0, noise, shape)
    return add_stars(image, x, y, fluxes).astype(np.float32), x, y, fluxes


def distortion(centre=(200.0, 200.0)):
    """Pixel to V2, V3 (arcsec): rotated by 40 degrees and mirrored, as a camera may be."""
    from astropy.modeling.models import AffineTransformation2D, Shift

    angle = np.deg2rad(40.0)
    matrix = PIXEL * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forward = Shift(-centre[0]) & Shift(-centre[1]) | AffineTransformation2D(matrix, translation=(V2, V3))
    inverse = np.linalg.inv(matrix)
    back = AffineTransformation2D(inverse, translation=-inverse @ (V2, V3)) | Shift(centre[0]) & Shift(centre[1])
    forward.inverse = back
    return forward


def pointed(shape=(400, 400), *, offset=(0.0, 0.0), roll=0.0):
    """A gWCS that looks at (RA, DEC), displaced by ``offset`` arcsec (east, north) and turned by ``roll`` degrees."""
    ra = RA + offset[0] / 3600.0 / np.cos(np.deg2rad(DEC))
    pointing = Pointing(V2, V3, ra, DEC + offset[1] / 3600.0, ROLL + roll)
    box = ((-0.5, shape[1] - 0.5), (-0.5, shape[0] - 0.5))
    centre = ((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    return imaging_wcs(to_v2v3=distortion(centre), pointing=pointing, va_scale=None, box=box)


def separation(ra1, dec1, ra2, dec2):
    """Distances in mas."""
    d_ra = ((np.asarray(ra1) - ra2 + 180) % 360 - 180) * np.cos(np.deg2rad(dec1))
    return 3.6e6 * np.hypot(d_ra, np.asarray(dec1) - dec2)
