"""What the variants of outlier_detection share: parameters, resampled groups, flags."""

from __future__ import annotations

import math
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import field_validator

from jwcore.api import ExposureSet, Image, StepFailed, is_tso, param
from jwcore.builtin.image3 import _mosaic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

    from jwcore.algorithms.outliers import ImageStack
    from jwcore.algorithms.output_grid import OutputGrid
    from jwcore.algorithms.pixel_map import PixelMap
    from jwcore.api import Context, Exposure, ExposureType, Meta

DITHERED, REPEATED = "imaging", "coronagraphy"
"""Families of exposures that are compared with one another, and integration by integration."""
MARGIN = 3
"""Output pixels around a footprint that resampling may reach."""
MANY, OF_AREA, LEAST = 0.25, 3.0, 50
"""Outliers lie in sources suspiciously often when it is that share of them, that multiple of the share of the pixels which
sources cover, and that number: cosmic rays fall anywhere."""


def _numbers(text: str) -> tuple[float, float]:
    """Read one or two numbers; a single one serves for both passes."""
    try:
        values = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        values = []
    if len(values) not in (1, 2) or not all(map(math.isfinite, values)):
        raise ValueError("give two numbers, with a blank between them")
    return values[0], values[-1]


class ResampledParams(_mosaic.DrizzleParams):
    """Parameters of the comparison with resampled exposures."""

    weight_type: Literal["ivm", "exptime"] = param("ivm", "Weight: inverse read-noise variance or exposure time")
    kernel: Literal["square", "point", "turbo"] = param("square", "Drizzle kernel")
    maskpt: float = param(0.7, "Fraction of the mean weight below which pixels stay out of the median", ge=0.0, le=1.0)
    snr: str = param("5.0 4.0", "Thresholds of the first and second pass", unit="sigma")
    scale: str = param("1.2 0.7", "Multiples of the derivative of the model in the two passes")
    backg: float = param(0.0, "Level added to the model where no sky level is recorded", unit="data")
    save_intermediate_results: bool = param(False, "Save the resampled groups, their median and the blotted models")
    good_bits: str | None = param("~DO_NOT_USE", "Flags that a good pixel may have; ~ means all but these")
    in_memory: bool = param(True, "Keep the resampled groups in memory; False uses temporary files")

    _flags = field_validator("good_bits")(_mosaic.known_flags)

    @field_validator("snr", "kernel_size", check_fields=False)
    @classmethod
    def _check_positive(cls, text: str) -> str:
        if min(_numbers(text)) <= 0.0:
            raise ValueError("give numbers above 0")
        return text

    @field_validator("scale")
    @classmethod
    def _check_not_negative(cls, text: str) -> str:
        if min(_numbers(text)) < 0.0:
            raise ValueError("give no negative numbers")
        return text

    @property
    def thresholds(self) -> tuple[float, float]:
        """The numbers of `snr`."""
        return _numbers(self.snr)

    @property
    def slopes(self) -> tuple[float, float]:
        """The numbers of `scale`."""
        return _numbers(self.scale)

    @property
    def bad_bits(self) -> int:
        """Flags of pixels that do not count."""
        from jwcore.algorithms.good_bits import bad_bits

        return bad_bits(self.good_bits)


def in_series(meta: Meta, exposure_type: ExposureType) -> bool:
    """Tell whether an exposure is a time series, in which what changes slowly is no outlier."""
    return exposure_type.family != REPEATED and is_tso(meta, always=exposure_type.always_tso)


@contextmanager
def scratch_folder(exposures: ExposureSet, params: ResampledParams) -> Iterator[Path | None]:
    """Give a temporary folder for the resampled groups, None where they are kept in memory."""
    if params.in_memory and exposures.in_memory:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="jwcal-outliers-") as folder:
        yield Path(folder)


def working_memory(params: ResampledParams, exposures: int) -> float:
    """Give the size of the resampled exposures, a mosaic and its weight, the median and a blotted model."""
    return 5.0 + (exposures if params.in_memory else 1)


# ---- the exposures on a common grid
def resampled_groups(
    exposures: ExposureSet,
    grid: OutputGrid,
    maps: dict[int, PixelMap],
    params: ResampledParams,
    context: Context,
    scratch: Path | None,
    *,
    view: Callable[[int, Image], Image] | None = None,
) -> ImageStack:
    """Resample each group onto its part of the grid, and drop what has little weight.

    The maps of the exposures are kept in `maps`; those that are there already are used. What ``view(index, image)`` gives
    is resampled in place of an exposure.
    """
    import numpy as np

    from jwcore.algorithms.drizzle import Mosaic
    from jwcore.algorithms.outliers import ImageStack, drop_low_weight, weight_threshold

    stack = ImageStack(shape=grid.shape, folder=scratch)
    polygons = _mosaic.footprints(exposures)
    for members in context.progress(list(exposures.groups().values()), "resample groups"):
        y, x, shape = _window([polygons[index] for index in members], grid)
        mosaic = Mosaic(shape=shape, kernel=params.kernel, pixfrac=params.pixfrac, scale_ratio=grid.scale_ratio)
        for index in members:
            image = _mosaic.image_at(exposures, index)
            require_error(image)
            if index not in maps:
                maps[index] = _mosaic.map_to(grid, image)
            _mosaic.add_to(
                mosaic,
                image if view is None else view(index, image),
                pixel_map=shifted(maps[index], (y, x)),
                weight_type=params.weight_type,
                bad_bits=params.bad_bits,
            )
        planes = mosaic.finish(fill=params.fill)
        if params.save_intermediate_results and view is None:
            whole = {"data": np.full(grid.shape, np.nan, np.float32), "wht": np.zeros(grid.shape, np.float32)}
            part = np.s_[y : y + shape[0], x : x + shape[1]]
            whole["data"][part], whole["wht"][part] = planes.data, planes.weight
            save_mosaic(context, "outlier_i2d", exposures, members, grid=grid, params=params, **whole)
        drop_low_weight(planes.data, planes.weight, weight_threshold(planes.weight, fraction=params.maskpt))
        stack.append(planes.data, origin=(y, x))
    return stack


