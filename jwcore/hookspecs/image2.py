"""Stages of calwebb_image2: from count rates to calibrated, unrectified images.

They edit an `Image` (ny, nx) or a `Cube` (nints, ny, nx) in place: ``data``, ``err``, ``var_*`` float32, ``dq`` uint32 with the
bits of `jwcore.algorithms.dq`. Science and errors are in DN/s, variances in its square; from photom on in MJy/sr. A pixel is
usable unless it is DO_NOT_USE. Arrays other than ``data`` may be None. References are cut to the sub-array.
"""

# ruff: noqa: F821  (types are documentation: hook specs import nothing)
from __future__ import annotations

from jwcore.declare import stage


@stage(status="bkg_subtract", suffix="bsub")
def bkg_subtract(
    exposure: Exposure, members: Members, references: References, params: Params, context: Context
) -> Exposure:
    """Subtract the clipped mean of the dedicated background exposures (member role ``background``).

    ``data`` of the exposure and of ``members["background"]``, an `ExposureSet`, in DN/s; background that lies on
    another part of the detector is placed by SUBSTRT1 and SUBSTRT2. ``dq`` receives the flags of the backgrounds,
    ``err`` and variances stay.
    """


@stage(status="assign_wcs", essential=True, repeatable=True)
def assign_wcs(
    exposure: Exposure, members: Members, references: References, params: Params, context: Context
) -> Exposure:
    """Attach the world coordinate system: a gWCS from detector pixels to the sky, and its FITS approximation.

    ``references["distortion"].tree["model"]``: from pixels (0-based, of the full frame) to V2, V3 in arcsec.
    ``filteroffset``: shift of a filter in pixels. The header gives the pointing: RA_REF, DEC_REF, ROLL_REF (degrees) of
    V2_REF, V3_REF (arcsec), VA_SCALE, and the corner SUBSTRT1, SUBSTRT2 of the sub-array.

    Sets ``wcs``, whose last frame is in degrees (ICRS) and whose pixels count from 0 at the centre of the first one of
    this exposure, and the ``wcsinfo`` keywords incl. S_REGION; arrays and flags stay as they are.
    """


@stage(status="flat_field")
def flat_field(exposure: Exposure, references: References, params: Params, context: Context) -> Exposure:
    """Divide by the flat field; ERR and the variances follow, VAR_FLAT is made.

    ``data`` and ``err`` in DN/s, variances in (DN/s)^2. ``references["flat"]``: ``array("SCI")`` F and ``array("ERR")``
    s without unit, float32 (ny, nx), and ``dq()``. With S' = S / F: ``var_flat`` = (S' s / F)^2, ``var_poisson`` and
    ``var_rnoise`` are divided by F^2, ``err`` is the root of the sum of the three. A Cube is divided plane by plane.

    ``dq`` receives the flags of the flat. Pixels without a usable flat (NaN, 0 or NO_FLAT_FIELD) are flagged DO_NOT_USE
    and NO_FLAT_FIELD; what is NaN afterwards is DO_NOT_USE.
    """


@stage(status="photom")
def photom(exposure: Exposure, references: References, params: Params, context: Context) -> Exposure:
    """Convert DN/s to MJy/sr and attach the pixel area.

    ``references["photom"]``: a table with one row for every filter, and PIXAR_SR (sr) and PIXAR_A2 (arcsec^2) in its
    header; column ``photmjsr`` is the factor, MJy/sr for 1 DN/s. ``references.get("area")``: the area of every pixel
    relative to the nominal one, which becomes ``exposure.area``. ``data`` and ``err`` are multiplied by the factor,
    variances by its square; NaN and DO_NOT_USE are made to agree.

    Sets BUNIT, PHOTMJSR, PHOTUJA2 (uJy/arcsec^2 for 1 DN/s), PIXAR_SR and PIXAR_A2.
    """
