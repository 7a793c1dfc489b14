"""outlier_detection of dithered images: each is compared with the median of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from jwcore.api import BadInput, StepFailed
from jwcore.builtin.image3 import _mosaic
from jwcore.builtin.image3._outliers import (
    background_of,
    flag,
    remark_sources,
    require_error,
    resampled_groups,
    save,
    save_mosaic,
    scratch_folder,
)

if TYPE_CHECKING:
    from pathlib import Path

    from jwcore.algorithms.pixel_map import PixelMap
    from jwcore.api import Context, ExposureSet, Image
    from jwcore.builtin.image3._outliers import ResampledParams


def require_dithers(exposures: ExposureSet) -> None:
    """Refuse exposures that cannot be compared with one another."""
    exposures.require_alike()
    if len(exposures) < 2:
        raise StepFailed("one exposure has no other to disagree with")


def flag_dithers(exposures: ExposureSet, params: ResampledParams, context: Context, *, resample: bool) -> None:
    """Flag the outliers of dithered images."""
    require_dithers(exposures)
    with scratch_folder(exposures, params) as scratch:
        (_flag_resampled if resample else _flag_directly)(exposures, params, context, scratch)


def _flag_resampled(exposures: ExposureSet, params: ResampledParams, context: Context, scratch: Path | None) -> None:
    """Compare every exposure with the blotted median of the resampled groups."""
    from jwcore.algorithms.outliers import blot, find_outliers, source_level

    grid = _mosaic.common_grid(exposures)
    maps: dict[int, PixelMap] = {}
    stack = resampled_groups(exposures, grid, maps, params, context, scratch)
    median = stack.median()
    del stack
    level, area = source_level(median), 0.0
    if params.save_intermediate_results:
        save_mosaic(context, "median", exposures, range(len(exposures)), grid=grid, params=params, data=median)
    for index, exposure in enumerate(exposures.each()):
        image = cast("Image", exposure)
        model = blot(median, pixel_map=maps[index])
        if params.save_intermediate_results:
            save(context, "blot", image.meta, data=model, wcs=image.wcs)
        outliers = find_outliers(
            image.data,
            image.err,
            model,
            background=background_of(image, params),
            snr=params.thresholds,
            scale=params.slopes,
        )
        in_sources = model > level
        flag(image, outliers, context, in_sources=in_sources)
        area += in_sources.mean() / len(exposures)
    remark_sources(context, area=area)


def _flag_directly(exposures: ExposureSet, params: ResampledParams, context: Context, scratch: Path | None) -> None:
    """Compare exposures that are registered pixel by pixel with their median."""
    from jwcore.algorithms.outliers import ImageStack, deviants, drop_low_weight, source_level, weight_threshold

    shape = _mosaic.shape_of(_mosaic.image_at(exposures, 0))
    stack = ImageStack(shape=shape, folder=scratch)
    for index, meta in enumerate(exposures.metas()):
        image = _mosaic.image_at(exposures, index)
        if image.shape != shape:
            raise BadInput(
                f"shape {image.shape} instead of {shape}", where=meta.filename, cure="set resample_data=true"
            )
        require_error(image)
        weight = _mosaic.pixel_weights(image, weight_type=params.weight_type, bad_bits=params.bad_bits)
        data = image.data - _mosaic.sky_level(meta)
        drop_low_weight(data, weight, weight_threshold(weight, fraction=params.maskpt))
        stack.append(data)
    median = stack.median()
    in_sources = median > source_level(median)
    if params.save_intermediate_results:
        save(context, "median", exposures.metas()[0], data=median, wcs=exposures[0].wcs)
    for exposure in exposures.each():
        image = cast("Image", exposure)
        data = image.data - _mosaic.sky_level(image.meta)
        flag(image, deviants(data, image.err, median, snr=params.thresholds[0]), context, in_sources=in_sources)
    remark_sources(context, area=in_sources.mean())
