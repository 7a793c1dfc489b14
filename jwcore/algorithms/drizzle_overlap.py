"""Overlap of one mapped input pixel with the output grid: the drizzle kernels.

Every function spreads one row of input pixels over the output rows of a band. Output pixel ``o`` covers
``[o - 0.5, o + 0.5)``; inside this module all output coordinates are shifted by +0.5, so that it covers ``[o, o + 1)``.

The kernels are those of Fruchter & Hook (2002, PASP 114, 144). With the input pixel shrunk by `pixfrac` and ``s`` the
ratio of output to input pixel scale:

========  ==============================================================================================
square    exact overlap of the mapped quadrilateral with the output pixel, over the area of the quadrilateral
turbo     the same for an axis-aligned square of side ``pixfrac / s``
point     all weight to the pixel that holds the mapped centre
gaussian  ``e / pi exp(-e r^2)``, ``e = (2.3548 s / pixfrac)^2 / 2``, within ``max(2.5 pixfrac / 2.3548, 1.2) / s``
lanczosN  ``L(dx) L(dy)``, ``L(x) = sinc(s x) sinc(s x / N)``, half size ``N / s``
========  ==============================================================================================
"""

import math

import numpy as np

from jwcore.algorithms._numba import kernel

__all__ = ["GAUSSIAN", "KERNELS", "LANCZOS2", "LANCZOS3", "POINT", "SQUARE", "TURBO", "kernel_reach", "spread_row"]

SQUARE, TURBO, POINT, GAUSSIAN, LANCZOS2, LANCZOS3 = range(6)

KERNELS = {
    "square": SQUARE,
    "turbo": TURBO,
    "point": POINT,
    "gaussian": GAUSSIAN,
    "lanczos2": LANCZOS2,
    "lanczos3": LANCZOS3,
}
"""Code of every kernel by its name."""

FWHM_IN_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


@kernel
def kernel_reach(code, pixfrac, scale_ratio):
    """Half size of a kernel that is placed by its centre, in output pixels (the square kernel has its corners)."""
    if code == TURBO:
        return 0.5 * pixfrac / scale_ratio
    if code == GAUSSIAN:
        return max(2.5 * pixfrac / FWHM_IN_SIGMA, 1.2) / scale_ratio
    if code == LANCZOS2:
        return 2.0 / scale_ratio
    if code == LANCZOS3:
        return 3.0 / scale_ratio
    return 0.0


@kernel
def _deposit(band, row, column, overlap, values, pixel):
    """Add an overlap-weighted pixel to the running sums of one output pixel."""
    band[row, column, 0] += overlap
    for plane in range(values.shape[0]):
        band[row, column, plane + 1] += overlap * values[plane, pixel]


@kernel
def _mean_height(ya, yb):
    """Mean of ``clip(y, 0, 1)`` along a straight edge whose ends have the heights `ya` and `yb`."""
    low, high = min(ya, yb), max(ya, yb)
    if low >= 1.0:
        return 1.0
    if high <= 0.0:
        return 0.0
    if low >= 0.0 and high <= 1.0:
        return 0.5 * (low + high)
    bottom, top = max(low, 0.0), min(high, 1.0)
    return (0.5 * (top - bottom) * (top + bottom) + (high - top)) / (high - low)


@kernel
def _add_edge(xa, ya, xb, yb, column, first_row, rows, areas):
    """Add the area below the edge a-b to `rows` output pixels of one column, upwards from `first_row`.

    The area is negative where the edge runs against x, so that going round a polygon leaves what is inside it.
    """
    x0 = min(max(xa, column), column + 1.0)
    x1 = min(max(xb, column), column + 1.0)
    width = x1 - x0
    if width == 0.0:
        return
    y0, y1 = ya - first_row, yb - first_row
    if width != xb - xa:
        slope = (yb - ya) / (xb - xa)
        y0, y1 = y0 + slope * (x0 - xa), y0 + slope * (x1 - xa)
    for row in range(rows):
        areas[row] += width * _mean_height(y0 - row, y1 - row)


