"""Pixel-to-pixel maps on a coarse grid, interpolated with a checked error bound.

Evaluating a generalised WCS for every pixel of a detector costs seconds. The map between two pixel grids is smooth,
though, so it is evaluated on nodes `step` pixels apart and interpolated in between by the separable four-point
(cubic Lagrange) formula. The interpolation error is largest in the middle of a cell, where the remainder term
``t (t^2 - 1) (t - 2) h^4 f''''/ 24`` peaks, so comparing with the exact map at the cell centres bounds it.

Kernels of other modules call :func:`interpolate_row` inside their row loops and never hold a full map::

    pixel_map = build_pixel_map(transform=wcs_to_wcs(input_wcs=a, output_wcs=b), shape=(ny, nx))

    @parallel_kernel
    def drizzle(..., grid_x, grid_y, step, x_origin, y_origin, ...):      # called with *pixel_map.kernel_arguments
        ...
        x, y = np.empty(nx + 1), np.empty(nx + 1)
        interpolate_row(grid_x, grid_y, step, x_origin, y_origin, -0.5, row - 0.5, x, y)   # the corners below `row`
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange

__all__ = ["MARGIN", "PixelMap", "build_pixel_map", "interpolate_row", "wcs_to_wcs"]

Transform = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

MARGIN = 2
"""Nodes beyond the image on every side: the formula needs one, the other lets callers step over the edge."""


@dataclass(frozen=True)
class PixelMap:
    """A map from input to output pixel coordinates, given on a regular grid of nodes.

    Attributes
    ----------
    grid_x, grid_y : ndarray of float64 [ny_nodes, nx_nodes]
        Output pixel coordinates at the nodes, C-contiguous.
    step : float
        Distance of the nodes in input pixels.
    origin : tuple of float
        Input pixel coordinates (x, y) of node [0, 0]. Pixel centres are integers, counted from 0.
    shape : tuple of int
        Shape (ny, nx) of the input image. The map holds one `step` beyond its edges too.
    error : float
        Largest difference from the exact map found at the cell centres, in output pixels.
    """

    grid_x: np.ndarray
    grid_y: np.ndarray
    step: float
    origin: tuple[float, float]
    shape: tuple[int, int]
    error: float

    @property
    def kernel_arguments(self) -> tuple[np.ndarray, np.ndarray, float, float, float]:
        """The first five arguments of :func:`interpolate_row`: grid_x, grid_y, step, x_origin, y_origin."""
        return self.grid_x, self.grid_y, self.step, *self.origin

    def full(self) -> tuple[np.ndarray, np.ndarray]:
        """Interpolate at all pixel centres.

        Returns
        -------
        x, y : ndarray of float64 [ny, nx]
            Output pixel coordinates.
        """
        x, y = np.empty(self.shape), np.empty(self.shape)
        _interpolate_rows(*self.kernel_arguments, x, y)
        return x, y


@kernel
def _row_value(grid, i, k, w0, w1, w2, w3):
    """Interpolate column `k` of the nodes between rows i-1 .. i+2."""
    return w0 * grid[i - 1, k] + w1 * grid[i, k] + w2 * grid[i + 1, k] + w3 * grid[i + 2, k]


@kernel
def _cubic(f0, f1, f2, f3):
    """Return the coefficients of the cubic through the values at t = -1, 0, 1, 2."""
    c2 = 0.5 * (f0 + f2) - f1
    c3 = (f3 - f0) / 6.0 + 0.5 * (f1 - f2)
    return f1, f2 - f1 - c2 - c3, c2, c3


@kernel
def interpolate_row(grid_x, grid_y, step, x_origin, y_origin, x_start, y, x_out, y_out):
    """Interpolate the map at the points (x_start + i, y), i = 0, 1, ... of one row.

    Pixel centres of row ``j`` are ``x_start=0, y=j``; the corners between rows ``j-1`` and ``j`` are
    ``x_start=-0.5, y=j-0.5`` with ``nx + 1`` points.

    Parameters
    ----------
    grid_x, grid_y, step, x_origin, y_origin
        :attr:`PixelMap.kernel_arguments`.
    x_start, y : float
        Input pixel coordinates of the first point; they must lie within one `step` of the image.
    x_out, y_out : ndarray of float64 [n]
        Filled with the output pixel coordinates.
    """
    inverse = 1.0 / step
    v = (y - y_origin) * inverse
    row = min(max(int(np.floor(v)), 1), grid_x.shape[0] - 3)
    t = v - row
    w0 = -t * (t - 1.0) * (t - 2.0) / 6.0
    w1 = (t * t - 1.0) * (t - 2.0) * 0.5
    w2 = -t * (t + 1.0) * (t - 2.0) * 0.5
    w3 = t * (t * t - 1.0) / 6.0
    n, last = x_out.size, grid_x.shape[1] - 3
    i = 0
    while i < n:
        cell = min(max(int(np.floor((x_start + i - x_origin) * inverse)), 1), last)
        stop = n if cell == last else min(n, i + int(np.ceil(x_origin + (cell + 1) * step - x_start - i)))
        a0, a1, a2, a3 = _cubic(
            _row_value(grid_x, row, cell - 1, w0, w1, w2, w3),
            _row_value(grid_x, row, cell, w0, w1, w2, w3),
            _row_value(grid_x, row, cell + 1, w0, w1, w2, w3),
            _row_value(grid_x, row, cell + 2, w0, w1, w2, w3),
        )
        b0, b1, b2, b3 = _cubic(
            _row_value(grid_y, row, cell - 1, w0, w1, w2, w3),
            _row_value(grid_y, row, cell, w0, w1, w2, w3),
            _row_value(grid_y, row, cell + 1, w0, w1, w2, w3),
            _row_value(grid_y, row, cell + 2, w0, w1, w2, w3),
        )
        start = x_start - x_origin - cell * step
        for j in range(i, stop):
            s = (start + j) * inverse
            x_out[j] = a0 + s * (a1 + s * (a2 + s * a3))
            y_out[j] = b0 + s * (b1 + s * (b2 + s * b3))
        i = stop


@parallel_kernel
def _interpolate_rows(grid_x, grid_y, step, x_origin, y_origin, x, y):
    for row in prange(x.shape[0]):
        interpolate_row(grid_x, grid_y, step, x_origin, y_origin, 0.0, float(row), x[row], y[row])


def wcs_to_wcs(*, input_wcs: Any, output_wcs: Any) -> Transform:
    """Return the exact map: input pixel to sky to output pixel, bounding boxes not applied.

    Parameters
    ----------
    input_wcs, output_wcs : gwcs.WCS
        Both with the same celestial output frame; `output_wcs` must be invertible in closed form.

    Returns
    -------
    callable
        ``(x, y) -> (x_out, y_out)`` on arrays of pixel coordinates.
    """
    to_sky, to_pixel = input_wcs.forward_transform, output_wcs.backward_transform

    def transform(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return to_pixel(*to_sky(x, y, with_bounding_box=False), with_bounding_box=False)

    return transform


def _nodes(*, length: int, step: int) -> np.ndarray:
    """Node coordinates along an axis; the edge of the image (-0.5) is a node."""
    cells = -(-length // step)
    return -0.5 + step * np.arange(-MARGIN, cells + MARGIN + 1, dtype=np.float64)


def _evaluate(transform: Transform, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x_grid, y_grid = np.meshgrid(x, y)
    x_out, y_out = transform(x_grid, y_grid)
    return np.ascontiguousarray(x_out, dtype=np.float64), np.ascontiguousarray(y_out, dtype=np.float64)


def _cell_centre_error(grid: np.ndarray, exact: np.ndarray) -> float:
    """Largest difference between the interpolated and exact values at the centres of the cells in the image."""
    inner = slice(MARGIN - 1, 1 - MARGIN or None)
    weights = np.array([-1.0, 9.0, 9.0, -1.0]) / 16.0
    nodes = grid[inner, inner]
    rows = sum(w * nodes[k : nodes.shape[0] - 3 + k] for k, w in enumerate(weights))
    cells = sum(w * rows[:, k : rows.shape[1] - 3 + k] for k, w in enumerate(weights))
    difference = np.abs(cells - exact)
    return float(np.max(difference, initial=0.0, where=np.isfinite(difference)))


def build_pixel_map(
    *, transform: Transform, shape: tuple[int, int], step: int = 32, tolerance: float = 1e-4
) -> PixelMap:
    """Sample a map on a grid fine enough that the interpolation error stays within `tolerance`.

    Parameters
    ----------
    transform : callable
        The exact map ``(x, y) -> (x_out, y_out)``, see :func:`wcs_to_wcs`.
    shape : tuple of int
        Shape (ny, nx) of the input image.
    step : int
        First distance of the nodes in pixels; halved until the bound holds.
    tolerance : float
        Largest error allowed at the cell centres, in output pixels.

    Returns
    -------
    PixelMap

    Raises
    ------
    ValueError
        If the bound is missed even at a step of one pixel: the map is not smooth.
    """
    ny, nx = shape
    while True:
        x, y = _nodes(length=nx, step=step), _nodes(length=ny, step=step)
        grid_x, grid_y = _evaluate(transform, x, y)
        inner = slice(MARGIN, -MARGIN - 1)
        exact_x, exact_y = _evaluate(transform, x[inner] + 0.5 * step, y[inner] + 0.5 * step)
        error = max(_cell_centre_error(grid_x, exact_x), _cell_centre_error(grid_y, exact_y))
        if error <= tolerance:
            return PixelMap(grid_x, grid_y, float(step), (float(x[0]), float(y[0])), (ny, nx), error)
        if step <= 1:
            raise ValueError(f"the pixel map is not smooth: error {error:.3g} px at a step of one pixel")
        step //= 2
