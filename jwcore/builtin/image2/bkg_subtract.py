"""bkg_subtract: subtract the mean of dedicated background exposures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from jwcore.api import Params, SkipStep, param, step
from jwcore.builtin.named_files import existing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from jwcore.api import Context, Cube, Image, Meta

MODELLED_FAMILIES = ("wfss", "soss")
"""Kinds of exposures whose background is a scaled model, not an average of exposures."""

TILT_TOLERANCE = 1e-8
PRODUCT = "combinedbackground"


class BkgSubtractParams(Params):
    """Parameters of bkg_subtract."""

    bkg_list: list[str] | None = param(None, "Background files, used when the association names none")
    save_combined_background: bool = param(False, "Save the mean background, as the product 'combinedbackground'")
    sigma: float = param(3.0, "Clipping limit", unit="sigma", gt=0)
    maxiters: int | None = param(None, "Largest number of clipping rounds; None: until convergence", ge=0)
    soss_source_percentile: float = param(35.0, "Source mask (SOSS only)", unit="percent", ge=0, le=100)
    soss_bkg_percentile: tuple[float, float] = param((25.0, 50.0), "Matching range (SOSS only)", unit="percent")
    wfss_mmag_extract: float | None = param(None, "Faintest source that is masked (WFSS only)", unit="AB mag")
    wfss_mask: str | None = param(None, "File of a source mask (WFSS only)")
    wfss_maxiter: int = param(5, "Rounds of the scaling (WFSS only)", ge=1)
    wfss_rms_stop: float = param(0.0, "Relative change that ends the scaling (WFSS only)", unit="percent", ge=0)
    wfss_outlier_percent: float = param(1.0, "Pixels rejected per round (WFSS only)", unit="percent", ge=0, le=100)

    _files = field_validator("bkg_list", "wfss_mask")(existing)


def no_background(members: Mapping[str, Any], params: BkgSubtractParams) -> str | None:
    """Give the reason not to run, or None."""
    return None if "background" in members or params.bkg_list else "there are no background exposures"


@step(
    stage="bkg_subtract",
    members=("background",),
    params=BkgSubtractParams,
    products={PRODUCT: "save_combined_background"},
    applies=no_background,
)
def bkg_subtract(
    exposure: Image | Cube, members: Mapping[str, Any], params: BkgSubtractParams, context: Context
) -> Image | Cube:
    """Subtract the clipped mean of the background exposures from an image or every integration; errors stay.

    Pixels that no background exposure covers are not subtracted, and flagged DO_NOT_USE.
    """
    import numpy as np

    from jwcore.algorithms.background import subtract

    if context.exposure_type.family in MODELLED_FAMILIES:
        raise SkipStep(f"not available yet for {context.exposure_type.family}: the background model must be scaled")
    backgrounds = list(_backgrounds(exposure, members, params))
    if not backgrounds:
        raise SkipStep("there are no background exposures")
    data, err, flags = _combine(exposure, backgrounds, params)
    if not np.isfinite(data).any():
        raise SkipStep("no background exposure covers this sub-array")
    if exposure.dq is None:
        exposure.dq = np.zeros(exposure.shape, np.uint32)
    context.count(
        background_exposures=len(backgrounds),
        pixels_without_background=subtract(exposure.data, exposure.dq, background=data, flags=flags),
    )
    if params.save_combined_background:
        _save(data, err, flags, backgrounds[0].meta, context)
    return exposure


def _backgrounds(exposure: Image | Cube, members: Mapping[str, Any], params: BkgSubtractParams) -> Iterator[Any]:
    """Iterate over the background exposures of the association, else over the files that the user names."""
    from jwcore.api import read

    of_association = members.get("background") or ()
    found = (of_association[k] for k in range(len(of_association)))
    for background in found if len(of_association) else map(read, params.bkg_list or ()):
        _check_tilt(exposure.meta, background.meta)
        yield background


def _check_tilt(science: Meta, background: Meta) -> None:
    """Refuse a background that a grating wheel in another position has shifted."""
    for name in ("gwa_xtilt", "gwa_ytilt"):
        tilts = science.get(f"instrument.{name}"), background.get(f"instrument.{name}")
        if None not in tilts and abs(tilts[0] - tilts[1]) > TILT_TOLERANCE:
            raise SkipStep(f"the grating wheel moved: {name} {tilts[0]} and {tilts[1]} of {background.get('filename')}")


def _combine(
    exposure: Image | Cube, backgrounds: list[Any], params: BkgSubtractParams
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average the backgrounds on the sub-array of the exposure: mean, its error, union of the flags."""
    import numpy as np

    from jwcore.algorithms.background import clipped_mean, place

    target, shape = _start(exposure.meta), (exposure.shape[-2], exposure.shape[-1])
    means, errors, flags = [], [], np.zeros(shape, np.uint32)
    for background in backgrounds:
        data, err, dq = _averaged(background, params)
        start = _start(background.meta)
        means.append(place(data, start=start, shape=shape, target=target))
        errors.append(place(err, start=start, shape=shape, target=target))
        flags |= place(dq, start=start, shape=shape, target=target)
    mean, error = clipped_mean(np.stack(means), np.stack(errors), sigma=params.sigma, maxiters=params.maxiters)
    return mean, error, flags


def _averaged(background: Image | Cube, params: BkgSubtractParams) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return data, error and flags of a background image; integrations are averaged with clipping."""
    import numpy as np

    from jwcore.algorithms.background import clipped_mean

    data = background.data
    err = np.zeros_like(data) if background.err is None else background.err
    dq = np.zeros(data.shape, np.uint32) if background.dq is None else background.dq
    if data.ndim == 2:
        return data, err, dq
    mean, error = clipped_mean(data, err, sigma=params.sigma, maxiters=params.maxiters)
    return mean, error, np.bitwise_or.reduce(dq, axis=0)


def _start(meta: Meta) -> tuple[int, int]:
    """Give the first pixel (x, y) of a sub-array on the detector, counted from 1."""
    return meta.subarray.xstart or 1, meta.subarray.ystart or 1


def _save(data: np.ndarray, err: np.ndarray, flags: np.ndarray, meta: Meta, context: Context) -> None:
    from jwcore.api import Image

    context.save(PRODUCT, Image(data=data, err=err, dq=flags, meta=meta.copy()))
