"""Drawings of images: with a bar of values, north and east, circled sources, or flags in colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jwcore.report.figures import SMALL, WIDTH, new_figure
from jwcore.report.stretch import Stretch, linear_stretch, stretch_of

POINTS, FEW_POINTS = 800, 400
"""Points along the longer side of an image, and of one that is less looked at."""
FLATTEST = 0.2
"""Least height of an image in units of its width."""
GREY_LEVELS = 48
"""Shades below the colours of flags; more would make files larger, not pictures better."""


class Sky(NamedTuple):
    """Where north and east are in an image (unit vectors, pixels) and how large its pixels are (arcsec)."""

    north: tuple[float, float]
    east: tuple[float, float]
    pixel: float


def images(arrays: Sequence[np.ndarray], titles: Sequence[str], *, size: float = 6.0) -> Any:
    """Draw images side by side with an asinh stretch.

    Parameters
    ----------
    arrays : sequence of ndarray, shape (ny, nx)
        NaN is drawn grey.
    titles : sequence of str
        One for each.
    size : float
        Width of one image, inches.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = new_figure(size, size, number=len(arrays))
    for axis, array, title in zip(axes, arrays, titles, strict=True):
        _show(axis, _stretched(binned(array)))
        axis.set_title(title, fontsize=10)
    return figure


def image(
    array: np.ndarray, *, label: str = "", linear: bool = False, whole: bool = False, sky: Sky | None = None,
    marks: Any = None, points: int = POINTS,
) -> Any:  # fmt: skip
    """Draw one image with a bar of its values; its ends are arrows where there are values beyond.

    Parameters
    ----------
    array : ndarray, shape (ny, nx)
        NaN is drawn grey.
    label : str
        What the values are, or their unit.
    linear : bool
        Stretch linearly from zero to the highest value, instead of by asinh between background and bright parts.
    whole : bool
        The values are whole numbers: a linear bar tells no others.
    sky : Sky, optional
        Adds arrows to north and east and a scale.
    marks : (x, y) ndarrays, shape (n,), optional
        Positions to circle, in pixels; the centre of the first is at (0, 0).
    points : int
        Points along the longer side, at most about.
    """
    shown = binned(array, points=points)
    stretch = linear_stretch(shown) if linear else stretch_of(shown)
    values = _round_values(stretch, whole=whole) if linear else _even_values(stretch)
    figure, axis = _framed(array.shape)
    drawn = _show(axis, stretch.fraction(shown))
    bar = figure.colorbar(
        drawn, ax=axis, orientation="horizontal", fraction=0.04, pad=0.02, aspect=40, ticks=stretch.fraction(values),
        extend=_beyond(shown, stretch),
    )  # fmt: skip
    bar.ax.set_xticklabels(map(_brief, values), fontsize=SMALL)
    bar.set_label(label, fontsize=SMALL)
    step = bin_of(array, points=points)
    if marks is not None:
        _circle(axis, marks, step)
    if sky is not None:
        _compass(axis, sky._replace(pixel=sky.pixel * step), shown.shape)
    axis.set(xlim=(-0.5, shown.shape[1] - 0.5), ylim=(-0.5, shown.shape[0] - 0.5))
    return figure


def flagged(array: np.ndarray, flags: np.ndarray, colours: Mapping[int, str]) -> Any:
    """Draw an image in grey with its flagged pixels in colour.

    Parameters
    ----------
    array : ndarray, shape (ny, nx)
        The image.
    flags : ndarray of int, shape (ny, nx)
        Flags of its pixels.
    colours : mapping of int to str
        Bits that are shown, with their colours; later ones are drawn over earlier ones.
    """
    from matplotlib.colors import to_rgb

    grey = np.nan_to_num(_stretched(binned(array)), nan=0.0)
    canvas = np.repeat((0.1 + 0.55 * np.round(grey * GREY_LEVELS) / GREY_LEVELS)[..., None], 3, axis=2)
    for bit, colour in colours.items():
        share = binned((flags & bit != 0).astype(np.float32))
        cover = share[..., None] ** 0.4  # one pixel of many that a point stands for is seen, too
        canvas = canvas * (1 - cover) + cover * np.array(to_rgb(colour))
    figure, axis = _framed(array.shape)
    _imshow(axis, canvas)
    return figure


def binned(array: np.ndarray, *, points: int = POINTS) -> np.ndarray:
    """Average blocks of pixels, so that an image of any size shows all its pixels in some hundred points.

    Parameters
    ----------
    array : ndarray, shape (ny, nx)
        The image; what is not finite does not count.
    points : int
        Points along the longer side, at most about.

    Returns
    -------
    ndarray, shape (ceil(ny / step), ceil(nx / step))
        Means of blocks of ``step`` x ``step`` pixels, of fewer at the upper and right edge; NaN where nothing is finite.
    """
    step = bin_of(array, points=points)
    if step == 1:
        return array
    finite = np.isfinite(array)
    number = _sums(finite, step)
    return np.where(number > 0, _sums(np.where(finite, array, 0), step) / np.maximum(number, 1), np.nan)


