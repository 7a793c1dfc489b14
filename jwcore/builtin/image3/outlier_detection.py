"""outlier_detection: flag pixels that disagree with the median of the dithered exposures."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from pydantic import field_validator

from jwcore.api import BadInput, ExposureSet, Image, SkipStep, StepFailed, param, step
from jwcore.builtin.image3 import _mosaic

if TYPE_CHECKING:
    import numpy as np

    from jwcore.algorithms.outliers import ImageStack
    from jwcore.algorithms.output_grid import OutputGrid
    from jwcore.algorithms.pixel_map import PixelMap
    from jwcore.api import Context, ExposureType, Meta

MARGIN = 3
"""Output pixels around a footprint that resampling may reach."""


def _numbers(text: str) -> tuple[float, float]:
    """Read one or two numbers; a single one serves for both passes."""
    try:
        values = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        values = []
    if len(values) not in (1, 2):
        raise ValueError("give two numbers, with a blank between them")
    return values[0], values[-1]


class OutlierDetectionParams(_mosaic.DrizzleParams):
    """Parameters of outlier_detection."""

    weight_type: Literal["ivm", "exptime"] = param("ivm", "Weight: inverse read-noise variance or exposure time")
    kernel: Literal["square", "point", "turbo"] = param("square", "Drizzle kernel")
    maskpt: float = param(0.7, "Fraction of the mean weight below which pixels stay out of the median", ge=0.0, le=1.0)
    snr: str = param("5.0 4.0", "Thresholds of the first and second pass", unit="sigma")
    scale: str = param("1.2 0.7", "Multiples of the derivative of the model in the two passes")
    backg: float = param(0.0, "Level added to the model where no sky level is recorded", unit="data")
    kernel_size: str = param("7 7", "Integral field units: size of the median filter", unit="px")
    threshold_percent: float = param(99.8, "Integral field units: percentile that is flagged", ge=0.0, le=100.0)
    rolling_window_width: int = param(25, "Time series: integrations in the rolling median", ge=1)
    ifu_second_check: bool = param(False, "Integral field units: flag NaN minima too")
    save_intermediate_results: bool = param(False, "Save the resampled groups, their median and the blotted models")
    resample_data: bool = param(True, "Compare on a common grid; False compares pixel by pixel")
    good_bits: str | None = param("~DO_NOT_USE", "Flags that a good pixel may have; ~ means all but these")
    search_output_file: bool = param(False, "No effect: file names follow the naming rule")
    in_memory: bool = param(True, "Keep the resampled groups in memory; False uses temporary files")

    _flags = field_validator("good_bits")(_mosaic.known_flags)

    @field_validator("snr", "scale", "kernel_size")
    @classmethod
    def _check_numbers(cls, text: str) -> str:
        _numbers(text)
        return text


def _declined(exposure_type: ExposureType | None) -> str | None:
    if exposure_type is not None and exposure_type.family != "imaging":
        return f"outlier detection of {exposure_type.family} exposures is not available yet"
    return None


def working_memory(params: OutlierDetectionParams, exposures: int) -> float:
    """Give the size of the resampled exposures, a mosaic and its weight, the median and a blotted model."""
    return 5.0 + (exposures if params.in_memory else 1)


@step(
    stage="outlier_detection",
    params=OutlierDetectionParams,
    products=dict.fromkeys(("outlier_i2d", "median", "blot"), "save_intermediate_results"),
    applies=_declined,
    scratch=working_memory,
)
def outlier_detection(exposures: ExposureSet, params: OutlierDetectionParams, context: Context) -> ExposureSet:
    """Flag outliers of dithered images as OUTLIER and DO_NOT_USE, and set them to NaN."""
    if reason := _declined(context.exposure_type):
        raise SkipStep(reason)
    exposures.require_alike()
    if len(exposures) < 2:
        raise StepFailed("one exposure has no other to disagree with")
    in_memory = params.in_memory and exposures.in_memory
    with nullcontext() if in_memory else tempfile.TemporaryDirectory(prefix="jwcal-outliers-") as folder:
        scratch = Path(folder) if folder else None
        if params.resample_data:
            _flag_resampled(exposures, params, context, scratch)
        else:
            _flag_directly(exposures, params, context, scratch)
    return exposures


# ---- on a common grid
def _flag_resampled(
    exposures: ExposureSet, params: OutlierDetectionParams, context: Context, scratch: Path | None
) -> None:
    """Compare every exposure with the blotted median of the resampled groups."""
    from jwcore.algorithms.outliers import blot, find_outliers

    snr, scale = _numbers(params.snr), _numbers(params.scale)
    grid = _mosaic.common_grid(exposures)
    maps: dict[int, PixelMap] = {}
    stack = _resampled_groups(exposures, grid, maps, params, context, scratch)
    median = stack.median()
    del stack
    if params.save_intermediate_results:
        _save(context, "median", exposures.metas()[0], data=median, wcs=grid.wcs)
    for index, exposure in enumerate(exposures.each()):
        image = cast("Image", exposure)
        model = blot(median, pixel_map=maps[index])
        if params.save_intermediate_results:
            _save(context, "blot", image.meta, data=model, wcs=image.wcs)
        sky = image.meta.background
        recorded = sky.level is not None and not sky.subtracted
        background = _mosaic.sky_level(image.meta) if recorded else params.backg
        outliers = find_outliers(image.data, _error(image), model, background=background, snr=snr, scale=scale)
        _flag(image, outliers, context)


def _resampled_groups(
    exposures: ExposureSet,
    grid: OutputGrid,
    maps: dict[int, PixelMap],
    params: OutlierDetectionParams,
    context: Context,
    scratch: Path | None,
) -> ImageStack:
    """Resample each group onto its part of the grid, drop what has little weight, and keep the maps of the exposures."""
    from jwcore.algorithms.drizzle import Mosaic
    from jwcore.algorithms.good_bits import bad_bits
    from jwcore.algorithms.outliers import ImageStack, drop_low_weight, weight_threshold

    stack = ImageStack(shape=grid.shape, folder=scratch)
    polygons = _mosaic.footprints(exposures)
    for members in context.progress(list(exposures.groups().values()), "resample groups"):
        y, x, shape = _window([polygons[index] for index in members], grid)
        mosaic = Mosaic(shape=shape, kernel=params.kernel, pixfrac=params.pixfrac, scale_ratio=grid.scale_ratio)
        for index in members:
            image = _mosaic.image_at(exposures, index)
            maps[index] = _mosaic.map_to(grid, image)
            part = replace(maps[index], grid_x=maps[index].grid_x - x, grid_y=maps[index].grid_y - y)
            _mosaic.add_to(
                mosaic,
                image,
                pixel_map=part,
                weight_type=params.weight_type,
                bad_bits=bad_bits(params.good_bits),
            )
        planes = mosaic.finish(fill=params.fill)
        if params.save_intermediate_results:
            _save_group(context, exposures.metas()[members[0]], planes.data, planes.weight, (y, x), grid)
        drop_low_weight(planes.data, planes.weight, weight_threshold(planes.weight, fraction=params.maskpt))
        stack.append(planes.data, origin=(y, x))
    return stack


def _window(polygons: list[np.ndarray], grid: OutputGrid) -> tuple[int, int, tuple[int, int]]:
    """Part of the grid that footprints cover: first row, first column, shape."""
    import numpy as np

    x, y = grid.to_pixels(*np.concatenate(polygons).T)
    ny, nx = grid.shape
    x0, y0 = max(int(x.min()) - MARGIN, 0), max(int(y.min()) - MARGIN, 0)
    x1, y1 = min(int(x.max()) + MARGIN + 1, nx), min(int(y.max()) + MARGIN + 1, ny)
    return y0, x0, (y1 - y0, x1 - x0)


# ---- pixel by pixel
def _flag_directly(
    exposures: ExposureSet, params: OutlierDetectionParams, context: Context, scratch: Path | None
) -> None:
    """Compare exposures that are registered pixel by pixel with their median."""
    from jwcore.algorithms.good_bits import bad_bits
    from jwcore.algorithms.outliers import ImageStack, deviants, drop_low_weight, weight_threshold

    threshold, _ = _numbers(params.snr)
    shape = _mosaic.shape_of(_mosaic.image_at(exposures, 0))
    stack = ImageStack(shape=shape, folder=scratch)
    for index, meta in enumerate(exposures.metas()):
        image = _mosaic.image_at(exposures, index)
        if image.shape != shape:
            raise BadInput(
                f"shape {image.shape} instead of {shape}", where=meta.filename, cure="set resample_data=true"
            )
        weight = _mosaic.pixel_weights(image, weight_type=params.weight_type, bad_bits=bad_bits(params.good_bits))
        data = image.data - _mosaic.sky_level(meta)
        drop_low_weight(data, weight, weight_threshold(weight, fraction=params.maskpt))
        stack.append(data)
    median = stack.median()
    if params.save_intermediate_results:
        _save(context, "median", exposures.metas()[0], data=median, wcs=exposures[0].wcs)
    for exposure in exposures.each():
        image = cast("Image", exposure)
        data = image.data - _mosaic.sky_level(image.meta)
        _flag(image, deviants(data, _error(image), median, snr=threshold), context)


# ---- results
def _error(image: Image) -> np.ndarray:
    """Error of an exposure; without one the derivative alone decides."""
    import numpy as np

    return np.zeros_like(image.data) if image.err is None else image.err


def _flag(image: Image, outliers: np.ndarray, context: Context) -> None:
    """Set the flags, and NaN wherever a pixel must not be used."""
    import numpy as np

    from jwcore.algorithms import dq
    from jwcore.algorithms.nan_dq import match_nans_and_flags

    if image.dq is None:
        image.dq = np.zeros(image.shape, dtype=np.uint32)
    image.dq[outliers] |= np.uint32(dq.DO_NOT_USE | dq.OUTLIER)
    match_nans_and_flags(
        image.data, image.dq, err=image.err, variances=[getattr(image, name) for name in _mosaic.VARIANCES]
    )
    context.count(outliers=int(np.count_nonzero(outliers)))


def _save(context: Context, name: str, meta: Meta, *, wcs: object, **arrays: np.ndarray) -> None:
    """Hand out an intermediate image under the name of the exposure that it belongs to."""
    image = Image(meta=meta.copy(), **arrays)
    image.wcs = wcs
    context.save(name, ExposureSet([image]))


def _save_group(
    context: Context, meta: Meta, data: np.ndarray, weight: np.ndarray, origin: tuple[int, int], grid: OutputGrid
) -> None:
    """Hand out a resampled group on the whole grid."""
    import numpy as np

    whole, wht = np.full(grid.shape, np.nan, dtype=np.float32), np.zeros(grid.shape, dtype=np.float32)
    y, x = origin
    part = np.s_[y : y + data.shape[0], x : x + data.shape[1]]
    whole[part], wht[part] = data, weight
    _save(context, "outlier_i2d", meta, data=whole, wht=wht, wcs=grid.wcs)
