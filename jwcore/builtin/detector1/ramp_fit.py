"""ramp_fit: count rates from ramps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from jwcore.api import BadInput, Params, UsageError, param, step
from jwcore.builtin.detector1._exposure import detector_image, frame_averaging, read_time, usable_groups

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.algorithms.likelihood import LikelihoodFit
    from jwcore.algorithms.ramp_fit import RampFit
    from jwcore.api import Context, Cube, IFUImage, Image, Meta, Ramp, Reference

FEWEST_GROUPS_FOR_LIKELIHOOD = 4


class RampFitParams(Params):
    """Parameters of ramp_fit."""

    algorithm: Literal["OLS_C", "LIKELY"] = param(
        "OLS_C", "Weighted lines through the segments between jumps, or maximum likelihood with a search for jumps"
    )
    save_opt: bool = param(
        False, "Save the fits of the segments as the product 'fitopt', or chi squared as 'likely_chisq' (LIKELY)"
    )
    opt_name: str = param("", "Refused unless empty: file names follow the naming rule")
    int_name: str = param("", "Refused unless empty: file names follow the naming rule")
    suppress_one_group: bool = param(True, "Give up ramps with a single good group (OLS_C)")
    firstgroup: int | None = param(None, "First group to use, counted from 0", ge=0)
    lastgroup: int | None = param(None, "Last group to use, counted from 0", ge=0)
    maximum_cores: str = param("1", "No effect: -j divides the cores")


def refuse_names(meta: Meta, params: RampFitParams) -> None:
    """Refuse names of files.

    Raises
    ------
    UsageError
        When one is given.
    """
    for name in ("opt_name", "int_name"):
        if getattr(params, name):
            raise UsageError(
                f"{name}={getattr(params, name)!r}: files are named by a rule",
                where="ramp_fit",
                cure=f"leave ramp_fit.{name} empty, and rename the file afterwards",
            )


def saves_segments(params: RampFitParams) -> bool:
    """Tell whether the table of segments is saved; lines have some."""
    return params.save_opt and params.algorithm != "LIKELY"


def saves_chi_squared(params: RampFitParams) -> bool:
    """Tell whether the chi-squared of the likelihood fit is saved."""
    return params.save_opt and params.algorithm == "LIKELY"


def working_memory(params: RampFitParams) -> float:
    """Give the size of the table of segments, which is kept only when it is saved."""
    return 1.0 if params.save_opt else 0.0


@step(
    stage="ramp_fit", needs=("TFRAME", "TGROUP", "NFRAMES", "GROUPGAP"),
    references=("gain", "readnoise"), params=RampFitParams, chunk="rows", scratch=working_memory,
    products={"fitopt": saves_segments, "likely_chisq": saves_chi_squared}, sets=("BUNIT", "GAINFACT"),
    applies=refuse_names, survey={"usable": usable_groups},
)  # fmt: skip
def ramp_fit(
    exposure: Ramp, references: Mapping[str, Reference], params: RampFitParams, context: Context
) -> dict[str, Image | IFUImage | Cube]:
    """Fit count rates to ramps.

    OLS_C fits lines to the segments between jumps, with weights by their signal-to-noise ratio. LIKELY is the fit of
    maximum likelihood, which finds jumps itself; it takes four groups, with fewer OLS_C is used. Groups at explicit
    read times are not equally spaced and always take LIKELY, however few they are: lines would be at the wrong times.

    Ramps that cannot be fitted are NaN and DO_NOT_USE, even if they are all the ramps of the exposure. With a single
    integration ``rate`` and ``rateints`` share the memory of all arrays but ``err``: later steps must replace them, not
    edit them in place.
    """
    import numpy as np

    refuse_names(exposure.meta, params)
    gain = references["gain"]
    arrays: dict[str, Any] = {
        "data": exposure.data,
        "groupdq": exposure.groupdq,
        "pixeldq": exposure.pixeldq,
        "gain": detector_image(gain, "SCI", exposure),
        "readnoise": detector_image(references["readnoise"], "SCI", exposure),
        "dark": exposure.average_dark_current,
        "zeroframe": exposure.zeroframe,
        "firstgroup": params.firstgroup,
        "lastgroup": params.lastgroup,
        "trim_unusable": context.detector.readout == "mid-infrared",
        "usable": context.survey.get("usable"),
    }
    times = _read_times(exposure, params, context)
    fit: RampFit | LikelihoodFit
    if times is None:
        fit = _fit_segments(exposure, params, context, arrays)
    else:
        fit = _fit_likely(exposure, params, context, arrays | {"read_times": times})
    factor = gain.keyword("GAINFACT")
    if factor is not None:
        exposure.meta.exposure.gain_factor = factor
    lost = np.isnan(fit.exposure.slope)
    context.count(lost_pixels=lost)
    if lost.all() and context.rows == slice(None):  # of a piece, the number of lost pixels tells
        context.log.warning("not one ramp can be fitted (%s): there are no rates", _reason(exposure.groupdq))
    return _products(exposure, fit, context)


def _read_times(exposure: Ramp, params: RampFitParams, context: Context) -> list[np.ndarray] | None:
    """List the times (s) of the reads of each group if the exposure takes LIKELY; None if it takes OLS_C."""
    import numpy as np

    from jwcore.algorithms.readout import frame_numbers

    ngroups = exposure.shape[1]
    explicit = exposure.meta.get("exposure.read_times")
    if explicit:
        if len(explicit) != ngroups:
            raise BadInput(
                f"there are read times of {len(explicit)} groups for {ngroups}", cure="check read_times in its metadata"
            )
        return [np.atleast_1d(np.asarray(times, float)) for times in explicit]
    if params.algorithm != "LIKELY":
        return None
    if ngroups < FEWEST_GROUPS_FOR_LIKELIHOOD:
        context.log.warning("LIKELY needs %d groups, there are %d: OLS_C", FEWEST_GROUPS_FOR_LIKELIHOOD, ngroups)
        return None
    nframes, groupgap = frame_averaging(exposure)
    return list(frame_numbers(ngroups=ngroups, nframes=nframes, groupgap=groupgap) * read_time(exposure, "frame_time"))


def _fit_segments(exposure: Ramp, params: RampFitParams, context: Context, arrays: Mapping[str, Any]) -> RampFit:
    """Fit lines to segments."""
    from jwcore.algorithms.ramp_fit import fit_ramps
    from jwcore.api import RampFitOutput

    fit = fit_ramps(
        **arrays,
        nframes=frame_averaging(exposure)[0],
        frame_time=read_time(exposure, "frame_time"),
        group_time=read_time(exposure, "group_time"),
        suppress_one_group=params.suppress_one_group,
        keep_segments=params.save_opt,
        dropped_frames=exposure.meta.exposure.drop_frames1 or 0,
    )
    if fit.segments is not None:
        context.save("fitopt", RampFitOutput(meta=exposure.meta.copy(), **fit.segments._asdict()))
    return fit


def _fit_likely(exposure: Ramp, params: RampFitParams, context: Context, arrays: Mapping[str, Any]) -> LikelihoodFit:
    """Fit by maximum likelihood."""
    from jwcore.algorithms.likelihood import fit_ramps_by_likelihood
    from jwcore.api import Image

    fit = fit_ramps_by_likelihood(**arrays)
    context.count(ramps_with_jumps=fit.ramps_with_jumps)
    if params.save_opt:
        context.save("likely_chisq", Image(meta=exposure.meta.copy(), data=fit.chi_squared))
    return fit


def _reason(groupdq: np.ndarray) -> str:
    """Say why there is nothing to fit."""
    import numpy as np

    from jwcore.algorithms import dq

    if np.all(groupdq[:, 0] & dq.SATURATED):
        return "all are saturated in the first group"
    return "all groups are flagged, or too few are left" if np.all(groupdq) else "too few good groups, gains or noises"


def _products(exposure: Ramp, fit: RampFit | LikelihoodFit, context: Context) -> dict[str, Image | IFUImage | Cube]:
    """Wrap the arrays, DN/s."""
    from jwcore.api import Cube, IFUImage, Image

    # a lamp shines into whatever optics OPMODE says
    sliced = ("ifu", "lamp") if exposure.meta.keyword("OPMODE", None) == "IFU" else ("ifu",)
    kind = IFUImage if context.exposure_type.family in sliced else Image
    rate = kind(meta=exposure.meta.copy())
    rateints = Cube(meta=exposure.meta.copy(), int_times=exposure.int_times, int_times_stripe=exposure.int_times_stripe)
    for product, rates in ((rate, fit.exposure), (rateints, fit.integrations)):
        product.data, product.err, product.dq, product.var_poisson, product.var_rnoise = rates
        product.meta.bunit_data = product.meta.bunit_err = "DN/s"
    return {"rate": rate, "rateints": rateints}