def _sums(array: np.ndarray, step: int) -> np.ndarray:
    rows, columns = (np.arange(0, size, step) for size in array.shape)
    sums = np.add.reduceat(array, rows, axis=0, dtype=np.float64)
    return np.add.reduceat(sums, columns, axis=1)


def bin_of(array: np.ndarray, *, points: int = POINTS) -> int:
    """Give the side of the blocks of pixels of an array (ny, nx) that become one point."""
    return max(1, round(max(array.shape) / points))


def _stretched(array: np.ndarray) -> np.ndarray:
    return stretch_of(array).fraction(array)


def _even_values(stretch: Stretch) -> np.ndarray:
    """Choose values that are evenly spaced along a bar; one where there is no other."""
    return np.array([stretch.value(fraction) for fraction in np.linspace(0, 1, 5 if stretch.top > stretch.low else 1)])


def _round_values(stretch: Stretch, *, whole: bool) -> np.ndarray:
    """Choose round values for a linear bar."""
    from matplotlib.ticker import MaxNLocator

    values = np.array(MaxNLocator(5, steps=[1, 2, 5, 10], integer=whole).tick_values(stretch.low, stretch.top))
    return values[(values >= stretch.low) & (values <= stretch.top)]


def _beyond(array: np.ndarray, stretch: Stretch) -> str:
    """Tell at which ends of a stretch there are values beyond, as matplotlib calls it."""
    below, above = (array < stretch.low).any(), (array > stretch.top).any()
    return "both" if below and above else "min" if below else "max" if above else "neither"


def _brief(value: float) -> str:
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}"


def _show(axis: Any, fractions: np.ndarray) -> Any:
    from matplotlib import colormaps

    colours = colormaps["inferno"].resampled(64).with_extremes(bad="0.6")
    return _imshow(axis, fractions, cmap=colours, vmin=0, vmax=1)


def _imshow(axis: Any, pixels: np.ndarray, **colours: Any) -> Any:
    """Draw an array, (ny, nx) or (ny, nx, 3), with its first row at the bottom."""
    axis.set_xticks([])
    axis.set_yticks([])
    return axis.imshow(pixels, origin="lower", interpolation="none", aspect=_aspect(pixels.shape), **colours)


def _circle(axis: Any, marks: Any, step: int) -> None:
    """Circle positions in an image of blocks of ``step`` pixels."""
    x, y = ((np.asarray(position) + 0.5) / step - 0.5 for position in marks)
    axis.plot(x, y, "o", mfc="none", mec="#4fc3f7", ms=6, mew=0.7)


def _compass(axis: Any, sky: Sky, shape: tuple[int, ...]) -> None:
    """Draw a scale at the lower right and, unless the image is distorted, arrows to north and east at the lower left."""
    from matplotlib.patheffects import withStroke

    outline = [withStroke(linewidth=2.5, foreground="#111111")]
    ny, nx = shape
    length = 0.09 * min(nx, ny)
    below = np.minimum(0.0, np.minimum(sky.north, sky.east))  # arrows and names stay inside
    centre = 0.05 * min(nx, ny) - 1.35 * length * below
    words = {"color": "white", "fontsize": 10, "ha": "center", "path_effects": outline}
    for name, direction in (("N", sky.north), ("E", sky.east)) if _aspect(shape) == "equal" else ():
        tip, place = (centre + reach * length * np.array(direction) for reach in (1, 1.35))
        axis.annotate(
            "", tip, centre, arrowprops={"arrowstyle": "->", "color": "white", "lw": 1.4, "path_effects": outline}
        )
        axis.text(*place, name, va="center", **words)
    arcsec = _round(0.25 * nx * sky.pixel)
    pixels = arcsec / sky.pixel
    right, low = 0.96 * nx, 0.06 * ny
    axis.plot([right - pixels, right], [low, low], color="white", lw=1.8, path_effects=outline)
    text = f"{arcsec:g}″" if arcsec < 60 else f"{arcsec / 60:g}′"
    axis.text(right - pixels / 2, low + 0.02 * ny, text, va="bottom", **words)


def _round(arcsec: float) -> float:
    """Give the largest round angle that is not larger."""
    known = [*(k * 10.0**n for n in (-3, -2, -1, 0) for k in (1, 2, 5)), 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0]
    return max((angle for angle in known if angle <= arcsec), default=known[0])


def _framed(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Make a figure for an image of some shape."""
    ny, nx = shape
    figure, (axis,) = new_figure(WIDTH, WIDTH * float(np.clip(ny / nx, FLATTEST, 1.6)) + 0.6)
    return figure, axis


def _aspect(shape: tuple[int, ...]) -> str:
    """Show long stripes broader than they are."""
    return "equal" if FLATTEST <= shape[0] / shape[1] <= 1 / FLATTEST else "auto"
