"""Matching of sources in a tangent plane, and linear fits to the matches: tweakwcs behind two plain functions."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

logging.getLogger("tweakwcs").addHandler(logging.NullHandler())  # its remarks name no exposure; the results here do

__all__ = ["AlignSettings", "Fit", "fit_positions", "match_sources"]

MINIMUM = {"shift": 1, "rshift": 2, "rscale": 2, "general": 3}
"""Matches without which a fit geometry is undetermined."""
FITTED = {"shift": 2, "rshift": 3, "rscale": 4, "general": 6}
"""Numbers that a fit geometry determines."""
CONTAMINATED = 2.0
"""Root mean square residual in units of that of normal errors with the same median: above, some matches are false."""
ROBUST_ITERATIONS = 20
PHASE_ERROR = 0.25
"""Residual in pixels, up to which a match is not called false: centroids of undersampled stars err with their place on the
pixels, two matched ones by up to 0.23 pixel, and not normally: most of a dither by one value, the rest by another."""


@dataclass(frozen=True, kw_only=True)
class AlignSettings:
    """How sources are matched and fitted.

    Attributes
    ----------
    searchrad : float
        Largest offset that the two-dimensional histogram looks for, arcsec.
    use2dhist : bool
        Find the initial offset with that histogram.
    xoffset, yoffset : float
        Initial offset without it, arcsec.
    tolerance : float
        Largest distance of matched sources, arcsec.
    separation : float
        Sources closer to each other than this are not matched, arcsec.
    minobj : int
        Fewest matches for a fit.
    fitgeom : {"shift", "rshift", "rscale", "general"}
        Shift; with rotation; with rotation and scale; any linear transformation.
    nclip : int
        Iterations of clipping at most.
    sigma : float
        Clip matches with residuals above so many rms residuals.
    robust : bool
        Where the residuals betray false matches, fit again with clipping by the median residual.
    fwhm : float
        FWHM of the kernel with which stars were found, in pixels: it bounds the errors of their places.
    accept_doubtful : bool
        Apply also fits that are not to be believed.
    """

    searchrad: float = 2.0
    use2dhist: bool = True
    xoffset: float = 0.0
    yoffset: float = 0.0
    tolerance: float = 0.7
    separation: float = 1.0
    minobj: int = 15
    fitgeom: str = "rshift"
    nclip: int = 3
    sigma: float = 3.0
    robust: bool = True
    fwhm: float = 2.5
    accept_doubtful: bool = False

    @property
    def fewest(self) -> int:
        """Matches without which nothing is fitted."""
        return max(self.minobj, MINIMUM[self.fitgeom])

    @property
    def largest_shift(self) -> float:
        """Displacement of an image (arcsec) beyond which a fit is not to be believed."""
        reach = self.searchrad if self.use2dhist else max(abs(self.xoffset), abs(self.yoffset))
        return 2.0 * (reach + self.tolerance)


@dataclass(frozen=True, eq=False)
class Fit:
    """A linear transformation of the tangent plane, fitted to matched sources.

    Attributes
    ----------
    matches, used : int
        Sources that were matched, and that were left after clipping.
    shift : tuple of float
        Shift in the tangent plane, arcsec.
    rotation, scale : float
        Rotation in degrees, and scale.
    rmse, mae : float
        Root mean square and mean absolute residual, arcsec.
    matrix : ndarray of float64, shape (2, 2)
        Linear part A: a point X becomes A X + shift.
    kept : ndarray of bool, shape (matches,)
        Which matches were left after clipping.
    linear_error : float
        Standard error of the linear part: of the rotation in radian, and of the scale. By the residuals; 0 where there are
        too few of them to tell.
    """

    matches: int
    used: int
    shift: tuple[float, float]
    rotation: float
    scale: float
    rmse: float
    mae: float
    matrix: NDArray[np.float64] = field(repr=False)
    kept: NDArray[np.bool_] = field(repr=False)
    linear_error: float = 0.0


def match_sources(
    reference: NDArray[np.float64], sources: NDArray[np.float64], *, pixel: float, settings: AlignSettings
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair sources with reference sources by their places in a tangent plane.

    Parameters
    ----------
    reference, sources : ndarray of float64, shape (n, 2)
        Places in arcsec.
    pixel : float
        Size of a pixel in arcsec: the bin of the histogram of offsets.
    settings : AlignSettings

    Returns
    -------
    in_reference, in_sources : ndarray of int64, shape (m,)
        Numbers of the matched sources in both lists.
    """
    from astropy.table import Table
    from tweakwcs import XYXYMatch
    from tweakwcs.matchutils import MatchSourceConfusionError

    match = XYXYMatch(
        searchrad=settings.searchrad,
        separation=settings.separation,
        use2dhist=settings.use2dhist,
        xoffset=settings.xoffset,
        yoffset=settings.yoffset,
        tolerance=settings.tolerance,
    )
    tables = [Table(places, names=("TPx", "TPy")) for places in (reference, sources)]
    try:
        in_reference, in_sources = match(*tables, tp_pscale=pixel, tp_units="arcsec")
    except MatchSourceConfusionError:  # several sources within the tolerance of one: nothing can be concluded
        in_reference = in_sources = np.empty(0)
    return np.asarray(in_reference, dtype=np.int64), np.asarray(in_sources, dtype=np.int64)


