"""What resample and outlier_detection share: the output grid, the way of an exposure into a mosaic, and its metadata."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import field_validator

from jwcore.api import BadInput, Params, UsageError, param

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from jwcore.algorithms.drizzle import Mosaic
    from jwcore.algorithms.output_grid import OutputGrid
    from jwcore.algorithms.pixel_map import PixelMap
    from jwcore.api import ExposureSet, Image, Meta

VARIANCES = ("var_rnoise", "var_poisson", "var_flat")
"""In the order in which the drizzle takes them: the first makes the weights."""
SUMMED_TIMES = (
    "exposure.effective_exposure_time",
    "exposure.exposure_time",
    "exposure.duration",
    "exposure.elapsed_exposure_time",
    "exposure.measurement_time",
)
BYTES_PER_PIXEL = 32
"""Memory of a mosaic: seven planes and their weights, at least."""
KEPT_WCSINFO = ("wcsinfo.mt_", "wcsinfo.velosys", "wcsinfo.specsys")
"""Facts about the sky rather than the detector, which stay valid in the mosaic."""


class DrizzleParams(Params):
    """How exposures are drizzled."""

    kernel: Literal["square", "gaussian", "point", "turbo", "lanczos2", "lanczos3"] = param(
        "square", "Drizzle kernel; gaussian and lanczos do not conserve flux, lanczos takes pixfrac as 1"
    )
    pixfrac: float = param(1.0, "Side of the shrunken input pixel over its full side", ge=0.0, le=1.0)
    fillval: str = param("NAN", "Value of output pixels without data; INDEF is the same as NAN")
    weight_type: Literal["ivm", "exptime", "None"] = param(
        "ivm", "Weight of the pixels: inverse read-noise variance (lowers saturated stars), exposure time, or equal"
    )
    pixmap_stepsize: float = param(
        1.0, "No effect: the map of pixels picks its own step, exact to 1e-4 pixel", unit="px", ge=1.0
    )
    pixmap_order: Literal[1, 3] = param(1, "No effect, see pixmap_stepsize")

    @field_validator("fillval")
    @classmethod
    def _check_fill(cls, text: str) -> str:
        _fill(text)
        return text

    @property
    def fill(self) -> float:
        """The number that `fillval` stands for."""
        return _fill(self.fillval)

    @property
    def shrinking(self) -> float:
        """The `pixfrac` that counts: the kernels of Lanczos are functions of the distance in whole pixels."""
        return 1.0 if self.kernel.startswith("lanczos") else self.pixfrac


def _fill(text: str) -> float:
    try:
        return math.nan if text.strip().upper() == "INDEF" else float(text)
    except ValueError:
        raise ValueError("give a number, NAN or INDEF") from None


def known_flags(text: str | None) -> str | None:
    """Refuse names that are no flags, as a validator of parameters."""
    from jwcore.algorithms.good_bits import bad_bits

    bad_bits(text)
    return text


def image_at(exposures: ExposureSet, index: int) -> Image:
    """Return one exposure of a set, which must be a 2-D image with a WCS."""
    exposure = exposures[index]
    name = exposure.meta.filename or f"exposure {index + 1}"
    if len(exposure.shape) != 2:
        raise BadInput(f"the data have {len(exposure.shape)} dimensions", where=name, cure="give 2-D images")
    if not exposure.has_wcs:
        raise BadInput("there is no WCS", where=name, cure="run assign_wcs first")
    return cast("Image", exposure)


def shape_of(exposure: Image) -> tuple[int, int]:
    """Return (ny, nx)."""
    ny, nx = exposure.shape
    return ny, nx


def footprints(exposures: ExposureSet, members: Sequence[int] | None = None) -> list[np.ndarray]:
    """Sky polygons of all or some exposures: S_REGION, or the border of the WCS where there is none."""
    from jwcore.algorithms.footprint import footprint, parse_s_region

    regions = [meta.wcsinfo.s_region for meta in exposures.metas()]
    return [
        parse_s_region(region) if (region := regions[index]) else footprint(image_at(exposures, index).wcs)
        for index in (range(len(regions)) if members is None else members)
    ]


def common_grid(
    exposures: ExposureSet,
    *,
    rotation: float | None = None,
    pixel_scale: float | None = None,
    pixel_scale_ratio: float = 1.0,
    crval: Sequence[float] | None = None,
    crpix: Sequence[float] | None = None,
    output_shape: Sequence[int] | None = None,
) -> OutputGrid:
    """Lay the grid that holds all exposures, in the orientation and at the scale of the first unless told otherwise.

    The arguments are the parameters of resample.
    """
    from jwcore.algorithms.output_grid import grid_from_footprints, mean_pixel_scale, pc_matrix

    first, info = image_at(exposures, 0), exposures.metas()[0].wcsinfo
    parity = info.vparity or -1
    if rotation is None:
        rotation = (info.roll_ref or 0.0) - parity * (info.v3yangle or 0.0)
    if pixel_scale is None:
        scale, ratio = reference_scale(first) * pixel_scale_ratio, pixel_scale_ratio
    else:
        scale, ratio = pixel_scale, pixel_scale / mean_pixel_scale(first.wcs, shape=shape_of(first))
    try:
        grid = grid_from_footprints(
            footprints=footprints(exposures),
            names=[meta.filename or f"exposure {k + 1}" for k, meta in enumerate(exposures.metas())],
            scale=scale,
            scale_ratio=ratio,
            pc=pc_matrix(position_angle=rotation, parity=parity),
            crval=(crval[0], crval[1]) if crval else None,
            crpix=(crpix[0], crpix[1]) if crpix else None,
            shape=(output_shape[1], output_shape[0]) if output_shape else None,
        )
    except ValueError as error:
        raise BadInput(str(error), cure="leave that exposure out, or give output_shape, crpix and crval") from None
    _require_room(grid.shape)
    return grid


def _require_room(shape: tuple[int, ...]) -> None:
    """Refuse a mosaic that this machine can never hold, rather than fail after all exposures have been read."""
    needed = BYTES_PER_PIXEL * math.prod(shape)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else needed
    if needed > there:
        text = f"a mosaic of {shape[1]} x {shape[0]} pixels needs {needed / 1e9:.0f} GB of memory, there is {there / 1e9:.0f}"
        raise UsageError(text, cure="a larger pixel_scale or pixel_scale_ratio, or a smaller output_shape")


def reference_scale(exposure: Image) -> float:
    """Pixel scale of an exposure in arcsec, at its reference point."""
    from jwcore.algorithms.output_grid import pixel_scale_at

    ny, nx = shape_of(exposure)
    info = exposure.meta.wcsinfo
    ra, dec = info.ra_ref, info.dec_ref
    if ra is None or dec is None:
        ra, dec = exposure.wcs(0.5 * (nx - 1), 0.5 * (ny - 1), with_bounding_box=False)
    return pixel_scale_at(exposure.wcs, ra=ra, dec=dec)


def map_to(grid: OutputGrid, exposure: Image) -> PixelMap:
    """Map from the pixels of an exposure to those of the grid."""
    from jwcore.algorithms.pixel_map import build_pixel_map

    to_sky = exposure.wcs.forward_transform

    def transform(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return grid.to_pixels(*to_sky(x, y, with_bounding_box=False))

    return build_pixel_map(transform=transform, shape=shape_of(exposure))


def sky_level(meta: Meta) -> float:
    """Sky that is still to be subtracted: the level that skymatch recorded without subtracting it."""
    return 0.0 if meta.background.subtracted else float(meta.background.level or 0.0)


def exposure_seconds(meta: Meta) -> float:
    """Exposure time that serves as a weight: measurement time, else effective exposure time."""
    return float(meta.exposure.measurement_time or meta.exposure.exposure_time or 1.0)


def pixel_weights(exposure: Image, *, weight_type: str, bad_bits: int) -> np.ndarray:
    """Weight of every pixel of an exposure, 0 where it is bad; float32 [ny, nx]."""
    from jwcore.algorithms.drizzle import input_weight

    return input_weight(
        shape=shape_of(exposure),
        dq=exposure.dq,
        bad_bits=bad_bits,
        variance=exposure.var_rnoise if weight_type == "ivm" else None,
        constant=exposure_seconds(exposure.meta) if weight_type == "exptime" else 1.0,
    )


def add_to(
    mosaic: Mosaic,
    exposure: Image,
    *,
    pixel_map: PixelMap,
    weight_type: str,
    bad_bits: int,
    variances: bool = False,
    flags: bool = False,
) -> None:
    """Drizzle one exposure, less its sky, into a mosaic."""
    weights = {"ivm": None, "exptime": exposure_seconds(exposure.meta), "None": 1.0}
    mosaic.add(
        data=exposure.data,
        weight=pixel_weights(exposure, weight_type=weight_type, bad_bits=bad_bits),
        pixel_map=pixel_map,
        sky=sky_level(exposure.meta),
        variances=[getattr(exposure, name) for name in VARIANCES] if variances else (),
        exposure_weight=weights[weight_type],
        dq=exposure.dq if flags else None,
        limits=_usable_part(exposure),
    )


def _usable_part(exposure: Image) -> tuple[int, int, int, int]:
    """First and stop row, first and stop column of the pixels whose centres lie in the WCS bounding box."""
    ny, nx = shape_of(exposure)
    box: Any = exposure.wcs.bounding_box
    if box is None:
        return 0, ny, 0, nx
    (x0, x1), (y0, y1) = box.bounding_box(order="F")
    return max(math.ceil(y0), 0), min(math.floor(y1) + 1, ny), max(math.ceil(x0), 0), min(math.floor(x1) + 1, nx)


# ---- metadata
def describe(
    meta: Meta, exposures: ExposureSet, members: Sequence[int], *, grid: OutputGrid, params: DrizzleParams
) -> None:
    """Write into the metadata of a mosaic of some exposures of a set how it was made, its times, and where it lies."""
    metas = [exposures.metas()[index] for index in members]
    groups = [exposures.group_ids[index] for index in members]
    distinct = list(dict.fromkeys(groups))
    _add_times(meta, [metas[groups.index(name)] for name in distinct], metas)
    _place(meta, grid)
    meta.wcsinfo.s_region = _outline(footprints(exposures, members), grid)
    settings: dict[str, Any] = {
        "pointings": len(distinct),
        "pixel_scale_ratio": grid.scale_ratio,
        "pixfrac": params.shrinking,
        "weight_type": params.weight_type if params.weight_type != "None" else None,
        "kernel": params.kernel,
        "fillval": params.fillval,
    }
    for name, value in settings.items():
        meta.set(f"resample.{name}", value)
    meta.background.level = meta.background.subtracted = None


def _add_times(meta: Meta, groups: list[Meta], metas: list[Meta]) -> None:
    """Sum times once for every exposure group, whose detectors looked at the same time; span start and end."""
    for path in SUMMED_TIMES:
        times = [group.get(path) for group in groups]
        meta.set(path, sum(times) if None not in times else None)
    for path, extreme in (("exposure.start_time", min), ("exposure.end_time", max)):
        times = [time for member in metas if (time := member.get(path)) is not None]
        meta.set(path, extreme(times, default=None))


def _place(meta: Meta, grid: OutputGrid) -> None:
    """Replace the WCS keywords of a detector by those of the grid."""
    for path, _ in list(meta.items()):
        if path.startswith("wcsinfo.") and not path.startswith(KEPT_WCSINFO):
            meta.set(path, None)
    for keyword, value in grid.keywords.items():
        meta.set_keyword(keyword, value)
    meta.photometry.pixelarea_arcsecsq = grid.pixel_scale**2
    meta.photometry.pixelarea_steradians = grid.pixel_area


def _outline(polygons: list[np.ndarray], grid: OutputGrid) -> str:
    """S_REGION of the mosaic: the union of the footprints, as far as it lies on the grid."""
    import numpy as np

    from jwcore.algorithms.footprint import footprint, format_s_region, sky_intersection, union_outlines

    ny, nx = grid.shape
    frame = footprint(grid.wcs, box=((-0.5, nx - 0.5), (-0.5, ny - 0.5)))
    corners = np.stack(grid.to_pixels(*np.concatenate(polygons).T), axis=1)
    rings = union_outlines(np.split(corners, np.cumsum([len(polygon) for polygon in polygons])[:-1]))
    outlines = [sky_intersection(np.stack(grid.to_sky(*ring.T), axis=1), frame) for ring in rings]
    return "  ".join(format_s_region(outline) for outline in outlines if len(outline))
