"""Stages of calwebb_detector1: from raw ramps to count rates.

All stages but the last two edit a `Ramp` in place: science array ``data`` float32 (nints, ngroups, ny, nx) in DN,
``groupdq`` uint8 of the same shape, ``pixeldq`` uint32 (ny, nx).
"""

# ruff: noqa: F821  (types are documentation: hook specs import nothing)
from __future__ import annotations

from jwcore.declare import stage


@stage(status="group_scale")
def group_scale(exposure: Ramp, params: Params, context: Context) -> Ramp:
    """Rescale groups whose on-board average used a divisor other than the number of frames.

    The science array is multiplied by FRMDIVSR / NFRAMES. Nothing to do when both agree.
    """


@stage(status="dq_init")
def dq_init(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Start the data-quality arrays from the bad-pixel mask.

    ``pixeldq`` receives all bits of the MASK reference, ``groupdq`` its DO_NOT_USE bit in every group.
    """


@stage(status="emicorr", off_by_default=True)
def emicorr(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Remove the electromagnetic interference that is phased with the read-out clock (mid-infrared detectors)."""


@stage(status="saturation")
def saturation(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Flag groups at or above the saturation level, at the converter's floor, and those that saturate part-way.

    Sets SATURATED (persisting to later groups and grown to neighbours), AD_FLOOR and DO_NOT_USE in ``groupdq``.
    """


@stage(status="ipc")
def ipc(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Undo the inter-pixel capacitance by convolution with the reference's deconvolution kernel."""


@stage(status="superbias")
def superbias(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Subtract the superbias frame from every group and take over its pixel flags."""


@stage(status="firstframe", off_by_default=True)
def firstframe(exposure: Ramp, params: Params, context: Context) -> Ramp:
    """Flag the first group of every integration DO_NOT_USE (mid-infrared detectors)."""


@stage(status="lastframe")
def lastframe(exposure: Ramp, params: Params, context: Context) -> Ramp:
    """Flag the last group of every integration DO_NOT_USE (mid-infrared detectors)."""


@stage(status="reset")
def reset(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Subtract the decay that follows a detector reset, per integration and group (mid-infrared detectors)."""


@stage(status="refpix")
def refpix(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Remove the drifts of bias and read-out electronics that the reference pixels record."""


@stage(status="linearity")
def linearity(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Convert measured to linear counts with the polynomial of every pixel; saturated groups stay as they are."""


@stage(status="rscd")
def rscd(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Flag the groups at the start of an integration that suffer from the reset-switch charge decay."""


@stage(status="dark_sub")
def dark_current(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Subtract the dark ramp, averaged like the science groups, and hand its mean rate on to the noise model.

    Sets ``average_dark_current`` float32 (ny, nx) in e-/s.
    """


@stage(status="charge_migration", off_by_default=True)
def charge_migration(exposure: Ramp, params: Params, context: Context) -> Ramp:
    """Flag groups above a signal limit, and their neighbours, where charge spills into adjacent pixels."""


@stage(status="jump", essential=True)
def jump(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Flag the groups in which a cosmic ray hit a pixel.

    Sets JUMP_DET in ``groupdq`` and the keywords PRIMECRS and EXTNCRS.
    """


@stage(status="picture_frame", off_by_default=True)
def picture_frame(
    exposure: Ramp | Image | Cube, references: References, params: Params, context: Context
) -> Ramp | Image | Cube:
    """Subtract the scaled thermal picture-frame pattern from every group, or from rates."""


@stage(status="clean_flicker_noise", off_by_default=True)
def clean_flicker_noise(
    exposure: Ramp | Image | Cube, references: References, params: Params, context: Context
) -> Ramp | Image | Cube:
    """Remove correlated 1/f read noise, measured on pixels without sources, from the groups of ramps or from rates."""


@stage(status="persistence", off_by_default=True)
def persistence(exposure: Ramp, params: Params, state: State, context: Context) -> Ramp:
    """Flag pixels that still release charge trapped in this or an earlier exposure of the same detector.

    ``state`` carries the time at which every pixel is usable again from one exposure to the next.
    """


@stage(status="ramp_fit", gives=("rate", "rateints"), essential=True)
def ramp_fit(exposure: Ramp, references: References, params: Params, context: Context) -> dict[str, Exposure]:
    """Fit a slope to the good segments of every ramp.

    Returns ``rate`` (Image, all integrations combined) and ``rateints`` (Cube, one plane per integration) in DN/s, with
    variances and errors. Ramps that cannot be fitted are NaN and DO_NOT_USE, even if they are all the ramps of an exposure.
    """


@stage(status="gain_scale")
def gain_scale(exposure: Exposure, references: References, params: Params, context: Context) -> Exposure:
    """Scale rates taken with a non-standard gain setting to the standard one."""