@kernel
def _square_row(n, x_low, y_low, x_high, y_high, pixfrac, weight, values, band, y_first, x_first):
    """Spread a row of pixels given by the corners below (`low`) and above (`high`) it, by their exact overlap areas.

    The area that a quadrilateral a, b, c, d shares with an output pixel is the sum, over its edges, of the integral of the
    edge height clipped to the unit square: no polygon clipping, no lists.
    """
    last_row, last_column = band.shape[0] - 1, band.shape[1] - 1
    areas = np.empty(band.shape[0])  # of the output pixels of one column
    for i in range(n):
        if weight[i] <= 0.0:
            continue
        ax, bx, cx, dx = x_low[i], x_low[i + 1], x_high[i + 1], x_high[i]
        ay, by, cy, dy = y_low[i], y_low[i + 1], y_high[i + 1], y_high[i]
        if pixfrac < 1.0:
            ax, bx, cx, dx = _shrunk(ax, bx, cx, dx, pixfrac)
            ay, by, cy, dy = _shrunk(ay, by, cy, dy, pixfrac)
        row0, row1 = max(int(min(ay, by, cy, dy)) - y_first, 0), min(int(max(ay, by, cy, dy)) - y_first, last_row)
        column0, column1 = (
            max(int(min(ax, bx, cx, dx)) - x_first, 0),
            min(int(max(ax, bx, cx, dx)) - x_first, last_column),
        )
        area = 0.5 * ((cx - ax) * (dy - by) - (cy - ay) * (dx - bx))
        if row0 > row1 or area == 0.0:
            continue
        rows, first_row, scale = row1 - row0 + 1, float(row0 + y_first), -weight[i] / area
        for column in range(column0, column1 + 1):
            for row in range(rows):
                areas[row] = 0.0
            left = float(column + x_first)
            _add_edge(ax, ay, bx, by, left, first_row, rows, areas)
            _add_edge(bx, by, cx, cy, left, first_row, rows, areas)
            _add_edge(cx, cy, dx, dy, left, first_row, rows, areas)
            _add_edge(dx, dy, ax, ay, left, first_row, rows, areas)
            for row in range(rows):
                overlap = areas[row] * scale
                if overlap > 0.0:
                    _deposit(band, row0 + row, column, overlap, values, i)


@kernel
def _shrunk(a, b, c, d, pixfrac):
    """Move the corners of a pixel towards its centre."""
    rest = 0.25 * (1.0 - pixfrac) * (a + b + c + d)
    return rest + pixfrac * a, rest + pixfrac * b, rest + pixfrac * c, rest + pixfrac * d


@kernel
def _sinc(x):
    return 1.0 if abs(x) < 1e-9 else math.sin(math.pi * x) / (math.pi * x)


@kernel
def _profile(code, dx, dy, reach, pixfrac, scale_ratio):
    """Weight of the output pixel whose centre lies (dx, dy) from the mapped centre of the input pixel."""
    if code == TURBO:
        width = min(dx + 0.5, reach) - max(dx - 0.5, -reach)
        height = min(dy + 0.5, reach) - max(dy - 0.5, -reach)
        return max(width, 0.0) * max(height, 0.0) / (4.0 * reach * reach)
    if code == GAUSSIAN:
        r2 = dx * dx + dy * dy
        e = 0.5 * (FWHM_IN_SIGMA * scale_ratio / pixfrac) ** 2
        return e / math.pi * math.exp(-e * r2)
    if max(abs(dx), abs(dy)) > reach:
        return 0.0
    lobes = 2.0 if code == LANCZOS2 else 3.0
    u, v = dx * scale_ratio, dy * scale_ratio
    return _sinc(u) * _sinc(u / lobes) * _sinc(v) * _sinc(v / lobes)


@kernel
def _centred_row(code, n, x, y, pixfrac, scale_ratio, weight, values, band, y_first, x_first):
    """Spread a row of pixels given by their mapped centres with one of the kernels that ignore their shape."""
    reach = kernel_reach(code, pixfrac, scale_ratio)
    for i in range(n):
        if weight[i] <= 0.0:
            continue
        column0 = max(math.floor(x[i] - reach) - x_first, 0)
        column1 = min(math.floor(x[i] + reach) - x_first, band.shape[1] - 1)
        row0 = max(math.floor(y[i] - reach) - y_first, 0)
        row1 = min(math.floor(y[i] + reach) - y_first, band.shape[0] - 1)
        for row in range(row0, row1 + 1):
            for column in range(column0, column1 + 1):
                overlap = 1.0
                if code != POINT:
                    overlap = _profile(
                        code, column + x_first + 0.5 - x[i], row + y_first + 0.5 - y[i], reach, pixfrac, scale_ratio
                    )
                if overlap != 0.0:
                    _deposit(band, row, column, overlap * weight[i], values, i)


@kernel
def spread_row(code, n, x, y, pixfrac, scale_ratio, weight, values, band, y_first, x_first):
    """Spread one row of input pixels over a band of output rows.

    Parameters
    ----------
    code : int
        One of :data:`KERNELS`.
    n : int
        Number of pixels; the arrays may be longer.
    x, y : ndarray of float64 [2, n + 1]
        Mapped positions, shifted by +0.5: for the square kernel the corners below and above the row, for the others
        the centres in ``[0, :n]``.
    pixfrac, scale_ratio : float
        Shrinking of the input pixel and output over input pixel scale.
    weight : ndarray of float64 [n]
        Weights; pixels without a positive weight are passed over.
    values : ndarray of float64 [planes, n]
        Values of the planes that are resampled together.
    band : ndarray of float64 [rows, columns, planes + 1]
        Running sums of the weight and of weight times value, added to.
    y_first, x_first : int
        Output pixel of ``band[0, 0]``.
    """
    if code == SQUARE:
        _square_row(n, x[0], y[0], x[1], y[1], pixfrac, weight, values, band, y_first, x_first)
    else:
        _centred_row(code, n, x[0], y[0], pixfrac, scale_ratio, weight, values, band, y_first, x_first)
