"""picture_frame: remove the thermal pattern of a detector that drifts during an exposure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import BadInput, Cube, Image, Params, Ramp, SkipStep, param, step
from jwcore.builtin.detector1._background_pixels import draft_rate, lit_pixels, rates_of, region_needs, usable_pixels

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.algorithms.picture_frame import Pattern
    from jwcore.api import Context, ExposureType, Reference


class PictureFrameParams(Params):
    """Parameters of picture_frame."""

    skip: bool = param(True, "Do not run this step")
    mask_science_regions: bool = param(True, "Leave out the pixels that the optics send light to")
    n_sigma: float = param(2.0, "Limit of pixels that count as background; 0 or less does not clip", unit="sigma")
    save_mask: bool = param(False, "Save the pixels that count as background (suffix pctfrm_mask)")
    save_correction: bool = param(False, "Save what is subtracted (suffix pctfrm_correction)")


def needed(params: PictureFrameParams, exposure_type: ExposureType | None) -> set[str]:
    """Name the references and stages that these parameters ask for."""
    return {"ramp_fit"} | (region_needs(exposure_type) if params.mask_science_regions else set())


def working_memory(params: PictureFrameParams) -> float:
    """Give the size of the draft rates and of what is saved."""
    return 0.3 + 0.5 * params.save_correction


@step(
    stage="picture_frame",
    references=("pictureframe",),
    optional_references=("flat", "pastasoss"),
    calls=("ramp_fit", "assign_wcs"),
    wants=needed,
    products={"pctfrm_mask": "save_mask", "pctfrm_correction": "save_correction"},
    params=PictureFrameParams,
    scratch=working_memory,
)
def picture_frame(
    exposure: Ramp | Image | Cube, references: Mapping[str, Reference], params: PictureFrameParams, context: Context
) -> Ramp | Image | Cube:
    """Scale the pattern to centre and edges of every group, less the first one, or of rates, and subtract it."""
    _refuse(exposure, context)
    pattern = _pattern(exposure, references, params, context)
    context.count(corrected_images=_remove(exposure, pattern, params, context))
    return exposure


def _refuse(exposure: Ramp | Image | Cube, context: Context) -> None:
    """Skip what has no picture frame, or not all of it."""
    from jwcore.algorithms.picture_frame import ACTIVE

    if isinstance(exposure, Ramp) and exposure.shape[1] < 2:
        raise SkipStep("a single group has no difference")
    if exposure.shape[-2:] != context.detector.shape or min(context.detector.shape) < ACTIVE.stop:
        raise SkipStep("only full frames show the whole pattern")


def _pattern(
    exposure: Ramp | Image | Cube, references: Mapping[str, Reference], params: PictureFrameParams, context: Context
) -> Pattern:
    """Measure the pattern where the exposure holds background."""
    from jwcore.algorithms.picture_frame import prepare_pattern

    reference = references["pictureframe"]
    image = reference.array("SCI")
    if image is None or image.shape != exposure.shape[-2:]:
        found = "nothing" if image is None else image.shape
        raise BadInput(
            f"SCI of the pictureframe reference holds {found}, the exposure {exposure.shape[-2:]}",
            where=reference.name,
            cure="check the file, or name another one with --override",
        )
    mask = _background(exposure, references, params, context)
    try:
        pattern = prepare_pattern(image, mask)
    except ValueError as error:
        raise SkipStep(str(error)) from error
    if params.save_mask:
        context.save("pctfrm_mask", Image(data=mask, meta=exposure.meta.copy()))
    return pattern


def _background(
    exposure: Ramp | Image | Cube, references: Mapping[str, Reference], params: PictureFrameParams, context: Context
) -> np.ndarray:
    """Pixels that hold background in all integrations, bool (ny, nx)."""
    import numpy as np

    from jwcore.algorithms.flicker_mask import background_pixels

    draft = draft_rate(exposure, context)
    usable = usable_pixels(draft)
    if params.mask_science_regions:
        usable &= ~lit_pixels(draft, references, context)
    images = zip(rates_of(draft), usable, strict=True)
    return np.all([background_pixels(image, pixels, n_sigma=params.n_sigma) for image, pixels in images], axis=0)


def _remove(exposure: Ramp | Image | Cube, pattern: Pattern, params: PictureFrameParams, context: Context) -> int:
    """Subtract the pattern; return the number of images that were corrected."""
    import numpy as np

    from jwcore.algorithms.picture_frame import remove_from_image, remove_from_ramp

    correction = np.zeros_like(exposure.data) if params.save_correction else None
    if isinstance(exposure, Ramp):
        parts = [None] * len(exposure.data) if correction is None else correction
        number = sum(
            remove_from_ramp(groups, flags, pattern, correction=part)
            for groups, flags, part in zip(exposure.data, exposure.groupdq, parts, strict=True)
        )
    else:
        images = rates_of(exposure)
        parts = [None] * len(images) if correction is None else correction.reshape(images.shape)
        number = sum(
            remove_from_image(image, usable, pattern, correction=part)
            for image, usable, part in zip(images, usable_pixels(exposure), parts, strict=True)
        )
    if correction is not None:
        context.save("pctfrm_correction", type(exposure)(data=correction, meta=exposure.meta.copy()))
    return number
