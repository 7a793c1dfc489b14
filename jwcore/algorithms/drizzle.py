"""Drizzle: combine dithered exposures on one output grid (Fruchter & Hook 2002, PASP 114, 144).

All planes of an exposure (science, weight, variances, context) are resampled in one pass, because the overlap areas
are what costs. The output is cut into bands of rows. A thread owns a band: it visits, in order, the input rows that
reach the band, spreads them into a scratch buffer that fits the cache, and folds the buffer into the running sums.
Every output pixel thus receives its contributions in the same order whatever the number of threads, and results are
bit-identical.

For an input ``k`` with pixel weights ``w``, values ``d`` and overlaps ``a`` the output pixel gets

``sci = sum(a w d) / sum(a w)``, ``wht = sum(a w)`` over all inputs, and the variance

``V = sum_k(W_k^2 r_k) / sum_k(W_k)^2 / s^2``, ``r_k = (sum(a w sqrt(v)) / sum(a w))^2``

with ``s`` the output over input pixel scale and ``W_k`` the inverse of the resampled read-noise variance, or the
exposure time. The correlation of the noise of neighbouring output pixels is not tracked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.drizzle_overlap import KERNELS, SQUARE, kernel_reach, spread_row
from jwcore.algorithms.pixel_map import MARGIN, PixelMap, interpolate_row

__all__ = ["Mosaic", "MosaicPlanes", "input_weight"]

BAND_ROWS = 32
VARIANCES = 3
_NONE = np.empty((0, 0), dtype=np.float32)
_NO_DQ = np.empty((0, 0), dtype=np.uint32)
_NO_FLAGS = np.empty(0, dtype=np.uint32)


@dataclass
class MosaicPlanes:
    """The planes of a finished mosaic.

    Attributes
    ----------
    data, weight : ndarray of float32 [ny, nx]
        Weighted mean and sum of weights.
    err : ndarray of float32 [ny, nx] or None
        Square root of the sum of the variances, NaN where there is none.
    variances : tuple of ndarray of float32 [ny, nx]
        Variances in the order in which they were added; empty when none were asked for.
    context : ndarray of int32 [nplanes, ny, nx] or None
        Bit ``k % 32`` of plane ``k // 32`` is set where input ``k`` contributed.
    dq : ndarray of uint32 [ny, nx] or None
        All flags of the contributing input pixels.
    """

    data: np.ndarray
    weight: np.ndarray
    err: np.ndarray | None
    variances: tuple[np.ndarray, ...]
    context: np.ndarray | None
    dq: np.ndarray | None


@parallel_kernel
def _fill_weight(dq, bad_bits, variance, constant, weight):
    for row in prange(weight.shape[0]):
        for column in range(weight.shape[1]):
            value = constant
            if variance.size:
                v = variance[row, column]
                value = np.float32(1.0) / v if v > 0.0 and v < np.inf else np.float32(0.0)
            if value == np.inf or (dq.size and dq[row, column] & bad_bits):
                value = np.float32(0.0)
            weight[row, column] = value


def input_weight(
    *,
    shape: tuple[int, int],
    dq: np.ndarray | None = None,
    bad_bits: int = 0,
    variance: np.ndarray | None = None,
    constant: float = 1.0,
) -> np.ndarray:
    """Weight of every input pixel: inverse variance or a constant, and 0 where the pixel is bad.

    Parameters
    ----------
    shape : tuple of int
        Shape (ny, nx) of the image.
    dq : ndarray of uint32 [ny, nx], optional
        Data quality.
    bad_bits : int, optional
        A pixel with any of these bits gets no weight.
    variance : ndarray of float32 [ny, nx], optional
        Variance to invert; values that are not finite and positive, or too small to be inverted, give no weight. Left out
        when its shape differs.
    constant : float, optional
        Weight without a variance, e.g. the exposure time.

    Returns
    -------
    ndarray of float32 [ny, nx]
    """
    weight = np.empty(shape, dtype=np.float32)
    usable = variance is not None and variance.shape == shape
    _fill_weight(
        _NO_DQ if dq is None else dq,
        np.uint32(bad_bits),
        variance if usable else _NONE,
        np.float32(constant),
        weight,
    )
    return weight


@kernel
def _rows_near_band(grid_y, step, y_origin, low, high, first_row, stop_row):
    """Input rows between whose nodes the map comes between `low` and `high`."""
    start, stop = stop_row, first_row
    for i in range(grid_y.shape[0] - 1):
        lowest, highest = np.inf, -np.inf
        for k in range(grid_y.shape[1]):
            lowest = min(lowest, grid_y[i, k], grid_y[i + 1, k])
            highest = max(highest, grid_y[i, k], grid_y[i + 1, k])
        if lowest < high and highest > low:
            start = min(start, math.ceil(y_origin + i * step))
            stop = max(stop, math.ceil(y_origin + (i + 1) * step) + 1)
    return max(start, first_row), min(stop, stop_row)


@kernel
def _columns_near_band(grid_y, step, x_origin, y_origin, row, low, high, first_column, stop_column):
    """Columns of one input row between whose nodes the map comes between `low` and `high`."""
    v = (row - y_origin) / step
    i = min(max(math.floor(v), 0), grid_y.shape[0] - 2)
    t = v - i
    start, stop = stop_column, first_column
    before = (1.0 - t) * grid_y[i, 0] + t * grid_y[i + 1, 0]
    for k in range(1, grid_y.shape[1]):
        after = (1.0 - t) * grid_y[i, k] + t * grid_y[i + 1, k]
        if min(before, after) < high and max(before, after) > low:
            start = min(start, math.ceil(x_origin + (k - 1) * step))
            stop = max(stop, math.ceil(x_origin + k * step) + 1)
        before = after
    return max(start, first_column), min(stop, stop_column)


@kernel
def _load_row(planes, weight, sky, row, first, n, values, row_weight):
    """Bring n pixels of one row into scratch: science less sky and square roots of the variances; NaN gets no weight."""
    data = planes[0]
    for i in range(n):
        value = data[row, first + i] - sky
        usable = value == value  # noqa: PLR0124  (NaN)
        row_weight[i] = weight[row, first + i] if usable else 0.0
        values[0, i] = value if usable else 0.0
    for plane in range(1, values.shape[0]):
        variance = planes[plane]
        for i in range(n):
            values[plane, i] = math.sqrt(variance[row, first + i]) if variance.size else np.nan


@kernel
def _load_flags(dq, flags, weight, row, first, n, values, row_weight):
    """Bring the flags of n pixels of one row into scratch, one plane for every bit."""
    for i in range(n):
        row_weight[i] = 1.0 if weight[row, first + i] > 0.0 else 0.0
        for plane in range(flags.size):
            values[plane, i] = 1.0 if dq[row, first + i] & flags[plane] else 0.0


@kernel
def _fold(band, y_first, x_first, input_weight, unit, bit, science, weight, context, variances, variance_weights):
    """Fold the sums of one band into the mosaic."""
    for row in range(band.shape[0]):
        for column in range(band.shape[1]):
            total = band[row, column, 0]
            if total == 0.0:
                continue
            y, x = row + y_first, column + x_first
            weight[y, x] += total
            science[y, x] += band[row, column, 1]
            if context.size:
                context[y, x] |= bit
            if band.shape[2] > 2:
                w = input_weight * unit
                if input_weight <= 0.0:  # weight by the resampled read-noise variance, the first of the three
                    noise = (band[row, column, 2] / total) ** 2
                    w = unit / noise if noise > 0.0 and noise < np.inf else 0.0
                for k in range(VARIANCES):
                    variance = (band[row, column, k + 2] / total) ** 2
                    usable = w > 0.0 and variance < np.inf
                    if not variance_weights.size:
                        variances[k, y, x] = variance if usable else np.nan
                    elif usable:
                        variances[k, y, x] += w * w * variance
                        variance_weights[k, y, x] += w


@kernel
def _fold_flags(band, y_first, x_first, flags, dq):
    """Fold the flags of one band into the mosaic."""
    for row in range(band.shape[0]):
        for column in range(band.shape[1]):
            for plane in range(flags.size):
                if band[row, column, plane + 1] != 0.0:
                    dq[row + y_first, column + x_first] |= flags[plane]


@parallel_kernel
def _drizzle(
    planes, weight, sky, dq, flags,
    grid_x, grid_y, step, x_origin, y_origin, reach, limits,
    code, pixfrac, scale_ratio, window,
    input_weight, unit, bit, science, total_weight, context, variances, variance_weights, out_dq,
):  # fmt: skip
    """Drizzle one exposure onto the rows and columns `window` = (first, stop, first, stop) of the mosaic.

    `grid_x` and `grid_y` are shifted by +0.5; `limits` are the usable input rows and columns; with any `flags`
    their bits are drizzled in place of the science planes.
    """
    longest, sides = weight.shape[1], 2 if code == SQUARE else 1
    n_planes = flags.size if flags.size else 1 + variances.shape[0]
    half = 0.5 * (sides - 1)  # corners for the square kernel, centres for the others
    for k in prange((window[1] - window[0] + BAND_ROWS - 1) // BAND_ROWS):
        y_first = window[0] + k * BAND_ROWS
        band = np.zeros((min(BAND_ROWS, window[1] - y_first), window[3] - window[2], n_planes + 1))
        x, y = np.empty((2, longest + 1)), np.empty((2, longest + 1))
        values, row_weight = np.empty((n_planes, longest)), np.empty(longest)
        low, high = y_first - reach, y_first + band.shape[0] + reach
        start, stop = _rows_near_band(grid_y, step, y_origin, low, high, limits[0], limits[1])
        for row in range(start, stop):
            first, last = _columns_near_band(
                grid_y, step, x_origin, y_origin, row, low, high, limits[2], limits[3]
            )  # fmt: skip
            n = last - first
            if n <= 0:
                continue
            for side in range(sides):
                interpolate_row(
                    grid_x, grid_y, step, x_origin, y_origin, first - half, row + side - half,
                    x[side, : n + sides - 1], y[side, : n + sides - 1],
                )  # fmt: skip
            if flags.size:
                _load_flags(dq, flags, weight, row, first, n, values, row_weight)
            else:
                _load_row(planes, weight, sky, row, first, n, values, row_weight)
            spread_row(code, n, x, y, pixfrac, scale_ratio, row_weight, values, band, y_first, window[2])
        if flags.size:
            _fold_flags(band, y_first, window[2], flags, out_dq)
        else:
            _fold(
                band, y_first, window[2], input_weight, unit, bit,
                science, total_weight, context, variances, variance_weights,
            )  # fmt: skip


@parallel_kernel
def _finish(science, weight, fill, scale_ratio, variances, variance_weights, err):
    """Divide the sums in place."""
    lone = not variance_weights.size
    for y in prange(science.shape[0]):
        for x in range(science.shape[1]):
            w = weight[y, x]
            science[y, x] = science[y, x] / w if w != 0.0 else fill
        if not err.size:
            continue
        for x in range(science.shape[1]):
            err[y, x] = np.nan
        for k in range(variances.shape[0]):
            for x in range(science.shape[1]):
                total = np.float32(weight[y, x] != 0.0) if lone else variance_weights[k, y, x]
                w = total * scale_ratio
                v = variances[k, y, x] / (w * w) if w > 0.0 else np.nan
                variances[k, y, x] = v
                if v == v:  # noqa: PLR0124  (not NaN)
                    err[y, x] = v if err[y, x] != err[y, x] else err[y, x] + v
        for x in range(science.shape[1]):
            err[y, x] = math.sqrt(err[y, x])


class Mosaic:
    """Exposures drizzled onto one output grid, added one at a time.

    Parameters
    ----------
    shape : tuple of int
        Shape (ny, nx) of the output.
    kernel : str, optional
        One of :data:`~jwcore.algorithms.drizzle_overlap.KERNELS`. Only square, turbo and point conserve flux.
    pixfrac : float, optional
        Side of the shrunken input pixel over its full side, 0 to 1; 0 is the point kernel.
    scale_ratio : float, optional
        Output over input pixel scale.
    variances : bool, optional
        Resample the three variances too.
    context, dq : bool, optional
        Record which inputs, and which flags, contributed to every pixel.
    lone : bool, optional
        Promise to add one exposure only, which spares the weights of the variances.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int],
        kernel: str = "square",
        pixfrac: float = 1.0,
        scale_ratio: float = 1.0,
        variances: bool = False,
        context: bool = False,
        dq: bool = False,
        lone: bool = False,
    ) -> None:
        self.shape = shape
        self.count = 0
        self._code = KERNELS["point" if pixfrac == 0.0 else kernel]
        self._pixfrac, self._scale_ratio = float(pixfrac), float(scale_ratio)
        self._data, self._weight = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        stack = (VARIANCES, *shape) if variances else (0, 0, 0)
        self._variances = np.zeros(stack, dtype=np.float32)
        self._variance_weights = np.zeros((0, 0, 0) if lone else stack, dtype=np.float32)
        self._lone = lone
        self._context: list[np.ndarray] | None = [] if context else None
        self._dq = np.zeros(shape if dq else (0, 0), dtype=np.uint32)
        self._unit: float | None = None

    def add(
        self,
        *,
        data: np.ndarray,
        weight: np.ndarray,
        pixel_map: PixelMap,
        sky: float = 0.0,
        variances: Sequence[np.ndarray | None] = (),
        exposure_weight: float | None = None,
        dq: np.ndarray | None = None,
        limits: tuple[int, int, int, int] | None = None,
    ) -> None:
        """Add one exposure.

        Parameters
        ----------
        data, weight : ndarray of float32 [ny, nx]
            Science values and pixel weights (:func:`input_weight`). NaN pixels are passed over.
        pixel_map : PixelMap
            From input to output pixel coordinates.
        sky : float, optional
            Level that is subtracted from the data on the fly.
        variances : sequence of ndarray of float32 [ny, nx] or None, optional
            Read-noise, Poisson and flat variance, when the mosaic has variances; None for one that is missing.
        exposure_weight : float, optional
            Weight ``W_k`` of this input in the variances; None: inverse of its resampled read-noise variance.
        dq : ndarray of uint32 [ny, nx], optional
            Flags, when the mosaic collects them.
        limits : tuple of int, optional
            Usable part of the image: first row, stop row, first column, stop column.
        """
        index, self.count = self.count, self.count + 1
        if self._lone and index:
            raise ValueError("a mosaic of a lone exposure takes no second one")
        context = self._context_plane(index)
        limits = limits or (0, data.shape[0], 0, data.shape[1])
        window, reach = self._reached(pixel_map)
        if window[1] <= window[0] or window[3] <= window[2]:
            return
        given = tuple(_NONE if v is None or v.shape != data.shape else v for v in (*variances, None, None, None)[:3])
        if exposure_weight is None and not given[0].size:
            exposure_weight = 1.0
        if self._unit is None:
            self._unit = _typical(given[0]) if exposure_weight is None else 1.0 / exposure_weight

        grid_x, grid_y, *places = pixel_map.kernel_arguments
        selections = [_NO_FLAGS] if dq is None or not self._dq.size else [_NO_FLAGS, _bits_in(dq)]
        for flags in selections:
            _drizzle(
                (data, *given), weight, float(sky), _NO_DQ if dq is None else dq, flags,
                grid_x + 0.5, grid_y + 0.5, *places, reach, limits,
                self._code, self._pixfrac, self._scale_ratio, window,
                float(exposure_weight or 0.0), self._unit, _context_bit(index),
                self._data, self._weight, context, self._variances, self._variance_weights, self._dq,
            )  # fmt: skip

    def finish(self, *, fill: float = math.nan) -> MosaicPlanes:
        """Divide the sums and return the planes; the mosaic cannot be added to afterwards.

        Parameters
        ----------
        fill : float, optional
            Value of output pixels without data.
        """
        with_err = bool(self._variances.size)
        err = np.empty(self.shape if with_err else (0, 0), dtype=np.float32)
        _finish(
            self._data, self._weight, np.float32(fill), self._scale_ratio, self._variances, self._variance_weights, err
        )
        self._variance_weights = np.empty((0, 0, 0), dtype=np.float32)
        return MosaicPlanes(
            data=self._data,
            weight=self._weight,
            err=err if with_err else None,
            variances=tuple(self._variances),
            context=_stacked(self._context),
            dq=self._dq if self._dq.size else None,
        )

    def _context_plane(self, index: int) -> np.ndarray:
        if self._context is None:
            return np.empty((0, 0), dtype=np.int32)
        if index // 32 >= len(self._context):
            self._context.append(np.zeros(self.shape, dtype=np.int32))
        return self._context[index // 32]

    def _reached(self, pixel_map: PixelMap) -> tuple[tuple[int, int, int, int], float]:
        """Rows and columns of the mosaic that an exposure may reach, and the margin that makes the search safe."""
        inner = slice(MARGIN, -MARGIN)
        margin, window = 0.0, []
        for grid, length in ((pixel_map.grid_y, self.shape[0]), (pixel_map.grid_x, self.shape[1])):
            slope = max(float(np.nanmax(np.abs(np.diff(grid, axis=a)))) for a in (0, 1)) / pixel_map.step
            bend = max(float(np.nanmax(np.abs(np.diff(grid, n=2, axis=a)), initial=0.0)) for a in (0, 1))
            reach = 1.0 + slope + 0.25 * bend + kernel_reach(self._code, self._pixfrac, self._scale_ratio)
            low, high = np.nanmin(grid[inner, inner]) - reach, np.nanmax(grid[inner, inner]) + reach
            window += [int(np.clip(np.floor(low), 0, length)), int(np.clip(np.ceil(high) + 1, 0, length))]
            margin = max(margin, reach)
        return (window[0], window[1], window[2], window[3]), margin


def _context_bit(index: int) -> np.int32:
    """Bit of an input in its context plane; the 32nd is the sign bit."""
    return np.uint32(1 << index % 32).astype(np.int32)


def _stacked(planes: list[np.ndarray] | None) -> np.ndarray | None:
    """Context planes as one array, without a copy when there is only one."""
    if not planes:
        return None
    return planes[0][np.newaxis] if len(planes) == 1 else np.stack(planes)


def _typical(variance: np.ndarray) -> float:
    """Size of a variance plane: a unit for its inverse, so that squares of weights stay within single precision."""
    sample = variance[:: max(1, variance.shape[0] // 64), :: max(1, variance.shape[1] // 64)]
    sample = sample[np.isfinite(sample) & (sample > 0)]
    return float(np.median(sample)) if sample.size else 1.0


def _bits_in(dq: np.ndarray) -> np.ndarray:
    """List the flags that occur in a DQ array, one bit each."""
    present = int(np.bitwise_or.reduce(dq, axis=None))
    return np.array([1 << bit for bit in range(32) if present >> bit & 1], dtype=np.uint32)
