r"""Point-spread function of a segmented telescope, and its encircled energy.

The pupil is the 18-hexagon primary with three secondary supports. The monochromatic image is the squared modulus of
its Fourier transform, evaluated by a matrix transform (Soummer et al. 2007, Opt. Express 15, 15935) on a grid finer
than the detector; a few wavelengths are averaged over the band. Pixel integration and jitter are products in the
Fourier plane, so they are exact for the band-limited image. The pupil amplitude is real, hence the image is symmetric
about its centre and the centroid is the nominal position.

The image is tapered to zero at the edge of its stamp and normalised to unit flux inside it: the total flux is defined,
and the encircled energy is exact for this PSF.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from jwcore.synth.instruments import Bandpass

__all__ = ["Psf", "make_psf", "make_pupil"]

DIAMETER = 6.6
"""Side of the pupil array, m."""
SEGMENT = 1.32
"""Flat-to-flat size of a segment, m."""
GAP = 0.007
"""Gap between segments, m."""
STRUT = 0.12
"""Width of a secondary support, m."""
ARCSEC = np.pi / 180 / 3600

_SIDE = 256
_SUPERSAMPLE = 3


@cache
def make_pupil() -> np.ndarray:
    """Transmission of the pupil, float64 [256, 256] over 6.6 m, with grey edges."""
    n = _SIDE * _SUPERSAMPLE
    axis = (np.arange(n) + 0.5) / n * DIAMETER - DIAMETER / 2
    x, y = np.meshgrid(axis, axis)
    pitch = SEGMENT + GAP
    open_area = np.zeros((n, n), bool)
    for q in range(-2, 3):
        for r in range(-2, 3):
            ring = max(abs(q), abs(r), abs(q + r))
            if ring in (1, 2):
                open_area |= _hexagon(x - pitch * q * np.sqrt(3) / 2, y - pitch * (r + q / 2))
    for angle in (90.0, 240.0, 300.0):
        c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        open_area &= ~((np.abs(x * s - y * c) < STRUT / 2) & (x * c + y * s > 0))
    # symmetric in x but not in y: the intensity is symmetric about the origin in any case
    return open_area.reshape(_SIDE, _SUPERSAMPLE, _SIDE, _SUPERSAMPLE).mean(axis=(1, 3))


def _hexagon(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Inside of a hexagon with flat top and bottom."""
    half, slant = SEGMENT / 2, np.sqrt(3) / 2
    return (np.abs(y) <= half) & (np.abs(slant * x + y / 2) <= half) & (np.abs(slant * x - y / 2) <= half)


