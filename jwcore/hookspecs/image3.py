"""Stages of calwebb_image3: from calibrated exposures to a mosaic and its source catalogue.

Ensemble stages take an `ExposureSet`; a single exposure is a set of one. Iterate with ``for exposure in
exposures.each()``, which also works for sets that do not fit into memory.
"""

# ruff: noqa: F821  (types are documentation: hook specs import nothing)
from __future__ import annotations

from jwcore.declare import stage


@stage(status="assign_mtwcs", repeatable=True)
def assign_mtwcs(exposures: ExposureSet, params: Params, context: Context) -> ExposureSet:
    """Shift the WCS of every exposure into the frame of a moving target."""


@stage(status="tweakreg", repeatable=True)
def tweakreg(exposures: ExposureSet, params: Params, context: Context) -> ExposureSet:
    """Align the exposures with one another, and with a reference catalogue when one is named.

    All members of one exposure group receive the same correction. A bad fit leaves every WCS as it was.
    """


@stage(status="skymatch", repeatable=True)
def skymatch(exposures: ExposureSet, params: Params, context: Context) -> ExposureSet:
    """Measure the sky level of every exposure so that overlapping exposures agree.

    Sets BKGLEVEL, BKGSUB and BKGMETH; subtracts only when asked to.
    """


@stage(status="outlier_detection", suffix="crf", repeatable=True)
def outlier_detection(exposures: ExposureSet, references: References, params: Params, context: Context) -> ExposureSet:
    """Flag pixels that disagree with the median of all exposures as OUTLIER and DO_NOT_USE."""


@stage(status="resample", suffix="i2d")
def resample(exposures: ExposureSet, params: Params, context: Context) -> Image:
    """Drizzle the exposures onto one common, distortion-free grid.

    Returns an `Image` with ``data``, ``err``, ``con`` (which input contributed), ``wht``, ``var_*`` and a TAN WCS; the inputs
    stay as they are.
    """


@stage(status="source_catalog", suffix="cat", gives=("cat", "segm"), repeatable=True, dispensable=True)
def source_catalog(exposure: Image, references: References, params: Params, context: Context) -> dict[str, object]:
    """Detect sources on a mosaic and measure them.

    Returns ``cat`` (Catalog) and, for segmentation detection, ``segm`` (Segmentation).
    """
