"""Pictures of arrays as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from jwcore.errors import UsageError


def images(
    arrays: Sequence[np.ndarray], titles: Sequence[str], *, size: float = 6.0, marks: Sequence[Any] | None = None
) -> bytes:
    """Draw images side by side with an asinh stretch.

    Parameters
    ----------
    arrays : sequence of ndarray
        Two-dimensional arrays; NaN is drawn grey.
    titles : sequence of str
        One for each.
    size : float
        Width of one image, inches.
    marks : sequence of (x, y) arrays or None, optional
        Positions to circle, one pair for each image.
    """
    figure, axes = _figure(len(arrays), size)
    for number, (axis, array, title) in enumerate(zip(axes, arrays, titles, strict=True)):
        axis.imshow(stretched(binned(array)), origin="lower", cmap=_colours(), interpolation="nearest", vmin=0, vmax=1)
        axis.set_title(title, fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
        if marks is not None and marks[number] is not None:
            x, y = (np.asarray(position) / _bin(array) for position in marks[number])
            axis.plot(x, y, "o", mfc="none", mec="#36c", ms=6, mew=0.6)
    return _png(figure)


def scatter(panels: Sequence[dict[str, Any]], *, size: float = 4.5) -> bytes:
    """Draw scatter plots side by side.

    Each panel has x, y, xlabel, ylabel, title and, optionally, logx, xlim, ylim, line, and ``special``: which points are drawn as
    open circles.
    """
    figure, axes = _figure(len(panels), size)
    for axis, panel in zip(axes, panels, strict=True):
        special = panel.get("special", np.zeros(len(panel["x"]), bool))
        axis.plot(panel["x"][~special], panel["y"][~special], ".", ms=4, alpha=0.7)
        axis.plot(panel["x"][special], panel["y"][special], "o", ms=6, mfc="none", mec="#c33")
        if "line" in panel:
            axis.axhline(panel["line"], color="0.5", lw=0.8)
        if panel.get("logx"):
            axis.set_xscale("log")
        axis.set(**{name: panel[name] for name in ("xlim", "ylim", "xlabel", "ylabel") if name in panel})
        axis.set_title(panel["title"], fontsize=10)
    return _png(figure)


def binned(array: np.ndarray) -> np.ndarray:
    """Average blocks of pixels, so that an image of any size shows all its pixels in some 800 points."""
    step = _bin(array)
    if step == 1:
        return array
    ny, nx = (size // step for size in array.shape)
    blocks = array[: ny * step, : nx * step].reshape(ny, step, nx, step)
    number = np.isfinite(blocks).sum(axis=(1, 3))
    return np.where(number, np.nansum(blocks, axis=(1, 3)) / np.maximum(number, 1), np.nan)


def _bin(array: np.ndarray) -> int:
    return max(1, round(max(array.shape) / 800))


def stretched(array: np.ndarray, *, softening: float = 5.0) -> np.ndarray:
    """Map an image to 0...1 with an asinh stretch between its background and its brightest part in a thousand."""
    finite = array[np.isfinite(array)]
    if not finite.size:
        return np.full(array.shape, np.nan)
    sample = finite[:: max(1, finite.size // 200_000)]
    middle = np.median(sample)
    noise = 1.4826 * np.median(np.abs(sample - middle)) or 1.0
    top = max(np.percentile(sample, 99.9), middle + 10 * noise)
    low = middle - 2 * noise
    scale = softening * noise
    return np.clip(np.arcsinh((array - low) / scale) / np.arcsinh((top - low) / scale), 0, 1)


def _figure(number: int, size: float) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("pictures need matplotlib", cure="pip install 'jwcal[report]'") from None
    figure = Figure(figsize=(size * number, size), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(1, number))


def _colours() -> Any:
    from matplotlib import colormaps

    return colormaps["inferno"].with_extremes(bad="0.6")


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()