@dataclass(frozen=True, kw_only=True, eq=False)
class Psf:
    """An oversampled PSF of one bandpass on one detector.

    ``image`` is the pixel response function: flux in a detector pixel centred at that offset, for a source of unit
    flux, float32 [n, n], ``oversample`` samples per pixel, the source on the central sample. ``radius`` is the half
    width of the stamp in pixel.
    """

    image: np.ndarray
    oversample: int
    radius: int
    pixel_scale: float

    def stamp(self, *, dy: float = 0.0, dx: float = 0.0, radius: int | None = None) -> np.ndarray:
        """Image of a point source at (dy, dx) pixel from the centre of the central pixel, float32 [2r+1, 2r+1]."""
        from jwcore.synth.scene import add_sources

        radius = radius or self.radius - 1
        out = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
        add_sources(
            image=out, x=np.array([radius + dx]), y=np.array([radius + dy]), flux=np.ones(1), psf=self, radius=radius
        )
        return out

    def encircled_energy(self, radius: np.ndarray | float, *, resampled: bool = False) -> np.ndarray:
        """Give the fraction of the flux in a circular aperture with exact pixel overlap, averaged over sub-pixel phase.

        Parameters
        ----------
        radius : array_like
            Aperture radius, pixel.
        resampled : bool
            For an image drizzled to pixels of the same size: the drop of the input pixel and the area of the output pixel
            blur it once each (averaged over phase).

        Returns
        -------
        ndarray
            Encircled energy, between 0 and 1.
        """
        radii, cumulative = self._resampled_growth if resampled else self._growth
        return np.interp(radius, radii, cumulative)

    def radius_of(self, fraction: float, *, resampled: bool = False) -> float:
        """Radius (pixel) that encircles a fraction of the energy."""
        radii, cumulative = self._resampled_growth if resampled else self._growth
        return float(np.interp(fraction, cumulative, radii))

    def annulus_level(self, inner: float, outer: float) -> float:
        """Median flux per pixel of a unit source in an annulus (radii in pixel): what a local background would take."""
        pixels = self.image[:: self.oversample, :: self.oversample]  # source at the centre: n is odd, centre kept
        centre = pixels.shape[0] // 2
        y, x = np.indices(pixels.shape) - centre
        r = np.hypot(x, y)
        return float(np.median(pixels[(r >= inner) & (r < outer)]))

    @cached_property
    def _growth(self) -> tuple[np.ndarray, np.ndarray]:
        # aperture photometry with exact overlap weights pixels by disk * box, hence a box more than the image has
        return self._integrate(boxes=1)

    @cached_property
    def _resampled_growth(self) -> tuple[np.ndarray, np.ndarray]:
        return self._integrate(boxes=3)

    def _integrate(self, *, boxes: int) -> tuple[np.ndarray, np.ndarray]:
        """Radii (pixel) and the flux within them, of the image blurred by that many pixels: integral over rings."""
        from scipy.ndimage import map_coordinates

        image = _blur(self.image.astype(float), oversample=self.oversample, boxes=boxes)
        centre = image.shape[0] // 2
        radii = np.arange(0.0, self.radius, 0.05)
        angle = np.linspace(0.0, 2 * np.pi, 360, endpoint=False)
        r, phi = np.meshgrid(radii * self.oversample, angle, indexing="ij")
        ring = map_coordinates(image, [centre + r * np.sin(phi), centre + r * np.cos(phi)], order=3).mean(axis=1)
        density = 2 * np.pi * radii * ring
        inside = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1])) * 0.05])
        return radii, np.maximum.accumulate(inside)


def _blur(image: np.ndarray, *, oversample: int, boxes: int = 1, sigma: float = 0.0) -> np.ndarray:
    """Convolve an image that vanishes at its edge with pixels (``boxes`` times) and a Gaussian of ``sigma`` pixel."""
    frequency = np.fft.fftfreq(image.shape[0], d=1.0 / oversample)  # cycles per pixel
    transfer = np.sinc(frequency) ** boxes * np.exp(-2 * (np.pi * frequency * sigma) ** 2)
    return np.fft.ifft2(np.fft.fft2(image) * np.outer(transfer, transfer)).real


@cache
def make_psf(
    *, bandpass: Bandpass, pixel_scale: float, radius: int = 100, oversample: int = 4, jitter: float = 0.012
) -> Psf:
    """Compute the PSF of a bandpass.

    Parameters
    ----------
    bandpass : Bandpass
        Pivot wavelength and width; five wavelengths across the band are averaged.
    pixel_scale : float
        Arcsec per detector pixel.
    radius : int
        Half width of the stamp, pixel: the PSF is zero beyond and has unit flux within.
    oversample : int
        Samples per pixel.
    jitter : float
        Gaussian blur by jitter and charge diffusion, arcsec (sigma).

    Returns
    -------
    Psf
        The pixel response function and its encircled energy.
    """
    pupil = make_pupil()
    step = pixel_scale / oversample * ARCSEC
    half = radius * oversample
    angle = np.arange(-half, half + 1) * step
    position = ((np.arange(_SIDE) + 0.5) / _SIDE - 0.5) * DIAMETER
    image = np.zeros((angle.size, angle.size))
    for offset in (-0.4, -0.2, 0.0, 0.2, 0.4):
        wavelength = (bandpass.pivot + offset * bandpass.width) * 1e-6
        transform = np.exp(-2j * np.pi / wavelength * np.outer(angle, position)).astype(np.complex64)
        image += np.abs(transform @ pupil.astype(np.complex64) @ transform.T) ** 2
    r = np.hypot(*np.meshgrid(np.arange(-half, half + 1), np.arange(-half, half + 1))) / half
    image *= np.where(r < 0.85, 1.0, np.cos(np.pi / 2 * np.clip((r - 0.85) / 0.15, 0, 1)) ** 2)
    image = _blur(image, oversample=oversample, sigma=jitter / pixel_scale)
    image *= oversample**2 / image.sum()
    return Psf(image=image.astype(np.float32), oversample=oversample, radius=radius, pixel_scale=pixel_scale)
