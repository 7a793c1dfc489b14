"""Stages of calwebb_detector1: from raw ramps to count rates.

All stages but the last two edit a `Ramp` in place: science array ``data`` float32 (nints, ngroups, ny, nx) in DN,
``groupdq`` uint8 of the same shape, ``pixeldq`` uint32 (ny, nx), and where the exposure has one ``zeroframe`` float32
(nints, ny, nx). The bits are those of `jwcore.algorithms.dq`; group flags are the lowest eight of them. References are cut
to the sub-array; ``references["gain"].array("SCI")`` is float32 (ny, nx), ``.dq()`` uint32 in the standard bits.
"""

# ruff: noqa: F821  (types are documentation: hook specs import nothing)
from __future__ import annotations

from jwcore.declare import stage


@stage(status="group_scale")
def group_scale(exposure: Ramp, params: Params, context: Context) -> Ramp:
    """Rescale groups whose on-board average used a divisor other than the number of frames.

    ``data`` (DN) is multiplied by FRMDIVSR / NFRAMES, both from the header. Nothing to do when they agree. No flags, no
    references; ``zeroframe`` holds single frames and stays.
    """


@stage(status="dq_init")
def dq_init(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Start the data-quality arrays from the bad-pixel mask.

    ``references["mask"].dq()``: uint32 (ny, nx) in the standard bits. ``pixeldq`` receives all of them, ``groupdq``
    DO_NOT_USE in every group where the mask has it. ``data`` (DN) stays. Reads of guiders have one ``dq`` in place of
    the two.
    """


@stage(status="emicorr", off_by_default=True)
def emicorr(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Remove the electromagnetic interference that is phased with the read-out clock (mid-infrared detectors).

    ``data`` in DN, before any other correction. ``references["emicorr"].tree``: ``frequencies`` of name ->
    ``frequency`` (Hz) and ``phase_amplitudes`` (one period, in relative units), ``subarray_cases`` of name ->
    ``rowclocks`` and ``frameclocks`` (units of 10 us) and ``freqs``. No flags are set.
    """


@stage(status="saturation")
def saturation(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Flag groups at or above the saturation level, at the converter's floor, and those that saturate part-way.

    ``data`` in DN as they were read, bias included. ``references["saturation"].array("SCI")``: level in DN, float32
    (ny, nx); a pixel whose ``dq()`` has NO_SAT_CHECK, or whose level is NaN, is not tested. ``superbias`` (DN), where
    there is one, is the zero point of averaged groups.

    Sets SATURATED in ``groupdq`` from the first saturated group to the last, grown to neighbours; AD_FLOOR and
    DO_NOT_USE in groups at or below 0 DN; DO_NOT_USE in groups of several frames that saturate part-way. ``pixeldq``
    receives the flags of the reference.
    """


@stage(status="ipc")
def ipc(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Undo the inter-pixel capacitance by convolution with the reference's deconvolution kernel.

    ``data`` in DN. ``references["ipc"].array("SCI")``: a kernel (ky, kx) without unit whose sum is 1, or one for every
    pixel (ky, kx, ny, nx). Reference pixels take no part and stay as they are. No flags are set.
    """


@stage(status="superbias")
def superbias(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Subtract the superbias frame from every group and take over its pixel flags.

    ``data`` and ``references["superbias"].array("SCI")`` (ny, nx) in DN; NaN in the reference counts as 0.
    ``zeroframe``, where there is one, loses the bias, too, but for pixels that are 0, which means no value. ``pixeldq``
    receives the flags of the reference.
    """


@stage(status="firstframe", off_by_default=True)
def firstframe(exposure: Ramp, params: Params, context: Context) -> Ramp:
    """Flag the first group of every integration DO_NOT_USE (mid-infrared detectors).

    ``data`` stays. With fewer than four groups nothing is done. A step may spare pixels that saturate in the third
    group; those get FLUX_ESTIMATED in ``pixeldq``.
    """


@stage(status="lastframe")
def lastframe(exposure: Ramp, params: Params, context: Context) -> Ramp:
    """Flag the last group of every integration DO_NOT_USE (mid-infrared detectors).

    ``data`` stays. With fewer than three groups nothing is done.
    """


@stage(status="reset")
def reset(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Subtract the decay that follows a detector reset, per integration and group (mid-infrared detectors).

    ``data`` in DN. ``references["reset"].array("SCI")``: DN, (integrations, groups, ny, nx); later integrations take
    its last one, later groups stay as they are, NaN counts as 0. Segments of a long exposure count their integrations
    from INTSTART. ``pixeldq`` receives the flags of the reference.
    """


@stage(status="refpix")
def refpix(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Remove the drifts of bias and read-out electronics that the reference pixels record.

    ``data`` in DN. ``context.detector.reference_pixels`` says how many columns and rows at the edges (left, right,
    bottom, top) of the full frame see no light, ``amplifiers`` how many outputs read it; REFERENCE_PIXEL in ``pixeldq``
    marks them in the exposure. A reference pixel with DO_NOT_USE is left out. FASTAXIS and SLOWAXIS give the direction
    of read-out. ``refpix`` and ``sirskernel`` hold what special methods need. Only interleaved reference pixels that
    turn out bad are flagged: BAD_REF_PIXEL and DO_NOT_USE in ``pixeldq``.
    """


@stage(status="linearity")
def linearity(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Convert measured to linear counts with the polynomial of every pixel; saturated groups stay as they are.

    ``data`` in DN above the bias. ``references["linearity"].array("COEFFS")``: float32 (n, ny, nx), of which plane k
    multiplies the k-th power of the measured counts and gives DN. Groups with SATURATED in ``groupdq`` are left alone.
    Pixels with NO_LIN_CORR in the reference, or without usable coefficients, stay as they are and have NO_LIN_CORR in
    ``pixeldq``, which receives all flags of the reference.
    """


@stage(status="rscd")
def rscd(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Flag the groups at the start of an integration that suffer from the reset-switch charge decay.

    ``data`` stays. ``references["rscd"].table("RSCD_GROUP_SKIP")``: groups to skip in the first integration and in all
    others, by sub-array and read pattern. Sets DO_NOT_USE in these groups, and FLUX_ESTIMATED in ``pixeldq`` where
    fewer are skipped because the pixel saturates early.
    """


@stage(status="dark_sub")
def dark_current(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Subtract the dark ramp, averaged like the science groups, and hand its mean rate on to the noise model.

    ``data`` in DN above the bias. ``references["dark"].array("SCI")``: DN, (groups, ny, nx), for mid-infrared detectors
    (integrations, groups, ny, nx); its NFRAMES and GROUPGAP say how its groups were made, NaN counts as 0. ``pixeldq``
    receives its flags. Sets ``average_dark_current`` float32 (ny, nx) in e-/s. ``zeroframe`` stays.
    """


@stage(status="charge_migration", off_by_default=True)
def charge_migration(exposure: Ramp, params: Params, context: Context) -> Ramp:
    """Flag groups above a signal limit, and their neighbours, where charge spills into adjacent pixels.

    ``data`` in DN above the bias and linear. Sets CHARGELOSS and DO_NOT_USE in ``groupdq``, in the first group that is
    too bright and all later ones of the pixel and its four neighbours. Groups that are DO_NOT_USE already do not start
    it. The ramp fit tells these groups from others by CHARGELOSS: they take no part in the slope, but in its read
    noise.
    """


@stage(status="jump", essential=True)
def jump(exposure: Ramp, references: References, params: Params, context: Context) -> Ramp:
    """Flag the groups in which a cosmic ray hit a pixel.

    ``data`` in DN, linear. ``references["gain"].array("SCI")``: e-/DN. ``references["readnoise"].array("SCI")``: DN,
    the scatter of the difference of two reads, that is the square root of two times that of one. Both float32 (ny, nx).
    The groups are TGROUP seconds apart and means of NFRAMES reads.

    Groups with DO_NOT_USE or SATURATED in ``groupdq`` are no evidence. Sets JUMP_DET in the first group after the hit,
    and in neighbours and later groups that it spoils; pixels whose gain is not positive get NO_GAIN_VALUE and
    DO_NOT_USE in ``pixeldq``. ``data`` stays. Writes PRIMECRS and EXTNCRS, hits per pixel and time.
    """


@stage(status="picture_frame", off_by_default=True)
def picture_frame(
    exposure: Ramp | Image | Cube, references: References, params: Params, context: Context
) -> Ramp | Image | Cube:
    """Subtract the scaled thermal picture-frame pattern from every group, or from rates.

    ``data`` of a ramp in DN, of rates in DN/s; ``references["pictureframe"].array("SCI")`` the pattern, DN/s (ny, nx),
    which is scaled. Pixels with DO_NOT_USE, or JUMP_DET in a group, do not measure it. No flags are set.
    """


@stage(status="clean_flicker_noise", off_by_default=True)
def clean_flicker_noise(
    exposure: Ramp | Image | Cube, references: References, params: Params, context: Context
) -> Ramp | Image | Cube:
    """Remove correlated 1/f read noise, measured on pixels without sources, from the groups of ramps or from rates.

    ``data`` of a ramp in DN, of rates in DN/s. In a ramp it is the difference of each group from the one before that
    holds the noise; pixels with DO_NOT_USE or JUMP_DET in the later one are left out. ``flat``, where the step wants
    it, has no unit. FASTAXIS and SLOWAXIS say which lines are read together. No flags are set.
    """


@stage(status="persistence", off_by_default=True)
def persistence(exposure: Ramp, params: Params, state: State, context: Context) -> Ramp:
    """Flag pixels that still release charge trapped in this or an earlier exposure of the same detector.

    ``data`` (DN) stays. Sets PERSISTENCE in ``groupdq``, and DO_NOT_USE when asked to. SATURATED in ``groupdq`` starts
    the release. ``state`` carries the time at which every pixel is usable again from one exposure to the next.
    """


@stage(status="ramp_fit", gives=("rate", "rateints"), essential=True)
def ramp_fit(exposure: Ramp, references: References, params: Params, context: Context) -> dict[str, Exposure]:
    """Fit a slope to the good segments of every ramp.

    ``data``: DN above bias and dark, linear. Group g is the mean of NFRAMES reads that are TFRAME seconds apart; groups
    follow each other after TGROUP seconds (``exposure.meta.exposure.group_time``), of which the mean of the first is
    (NFRAMES + 1) / 2 TFRAME after the reset; ``exposure.meta.get("exposure.read_times")`` replaces these where groups
    are not equally spaced. ``references["gain"].array("SCI")``: e-/DN. ``references["readnoise"].array("SCI")``: DN,
    the scatter of the difference of two reads; the variance of a group is half its square over NFRAMES. Both (ny, nx).
    ``average_dark_current`` (e-/s, may be None) adds to the photon noise. ``zeroframe`` (DN, 0 where there is none) is
    the first read of each integration.

    A group counts when ``groupdq`` is 0 but for PERSISTENCE. JUMP_DET splits the ramp: the group itself is good, its
    difference from the one before is not. SATURATED ends it. CHARGELOSS with DO_NOT_USE: see charge_migration.

    Returns ``rate`` (Image, all integrations combined) and ``rateints`` (Cube, one plane per integration), ``data`` and
    ``err`` in DN/s, ``var_poisson`` and ``var_rnoise`` in (DN/s)^2, with BUNIT written and a copy of ``meta`` each;
    ``err`` of ``rate`` is the root of the sum of the two. ``dq`` starts from ``pixeldq`` and receives JUMP_DET,
    PERSISTENCE and SATURATED where a group has it, and DO_NOT_USE where no slope could be fitted, in ``rate`` where
    none could in any integration; pixels with a gain that is not positive are NO_GAIN_VALUE, too. Ramps that cannot be
    fitted are NaN and DO_NOT_USE, even if they are all the ramps of an exposure.
    """


@stage(status="gain_scale")
def gain_scale(exposure: Exposure, references: References, params: Params, context: Context) -> Exposure:
    """Scale rates taken with a non-standard gain setting to the standard one.

    ``data`` and ``err`` (DN/s) are multiplied by the factor GAINFACT of the header, or of the ``gain`` reference;
    variances by its square. It runs on ``rate`` and on ``rateints``. Make new arrays: with one integration the two may
    share theirs. No flags are set.
    """
