"""From a catalogue to the photo-electron rate in every pixel."""

import numpy as np

from jwcore.algorithms._numba import kernel
from jwcore.synth.instruments import Bandpass
from jwcore.synth.psf import Psf
from jwcore.synth.wcs import ImageWcs

__all__ = ["add_sources", "render"]

_STAMP_TIERS = ((23.0, 24), (20.0, 60))
"""Stars fainter than the magnitude get a stamp of that half width (pixel): the wings beyond are far below the noise."""


@kernel
def _add_sources(image, xs, ys, fluxes, psf, oversample, radius):
    ny, nx = image.shape
    centre = psf.shape[0] // 2
    weight_y = np.empty(4)
    weight_x = np.empty(4)
    for k in range(xs.size):
        x0, y0 = round(xs[k]), round(ys[k])
        # sample of the oversampled PSF under the central pixel of the stamp, and the fraction to the next one
        sy, sx = centre + (y0 - ys[k]) * oversample, centre + (x0 - xs[k]) * oversample
        iy, ix = int(np.floor(sy)), int(np.floor(sx))
        _lagrange(sy - iy, weight_y)
        _lagrange(sx - ix, weight_x)
        for y in range(max(0, y0 - radius), min(ny, y0 + radius + 1)):
            row = iy + (y - y0) * oversample - 1
            for x in range(max(0, x0 - radius), min(nx, x0 + radius + 1)):
                column = ix + (x - x0) * oversample - 1
                if row < 0 or column < 0 or row + 4 > psf.shape[0] or column + 4 > psf.shape[1]:
                    continue
                value = 0.0
                for j in range(4):
                    line = 0.0
                    for i in range(4):
                        line += weight_x[i] * psf[row + j, column + i]
                    value += weight_y[j] * line
                image[y, x] += fluxes[k] * value


