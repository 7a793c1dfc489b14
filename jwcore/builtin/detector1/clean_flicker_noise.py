"""clean_flicker_noise: remove the correlated read noise (1/f noise), measured on pixels without sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import field_validator

from jwcore.api import BadInput, Cube, Image, Params, Ramp, SkipStep, StepFailed, param, step
from jwcore.builtin.detector1._background_pixels import (
    SLICED,
    SLITS,
    draft_rate,
    lit_pixels,
    rates_of,
    read_mask,
    region_needs,
    usable_pixels,
)
from jwcore.builtin.detector1._exposure import detector_start
from jwcore.builtin.detector1._noise_report import count_noise
from jwcore.builtin.named_files import existing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.algorithms.flicker import Kept, NoiseFit
    from jwcore.algorithms.flicker_auto import Limits
    from jwcore.algorithms.readout import ReadoutLayout
    from jwcore.api import Context, Exposure, ExposureType, Reference


class CleanFlickerNoiseParams(Params):
    """Parameters of clean_flicker_noise."""

    skip: bool = param(True, "Do not run this step")
    autoparam: bool = param(False, "Choose background_method, fit_by_channel and apply_flat_field from the data")
    fit_method: Literal["fft", "median"] = param("median", "One median per line, or Fourier series (spectra)")
    fit_by_channel: bool = param(False, "Fit every amplifier by itself, where all of them read the lines")
    background_method: Literal["median", "model", "median_image"] | None = param(
        "median", "Background that is kept: one level, a smooth map, the scaled median of all integrations, or none"
    )
    background_box_size: tuple[int, int] | None = param(
        None,
        "Boxes of the smooth map (rows, columns); by default the largest up to 32 that divide the image",
        unit="pixel",
    )
    mask_science_regions: bool = param(False, "Leave out the pixels that the optics send light to")
    apply_flat_field: bool = param(False, "Measure on images that are divided by the flat")
    n_sigma: float = param(2.0, "Limit of pixels that count as background; 0 or less does not clip", unit="sigma")
    fit_histogram: bool = param(False, "Take that limit from a Gaussian fitted to the histogram")
    single_mask: bool = param(True, "One mask for all integrations")
    user_mask: str | None = param(None, "FITS file whose non-zero pixels count as background, in place of the mask")
    save_mask: bool = param(False, "Save the pixels that count as background (suffix mask)")
    save_background: bool = param(False, "Save the background (suffix flicker_bkg)")
    save_noise: bool = param(False, "Save the noise that is subtracted (suffix flicker_noise)")

    _files = field_validator("user_mask")(existing)


def needed(params: CleanFlickerNoiseParams, exposure_type: ExposureType | None) -> set[str]:
    """Name the references and stages that these parameters ask for."""
    names = {"flat"} if params.apply_flat_field or params.autoparam else set()
    if _needs_draft(params):
        names.add("ramp_fit")
    if params.mask_science_regions and not params.user_mask:
        names |= region_needs(exposure_type)
    return names


def working_memory(params: CleanFlickerNoiseParams) -> float:
    """Give the size of the draft rates and of what is saved."""
    return 0.4 + 0.7 * (params.save_background + params.save_noise)


@step(
    stage="clean_flicker_noise",
    needs=("FASTAXIS", "SLOWAXIS", "NOUTPUTS"),
    optional_references=("flat", "pastasoss"),
    calls=("ramp_fit", "assign_wcs"),
    wants=needed,
    products={"mask": "save_mask", "flicker_bkg": "save_background", "flicker_noise": "save_noise"},
    params=CleanFlickerNoiseParams,
    scratch=working_memory,
)
def clean_flicker_noise(
    exposure: Ramp | Image | Cube,
    references: Mapping[str, Reference],
    params: CleanFlickerNoiseParams,
    context: Context,
) -> Ramp | Image | Cube:
    """Measure the noise of every line on its pixels without sources, and subtract it.

    In ramps that is done on the differences of successive groups; the first group stays as it is. In a time series
    (background_method=median_image) it is done on what is left of every group when the scaled median integration is
    subtracted.
    """
    layout = _layout(exposure, context)
    _refuse(exposure, params, context)
    plan = _plan(exposure, layout, references, params, context)
    kept = _room(exposure, params)
    count_noise(exposure, context, when="before")
    context.count(cleaned_images=_clean(exposure, plan, kept))
    count_noise(exposure, context, when="after")
    _save(exposure, plan.masks, kept, params, context)
    return exposure


class _Plan(NamedTuple):
    """What was found out before the first edit."""

    fit: NoiseFit
    """How background and noise are measured."""
    masks: np.ndarray
    """Pixels that hold background, bool (n, ny, nx): one mask for all integrations, or one for each."""
    flat: np.ndarray | None
    brightness: np.ndarray | None
    """Of the integrations of a time series, where it is used."""

    def mask(self, integration: int) -> np.ndarray:
        """Give the pixels of an integration that hold background."""
        return self.masks[min(integration, len(self.masks) - 1)]


def _plan(
    exposure: Exposure, layout: ReadoutLayout, references: Mapping[str, Reference], params: CleanFlickerNoiseParams,
    context: Context,
) -> _Plan:  # fmt: skip
    """Find out what is needed from draft rates, which are not kept."""
    import numpy as np

    from jwcore.algorithms.flicker_series import light_curve

    in_series = params.background_method == "median_image"
    if in_series:
        params = params.model_copy(update={"single_mask": False})
    draft = draft_rate(exposure, context, cube=not params.single_mask) if _needs_draft(params) else None
    limits = _limits(exposure, params, context)
    if limits is not None:
        params = params.model_copy(update={"apply_flat_field": "flat" in references})
    flat = _flat(exposure, references, params)
    images = None if draft is None else rates_of(draft) if flat is None else rates_of(draft) / flat
    if images is not None and limits is not None:
        params = _choose(images, limits, layout, exposure, params, context)
    masks = _masks(exposure, draft, images, references, params, context)
    brightness = light_curve(rates_of(draft), np.all(masks, axis=0)) if in_series and draft is not None else None
    return _Plan(_noise_fit(exposure, layout, params, context), masks, flat, brightness)


def _needs_draft(params: CleanFlickerNoiseParams) -> bool:
    return not params.user_mask or params.autoparam or params.background_method == "median_image"


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


def _refuse(exposure: Exposure, params: CleanFlickerNoiseParams, context: Context) -> None:
    """Give up where the correction means nothing.

    Raises
    ------
    SkipStep, StepFailed
        With the reason.
    """
    kind = context.exposure_type
    if isinstance(exposure, Ramp) and exposure.shape[1] < 2:
        raise SkipStep("a single group has no difference")
    if _mid_infrared(context) and not kind.direct_image:
        raise StepFailed(f"in mid-infrared exposures of type {kind.name} light reaches all lines")
    if params.fit_method == "fft" and (_mid_infrared(context) or kind.family not in SLICED + SLITS):
        raise StepFailed(f"fit_method=fft is for spectra through slits and slices, not for {kind.name or kind.family}")
    if params.background_method == "median_image" and (len(exposure.shape) < 3 or exposure.shape[0] < 2):
        raise StepFailed("background_method=median_image needs several integrations")


def _mid_infrared(context: Context) -> bool:
    return context.detector.readout != "near-infrared"


def _limits(exposure: Exposure, params: CleanFlickerNoiseParams, context: Context) -> Limits | None:
    """Give the limits by which parameters are chosen, if that is asked for and they are known."""
    from jwcore.algorithms.flicker_auto import LIMITS

    if not params.autoparam:
        return None
    limits = LIMITS.get(exposure.meta.instrument.name) if context.exposure_type.direct_image else None
    if limits is None:
        context.log.warning("autoparam has no effect: only some imagers are known")
    return limits


def _by_amplifier(exposure: Exposure, layout: ReadoutLayout, context: Context) -> bool:
    """Tell whether each line is read in equal parts through all amplifiers."""
    detector = context.detector
    all_read = layout.shape == detector.shape or exposure.meta.exposure.noutputs == detector.amplifiers
    return not _mid_infrared(context) and all_read and layout.columns == slice(0, layout.size[1])


def _choose(
    images: np.ndarray, limits: Limits, layout: ReadoutLayout, exposure: Exposure, params: CleanFlickerNoiseParams,
    context: Context,
) -> CleanFlickerNoiseParams:  # fmt: skip
    """Choose parameters from draft rates, which are divided by the flat if there is one."""
    from jwcore.algorithms import flicker_auto

    channels = context.detector.amplifiers if _by_amplifier(exposure, layout, context) else 1
    choice = flicker_auto.choose_parameters(
        flicker_auto.mean_image(images), layout=layout, limits=limits, channels=channels
    )
    found = {"background_method": choice.background, "fit_by_channel": choice.by_channel}
    params = params.model_copy(update=found)
    names = (*found, "apply_flat_field")
    context.log.info("autoparam: %s", ", ".join(f"{name}={getattr(params, name)}" for name in names))
    return params


def _flat(
    exposure: Exposure, references: Mapping[str, Reference], params: CleanFlickerNoiseParams
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


def _masks(
    exposure: Exposure, draft: Exposure | None, images: np.ndarray | None, references: Mapping[str, Reference],
    params: CleanFlickerNoiseParams, context: Context,
) -> np.ndarray:  # fmt: skip
    """Pixels that hold background, bool (n, ny, nx): one mask for all integrations, or one for each."""
    import numpy as np

    from jwcore.algorithms.flicker_mask import background_pixels

    if params.user_mask or draft is None or images is None:
        masks = read_mask(str(params.user_mask), exposure)
    else:
        usable = usable_pixels(draft)
        if params.mask_science_regions:
            usable &= ~lit_pixels(draft, references, context)
        masks = np.array([
            background_pixels(image, pixels, n_sigma=params.n_sigma, fit_histogram=params.fit_histogram)
            for image, pixels in zip(images, usable, strict=True)
        ])  # fmt: skip
    return np.all(masks, axis=0)[None] if params.single_mask else masks


def _noise_fit(
    exposure: Exposure, layout: ReadoutLayout, params: CleanFlickerNoiseParams, context: Context
) -> NoiseFit:
    """How background and noise are measured."""
    from jwcore.algorithms.flicker import NoiseFit

    by_channel = _by_amplifier(exposure, layout, context)
    if params.fit_by_channel and (params.fit_method == "fft" or not by_channel):
        context.log.warning("fit_by_channel has no effect: it is for medians of lines read through all amplifiers")
    in_series = params.background_method == "median_image"
    return NoiseFit(
        layout=layout,
        method=params.fit_method,
        background=None if in_series else params.background_method,
        box=params.background_box_size,
        n_sigma=params.n_sigma,
        along_x=layout.fast_is_x and not _mid_infrared(context),
        channels=context.detector.amplifiers if params.fit_by_channel and by_channel else 1,
    )


def _room(exposure: Exposure, params: CleanFlickerNoiseParams) -> Kept:
    """Arrays for what shall be saved, with a leading axis for integrations."""
    import numpy as np

    from jwcore.algorithms.flicker import Kept

    images = exposure.data[None] if isinstance(exposure, Image) else exposure.data
    wanted = (params.save_background, params.save_noise)
    return Kept(*(np.zeros_like(images) if save else None for save in wanted))


def _clean(exposure: Exposure, plan: _Plan, kept: Kept) -> int:
    """Clean the images, the differences of groups, or the groups of a time series; return their number."""
    from jwcore.algorithms.flicker import clean_images, clean_ramp

    if plan.brightness is not None:
        return _clean_series(exposure, plan, plan.brightness, kept)
    if not isinstance(exposure, Ramp):
        return clean_images(rates_of(exposure), plan.mask, fit=plan.fit, flat=plan.flat, kept=kept)
    return sum(
        clean_ramp(
            groups, exposure.groupdq[number], plan.mask(number), fit=plan.fit, flat=plan.flat, kept=_part(kept, number)
        )
        for number, groups in enumerate(exposure.data)
    )


def _clean_series(exposure: Exposure, plan: _Plan, brightness: np.ndarray, kept: Kept) -> int:
    """Clean all groups of a time series; return their number."""
    import numpy as np

    from jwcore.algorithms.flicker import clean_series
    from jwcore.algorithms.flicker_series import known_signal, median_integration

    ramps = isinstance(exposure, Ramp)
    data = exposure.data if ramps else exposure.data[:, None]
    flags = exposure.groupdq if ramps else (~usable_pixels(exposure)[:, None]).astype(np.uint8)
    median, background = median_integration(data, flags), np.all(plan.masks, axis=0)
    return sum(
        clean_series(
            groups, flags[number], plan.mask(number), signal=known_signal(median, background, brightness[number]),
            fit=plan.fit, flat=plan.flat, kept=_part(kept, number if ramps else slice(number, number + 1)),
        )
        for number, groups in enumerate(data)
    )  # fmt: skip


def _part(kept: Kept, index: int | slice) -> Kept:
    return type(kept)(*(None if array is None else array[index] for array in kept))


def _save(exposure: Exposure, masks: np.ndarray, kept: Kept, params: CleanFlickerNoiseParams, context: Context) -> None:
    """Hand out what was asked for."""
    if params.save_mask:
        kind, mask = (Image, masks[0]) if len(masks) == 1 else (Cube, masks)
        context.save("mask", kind(data=mask, meta=exposure.meta.copy()))
    for name, array in (("flicker_bkg", kept.background), ("flicker_noise", kept.noise)):
        if array is not None:
            context.save(name, type(exposure)(data=array.reshape(exposure.shape), meta=exposure.meta.copy()))
