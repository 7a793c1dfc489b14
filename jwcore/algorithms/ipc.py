"""Inter-pixel capacitance: undo the cross-talk between neighbours with the reference's deconvolution kernel."""

import numpy as np

from jwcore.algorithms import rows
from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.algorithms.constant import constant

__all__ = ["active_area", "convolve"]

BANDS = 16
"""Bands of rows that are worked on independently; only their edge rows are held twice."""


def active_area(
    *,
    shape: tuple[int, ...],
    start: tuple[int, int],
    detector_shape: tuple[int, int],
    reference_pixels: tuple[int, int, int, int],
) -> tuple[int, int, int, int]:
    """Find the part of an image that holds no reference pixels.

    Parameters
    ----------
    shape, start : tuple of int
        Size (ny, nx) of the image and zero-based position (y, x) of its first pixel on the detector.
    detector_shape : tuple of int
        Size (ny, nx) of the detector.
    reference_pixels : tuple of int
        Width of the reference border on the (left, right, bottom, top).

    Returns
    -------
    y0, y1, x0, x1 : int
        Half-open ranges of rows and columns.
    """
    left, right, bottom, top = reference_pixels
    (ny, nx), (sy, sx), (dy, dx) = shape, start, detector_shape
    y0, y1 = max(0, bottom - sy), min(ny, dy - top - sy)
    x0, x1 = max(0, left - sx), min(nx, dx - right - sx)
    return y0, max(y0, y1), x0, max(x0, x1)


def convolve(
    data: np.ndarray, weights: np.ndarray, *, area: tuple[int, int, int, int], lines: np.ndarray | None = None
) -> None:
    r"""Convolve every group with a small kernel, in place.

    .. math:: D'(y, x) = \sum_{j, i} K(j, i)\, D(y + h_y - j,\; x + h_x - i)

    with half widths :math:`h`; pixels outside the active area count as zero and are left as they are.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Ramp in DN.
    weights : ndarray of float32, shape (ky, kx) or (ky, kx, ny, nx)
        Kernel K, one for all pixels or one for each (output) pixel.
    area : tuple of int
        Active area, see `active_area`.
    lines : ndarray of int, shape (ny,), optional
        Rows of the ramp in which the ny rows of the detector are stored (default: all, one after the other). Others are
        left alone; see `jwcore.algorithms.irs2`.
    """
    if lines is None:
        lines = np.arange(data.shape[2])
    uniform = weights.ndim == 2
    if uniform:
        weights = np.ascontiguousarray(np.broadcast_to(weights[:, :, None, None], (*weights.shape, 1, data.shape[3])))
    y0, y1, x0, x1 = area
    edges = np.linspace(y0, y1, BANDS + 1).astype(np.int64)
    for integration in range(data.shape[0]):
        _convolve(data, integration, constant(weights), uniform, edges, x0, x1, lines)


@parallel_kernel
def _convolve(data, i, weights, uniform, edges, x0, x1, lines):
    ngroups = data.shape[1]
    nbands = edges.size - 1
    reach = weights.shape[0] // 2
    width = weights.shape[1] // 2
    ncolumns = x1 - x0
    # rows next to each band, as they were before the neighbouring band changed them; zero outside the area
    above = np.zeros((nbands, ngroups, reach, ncolumns), np.float32)
    below = np.zeros((nbands, ngroups, reach, ncolumns), np.float32)
    for band in prange(nbands):
        for k in range(reach):
            for g in range(ngroups):
                low, high = edges[band] - reach + k, edges[band + 1] + k
                if low >= edges[0]:
                    rows.copy(below[band, g, k], data[i, g, lines[low], x0:x1])
                if high < edges[-1]:
                    rows.copy(above[band, g, k], data[i, g, lines[high], x0:x1])
    for band in prange(nbands):
        window = np.zeros((ngroups, 2 * reach + 1, ncolumns + 2 * width), np.float32)
        total = np.empty(ncolumns, np.float32)
        first, stop = edges[band], edges[band + 1]
        for y in range(first - reach, stop + reach):
            for g in range(ngroups):
                # ring of rows: row y is kept at position (y - first + reach) modulo the height of the window
                slot = window[g, (y - first + reach) % (2 * reach + 1), width : width + ncolumns]
                if y < first:
                    rows.copy(slot, below[band, g, y - first + reach])
                elif y >= stop:
                    rows.copy(slot, above[band, g, y - stop])
                else:
                    rows.copy(slot, data[i, g, lines[y], x0:x1])
                row = y - reach
                if row >= first:
                    _weighted_sum(window[g], weights, 0 if uniform else row, x0, row - first + reach, total)
                    rows.copy(data[i, g, lines[row], x0:x1], total)


@kernel
def _weighted_sum(window, weights, wy, x0, centre, total):
    """Convolve one row, whose place in the ring is ``centre``."""
    height, width = weights.shape[:2]
    total[:] = 0
    for j in range(height):
        source = window[(centre + height // 2 - j) % window.shape[0]]
        for i in range(width):
            shift = 2 * (width // 2) - i
            rows.add_product(total, weights[j, i, wy, x0 : x0 + total.size], source[shift : shift + total.size])
