"""resample: drizzle exposures onto one distortion-free image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from jwcore.api import ExposureSet, UsageError, param, step
from jwcore.builtin.image3 import _mosaic
from jwcore.builtin.named_files import existing

if TYPE_CHECKING:
    from jwcore.algorithms.drizzle import MosaicPlanes
    from jwcore.algorithms.output_grid import OutputGrid
    from jwcore.api import Context, Image

GOOD_PIXELS = "~DO_NOT_USE+NON_SCIENCE"


class ResampleParams(_mosaic.DrizzleParams):
    """Parameters of resample."""

    output_shape: tuple[int, int] | None = param(
        None, "Size of the output, x and y; None: from the footprints", unit="px"
    )
    crpix: tuple[float, float] | None = param(None, "Reference pixel, x and y, counted from 0", unit="px")
    crval: tuple[float, float] | None = param(None, "Reference point, right ascension and declination", unit="deg")
    rotation: float | None = param(None, "Position angle of the y axis; None: that of the first exposure", unit="deg")
    pixel_scale_ratio: float = param(1.0, "Output over input pixel size; ignored if pixel_scale is given", gt=0.0)
    pixel_scale: float | None = param(None, "Output pixel size", unit="arcsec", gt=0.0)
    output_wcs: str = param("", "ASDF file with the grid under the key wcs; overrides the other grid parameters")
    single: bool = param(False, "Resample every exposure group onto an image of its own, all on one grid")
    blendheaders: bool = param(True, "Combine the metadata of the inputs; False takes those of the first")
    in_memory: bool = param(True, "False keeps one exposure at a time in memory, the others in scratch files")
    enable_ctx: bool = param(True, "Make the context image")
    enable_err: bool = param(True, "Resample the variances and make the error image")
    report_var: bool = param(True, "Keep the variances in the product")
    propagate_dq: bool = param(False, "Make a DQ image: all flags of the contributing pixels")

    _files = field_validator("output_wcs")(existing)


def working_memory(params: ResampleParams, exposures: int) -> float:
    """Give the size of the planes of the mosaic, which dithers make larger than an exposure, and of the pixel weights."""
    return 8.5 if exposures == 1 else 13.0


@step(
    stage="resample",
    needs=("ROLL_REF", "V3I_YANG", "VPARITY"),
    params=ResampleParams,
    sets=("NDRIZ", "RESWHT", "PIXFRAC", "PXSCLRT", "PIXAR_SR", "PIXAR_A2", "S_REGION", "BKGLEVEL", "BKGSUB"),
    scratch=working_memory,
)
def resample(exposures: ExposureSet, params: ResampleParams, context: Context) -> Image | ExposureSet:
    """Drizzle all exposures, less the sky that skymatch found, onto one tangent-plane image."""
    exposures.require_alike()
    _warn_of_kernel(params, context)
    grid = _grid(exposures, params)
    context.log.debug("output grid %d x %d, %.5f arcsec", grid.shape[1], grid.shape[0], grid.pixel_scale)
    if params.single:
        groups = exposures.groups().values()
        return ExposureSet([_combine(exposures, members, grid, params, context) for members in groups])
    return _combine(exposures, range(len(exposures)), grid, params, context)


def _warn_of_kernel(params: ResampleParams, context: Context) -> None:
    """Say what a kernel does that nobody might expect of it."""
    if params.shrinking != params.pixfrac:
        context.log.warning("kernel %s has no use for pixfrac %g: it is taken as 1", params.kernel, params.pixfrac)
    if params.kernel not in ("square", "point", "turbo"):
        context.log.warning("kernel %s does not conserve flux", params.kernel)


def _grid(exposures: ExposureSet, params: ResampleParams) -> OutputGrid:
    """Lay the output grid that the parameters ask for."""
    from jwcore.algorithms.output_grid import grid_from_file

    if params.output_wcs:
        try:
            return grid_from_file(
                params.output_wcs, input_scale=_mosaic.reference_scale(_mosaic.image_at(exposures, 0))
            )
        except (OSError, ValueError) as error:
            raise UsageError(f"output_wcs cannot be used: {error}", cure="give an ASDF file with a WCS") from None
    return _mosaic.common_grid(
        exposures,
        rotation=params.rotation,
        pixel_scale=params.pixel_scale,
        pixel_scale_ratio=params.pixel_scale_ratio,
        crval=params.crval,
        crpix=params.crpix,
        output_shape=params.output_shape,
    )


def _combine(exposures: ExposureSet, members: Any, grid: OutputGrid, params: ResampleParams, context: Context) -> Image:
    """Drizzle some exposures of a set onto the grid."""
    from jwcore.algorithms.drizzle import Mosaic
    from jwcore.algorithms.good_bits import bad_bits

    mosaic = Mosaic(
        shape=grid.shape,
        kernel=params.kernel,
        pixfrac=params.shrinking,
        scale_ratio=grid.scale_ratio,
        variances=params.enable_err,
        context=params.enable_ctx,
        dq=params.propagate_dq,
        lone=len(members) == 1,
    )
    for index in context.progress(members, "resample"):
        exposure = _mosaic.image_at(exposures, index)
        _mosaic.add_to(
            mosaic,
            exposure,
            pixel_map=_mosaic.map_to(grid, exposure),
            weight_type=params.weight_type,
            bad_bits=bad_bits(GOOD_PIXELS),
            variances=params.enable_err,
            flags=params.propagate_dq,
        )
    planes = mosaic.finish(fill=params.fill)
    return _product(planes, exposures, list(members), grid, params)


def _product(
    planes: MosaicPlanes, exposures: ExposureSet, members: list[int], grid: OutputGrid, params: ResampleParams
) -> Image:
    """Assemble the mosaic and its metadata."""
    from jwcore.api import Image, blend, header_table

    metas = [exposures.metas()[index] for index in members]
    blended = params.blendheaders and len(metas) > 1
    meta = blend(metas) if blended else metas[0].copy()
    _mosaic.describe(meta, exposures, members, grid=grid, params=params)
    variances = dict(zip(_mosaic.VARIANCES, planes.variances, strict=False)) if params.report_var else {}
    image = Image(
        meta=meta, data=planes.data, err=planes.err, con=planes.context, wht=planes.weight, dq=planes.dq, **variances
    )
    if blended:
        image.hdrtab = header_table(metas)
    image.wcs = grid.wcs
    return image
