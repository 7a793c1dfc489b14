"""Sky levels with a tilt: a plane for every exposure, so that overlapping exposures agree all over their overlap.

    jwcal run image3 jw..._asn.json -p ./plane_sky.py

Straylight and zodiacal light leave backgrounds that are not level, and differ from detector to detector and from dither to
dither. This step takes the place of skymatch. See README.md for the method.
"""

import math

import numpy as np

from jwcore import api

FEWEST = 6
"""Tiles that an exposure must share with others: twice the number of unknowns of a plane."""
BAD = 1 | 512  # bits of the quality arrays: DO_NOT_USE, NON_SCIENCE


class PlaneSkyParams(api.Params):
    """Parameters of the sky planes."""

    tile: int = api.param(
        32,
        "Side of the tiles of sky in which exposures are compared, at most an eighth of an exposure",
        unit="px",
        ge=4,
    )
    filled: float = api.param(0.5, "Part of a tile that must have usable pixels", ge=0.0, le=1.0)


@api.step(stage="skymatch", name="plane", params=PlaneSkyParams, sets=("BKGLEVEL", "BKGSUB"), scratch=4.0)
def plane_sky(exposures, params, context):
    """Subtract a plane from every exposure such that differences in the overlaps vanish; the mean of the planes is 0."""
    exposures.require_alike()
    if len(exposures) < 2:
        raise api.SkipStep("a single exposure has nothing to be matched with")
    if any(meta.background.subtracted is not None for meta in exposures.metas()):
        raise api.UsageError("a sky level is recorded already", cure="start from the cal files")
    side = max(min(params.tile, min(exposures[0].shape) // 8), 1)
    grid = _tiles(exposures, side)
    maps = [_map_to(grid, exposure) for exposure in exposures.each(edit=False)]
    levels = [
        _levels(exposure, pixel_map, grid.shape, params.filled * side**2)
        for exposure, pixel_map in zip(exposures.each(edit=False), maps, strict=True)
    ]
    planes = _planes(np.stack(levels))
    if not np.isfinite(planes).any():
        raise api.SkipStep("the exposures do not overlap")
    for index, exposure in enumerate(exposures.each()):
        if not np.isfinite(planes[index]).all():
            context.leave_out(index)
            continue
        sky = _evaluate(planes[index], *_scaled(*maps[index].full(), grid.shape)).astype(np.float32)
        exposure.data -= sky
        exposure.meta.background.level = api.significant(float(sky.mean()))
        exposure.meta.background.subtracted = True
        context.count(planes=1)
    return exposures


def _tiles(exposures, side):
    """Lay a grid over all exposures whose pixels are the tiles."""
    from jwcore.algorithms.footprint import footprint
    from jwcore.algorithms.output_grid import grid_from_footprints, mean_pixel_scale, pc_matrix

    polygons = [footprint(exposure.wcs) for exposure in exposures.each(edit=False)]
    first = exposures[0]
    scale = side * mean_pixel_scale(first.wcs, shape=first.shape)
    names = [meta.filename or f"exposure {number}" for number, meta in enumerate(exposures.metas(), 1)]
    pc = pc_matrix(position_angle=0.0, parity=-1)
    return grid_from_footprints(footprints=polygons, names=names, scale=scale, scale_ratio=float(side), pc=pc)


def _map_to(grid, exposure):
    """Map the pixels of an exposure to tiles."""
    from jwcore.algorithms.pixel_map import build_pixel_map

    to_sky = exposure.wcs.forward_transform

    def transform(x, y):
        return grid.to_pixels(*to_sky(x, y, with_bounding_box=False))

    return build_pixel_map(transform=transform, shape=exposure.shape)


def _levels(exposure, pixel_map, shape, fewest):
    """Median of an exposure in every tile, NaN where it has too few pixels.

    The same sources are in the same tile in all exposures, so that they need not be masked.
    """
    from scipy import ndimage

    x, y = (np.rint(axis).astype(int) for axis in pixel_map.full())
    usable = np.isfinite(exposure.data) & (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
    if exposure.dq is not None:
        usable &= exposure.dq & BAD == 0
    tiles = (y * shape[1] + x)[usable]
    number = np.bincount(tiles, minlength=math.prod(shape))
    full = np.flatnonzero(number >= max(fewest, 1))
    levels = np.full(math.prod(shape), np.nan)
    levels[full] = ndimage.median(exposure.data[usable], tiles, full)
    return levels.reshape(shape)


def _scaled(x, y, shape):
    """Bring tile coordinates to -1 ... 1, where the terms of a plane are of one size."""
    return 2 * x / max(shape[1] - 1, 1) - 1, 2 * y / max(shape[0] - 1, 1) - 1


def _evaluate(plane, u, v):
    """Evaluate a + b u + c v."""
    a, b, c = plane
    return a + b * u + c * v


def _planes(levels):
    """Fit the planes: least squares of the differences of every exposure from the mean of its tile.

    The sky of each tile drops out with the mean. What is the same in all exposures stays undetermined; the solution of least
    norm makes the mean plane of exposures that hang together 0.
    """
    rows, columns = np.indices(levels.shape[1:])
    u, v = _scaled(columns, rows, levels.shape[1:])
    shared = np.isfinite(levels).sum(axis=0) > 1
    measured = np.isfinite(levels[:, shared])
    fitted = measured.sum(axis=1) >= FEWEST
    terms = np.stack([np.ones(shared.sum()), u[shared], v[shared]], axis=1)
    matrix, right = [], []
    for tile, (term, there) in enumerate(zip(terms, (measured & fitted[:, np.newaxis]).T, strict=True)):
        members = np.flatnonzero(there)
        if members.size < 2:
            continue
        values = levels[members][:, shared][:, tile]
        block = np.zeros((members.size, len(levels), 3))
        block[np.arange(members.size), members] = term
        matrix.append((block - block.mean(axis=0)).reshape(members.size, -1))
        right.append(values - values.mean())
    planes = np.full((len(levels), 3), np.nan)
    if matrix:
        solution = np.linalg.lstsq(np.concatenate(matrix), np.concatenate(right), rcond=1e-9)[0]
        planes[fitted] = solution.reshape(-1, 3)[fitted]
    return planes
