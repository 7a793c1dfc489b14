"""refpix: remove the drifts of bias and read-out electronics that the reference pixels record."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from jwcore.api import Params, SkipStep, UsageError, param, step
from jwcore.builtin.detector1._exposure import detector_start, normal_lines
from jwcore.builtin.detector1._noise_report import count_noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from jwcore.api import Context, Ramp


class RefPixParams(Params):
    """Parameters of refpix."""

    odd_even_columns: bool = param(True, "Treat odd and even columns apart (near infrared)")
    use_side_ref_pixels: bool = param(True, "Correct the 1/f drift with the side reference pixels (near infrared)")
    side_smoothing_length: int = param(11, "Rows in the running median of the side pixels", unit="pixel", ge=1)
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


def refuse_sirs(params: RefPixParams) -> None:
    """Refuse the side correction with kernels before anything runs.

    Raises
    ------
    UsageError
        When it is asked for.
    """
    if params.refpix_algorithm == "sirs":
        raise UsageError("the sirs algorithm is not available yet", where="refpix", cure="set refpix_algorithm=median")


@step(
    stage="refpix",
    needs=("FASTAXIS", "SLOWAXIS", "NOUTPUTS"),
    params=RefPixParams,
    chunk="integrations",
    applies=refuse_sirs,
)
def refpix(exposure: Ramp, params: RefPixParams, context: Context) -> Ramp:
    """Correct every group, and every zero frame, with its own reference pixels.

    Full frames and sub-arrays read through all amplifiers use the rows and columns at the edges of the detector;
    sub-arrays read through one output use the reference pixels that they contain.
    """
    import numpy as np

    from jwcore.algorithms import dq

    _refuse_what_is_missing(exposure, params, context)
    correct = _method(exposure, params, context)
    bad = exposure.pixeldq & dq.DO_NOT_USE != 0
    count_noise(exposure, context, when="before")
    for groups in exposure.data:
        correct(groups, bad)
    count_noise(exposure, context, when="after")
    if exposure.zeroframe is not None:
        missing = exposure.zeroframe == 0
        correct(exposure.zeroframe, bad | missing)
        exposure.zeroframe[missing] = np.float32(0)
    return exposure


def _refuse_what_is_missing(exposure: Ramp, params: RefPixParams, context: Context) -> None:
    subarray = exposure.meta.subarray
    if normal_lines(exposure, context.detector) is not None:
        raise SkipStep("interleaved reference pixels (IRS2) are the business of the instrument's own step")
    if context.detector.readout != "near-infrared":
        raise SkipStep("not available yet for mid-infrared detectors")
    if subarray.num_superstripe or subarray.multistripe_reads1 is not None:
        raise SkipStep("not available yet for multistripe read-outs")
    refuse_sirs(params)


def _method(exposure: Ramp, params: RefPixParams, context: Context) -> Callable:
    """Choose how the groups of one integration are corrected."""
    from jwcore.algorithms import dq, readout
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
    if shape == detector.shape or meta.exposure.noutputs == detector.amplifiers:
        return partial(
            kernels.correct_amplifiers,
            layout=layout,
            amplifiers=detector.amplifiers,
            odd_even_columns=params.odd_even_columns,
            use_side_pixels=params.use_side_ref_pixels,
            smoothing_length=params.side_smoothing_length,
            side_gain=params.side_gain,
            siglimit=params.siglimit,
        )
    reference = exposure.pixeldq & dq.REFERENCE_PIXEL != 0
    if not (reference & (exposure.pixeldq & dq.DO_NOT_USE == 0)).any():
        raise SkipStep("this sub-array holds no usable reference pixels")
    return partial(
        kernels.correct_columns,
        layout=layout,
        reference=reference,
        odd_even_columns=params.odd_even_columns,
        siglimit=params.siglimit,
    )
