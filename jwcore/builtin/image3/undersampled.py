"""outlier_detection of undersampled images: star cores stay, cosmic rays go."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from jwcore.api import Image, SkipStep, step
from jwcore.builtin.image3 import _mosaic
from jwcore.builtin.image3._outliers import (
    DITHERED,
    ResampledParams,
    background_of,
    flag,
    in_series,
    remark_sources,
    resampled_groups,
    save,
    save_mosaic,
    scratch_folder,
    shifted,
    working_memory,
)
from jwcore.builtin.image3._outliers_dithers import require_dithers

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from jwcore.algorithms.pixel_map import PixelMap
    from jwcore.api import Context, ExposureSet, ExposureType, Meta


def _declined(meta: Meta, exposure_type: ExposureType | None) -> str | None:
    if exposure_type is None or (exposure_type.family == DITHERED and not in_series(meta, exposure_type)):
        return None
    return "stars are told from cosmic rays in dithered images alone"


def _memory(params: ResampledParams, exposures: int) -> float:
    return working_memory(params, exposures) + 4.0


@step(
    stage="outlier_detection",
    name="undersampled",
    params=ResampledParams,
    products=dict.fromkeys(("outlier_i2d", "median", "blot"), "save_intermediate_results"),
    applies=_declined,
    scratch=_memory,
    alternative=True,
)
def undersampled(exposures: ExposureSet, params: ResampledParams, context: Context) -> ExposureSet:
    """Flag outliers of dithered images, but leave stars alone whose image is narrower than the pixels.

    Pixels are found by the usual test, ``|r| > scale D + snr err`` in two passes, with ``r`` the residual against the blotted
    median and ``D`` the derivative of that. Those are kept as light of a star which only fell on the pixels in another way
    where the sum over 3 x 3 pixels, in which that makes no difference, agrees with the median of all exposures:
    ``|R| < min(|r| / 2, max(0.2 D_R, 3 err_R))``, and ``|r| < 5 D``. Of an even number of exposures the lower median counts, so
    that a cosmic ray in one of two is found.
    """
    if reason := _declined(exposures.metas()[0], context.exposure_type):
        raise SkipStep(reason)
    require_dithers(exposures)
    with scratch_folder(exposures, params) as scratch:
        _flag(exposures, params, context, scratch)
    return exposures


def _flag(exposures: ExposureSet, params: ResampledParams, context: Context, scratch: Path | None) -> None:
    import numpy as np

    from jwcore.algorithms.outliers import blot, find_outliers, source_level
    from jwcore.algorithms.sharp_stars import keep_stars

    grid = _mosaic.common_grid(exposures)
    maps: dict[int, PixelMap] = {}
    median = resampled_groups(exposures, grid, maps, params, context, scratch).median(lower=True)
    if params.save_intermediate_results:
        save_mosaic(context, "median", exposures, range(len(exposures)), grid=grid, params=params, data=median)
    level = source_level(median)

    def averaged(index: int, image: Image) -> Image:
        model = blot(median, pixel_map=maps[index])
        return _averaged(image, model + background_of(image, params), params)

    means = resampled_groups(exposures, grid, maps, params, context, scratch, view=averaged)
    typical = means.median(lower=True)
    area = 0.0
    group_of = {member: number for number, members in enumerate(exposures.groups().values()) for member in members}
    for index, exposure in enumerate(exposures.each()):
        image = cast("Image", exposure)
        background, model = background_of(image, params), blot(median, pixel_map=maps[index])
        if params.save_intermediate_results:
            save(context, "blot", image.meta, data=model, wcs=image.wcs)
        excess, origin = means.excess(group_of[index], typical)
        outliers = find_outliers(
            image.data, image.err, model, background=background, snr=params.thresholds, scale=params.slopes
        )
        keep_stars(
            outliers,
            data=image.data - np.float32(background),
            err=image.err,
            model=model,
            excess=blot(excess, pixel_map=shifted(maps[index], origin)),
            typical=blot(typical, pixel_map=maps[index]),
        )
        in_sources = model > level
        flag(image, outliers, context, in_sources=in_sources)
        area += in_sources.mean() / len(exposures)
    remark_sources(context, area=area)


def _averaged(image: Image, model: np.ndarray, params: ResampledParams) -> Image:
    """Make an image of the means over 3 x 3 pixels, the model standing in for bad ones; all of them have the same weight."""
    from jwcore.algorithms.sharp_stars import box_mean

    weight = _mosaic.pixel_weights(image, weight_type=params.weight_type, bad_bits=params.bad_bits)
    made = Image(data=box_mean(image.data, weight=weight, replacement=model), meta=image.meta)
    made.wcs = image.wcs
    return made
