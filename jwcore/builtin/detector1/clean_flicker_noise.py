"""clean_flicker_noise: remove the correlated read noise (1/f noise), measured on pixels without sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from jwcore.api import BadInput, Cube, Image, Params, Ramp, SkipStep, StepFailed, param, step
from jwcore.builtin.detector1._background_pixels import draft_rate, rates_of, read_mask, usable_pixels
from jwcore.builtin.detector1._exposure import detector_start

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.algorithms.flicker import Kept, NoiseFit
    from jwcore.algorithms.readout import ReadoutLayout
    from jwcore.api import Context, Exposure, Reference


class CleanFlickerNoiseParams(Params):
    """Parameters of clean_flicker_noise."""

    skip: bool = param(True, "Do not run this step")
    autoparam: bool = param(False, "Choose background_method, fit_by_channel and apply_flat_field from the data")
    fit_method: Literal["fft", "median"] = param("median", "One median per line, or Fourier series along the read-out")
    fit_by_channel: bool = param(False, "Fit every amplifier by itself (full frames, near infrared)")
    background_method: Literal["median", "model", "median_image"] | None = param(
        "median", "Background that is kept: one level, a smooth map, the median of all integrations, or none"
    )
    background_box_size: tuple[int, int] | None = param(
        None,
        "Boxes of the smooth map (rows, columns); by default the largest up to 32 that divide the image",
        unit="pixel",
    )
    mask_science_regions: bool = param(False, "Leave out the regions that light reaches (spectra)")
    apply_flat_field: bool = param(False, "Measure on images that are divided by the flat")
    n_sigma: float = param(2.0, "Limit of pixels that count as background; 0 or less does not clip", unit="sigma")
    fit_histogram: bool = param(False, "Take that limit from a Gaussian fitted to the histogram")
    single_mask: bool = param(True, "One mask for all integrations")
    user_mask: str | None = param(None, "FITS file whose non-zero pixels count as background, in place of the mask")
    save_mask: bool = param(False, "Save the pixels that count as background (suffix mask)")
    save_background: bool = param(False, "Save the background (suffix flicker_bkg)")
    save_noise: bool = param(False, "Save the noise that is subtracted (suffix flicker_noise)")


@step(
    stage="clean_flicker_noise",
    optional_references=("flat",),
    calls=("ramp_fit",),
    products={"mask": "save_mask", "flicker_bkg": "save_background", "flicker_noise": "save_noise"},
    params=CleanFlickerNoiseParams,
    scratch=2.0,
)
def clean_flicker_noise(
    exposure: Ramp | Image | Cube,
    references: Mapping[str, Reference],
    params: CleanFlickerNoiseParams,
    context: Context,
) -> Ramp | Image | Cube:
    """Measure the noise of every line on its pixels without sources, and subtract it.

    In ramps that is done on the differences of successive groups; the first group stays as it is.
    """
    layout = _layout(exposure, context)
    _refuse_what_is_missing(exposure, params, context)
    rate = None if params.user_mask and not params.autoparam else _draft(exposure, params, context)
    if params.autoparam:
        params = _choose(rate, layout, references, params, context)
    flat = _flat(references, params, exposure)
    masks = _masks(exposure, rate, flat, params)
    fit = _noise_fit(layout, params, context)
    kept = _room(exposure, params)
    context.count(cleaned_images=_clean(exposure, masks, fit, flat, kept))
    _save(exposure, masks, kept, params, context)
    return exposure


def _layout(exposure: Exposure, context: Context) -> ReadoutLayout:
    """Orientation of the read-out."""
    from jwcore.algorithms.readout import ReadoutLayout

    subarray = exposure.meta.subarray
    try:
        return ReadoutLayout(
            fastaxis=subarray.fastaxis,
            slowaxis=subarray.slowaxis,
            shape=exposure.shape[-2:],
            start=detector_start(exposure),
            detector_shape=context.detector.shape,
            reference_pixels=context.detector.reference_pixels,
        )
    except (TypeError, ValueError) as error:
        raise BadInput(f"the read-out is unknown: {error}", cure="check FASTAXIS and SLOWAXIS in the header") from error


def _refuse_what_is_missing(exposure: Exposure, params: CleanFlickerNoiseParams, context: Context) -> None:
    """Give up where the correction means nothing.

    Raises
    ------
    SkipStep, StepFailed
        With the reason.
    """
    if isinstance(exposure, Ramp) and exposure.shape[1] < 2:
        raise SkipStep("a single group has no difference")
    if context.detector.readout != "near-infrared" and not context.exposure_type.direct_image:
        raise StepFailed(f"mid-infrared exposures of type {context.exposure_type.name} have no lines without sources")
    if params.fit_method == "fft":
        raise StepFailed("fit_method=fft is not available yet")
    if params.background_method == "median_image":
        raise StepFailed("background_method=median_image is not available yet")
    if params.mask_science_regions and context.exposure_type.family != "imaging":
        raise StepFailed("mask_science_regions is not available yet for spectra")


def _draft(exposure: Exposure, params: CleanFlickerNoiseParams, context: Context) -> Exposure:
    """Rates in which sources are found."""
    return draft_rate(exposure, context, cube=not params.single_mask and not params.autoparam)


def _choose(
    rate: Any,
    layout: ReadoutLayout,
    references: Mapping[str, Reference],
    params: CleanFlickerNoiseParams,
    context: Context,
) -> CleanFlickerNoiseParams:
    """Choose parameters from a draft rate."""
    from jwcore.algorithms import flicker_auto

    limits = flicker_auto.LIMITS.get(rate.meta.instrument.name)
    if limits is None or not context.exposure_type.direct_image or layout.shape != context.detector.shape:
        context.log.warning("autoparam has no effect: only full frames of some imagers are known")
        return params
    choice = flicker_auto.choose_parameters(
        rates_of(rate)[0], layout=layout, limits=limits, channels=context.detector.amplifiers
    )
    found = {
        "background_method": choice.background, "fit_by_channel": choice.by_channel, "apply_flat_field": "flat" in references,
    }  # fmt: skip
    context.log.info("autoparam: %s", ", ".join(f"{name}={value}" for name, value in found.items()))
    return params.model_copy(update=found)


def _flat(
    references: Mapping[str, Reference], params: CleanFlickerNoiseParams, exposure: Exposure
) -> np.ndarray | None:
    """Flat without holes, if it is asked for."""
    from jwcore.algorithms.flicker import filled_flat

    if not params.apply_flat_field:
        return None
    reference = references.get("flat")
    flat = None if reference is None else reference.array("SCI")
    if flat is None or flat.shape != exposure.shape[-2:]:
        raise StepFailed("apply_flat_field: no flat reference fits the exposure")
    return filled_flat(flat)


def _masks(exposure: Exposure, rate: Any, flat: np.ndarray | None, params: CleanFlickerNoiseParams) -> np.ndarray:
    """Pixels that hold background, bool (n, ny, nx): one mask for all integrations, or one for each."""
    import numpy as np

    from jwcore.algorithms.flicker_mask import background_pixels

    if params.user_mask:
        masks = read_mask(params.user_mask, exposure)
    else:
        images = rates_of(rate) if flat is None else rates_of(rate) / flat
        masks = np.array([
            background_pixels(image, usable, n_sigma=params.n_sigma, fit_histogram=params.fit_histogram)
            for image, usable in zip(images, usable_pixels(rate), strict=True)
        ])  # fmt: skip
    return np.all(masks, axis=0)[None] if params.single_mask else masks


def _noise_fit(layout: ReadoutLayout, params: CleanFlickerNoiseParams, context: Context) -> NoiseFit:
    """How background and noise are measured."""
    from jwcore.algorithms.flicker import NoiseFit

    near_infrared = context.detector.readout == "near-infrared"
    whole_lines = near_infrared and layout.columns == slice(0, layout.size[1])
    if params.fit_by_channel and not whole_lines:
        context.log.warning("fit_by_channel has no effect: lines are not read through all amplifiers")
    return NoiseFit(
        layout=layout,
        method=params.fit_method,
        background=params.background_method,
        box=params.background_box_size,
        n_sigma=params.n_sigma,
        along_x=layout.fast_is_x if near_infrared else False,
        channels=context.detector.amplifiers if params.fit_by_channel and whole_lines else 1,
    )


def _room(exposure: Exposure, params: CleanFlickerNoiseParams) -> Kept:
    """Arrays for what shall be saved."""
    import numpy as np

    from jwcore.algorithms.flicker import Kept

    return Kept(
        *(np.zeros_like(exposure.data) if wanted else None for wanted in (params.save_background, params.save_noise))
    )


def _clean(exposure: Exposure, masks: np.ndarray, fit: NoiseFit, flat: np.ndarray | None, kept: Kept) -> int:
    """Clean all images; return their number."""
    from jwcore.algorithms.flicker import Kept, clean_images, clean_ramp

    def mask(integration: int) -> np.ndarray:
        return masks[min(integration, len(masks) - 1)]

    if not isinstance(exposure, Ramp):
        whole = Kept(*(array if array is None or array.ndim == 3 else array[None] for array in kept))
        return clean_images(rates_of(exposure), mask, fit=fit, flat=flat, kept=whole)
    cleaned = 0
    for number, groups in enumerate(exposure.data):
        own = Kept(*(None if array is None else array[number] for array in kept))
        cleaned += clean_ramp(groups, exposure.groupdq[number], mask(number), fit=fit, flat=flat, kept=own)
    return cleaned


def _save(exposure: Exposure, masks: np.ndarray, kept: Kept, params: CleanFlickerNoiseParams, context: Context) -> None:
    """Hand out what was asked for."""
    if params.save_mask:
        mask = (
            Image(data=masks[0], meta=exposure.meta.copy())
            if len(masks) == 1
            else Cube(data=masks, meta=exposure.meta.copy())
        )
        context.save("mask", mask)
    for name, array in (("flicker_bkg", kept.background), ("flicker_noise", kept.noise)):
        if array is not None:
            context.save(name, type(exposure)(data=array, meta=exposure.meta.copy()))
