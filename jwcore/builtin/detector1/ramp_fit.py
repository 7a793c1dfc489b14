"""ramp_fit: count rates from ramps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from jwcore.api import Params, UsageError, param, step
from jwcore.builtin.detector1._exposure import detector_image, frame_averaging, read_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwcore.algorithms.ramp_fit import RampFit
    from jwcore.api import Context, Cube, IFUImage, Image, Meta, Ramp, Reference


class RampFitParams(Params):
    """Parameters of ramp_fit."""

    algorithm: Literal["OLS_C", "LIKELY"] = param(
        "OLS_C", "Weighted lines through the segments between jumps; LIKELY is not available yet"
    )
    save_opt: bool = param(False, "Save the fits of the segments, as the product 'fitopt'")
    opt_name: str = param("", "No effect: file names follow the naming rule")
    int_name: str = param("", "No effect: file names follow the naming rule")
    suppress_one_group: bool = param(True, "Give up ramps with a single good group")
    firstgroup: int | None = param(None, "First group to use, counted from 0", ge=0)
    lastgroup: int | None = param(None, "Last group to use, counted from 0", ge=0)
    maximum_cores: str = param("1", "No effect: -j divides the cores")


def refuse_likelihood(meta: Meta, params: RampFitParams, references: object = None) -> None:
    """Refuse what only the likelihood fit could do.

    Raises
    ------
    UsageError
        When it is asked for, or the groups are not equally spaced.
    """
    if params.algorithm == "LIKELY":
        raise UsageError("LIKELY is not available yet", where="ramp_fit", cure="set ramp_fit.algorithm=OLS_C")
    if meta.get("exposure.read_times"):
        cure = "only read-outs without repeated stripes can be fitted so far"
        raise UsageError(
            "groups at explicit read times need LIKELY, which is not available yet", where="ramp_fit", cure=cure
        )


@step(
    stage="ramp_fit", references=("gain", "readnoise"), params=RampFitParams, chunk="rows", scratch=0.5,
    products=("fitopt",), sets=("BUNIT", "GAINFACT"), applies=refuse_likelihood,
)  # fmt: skip
def ramp_fit(
    exposure: Ramp, references: Mapping[str, Reference], params: RampFitParams, context: Context
) -> dict[str, Image | IFUImage | Cube]:
    """Fit lines to the segments between jumps, with weights by their signal-to-noise ratio.

    Ramps that cannot be fitted are NaN and DO_NOT_USE, in the extreme all of them. With a single integration ``rate``
    and ``rateints`` share the memory of all arrays but ``err``: later steps must replace them, not edit them in
    place.
    """
    import numpy as np

    from jwcore.algorithms.ramp_fit import fit_ramps
    from jwcore.api import RampFitOutput

    refuse_likelihood(exposure.meta, params)
    gain = references["gain"]
    fit = fit_ramps(
        data=exposure.data,
        groupdq=exposure.groupdq,
        pixeldq=exposure.pixeldq,
        gain=detector_image(gain, "SCI", exposure),
        readnoise=detector_image(references["readnoise"], "SCI", exposure),
        nframes=frame_averaging(exposure)[0],
        frame_time=read_time(exposure, "frame_time"),
        group_time=read_time(exposure, "group_time"),
        dark=exposure.average_dark_current,
        zeroframe=exposure.zeroframe,
        suppress_one_group=params.suppress_one_group,
        firstgroup=params.firstgroup,
        lastgroup=params.lastgroup,
        trim_unusable=context.detector.readout == "mid-infrared",
        keep_segments=params.save_opt,
        dropped_frames=exposure.meta.exposure.drop_frames1 or 0,
    )
    factor = gain.keyword("GAINFACT")
    if factor is not None:
        exposure.meta.exposure.gain_factor = factor
    context.count(lost_pixels=int(np.isnan(fit.exposure.slope).sum()))
    if fit.segments is not None:
        context.save("fitopt", RampFitOutput(meta=exposure.meta.copy(), **fit.segments._asdict()))
    return _products(exposure, fit, context)


def _products(exposure: Ramp, fit: RampFit, context: Context) -> dict[str, Image | IFUImage | Cube]:
    """Wrap the arrays, DN/s."""
    from jwcore.api import Cube, IFUImage, Image

    kind = IFUImage if context.exposure_type.family == "ifu" else Image
    rate = kind(meta=exposure.meta.copy())
    rateints = Cube(meta=exposure.meta.copy(), int_times=exposure.int_times)
    for product, rates in ((rate, fit.exposure), (rateints, fit.integrations)):
        product.data, product.err, product.dq, product.var_poisson, product.var_rnoise = rates
        product.meta.bunit_data = product.meta.bunit_err = "DN/s"
    return {"rate": rate, "rateints": rateints}
