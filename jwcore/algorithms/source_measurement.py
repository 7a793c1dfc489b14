"""Measurements of the sources found in a calibrated mosaic: fluxes, magnitudes, concentration, shape, neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms.aperture import annulus_background, aperture_fluxes
from jwcore.algorithms.source_finding import Found

__all__ = [
    "Apertures",
    "ab_magnitude",
    "dao_shape",
    "measure_sources",
    "nearest_neighbours",
    "sky_outline",
    "sky_position_angle",
]

Columns = dict[str, NDArray[Any]]

AB_ZERO_POINT = 8.9
"""AB magnitude of 1 Jy."""


@dataclass(frozen=True, kw_only=True)
class Apertures:
    """Three circular apertures and the annulus of the local background, in pixels of the image.

    Attributes
    ----------
    percent : tuple of int
        Encircled energy of each aperture for a point source; names the columns.
    radii : tuple of float
        Radii.
    corrections : tuple of float
        Factors from the flux in each aperture to the total flux of a point source; that of the largest is applied.
    inner, outer : float
        Radii of the annulus.
    """

    percent: tuple[int, int, int]
    radii: tuple[float, float, float]
    corrections: tuple[float, float, float]
    inner: float
    outer: float


def measure_sources(
    image: NDArray[np.float32],
    error: NDArray[np.float32],
    found: Found,
    *,
    apertures: Apertures,
    kernel_fwhm: float,
    vega_offset: float,
    star_limits: tuple[float, float],
) -> Columns:
    """Measure sources at the positions of a finder.

    Parameters
    ----------
    image, error : ndarray of float32, shape (ny, nx)
        Jy per pixel and error (1 sigma); the background is still in.
    found : Found
        The sources.
    apertures : Apertures
        Where the flux is summed.
    kernel_fwhm : float
        FWHM in pixels of the Gaussian that defines sharpness and roundness.
    vega_offset : float
        AB minus Vega magnitude.
    star_limits : tuple of float
        Concentrations (flux ratios second to first and third to second aperture) above which a source is extended;
        both must be exceeded.

    Returns
    -------
    dict
        Columns of the catalogue that need no sky coordinates; fluxes in Jy, lengths in pixels, angles in degrees. The
        isophotal columns are NaN for sources without a segment.
    """
    columns: Columns = {"label": found.label, "xcentroid": found.x, "ycentroid": found.y}
    columns |= _aperture_columns(image, error, found, apertures, vega_offset)
    columns |= _concentration(columns, apertures.percent, star_limits)
    columns["sharpness"], columns["roundness"] = dao_shape(image, found.x, found.y, fwhm=kernel_fwhm)
    columns["nn_label"], columns["nn_dist"] = nearest_neighbours(found.label, found.x, found.y)
    return columns | _isophotal_columns(found, vega_offset)


def _aperture_columns(
    image: NDArray[np.float32], error: NDArray[np.float32], found: Found, apertures: Apertures, vega_offset: float
) -> Columns:
    background = annulus_background(image, found.x, found.y, inner=apertures.inner, outer=apertures.outer)
    flux, flux_error = aperture_fluxes(
        image, error, found.x, found.y, radii=apertures.radii, background=background.level
    )
    columns: Columns = {"aper_bkg_flux": background.level, "aper_bkg_flux_err": background.error}
    fluxes = {f"aper{percent}": (flux[i], flux_error[i]) for i, percent in enumerate(apertures.percent)}
    fluxes["aper_total"] = (apertures.corrections[-1] * flux[-1], apertures.corrections[-1] * flux_error[-1])
    for name, (value, uncertainty) in fluxes.items():
        columns[f"{name}_flux"], columns[f"{name}_flux_err"] = value, uncertainty
    for system, offset in (("abmag", 0.0), ("vegamag", vega_offset)):
        for name, (value, uncertainty) in fluxes.items():
            magnitude, magnitude_error = ab_magnitude(value, uncertainty)
            columns[f"{name}_{system}"], columns[f"{name}_{system}_err"] = magnitude - offset, magnitude_error
    return columns


def ab_magnitude(
    flux: NDArray[np.float64], error: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn fluxes in Jy into AB magnitudes ``8.9 - 2.5 log10 F`` with errors ``2.5 log10(1 + sigma / F)``.

    Fluxes that are not positive give NaN.
    """
    positive = np.where(flux > 0.0, flux, np.nan)
    return AB_ZERO_POINT - 2.5 * np.log10(positive), 2.5 * np.log10(1.0 + error / positive)


def _concentration(columns: Columns, percent: tuple[int, int, int], limits: tuple[float, float]) -> Columns:
    """Give ratios of aperture fluxes, and tell extended sources from stars."""
    small, middle, large = percent
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {
            f"CI_{a}_{b}": columns[f"aper{a}_flux"] / columns[f"aper{b}_flux"]
            for a, b in ((middle, small), (large, middle), (large, small))
        }
    inner, outer, _ = ratios.values()
    return ratios | {"is_extended": (inner > limits[0]) & (outer > limits[1])}


