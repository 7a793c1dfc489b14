"""Whether a fit of source positions is to be believed, and what it leaves behind: refusal instead of a silent bad fit.

The telescope points to better than an arcsecond, knows its roll to some hundredths of a degree, and the distortion of its
cameras to 1e-4. A fit that claims more has matched the wrong sources, however many they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms.tangent_fit import AlignSettings, Fit

__all__ = ["Residuals", "doubts", "largest_rms", "rival_offset"]

LARGEST_ROTATION = 0.1
"""Rotation in degrees up to which a fit is believed; guiding leaves less than 0.03."""
LARGEST_STRETCH = 2e-3
"""Relative change of scale, in any direction, up to which a fit is believed; filters differ by less than 1e-3."""
CERTAIN = 3.0
"""Standard errors by which rotation and scale must exceed these limits: few stars in a small field tell neither well."""
LARGEST_RMS = 0.5
"""Rms residual in units of the FWHM of the finder's kernel up to which matches are taken for true ones. Stars at the limit
of 5 sigma have centroid errors of FWHM / (2.35 * 5) per axis: with two stars in two axes an rms of 0.17 FWHM."""
NARROWEST = 2.5
"""FWHM in pixels that counts for narrower kernels: they make neither galaxies nor undersampled stars any sharper."""
REFERENCE_ERROR = 0.25
"""The same for a catalogue whose own errors nobody knows, in units of the matching tolerance. Chance matches, evenly
spread over the circle of the tolerance, have 0.71."""
CLOSE = 3.0
"""Sources agree with a fit when they are closer than so many rms residuals, or half a pixel, to their counterpart."""
SAMPLE = 500
"""Sources without a counterpart that propose offsets; all are then counted with the one that most of these propose."""


@dataclass(frozen=True)
class Residuals:
    """What a fit leaves of one image.

    Attributes
    ----------
    matches : int
        Sources of the image that the fit used.
    east, north : float
        Mean offset of these from their counterparts, arcsec.
    rms : float
        Root mean square distance from their counterparts, arcsec.
    """

    matches: int
    east: float
    north: float
    rms: float

    @staticmethod
    def between(places: NDArray[np.float64], reference: NDArray[np.float64]) -> Residuals | None:
        """Compare matched places with those of their counterparts: RA, Dec in degrees, shape (n, 2); None for n = 0."""
        if not len(places):
            return None
        east = (places[:, 0] - reference[:, 0] + 180.0) % 360.0 - 180.0
        offsets = 3600.0 * np.stack([east * np.cos(np.deg2rad(reference[:, 1])), places[:, 1] - reference[:, 1]])
        rms = np.sqrt(np.mean(np.sum(offsets**2, axis=0)))
        return Residuals(len(places), *(float(value) for value in (*offsets.mean(axis=1), rms)))


def largest_rms(*, pixel: float, settings: AlignSettings, outside: bool) -> float:
    """Return the rms residual in arcsec up to which a fit is believed.

    Parameters
    ----------
    pixel : float
        Size of a pixel, arcsec.
    settings : AlignSettings
    outside : bool
        Whether the reference is a catalogue from elsewhere, with errors of its own.
    """
    seen = LARGEST_RMS * max(settings.fwhm, NARROWEST) * pixel
    return max(seen, REFERENCE_ERROR * settings.tolerance) if outside else seen


def doubts(fit: Fit, *, rms_limit: float) -> list[str]:
    """Say what is implausible about a fit.

    Parameters
    ----------
    fit : Fit
    rms_limit : float
        Largest believable rms residual, arcsec; see `largest_rms`.

    Returns
    -------
    list of str
        Empty for a fit that is to be believed.
    """
    found = []
    if 2 * fit.used < fit.matches:
        found.append(f"only {fit.used} of {fit.matches} matches agree with one another")
    if not fit.rmse <= rms_limit:
        found.append(
            f"the residuals are {1e3 * fit.rmse:.0f} mas rms, those of true matches below {1e3 * rms_limit:.0f}"
        )
    uncertain = CERTAIN * fit.linear_error
    if abs(fit.rotation) - np.rad2deg(uncertain) > LARGEST_ROTATION:
        found.append(f"it is turned by {fit.rotation:.3f} deg, the telescope by {LARGEST_ROTATION} at most")
    stretch = np.abs(np.linalg.svd(fit.matrix, compute_uv=False) - 1.0).max()
    if stretch - uncertain > LARGEST_STRETCH:
        found.append(f"its scale is off by {stretch:.4f}, that of the camera by {LARGEST_STRETCH} at most")
    if np.linalg.det(fit.matrix) < 0:
        found.append("it is mirrored")
    return found


def rival_offset(
    reference: NDArray[np.float64], sources: NDArray[np.float64], *, radius: float, reach: float
) -> tuple[int, int, float]:
    """Look for doubled stars: another offset that brings many sources onto counterparts which the fit leaves alone.

    Parameters
    ----------
    reference, sources : ndarray of float64, shape (n, 2)
        Places in a tangent plane after the fit, arcsec.
    radius : float
        Distance within which sources agree, arcsec.
    reach : float
        Largest offset to look for, arcsec.

    Returns
    -------
    agreeing : int
        Sources that agree with a counterpart.
    rivals : int
        Most of the other sources that agree with other counterparts after one common offset.
    offset : float
        Length of that offset, arcsec.
    """
    from scipy.spatial import KDTree

    distance, nearest = KDTree(reference).query(sources)
    agree = distance <= radius
    alone, free = sources[~agree], np.delete(reference, nearest[agree], axis=0)
    if not len(alone) or not len(free):
        return int(agree.sum()), 0, 0.0
    sample = alone[np.linspace(0, len(alone) - 1, min(len(alone), SAMPLE)).astype(np.int64)]
    others = KDTree(free)
    partners = others.query_ball_point(sample, reach)
    number = np.repeat(np.arange(len(sample)), [len(found) for found in partners])
    if not number.size:
        return int(agree.sum()), 0, 0.0
    offsets = free[np.concatenate([found for found in partners if found])] - sample[number]
    votes = KDTree(offsets).query_ball_point(offsets, radius, return_length=True)
    offset = offsets[int(np.argmax(votes))]
    met = others.query(alone + offset)[0] <= radius
    return int(agree.sum()), int(met.sum()), float(np.hypot(*offset))
