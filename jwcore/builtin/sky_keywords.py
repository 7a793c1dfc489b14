"""The keywords that repeat the WCS of an image in its header: footprint and FITS-SIP approximation."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from jwcore.api import Params, param

if TYPE_CHECKING:
    from jwcore.api import Context, Exposure

REPLACED = ("pc", "cd", "cdelt", "a_", "b_", "ap_", "bp_")
"""Beginnings of the wcsinfo attributes that a new approximation replaces."""


class SipParams(Params):
    """Parameters of the FITS-SIP approximation."""

    sip_approx: bool = param(True, "Write the FITS-SIP approximation of the WCS into the header")
    sip_max_pix_error: float = param(0.01, "Error of the approximation that is good enough", unit="pixel", gt=0)
    sip_degree: int | None = param(
        None, "Degree of the approximation; None: the lowest that is good enough", ge=1, le=6
    )
    sip_max_inv_pix_error: float | None = param(
        0.01, "The same for the inverse, from sky to pixel; None: leave the inverse out", unit="pixel", gt=0
    )
    sip_inv_degree: int | None = param(None, "Degree of the inverse; None: the lowest that is good enough", ge=1, le=6)
    sip_npoints: int = param(12, "Samples per axis for the fit of the approximation", ge=4)


def refresh_footprint(exposure: Exposure) -> None:
    """Write S_REGION from the WCS; leave it alone where the WCS is undefined at a corner."""
    from jwcore.algorithms import footprint

    polygon = footprint.footprint(exposure.wcs)
    if all(map(isfinite, polygon.ravel())):
        exposure.meta.wcsinfo.s_region = footprint.format_s_region(polygon)


def refresh_approximation(exposure: Exposure, params: SipParams, context: Context) -> None:
    """Replace the linear WCS keywords by a FITS-SIP approximation of the WCS; a failure is a warning only."""
    from jwcore.algorithms.sip import fit_sip

    meta, wcs = exposure.meta, exposure.wcs
    crpix = meta.wcsinfo.crpix1, meta.wcsinfo.crpix2
    try:
        fit = fit_sip(
            to_sky=wcs.forward_transform,
            box=wcs.bounding_box.bounding_box(order="F"),
            crpix=None if None in crpix else crpix,
            max_error=params.sip_max_pix_error,
            degree=params.sip_degree,
            max_inverse_error=params.sip_max_inv_pix_error,
            inverse_degree=params.sip_inv_degree,
            points=params.sip_npoints,
        )
    except ValueError as error:
        context.log.warning("no FITS-SIP approximation: %s", error)
        return
    for path in [path for path, _ in meta.items() if path.removeprefix("wcsinfo.").startswith(REPLACED)]:
        meta.set(path, None)
    meta.set("wcsinfo", fit.keywords() | {"sipmxerr": fit.error, "sipiverr": fit.inverse_error})
    _warn(context, "", fit.error, params.sip_max_pix_error)
    _warn(context, "inverse ", fit.inverse_error, params.sip_max_inv_pix_error)


def _warn(context: Context, which: str, error: float | None, limit: float | None) -> None:
    if error is not None and limit is not None and error > limit:
        context.log.warning("the %sFITS-SIP approximation is off by up to %.3g pixels", which, error)