def shifted(pixel_map: PixelMap, origin: tuple[int, int]) -> PixelMap:
    """Map to the pixels of a part of the grid, whose first pixel is at `origin` (y, x)."""
    y, x = origin
    return replace(pixel_map, grid_x=pixel_map.grid_x - x, grid_y=pixel_map.grid_y - y)


def _window(polygons: list[np.ndarray], grid: OutputGrid) -> tuple[int, int, tuple[int, int]]:
    """Part of the grid that footprints cover: first row, first column, shape."""
    import numpy as np

    x, y = grid.to_pixels(*np.concatenate(polygons).T)
    ny, nx = grid.shape
    x0, y0 = max(int(x.min()) - MARGIN, 0), max(int(y.min()) - MARGIN, 0)
    x1, y1 = min(int(x.max()) + MARGIN + 1, nx), min(int(y.max()) + MARGIN + 1, ny)
    return y0, x0, (y1 - y0, x1 - x0)


def background_of(image: Image, params: ResampledParams) -> float:
    """Level that an exposure has and the median lacks: its sky where that is recorded, else what the user says."""
    sky = image.meta.background
    recorded = sky.level is not None and not sky.subtracted
    return _mosaic.sky_level(image.meta) if recorded else params.backg


def require_error(exposure: Exposure) -> None:
    """Refuse an exposure of unknown noise, nearly all of whose pixels would be taken for outliers."""
    import numpy as np

    known = exposure.err is not None and any((plane > 0.0).any() for plane in exposure.err)
    if not known and np.isfinite(exposure.data).any():
        raise StepFailed(
            f"{exposure.meta.filename} has no error above 0 to judge by: give exposures whose ERR comes from ramp_fit"
        )


# ---- results
def flags_of(exposure: Exposure) -> np.ndarray:
    """Flags of an exposure, made where it has none."""
    import numpy as np

    if exposure.dq is None:
        exposure.dq = np.zeros(exposure.shape, dtype=np.uint32)
    return exposure.dq


def flag(image: Image, outliers: np.ndarray, context: Context, *, in_sources: np.ndarray) -> None:
    """Set the flags, set NaN wherever a pixel must not be used, and count; `in_sources` tells the pixels of sources."""
    import numpy as np

    from jwcore.algorithms import dq

    flags_of(image)[outliers] |= np.uint32(dq.DO_NOT_USE | dq.OUTLIER)
    match_nans(image)
    context.count(
        outliers=int(np.count_nonzero(outliers)), outliers_in_sources=int(np.count_nonzero(outliers & in_sources))
    )


def remark_sources(context: Context, *, area: float) -> None:
    """Warn when sources, which cover a part of the area, have more of the outliers than cosmic rays would explain."""
    number, inside = context.counts.get("outliers", 0), context.counts.get("outliers_in_sources", 0)
    if inside < LEAST or inside < max(MANY, OF_AREA * area) * number:
        return
    text = (
        f"{inside} of {number} outliers ({100 * inside / number:.0f}%) lie in sources, which cover {100 * area:.1f}% of the"
        " pixels: exposures that are not aligned lose their stars so (see tweakreg), stars that are narrower than a pixel"
        " their cores (then --use outlier_detection=builtin:undersampled)"
    )
    context.log.warning("%s", text)
    context.note("warnings", [{"text": text}])


def match_nans(exposure: Exposure) -> None:
    """Set what is flagged DO_NOT_USE to NaN in all planes, and flag what is NaN in one of them."""
    from jwcore.algorithms.nan_dq import match_nans_and_flags

    variances = [getattr(exposure, name) for name in _mosaic.VARIANCES]
    match_nans_and_flags(exposure.data, exposure.dq, err=exposure.err, variances=variances)


def save(context: Context, name: str, meta: Meta, *, wcs: object, **arrays: np.ndarray) -> None:
    """Hand out an intermediate image, which lacks the sky, under the name of the exposure that it belongs to."""
    image = Image(meta=meta.copy(), **arrays)
    image.meta.background.level = image.meta.background.subtracted = None
    image.wcs = wcs
    context.save(name, ExposureSet([image]))


def save_mosaic(
    context: Context,
    name: str,
    exposures: ExposureSet,
    members: Sequence[int],
    *,
    grid: OutputGrid,
    params: ResampledParams,
    **arrays: np.ndarray,
) -> None:
    """Hand out an intermediate image on the grid, made of some exposures, under the name of the first of these."""
    meta = exposures.metas()[members[0]].copy()
    _mosaic.describe(meta, exposures, members, grid=grid, params=params)
    meta.cal_step.resample = "COMPLETE"
    save(context, name, meta, wcs=grid.wcs, **arrays)