@kernel
def _lagrange(t, weights):
    """Cubic Lagrange weights of the samples at -1, 0, 1, 2 for a point at t in [0, 1)."""
    weights[0] = -t * (t - 1.0) * (t - 2.0) / 6.0
    weights[1] = (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0
    weights[2] = -(t + 1.0) * t * (t - 2.0) / 2.0
    weights[3] = (t + 1.0) * t * (t - 1.0) / 6.0


def add_sources(*, image: np.ndarray, x: np.ndarray, y: np.ndarray, flux: np.ndarray, psf: Psf, radius: int) -> None:
    """Add point sources to an image in place.

    Parameters
    ----------
    image : ndarray, float32 [ny, nx]
        Image to add to.
    x, y : ndarray
        Positions, 0-based pixel.
    flux : ndarray
        Total flux of each source, in the unit of the image.
    psf : Psf
        Pixel response function.
    radius : int
        Half width of the stamp, pixel.
    """
    _add_sources(image, x.astype(float), y.astype(float), flux.astype(float), psf.image, psf.oversample, radius)


@kernel
def _add_sersic(image, x0, y0, flux, index, radius, q, angle):
    """One Sersic profile, integrated over pixels by sub-samples that are finest in the core."""
    b = 2.0 * index - 1.0 / 3.0 + 4.0 / (405.0 * index) + 46.0 / (25515.0 * index**2)
    reach = int(np.ceil(radius * (4.0 + 2.0 * index))) + 2
    ny, nx = image.shape
    c, s = np.cos(angle), np.sin(angle)
    ystart, ystop = round(y0) - reach, round(y0) + reach + 1
    xstart, xstop = round(x0) - reach, round(x0) + reach + 1
    stamp = np.zeros((ystop - ystart, xstop - xstart))
    total = 0.0
    for y in range(ystart, ystop):
        for x in range(xstart, xstop):
            distance = np.hypot(x - x0, y - y0)
            n = 15 if distance < 1.5 else (5 if distance < 5.0 else 1)
            value = 0.0
            for j in range(n):
                dy = y + (j + 0.5) / n - 0.5 - y0
                for i in range(n):
                    dx = x + (i + 0.5) / n - 0.5 - x0
                    r = np.hypot(dx * c + dy * s, (dy * c - dx * s) / q) / radius
                    value += np.exp(-b * r ** (1.0 / index))
            stamp[y - ystart, x - xstart] = value / (n * n)
            total += value / (n * n)
    for y in range(max(0, ystart), min(ny, ystop)):
        for x in range(max(0, xstart), min(nx, xstop)):
            image[y, x] += flux / total * stamp[y - ystart, x - xstart]


def _galaxy_image(*, catalog: np.ndarray, wcs: ImageWcs, x: np.ndarray, y: np.ndarray, pad: int) -> np.ndarray:
    """Galaxies before the PSF, on the sub-array widened by ``pad`` pixels, in uJy per pixel."""
    ny, nx = wcs.aperture.subarray.shape
    image = np.zeros((ny + 2 * pad, nx + 2 * pad), np.float32)
    step = 0.1 / 3600
    north_x, north_y = wcs.sky_to_pixel(catalog["ra"], catalog["dec"] + step)
    east_x, east_y = wcs.sky_to_pixel(catalog["ra"] + step / np.cos(np.deg2rad(catalog["dec"])), catalog["dec"])
    angle = np.deg2rad(catalog["position_angle"])
    along_x = np.cos(angle) * (north_x - x) + np.sin(angle) * (east_x - x)
    along_y = np.cos(angle) * (north_y - y) + np.sin(angle) * (east_y - y)
    radius = catalog["half_light_radius"] / wcs.aperture.pixel_scale
    for k, row in enumerate(catalog):
        orientation = float(np.arctan2(along_y[k], along_x[k]))
        _add_sersic(
            image, x[k] + pad, y[k] + pad, row["flux_ujy"], float(row["sersic_n"]), float(radius[k]),
            float(row["axis_ratio"]), orientation,
        )  # fmt: skip
    return image


def render(
    *, catalog: np.ndarray, wcs: ImageWcs, psf: Psf, bandpass: Bandpass, background: float, area: np.ndarray
) -> np.ndarray:
    """Photo-electron rate in every pixel for unit detector response.

    Parameters
    ----------
    catalog : ndarray
        Sources (`jwcore.synth.sky.CATALOG_DTYPE`).
    wcs : ImageWcs
        True pointing of the exposure.
    psf : Psf
        Pixel response function of the bandpass on this detector.
    bandpass : Bandpass
        Gives the count rate per flux.
    background : float
        Uniform sky brightness, MJy/sr.
    area : ndarray, [ny, nx]
        Pixel area relative to the nominal one: the sky gives more light to a larger pixel, a star does not.

    Returns
    -------
    ndarray, float32 [ny, nx]
        Rate, e-/s.
    """
    from scipy.signal import oaconvolve

    ny, nx = wcs.aperture.subarray.shape
    x, y = wcs.sky_to_pixel(catalog["ra"], catalog["dec"])
    margin = psf.radius
    near = (x > -margin) & (x < nx + margin) & (y > -margin) & (y < ny + margin)
    catalog, x, y = catalog[near], x[near], y[near]
    galaxy = catalog["type"] == "galaxy"
    image = np.zeros((ny, nx), np.float32)
    if galaxy.any():
        pad = 32
        smooth = _galaxy_image(catalog=catalog[galaxy], wcs=wcs, x=x[galaxy], y=y[galaxy], pad=pad)
        blur = psf.stamp(radius=min(40, psf.radius - 1))
        blurred = oaconvolve(smooth, blur / blur.sum(), mode="same")
        image += np.maximum(blurred[pad:-pad, pad:-pad], 0.0)
    star = ~galaxy
    radius = np.full(catalog.size, psf.radius - 1)
    for magnitude, tier in reversed(_STAMP_TIERS):
        radius[catalog["abmag"] > magnitude] = min(tier, psf.radius - 1)
    for size in np.unique(radius[star]):
        chosen = star & (radius == size)
        add_sources(image=image, x=x[chosen], y=y[chosen], flux=catalog["flux_ujy"][chosen], psf=psf, radius=int(size))
    pixel_sr = wcs.aperture.detector_frame.x_scale * wcs.aperture.detector_frame.y_scale * (np.pi / 648000) ** 2
    sky = background * 1e12 * pixel_sr * area  # MJy/sr -> uJy per pixel
    return ((np.maximum(image, 0.0) + sky) * bandpass.electrons_per_ujy).astype(np.float32)