def fit_positions(
    reference: NDArray[np.float64],
    sources: NDArray[np.float64],
    *,
    reference_weight: NDArray[np.float64] | None = None,
    weight: NDArray[np.float64] | None = None,
    pixel: float = 0.0,
    settings: AlignSettings,
) -> Fit:
    """Fit reference places as a linear function of those of their matches, with clipping.

    Clipping by the rms residual cannot cope with many false matches, because they dominate it. In that case the fit is
    repeated with clipping by the median residual, which they do not, but not below a quarter of a pixel.

    Parameters
    ----------
    reference, sources : ndarray of float64, shape (n, 2)
        Places of matched sources in a tangent plane, arcsec.
    reference_weight, weight : ndarray of float64, shape (n,), optional
        Weights w, combined as ``1 / w = 1 / w_reference + 1 / w_source``.
    pixel : float
        Size of a pixel, arcsec.
    settings : AlignSettings

    Returns
    -------
    Fit
    """
    from tweakwcs.linearfit import iter_linear_fit

    positions = (reference, sources, reference_weight, weight)
    sigma, nclip, geometry = settings.sigma, settings.nclip, settings.fitgeom
    fit = iter_linear_fit(*positions, fitgeom=geometry, nclip=nclip, sigma=(sigma, "rmse"))
    kept = np.asarray(fit["fitmask"])
    if settings.robust and nclip and fit["rmse"] > CONTAMINATED * fit["mad"]:
        fit, kept = _without_false_matches(fit, *positions, pixel=pixel, settings=settings)
    matrix = np.asarray(fit["matrix"], dtype=np.float64)
    shift = np.asarray(fit["shift"] + fit["center"] - matrix @ fit["center"], dtype=np.float64)  # about the origin
    return Fit(
        matches=len(sources),
        used=int(np.count_nonzero(kept)),
        shift=(float(shift[0]), float(shift[1])),
        rotation=float(fit["proper_rot"]),
        scale=float(fit["<scale>"]),
        rmse=float(fit["rmse"]),
        mae=float(fit["mae"]),
        matrix=matrix,
        kept=kept,
        linear_error=_linear_error(sources[kept], _weights(reference_weight, weight, kept), fit["rmse"], geometry),
    )


def _weights(
    reference: NDArray[np.float64] | None, sources: NDArray[np.float64] | None, kept: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the combined weights of the matches that were used."""
    variances = [1.0 / weight[kept] for weight in (reference, sources) if weight is not None]
    return 1.0 / sum(variances, start=np.zeros(int(kept.sum()))) if variances else np.ones(int(kept.sum()))


def _linear_error(sources: NDArray[np.float64], weight: NDArray[np.float64], rmse: float, geometry: str) -> float:
    """Return the standard error of rotation and scale: that of one place over the spread of the places."""
    share = weight / weight.sum()
    number = 1.0 / np.sum(share**2)
    free = 2.0 * number - FITTED[geometry]
    offsets = sources - share @ sources
    spread = np.linalg.eigvalsh((offsets.T * share) @ offsets)  # along both principal axes
    moment = number * (spread[0] if geometry == "general" else spread.sum())
    if geometry == "shift" or free <= 0 or not moment > 0:
        return 0.0
    return float(np.sqrt(rmse**2 * number / free / moment))


def _without_false_matches(
    fit: dict[str, Any],
    reference: NDArray[np.float64],
    sources: NDArray[np.float64],
    *weights: NDArray[np.float64] | None,
    pixel: float,
    settings: AlignSettings,
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """Fit again and again what lies near the last fit, as judged by the median residual of all matches."""
    from tweakwcs.linearfit import iter_linear_fit

    used = np.asarray(fit["fitmask"])
    for _ in range(ROBUST_ITERATIONS):
        center = fit["center"]
        residual = np.hypot(*(reference - center - (sources - center) @ fit["matrix"].T - fit["shift"]).T)
        normal = np.median(residual) / np.sqrt(np.log(2.0))  # rms of normal errors in the plane with this median
        near = residual <= max(settings.sigma * normal, PHASE_ERROR * pixel)
        if np.array_equal(near, used) or np.count_nonzero(near) < MINIMUM[settings.fitgeom]:
            break
        used = near
        kept = [None if values is None else values[used] for values in (reference, sources, *weights)]
        fit = iter_linear_fit(*kept, fitgeom=settings.fitgeom, nclip=0)
    return fit, used