def dao_shape(
    image: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64], *, fwhm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sharpness and roundness as DAOFIND defines them, at the pixels nearest to the given positions.

    Sharpness is the height of the central pixel above the mean of the others in the kernel, over the height of the best
    fitting Gaussian (the central pixel of the filtered image). Roundness is twice the difference of the filtered image
    between the quadrants along the axes that are left-right and up-down, over its absolute sum. Stetson 1987, PASP 99,
    191.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        The image; NaN near a source makes its values NaN.
    x, y : ndarray of float64, shape (n,)
        Positions in 0-based pixels.
    fwhm : float
        FWHM of the Gaussian kernel in pixels.

    Returns
    -------
    sharpness, roundness : ndarray of float64, shape (n,)
    """
    from photutils.detection import DAOStarFinder
    from scipy.ndimage import convolve

    gaussian = DAOStarFinder(threshold=0.0, fwhm=fwhm).kernel
    half = gaussian.data.shape[0] // 2
    filtered = convolve(image, gaussian.data, mode="constant", cval=0.0)
    values = _cutouts(image, x, y, half)
    responses = _cutouts(filtered, x, y, half)
    peak, height = values[:, half, half], responses[:, half, half].copy()
    others = ((values * gaussian.mask).sum(axis=(1, 2)) - peak) / (gaussian.mask.sum() - 1)
    responses[:, half, half] = 0.0
    along_x = responses[:, : half + 1, half + 1 :].sum(axis=(1, 2)) + responses[:, half:, :half].sum(axis=(1, 2))
    along_y = responses[:, :half, : half + 1].sum(axis=(1, 2)) + responses[:, half + 1 :, half:].sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (peak - others) / height, 2.0 * (along_y - along_x) / np.abs(responses).sum(axis=(1, 2))


def _cutouts(
    image: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64], half: int
) -> NDArray[np.float64]:
    """Cut squares around the nearest pixels, with zeros beyond the edge, shape (n, 2 half + 1, 2 half + 1)."""
    from numpy.lib.stride_tricks import sliding_window_view

    windows = sliding_window_view(np.pad(image, half), (2 * half + 1, 2 * half + 1))
    rows = np.floor(y + 0.5).astype(int)
    columns = np.floor(x + 0.5).astype(int)
    return windows[rows, columns].astype(np.float64)


def nearest_neighbours(
    label: NDArray[np.int32], x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Find the nearest other source of each source.

    Returns
    -------
    label : ndarray of int32, shape (n,)
        Label of the neighbour, -1 if there is none.
    distance : ndarray of float64, shape (n,)
        Distance in pixels, NaN if there is none.
    """
    from scipy.spatial import KDTree

    if len(label) < 2:
        return np.full(len(label), -1, dtype=np.int32), np.full(len(label), np.nan)
    positions = np.column_stack([x, y])
    distance, index = KDTree(positions).query(positions, k=2)
    return label[index[:, 1]].astype(np.int32), distance[:, 1]


def _isophotal_columns(found: Found, vega_offset: float) -> Columns:
    """Give flux and shape of the segments."""
    shapes, empty = found.shapes, np.full(len(found), np.nan)

    def measured(name: str) -> NDArray[np.float64]:
        value = getattr(shapes, name) if shapes is not None else empty
        return np.atleast_1d(np.asarray(getattr(value, "value", value), dtype=np.float64))

    flux, flux_error = measured("segment_flux"), measured("segment_flux_err")
    magnitude, magnitude_error = ab_magnitude(flux, flux_error)
    return {
        "isophotal_flux": flux,
        "isophotal_flux_err": flux_error,
        "isophotal_abmag": magnitude,
        "isophotal_abmag_err": magnitude_error,
        "isophotal_vegamag": magnitude - vega_offset,
        "isophotal_vegamag_err": magnitude_error.copy(),
        "isophotal_area": measured("area"),
        "semimajor_sigma": measured("semimajor_axis"),
        "semiminor_sigma": measured("semiminor_axis"),
        "ellipticity": measured("ellipticity"),
        "orientation": measured("orientation"),
    }


def sky_position_angle(
    wcs: Any, x: NDArray[np.float64], y: NDArray[np.float64], orientation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn orientations in the image into position angles on the sky, at each source.

    Parameters
    ----------
    wcs : gwcs.WCS
        Pixel to sky in degrees, east counter-clockwise of north.
    x, y : ndarray of float64, shape (n,)
        Positions in 0-based pixels.
    orientation : ndarray of float64, shape (n,)
        Angle from the x axis, counter-clockwise, degrees.

    Returns
    -------
    ndarray of float64, shape (n,)
        Angle from north to east in [0, 360), degrees; an axis has two, 180 degrees apart.
    """
    ra, dec = wcs(x, y, with_bounding_box=False)
    north = np.where(dec < 89.999, 1.0, -1.0) * 1e-4  # degrees, some pixels; southward where there is no north left
    x_north, y_north = wcs.invert(ra, dec + north, with_bounding_box=False)
    towards_north = np.degrees(np.arctan2((y_north - y) * north, (x_north - x) * north))
    return np.mod(180.0 - towards_north + orientation, 360.0)


def sky_outline(wcs: Any, found: Found) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return RA and Dec in degrees of the outer corners (ll, ul, lr, ur) of the box around each segment."""
    shapes, edge = found.shapes, 0.5
    empty = np.full(len(found), np.nan)
    if shapes is None:
        return dict.fromkeys(("ll", "ul", "lr", "ur"), (empty, empty))
    left, right = np.atleast_1d(shapes.bbox_xmin) - edge, np.atleast_1d(shapes.bbox_xmax) + edge
    bottom, top = np.atleast_1d(shapes.bbox_ymin) - edge, np.atleast_1d(shapes.bbox_ymax) + edge
    corners = {"ll": (left, bottom), "ul": (left, top), "lr": (right, bottom), "ur": (right, top)}
    return {name: wcs(x, y, with_bounding_box=False) for name, (x, y) in corners.items()}
