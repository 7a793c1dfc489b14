"""refpix: remove the drifts of bias and read-out electronics that the reference pixels record."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from jwcore.api import Params, SkipStep, SuperstripeRamp, is_striped, param, step
from jwcore.builtin.detector1._exposure import detector_start, normal_lines
from jwcore.builtin.detector1._noise_report import count_noise
from jwcore.builtin.detector1._side_kernels import read_side_kernels
from jwcore.builtin.detector1._superstripes import by_stripe, join_stripes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from jwcore.algorithms.sirs import SideKernels
    from jwcore.api import Context, Meta, Ramp, Reference

LONGEST_WINDOW = 2047
"""Rows that fit into a whole frame, which is mirrored at its ends."""


class RefPixParams(Params):
    """Parameters of refpix."""

    odd_even_columns: bool = param(True, "Treat odd and even columns apart (near infrared)")
    use_side_ref_pixels: bool = param(True, "Correct the 1/f drift with the side reference pixels (near infrared)")
    side_smoothing_length: int = param(
        11, "Rows in the running median of the side pixels", unit="pixel", ge=1, le=LONGEST_WINDOW
    )
    side_gain: float = param(1.0, "Factor on the side signal")
    odd_even_rows: bool = param(True, "Treat odd and even rows apart (mid infrared)")
    ovr_corr_mitigation_ftr: float = param(3.0, "Limit for bad interleaved reference pixels (IRS2)", unit="sigma", gt=0)
    preserve_irs2_refpix: bool = param(False, "Keep the interleaved reference pixels in the result (IRS2)")
    irs2_mean_subtraction: bool = param(False, "Subtract the means of top and bottom first (IRS2)")
    refpix_algorithm: Literal["median", "sirs"] = param("median", "How the side pixels are smoothed (full frame)")
    sigreject: float = param(4.0, "Rejection limit of side pixels (sirs)", unit="sigma", gt=0)
    gaussmooth: float = param(1.0, "Width of the smoothing of the kernels (sirs)", unit="pixel", gt=0)
    halfwidth: int = param(30, "Half width of the kernels (sirs)", unit="pixel", ge=1)
    siglimit: float = param(3.0, "Clipping limit of the means", unit="sigma", gt=0)


def needed(meta: Meta, params: RefPixParams) -> set[str]:
    """Name the references that these parameters ask for; only whole frames have kernels."""
    whole = "FULL" in (meta.subarray.name or "") and not is_striped(meta)
    return {"sirskernel"} if whole and _by_kernels(params) else set()


def _by_kernels(params: RefPixParams) -> bool:
    return params.refpix_algorithm == "sirs" and params.use_side_ref_pixels


@step(
    stage="refpix",
    needs=("FASTAXIS", "SLOWAXIS", "NOUTPUTS"),
    optional_references=("sirskernel",),
    wants=needed,
    params=RefPixParams,
    chunk="integrations",
)
def refpix(exposure: Ramp, references: Mapping[str, Reference], params: RefPixParams, context: Context) -> Ramp:
    """Correct every group, and every zero frame, with its own reference pixels.

    Full frames and sub-arrays read through all amplifiers use the rows and columns at the edges of the detector;
    sub-arrays read through one output, and read-outs in stripes, use the reference pixels that they contain. Stripes of an
    exposure that takes several integrations for the detector are joined afterwards.
    """
    _refuse_what_is_missing(exposure, context)
    if isinstance(exposure, SuperstripeRamp):
        by_stripe(_correct)(exposure, references, params, context)
        return join_stripes(exposure, whole_lines=context.exposure_type.whole_lines)
    if not _whole_edges(exposure, context) and not _usable(exposure, context).any():
        raise SkipStep("this sub-array holds no usable reference pixels")
    count_noise(exposure, context, when="before")
    _correct(exposure, references, params, context)
    count_noise(exposure, context, when="after")
    return exposure


def _refuse_what_is_missing(exposure: Ramp, context: Context) -> None:
    if normal_lines(exposure, context.detector) is not None:
        raise SkipStep("interleaved reference pixels (IRS2) are the business of the instrument's own step")
    if context.detector.readout != "near-infrared":
        raise SkipStep("not available yet for mid-infrared detectors")


def _correct(exposure: Ramp, references: Mapping[str, Reference], params: RefPixParams, context: Context) -> Ramp:
    """Correct the groups and zero frames of a ramp, or of one stripe."""
    import numpy as np

    from jwcore.algorithms import dq

    correct = _method(exposure, references, params, context)
    bad = exposure.pixeldq & dq.DO_NOT_USE != 0
    for groups in exposure.data:
        correct(groups, bad)
    if exposure.zeroframe is not None:
        missing = exposure.zeroframe == 0
        correct(exposure.zeroframe, bad | missing)
        exposure.zeroframe[missing] = np.float32(0)
    return exposure


def _reference_pixels(exposure: Ramp, context: Context) -> np.ndarray:
    """Give the reference pixels, or what stands in for them in a sub-array without any."""
    from jwcore.algorithms import dq

    reference = exposure.pixeldq & dq.REFERENCE_PIXEL != 0
    if columns := context.detector.unlit_columns.get(exposure.meta.subarray.name, 0):
        reference[:, :columns] = reference[:, -columns:] = True
    return reference


def _usable(exposure: Ramp, context: Context) -> np.ndarray:
    """Give the reference pixels that may be used."""
    from jwcore.algorithms import dq

    return _reference_pixels(exposure, context) & (exposure.pixeldq & dq.DO_NOT_USE == 0)


def _whole_edges(exposure: Ramp, context: Context) -> bool:
    """Tell whether all amplifiers read the pixels, so that each has its own reference pixels at the edges."""
    all_read = exposure.meta.exposure.noutputs == context.detector.amplifiers
    return exposure.shape[-2:] == context.detector.shape or (all_read and not is_striped(exposure.meta))


def _method(exposure: Ramp, references: Mapping[str, Reference], params: RefPixParams, context: Context) -> Callable:
    """Choose how the groups of one integration are corrected."""
    from jwcore.algorithms import readout
    from jwcore.algorithms import refpix as kernels

    detector, meta = context.detector, exposure.meta
    shape = exposure.shape[-2:]
    layout = readout.ReadoutLayout(
        fastaxis=meta.subarray.fastaxis,
        slowaxis=meta.subarray.slowaxis,
        shape=shape,
        start=detector_start(exposure),
        detector_shape=detector.shape,
        reference_pixels=detector.reference_pixels,
    )
    if _whole_edges(exposure, context):
        return partial(
            kernels.correct_amplifiers,
            layout=layout,
            amplifiers=detector.amplifiers,
            odd_even_columns=params.odd_even_columns,
            use_side_pixels=params.use_side_ref_pixels,
            smoothing_length=params.side_smoothing_length,
            side_gain=params.side_gain,
            kernels=_side_kernels(exposure, references, params, context),
            siglimit=params.siglimit,
        )
    return partial(
        kernels.correct_columns,
        layout=layout,
        reference=_reference_pixels(exposure, context),
        amplifiers=detector.amplifiers if is_striped(meta) else 1,
        odd_even_columns=params.odd_even_columns,
        siglimit=params.siglimit,
    )


def _side_kernels(
    exposure: Ramp, references: Mapping[str, Reference], params: RefPixParams, context: Context
) -> SideKernels | None:
    """Give the kernels in place of the running median, where they are asked for and there are some."""
    if not _by_kernels(params):
        return None
    reference, detector = references.get("sirskernel"), context.detector
    if exposure.shape[-2:] != detector.shape:
        lacking = "they are made for whole frames"
    elif reference is None:
        lacking = "there is no sirskernel reference"
    else:
        settings = {name: getattr(params, name) for name in ("halfwidth", "gaussmooth", "sigreject")}
        kernels = read_side_kernels(reference, detector, **settings)
        if kernels is not None:
            return kernels
        lacking = f"{reference.name} has none of {detector.name}"
    context.log.warning("refpix: the running median stands in for the kernels of sirs: %s", lacking)
    return None
