"""Stages of calwebb_image3: from calibrated exposures to a mosaic and its source catalogue.

Ensemble stages take an `ExposureSet`; a single exposure is a set of one. Iterate with ``for exposure in
exposures.each()``, which also works for sets that do not fit into memory, and keeps what the loop changes in either case; plain
iteration and ``each(edit=False)`` are for looking alone. Arrays and units are those at the end of image2: ``data`` and ``err``
in MJy/sr (DN/s where photom had nothing to convert), variances in its square, ``dq`` uint32.
"""

# ruff: noqa: F821  (types are documentation: hook specs import nothing)
from __future__ import annotations

from jwcore.declare import stage


@stage(status="assign_mtwcs", repeatable=True)
def assign_mtwcs(exposures: ExposureSet, params: Params, context: Context) -> ExposureSet:
    """Shift the WCS of every exposure into the frame of a moving target.

    MT_RA and MT_DEC (degrees) in the header are where the target was in each exposure; their mean, over all of the set,
    becomes MT_AVRA and MT_AVDEC and is where it stands in all. Changes ``wcs`` and S_REGION; pixels and flags stay.
    """


@stage(status="tweakreg", repeatable=True)
def tweakreg(exposures: ExposureSet, params: Params, context: Context) -> ExposureSet:
    """Align the exposures with one another, and with a reference catalogue when one is named.

    Sources are looked for in ``data`` (MJy/sr, or DN/s) without pixels that are DO_NOT_USE or NON_SCIENCE. Corrections
    are those of the tangent plane, put into ``wcs`` between its frame ``v2v3`` and the sky, with S_REGION and the FITS
    approximation renewed. All members of one exposure group (``exposures.groups()``: the detectors of one exposure)
    receive the same correction. A bad fit leaves every WCS as it was (StepFailed). Pixels and flags stay.
    """


@stage(status="skymatch", repeatable=True)
def skymatch(exposures: ExposureSet, params: Params, context: Context) -> ExposureSet:
    """Measure the sky level of every exposure so that overlapping exposures agree.

    Sets BKGLEVEL (unit of ``data``), BKGSUB and BKGMETH of every member; subtracts from ``data`` only when asked to,
    and says so with BKGSUB = T. Where it is F, later stages subtract the level themselves, for what they make. Pixels
    with DO_NOT_USE or NON_SCIENCE do not measure the sky. Members without an overlap are named with
    ``context.leave_out(index)``. No flags are set.
    """


@stage(status="outlier_detection", suffix="crf", repeatable=True)
def outlier_detection(exposures: ExposureSet, references: References, params: Params, context: Context) -> ExposureSet:
    """Flag pixels that disagree with the median of all exposures as OUTLIER and DO_NOT_USE.

    ``data`` and ``err`` in one unit (MJy/sr), less BKGLEVEL where BKGSUB is F; ``var_rnoise`` in its square may weigh
    the exposures. Pixels with DO_NOT_USE take no part. The flagged pixels, and all that are DO_NOT_USE, become NaN in
    ``data``, ``err`` and the variances. A `Cube` of a time series is searched among its integrations.
    ``exposures.require_alike()`` refuses members of different units before anything is compared.
    """


@stage(status="resample", suffix="i2d")
def resample(exposures: ExposureSet, params: Params, context: Context) -> Image:
    """Drizzle the exposures onto one common, distortion-free grid.

    ``data`` is a surface brightness (MJy/sr), less BKGLEVEL where BKGSUB is F. Pixels with DO_NOT_USE or NON_SCIENCE
    have no weight; that of the others is 1 / ``var_rnoise``, or the time of the exposure.

    Returns an `Image` with ``data``, ``err``, ``con`` int32 (planes, ny, nx: bit b of plane k is input 32 k + b),
    ``wht``, ``var_*``, a TAN WCS in ``wcs``, ``hdrtab`` and the header ``exposures.blended_meta()``; NaN where nothing
    fell. Sets the area of its own pixels, PIXAR_SR and PIXAR_A2, and S_REGION. The inputs stay as they are.
    """


@stage(status="source_catalog", suffix="cat", gives=("cat", "segm"), repeatable=True, dispensable=True)
def source_catalog(exposure: Image, references: References, params: Params, context: Context) -> dict[str, object]:
    """Detect sources on a mosaic and measure them.

    ``data`` and ``err`` in MJy/sr, which PIXAR_SR turns into Jy for a pixel; NaN or ``wht`` 0: not covered.
    ``references["apcorr"]``: a table with radii of apertures and sky annuli (native pixels) and aperture corrections,
    by filter and encircled energy; ``abvegaoffset``: AB minus Vega magnitudes.

    Returns ``cat`` (Catalog) and, for segmentation detection, ``segm`` (Segmentation, whose labels are those of
    ``cat``). The mosaic itself stays, but for SCATFILE and SEGMFILE: the names that ``context.file_name`` gives these
    two.
    """
