"""Traces of a slitless spectrum whose grism turns a little from visit to visit (single-object slitless spectroscopy)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["near_traces", "trace_row"]

TRACE_ORIGIN = 1792
"""Detector row, counted from zero, from which the rows of the traces are counted."""


def near_traces(
    shape: tuple[int, ...],
    traces: Iterable[Mapping[str, Any]],
    *,
    angle: float,
    start: tuple[int, int],
    half_width: float,
) -> NDArray[np.bool_]:
    """Find the pixels near the traces of all orders.

    Parameters
    ----------
    shape : tuple of int
        Size (ny, nx) of the image.
    traces : iterable of mapping
        For each order its ``trace``, float (n, 2) with columns x and y, and its pivot (``pivot_x``, ``pivot_y``), pixel.
    angle : float
        How far the grism is turned from where the traces were measured, degrees.
    start : tuple of int
        Zero-based position (y, x) of the image on the detector.
    half_width : float
        Rows above and below a trace that belong to it.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
    """
    rows = np.arange(shape[0])[:, None] + (start[0] - TRACE_ORIGIN)
    columns = np.arange(shape[1]) + start[1]
    near = np.zeros(shape, bool)
    for trace in traces:
        points = np.asarray(trace["trace"], float)
        y = trace_row(points, pivot=(trace["pivot_x"], trace["pivot_y"]), angle=angle, columns=columns)
        near |= np.abs(rows - y) <= half_width
    return near


def trace_row(
    points: NDArray[np.float64], *, pivot: tuple[float, float], angle: float, columns: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Turn a trace about its pivot.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
        Columns x and rows y of the trace, pixel; x increases.
    pivot : tuple of float
        Centre (x, y) of the rotation.
    angle : float
        Degrees, from x to y.
    columns : ndarray of int
        Where the trace is wanted.

    Returns
    -------
    ndarray of float64
        Row of the trace in every column; NaN where it does not reach.
    """
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    dx, dy = (points - pivot).T
    x, y = pivot[0] + dx * cosine - dy * sine, pivot[1] + dx * sine + dy * cosine
    rows = np.interp(columns, x, y)
    return np.where((columns >= points[0, 0]) & (columns <= points[-1, 0]), rows, np.nan)
