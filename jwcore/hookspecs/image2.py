"""Stages of calwebb_image2: from count rates to calibrated, unrectified images.

They edit an `Image` (ny, nx) or a `Cube` (nints, ny, nx) in place: ``data``, ``err``, ``var_*`` float32, ``dq`` uint32.
"""

# ruff: noqa: F821  (types are documentation: hook specs import nothing)
from __future__ import annotations

from jwcore.declare import stage


@stage(status="bkg_subtract", suffix="bsub")
def bkg_subtract(
    exposure: Exposure, members: Members, references: References, params: Params, context: Context
) -> Exposure:
    """Subtract the clipped mean of the dedicated background exposures (member role ``background``)."""


@stage(status="assign_wcs", essential=True, repeatable=True)
def assign_wcs(
    exposure: Exposure, members: Members, references: References, params: Params, context: Context
) -> Exposure:
    """Attach the world coordinate system: a gWCS from detector pixels to the sky, and its FITS approximation.

    Sets ``wcs`` and the ``wcsinfo`` keywords incl. S_REGION; pixels stay as they are.
    """


@stage(status="flat_field")
def flat_field(exposure: Exposure, references: References, params: Params, context: Context) -> Exposure:
    """Divide by the flat field; ERR and the variances follow, VAR_FLAT is made.

    Pixels without a usable flat are flagged DO_NOT_USE and NO_FLAT_FIELD.
    """


@stage(status="photom")
def photom(exposure: Exposure, references: References, params: Params, context: Context) -> Exposure:
    """Convert DN/s to MJy/sr and attach the pixel area.

    Sets BUNIT, PHOTMJSR, PHOTUJA2, PIXAR_SR and PIXAR_A2.
    """
