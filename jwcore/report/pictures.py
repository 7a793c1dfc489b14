"""Drawings of arrays and figures, as SVG for pages and as PNG."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jwcore.errors import UsageError

WIDTH, HEIGHT = 5.4, 3.6
"""Size of a drawing that shares a row with another, inches."""
POINTS, FEW_POINTS = 800, 400
"""Points along the longer side of an image, and of one that is less looked at."""
COLOURS = ("#0a84c9", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#7a6ff0")
"""Colours of lines and points; all are seen on white and on black."""
GREY = "#888888"
MANY = 2000
"""Points of a plot from which on they are drawn as an image."""
FINE = 300
"""Points along an image from which on it is smoothed, not shown in squares, where the screen has others."""
FLATTEST = 0.2
"""Least height of an image in units of its width."""
PALETTE = 256
"""Colours that an image with a palette can have."""
GREY_LEVELS = 48
"""Shades below the colours of flags; more would make files larger, not pictures better."""


class Stretch(NamedTuple):
    """An asinh stretch from ``low`` to ``top``, linear within about ``scale`` of the lower end."""

    low: float
    top: float
    scale: float

    def fraction(self, values: Any) -> Any:
        """Map values to 0...1."""
        full = np.arcsinh((self.top - self.low) / self.scale)
        return np.clip(np.arcsinh((values - self.low) / self.scale) / full, 0, 1)

    def value(self, fraction: float) -> float:
        """Map 0...1 to a value."""
        return self.low + self.scale * float(np.sinh(fraction * np.arcsinh((self.top - self.low) / self.scale)))


class Sky(NamedTuple):
    """Where north and east are in an image (unit vectors, pixels) and how large its pixels are (arcsec)."""

    north: tuple[float, float]
    east: tuple[float, float]
    pixel: float


# ---- images
def images(arrays: Sequence[np.ndarray], titles: Sequence[str], *, size: float = 6.0) -> Any:
    """Draw images side by side with an asinh stretch.

    Parameters
    ----------
    arrays : sequence of ndarray
        Two-dimensional arrays; NaN is drawn grey.
    titles : sequence of str
        One for each.
    size : float
        Width of one image, inches.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _figure(size, size, number=len(arrays))
    for axis, array, title in zip(axes, arrays, titles, strict=True):
        _show(axis, stretched(binned(array)))
        axis.set_title(title, fontsize=10)
    return figure


def image(
    array: np.ndarray, *, unit: str = "", linear: bool = False, sky: Sky | None = None, marks: Any = None,
    points: int = POINTS,
) -> Any:  # fmt: skip
    """Draw one image with a bar of its values.

    Parameters
    ----------
    array : ndarray
        Two-dimensional; NaN is drawn grey.
    unit : str
        Unit of the values.
    linear : bool
        Stretch linearly over all values, instead of by asinh between background and bright parts.
    sky : Sky, optional
        Adds arrows to north and east and a scale.
    marks : (x, y) arrays, optional
        Positions to circle.
    points : int
        Points along the longer side, at most about.
    """
    shown = binned(array, points=points)
    stretch = _full_range(shown) if linear else stretch_of(shown)
    figure, axis = _framed(array.shape)
    drawn = _show(axis, stretch.fraction(shown))
    ticks = np.linspace(0, 1, 5)
    bar = figure.colorbar(drawn, ax=axis, orientation="horizontal", fraction=0.04, pad=0.02, aspect=45, ticks=ticks)
    bar.ax.set_xticklabels([_brief(stretch.value(tick)) for tick in ticks], fontsize=9)
    bar.set_label(unit, fontsize=9)
    step = bin_of(array, points=points)
    _circle(axis, marks, step)
    if sky is not None:
        _compass(axis, sky._replace(pixel=sky.pixel * step), shown.shape)
    return figure


def flagged(array: np.ndarray, flags: np.ndarray, colours: Mapping[int, str]) -> Any:
    """Draw an image in grey with its flagged pixels in colour.

    Parameters
    ----------
    array : ndarray
        The image.
    flags : ndarray of int, same shape
        Flags of its pixels.
    colours : mapping of int to str
        Bits that are shown, with their colours; later ones are drawn over earlier ones.
    """
    from matplotlib.colors import to_rgb

    grey = np.nan_to_num(stretched(binned(array)), nan=0.0)
    canvas = np.repeat((0.1 + 0.55 * np.round(grey * GREY_LEVELS) / GREY_LEVELS)[..., None], 3, axis=2)
    for bit, colour in colours.items():
        share = binned((flags & bit != 0).astype(np.float32))
        cover = share[..., None] ** 0.4  # one pixel of many that a point stands for is seen, too
        canvas = canvas * (1 - cover) + cover * np.array(to_rgb(colour))
    figure, axis = _framed(array.shape)
    axis.imshow(canvas, origin="lower", interpolation="none", aspect=_aspect(array.shape))
    return figure


def binned(array: np.ndarray, *, points: int = POINTS) -> np.ndarray:
    """Average blocks of pixels, so that an image of any size shows all its pixels in some hundred points."""
    step = bin_of(array, points=points)
    if step == 1:
        return array
    ny, nx = (max(size // step, 1) for size in array.shape)
    array = array[: ny * step, : nx * step]
    blocks = array.reshape(ny, array.shape[0] // ny, nx, array.shape[1] // nx)
    number = np.isfinite(blocks).sum(axis=(1, 3))
    return np.where(number, np.nansum(blocks, axis=(1, 3)) / np.maximum(number, 1), np.nan)


def bin_of(array: np.ndarray, *, points: int = POINTS) -> int:
    """Give the side of the blocks of pixels that become one point."""
    return max(1, round(max(array.shape) / points))


def stretched(array: np.ndarray, *, softening: float = 5.0) -> np.ndarray:
    """Map an image to 0...1 with an asinh stretch between its background and its brightest part in a thousand."""
    return stretch_of(array, softening=softening).fraction(array)


def stretch_of(array: np.ndarray, *, softening: float = 5.0) -> Stretch:
    """Choose the stretch that shows the background of an image and its sources."""
    sample = sample_of(array)
    if not sample.size:
        return Stretch(0.0, 1.0, 1.0)
    middle = np.median(sample)
    noise = 1.4826 * np.median(np.abs(sample - middle)) or 1.0
    top = max(np.percentile(sample, 99.9), middle + 10 * noise)
    return Stretch(float(middle - 2 * noise), float(top), softening * float(noise))


def sample_of(array: np.ndarray, *, size: int = 200_000) -> np.ndarray:
    """Give the finite values of an array, or of a large one some of them, evenly spread."""
    finite = array[np.isfinite(array)]
    return finite[:: max(1, finite.size // size)]


def _brief(value: float) -> str:
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}"


def _full_range(array: np.ndarray) -> Stretch:
    """Stretch over all values; so soft that it is linear."""
    finite = array[np.isfinite(array)]
    low, top = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    top = top if top > low else low + 1.0
    return Stretch(low, top, 1e4 * (top - low))


def _show(axis: Any, fractions: np.ndarray) -> Any:
    from matplotlib import colormaps

    colours = colormaps["inferno"].resampled(64).with_extremes(bad="0.6")
    axis.set_xticks([])
    axis.set_yticks([])
    return axis.imshow(
        fractions, origin="lower", cmap=colours, interpolation="none", vmin=0, vmax=1, aspect=_aspect(fractions.shape)
    )


def _circle(axis: Any, marks: Any, step: int) -> None:
    """Circle positions in an image of blocks of ``step`` pixels."""
    if marks is not None:
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
    for name, direction in (("N", sky.north), ("E", sky.east)) if _aspect(shape) == "equal" else ():
        tip = centre + length * np.array(direction)
        arrow = {"arrowstyle": "->", "color": "white", "lw": 1.4, "path_effects": outline}
        axis.annotate("", tip, centre, arrowprops=arrow)
        place = centre + 1.35 * length * np.array(direction)
        axis.text(*place, name, color="white", fontsize=9, ha="center", va="center", path_effects=outline)
    arcsec = _round(0.25 * nx * sky.pixel)
    pixels = arcsec / sky.pixel
    right, low = 0.96 * nx, 0.06 * ny
    axis.plot([right - pixels, right], [low, low], color="white", lw=1.8, path_effects=outline)
    text = f"{arcsec:g}″" if arcsec < 60 else f"{arcsec / 60:g}′"
    axis.text(
        right - pixels / 2,
        low + 0.02 * ny,
        text,
        color="white",
        fontsize=9,
        ha="center",
        va="bottom",
        path_effects=outline,
    )
    axis.set_xlim(-0.5, nx - 0.5)
    axis.set_ylim(-0.5, ny - 0.5)


def _round(arcsec: float) -> float:
    """Give the largest round angle that is not larger."""
    known = [*(k * 10.0**n for n in (-3, -2, -1, 0) for k in (1, 2, 5)), 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0]
    return max((angle for angle in known if angle <= arcsec), default=known[0])


# ---- plots
def scatter(panels: Sequence[dict[str, Any]], *, size: float = 4.5, height: float | None = None) -> Any:
    """Draw scatter plots side by side.

    Each panel has x, y, xlabel, ylabel and, optionally, title, logx, logy, xlim, ylim, line, and ``special``: which points are
    drawn as open circles.
    """
    figure, axes = _figure(size, height or size, number=len(panels))
    for axis, panel in zip(axes, panels, strict=True):
        special = panel.get("special", np.zeros(len(panel["x"]), bool))
        axis.plot(panel["x"][~special], panel["y"][~special], ".", ms=4, alpha=0.7, color=COLOURS[0],
                  rasterized=len(panel["x"]) > MANY)  # fmt: skip
        axis.plot(panel["x"][special], panel["y"][special], "o", ms=6, mfc="none", mec=COLOURS[1])
        if "line" in panel:
            axis.axhline(panel["line"], color=GREY, lw=0.8)
        if panel.get("logx"):
            axis.set_xscale("log")
        if panel.get("logy"):
            axis.set_yscale("log")
        axis.set(**{name: panel[name] for name in ("xlim", "ylim", "xlabel", "ylabel") if name in panel})
        axis.set_title(panel.get("title", ""), fontsize=10)
    return figure


def curves(x: Any, lines: Mapping[str, Any], *, xlabel: str, ylabel: str) -> Any:
    """Draw lines over a common axis; their names are shown when there are a few of them."""
    figure, (axis,) = _figure(WIDTH, HEIGHT)
    few = len(lines) <= len(COLOURS)
    for number, (name, values) in enumerate(lines.items()):
        colour = COLOURS[number] if few else COLOURS[0]
        style = "o-" if few and len(x) <= 60 else "-"
        axis.plot(x, values, style, ms=3, lw=1, color=colour, alpha=1.0 if few else 0.3, label=name)
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    _whole_numbers(axis.xaxis)
    if few and len(lines) > 1:
        figure.legend(fontsize=8, frameon=False, loc="outside right upper")
    return figure


def levels(names: Sequence[str], values: Any, *, xlabel: str, notes: Sequence[str] = ()) -> Any:
    """Draw one value for each of some named things, below each other, with a note beside each."""
    shown = len(names) <= 40
    figure, (axis,) = _figure(WIDTH, min(1.0 + 0.26 * len(names), 7.0))
    places = np.arange(len(names))[::-1]
    axis.hlines(places, min(0.0, np.nanmin(values)), values, color=GREY, lw=0.6, alpha=0.6)
    axis.scatter(values, places, s=24 if shown else 8, c=COLOURS[0], clip_on=False, zorder=3)
    axis.set_yticks(places if shown else [], names if shown else [], fontsize=8)
    for place, value, note in zip(places, values, notes, strict=False):
        if shown and np.isfinite(value):
            axis.annotate(note, (value, place), (6, 0), textcoords="offset points", va="center", fontsize=8)
    axis.margins(x=0.3 if notes else 0.05)
    axis.set(xlabel=xlabel, xlim=(None if np.nanmin(values) < 0 else 0, None), ylim=(-0.7, len(names) - 0.3))
    return figure


def vectors(dx: Any, dy: Any, radii: Any, groups: Sequence[str], *, unit: str) -> Any:
    """Draw vectors from a common origin with circles around their tips, in one colour for each group; east is left."""
    from matplotlib.patches import Circle

    figure, (axis,) = _figure(WIDTH, WIDTH * 0.7)
    names = list(dict.fromkeys(groups))
    for x, y, radius, group in zip(dx, dy, radii, groups, strict=True):
        colour = COLOURS[names.index(group) % len(COLOURS)]
        axis.plot([0, x], [0, y], "-", color=colour, lw=1.4)
        axis.add_patch(Circle((x, y), radius if np.isfinite(radius) else 0.0, fill=False, ec=colour, lw=0.7, ls=":"))
    for number, name in enumerate(names):
        ends = np.array([(x, y) for x, y, group in zip(dx, dy, groups, strict=True) if group == name])
        axis.plot(*ends.T, "o", color=COLOURS[number % len(COLOURS)], ms=4, label=name)
    reach = 1.15 * max(1e-3, np.nanmax(np.hypot(dx, dy) + np.nan_to_num(radii)))
    axis.axhline(0, color=GREY, lw=0.6)
    axis.axvline(0, color=GREY, lw=0.6)
    axis.set(xlim=(reach, -reach), ylim=(-reach, reach), xlabel=f"Δ east ({unit})", ylabel=f"Δ north ({unit})")
    axis.set_aspect("equal")
    if 1 < len(names) <= 12:
        figure.legend(fontsize=8, frameon=False, loc="outside right upper")
    return figure


def histogram(edges: Any, counts: Mapping[str, Any], *, xlabel: str, ylabel: str) -> Any:
    """Draw stacked histograms."""
    figure, (axis,) = _figure(WIDTH, HEIGHT)
    below = np.zeros(len(edges) - 1)
    for colour, (name, number) in zip(COLOURS, counts.items(), strict=False):
        axis.bar(edges[:-1], number, np.diff(edges), bottom=below, align="edge", color=colour, label=name, lw=0)
        below += number
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    _whole_numbers(axis.yaxis)
    axis.legend(fontsize=8, frameon=False)
    return figure


# ---- figures
def svg(figure: Any) -> str:
    """Write a figure as SVG that takes the colours of its text and lines from the page."""
    from matplotlib import rc_context

    stream = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": None}):
        figure.savefig(stream, format="svg", transparent=True, dpi=110, bbox_inches="tight", pad_inches=0.03)
    text = re.sub(r"(data:image/png;base64,)\s*([^\"]*)", _with_palette, stream.getvalue())
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'font-family: *[^;"]*;?', "", text)
    text = re.sub(r'<g id="[^"]*"', "<g", text).replace("#000000", "currentColor")
    fine = any(max(shown.get_array().shape[:2]) >= FINE for axis in figure.axes for shown in axis.images)
    return re.sub(r"image-rendering:[a-z-]*;?", "", text) if fine else text


def _with_palette(found: re.Match[str]) -> str:
    """Write an embedded image of few colours with a palette: in a third of the bytes."""
    from PIL import Image

    drawn = Image.open(io.BytesIO(base64.b64decode(found[2]))).convert("RGB")
    colours = drawn.getcolors(PALETTE)
    if colours is None:
        return found[0]
    stream = io.BytesIO()
    drawn.quantize(len(colours), dither=Image.Dither.NONE).save(stream, format="png", optimize=True)
    return found[1] + base64.b64encode(stream.getvalue()).decode()


def png(figure: Any) -> bytes:
    """Write a figure as PNG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()


def _framed(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Make a figure for an image of some shape."""
    ny, nx = shape
    figure, (axis,) = _figure(WIDTH, WIDTH * float(np.clip(ny / nx, FLATTEST, 1.6)) + 0.6)
    axis.set_xticks([])
    axis.set_yticks([])
    return figure, axis


def _aspect(shape: tuple[int, ...]) -> str:
    """Show long stripes broader than they are."""
    return "equal" if FLATTEST <= shape[0] / shape[1] <= 1 / FLATTEST else "auto"


def _figure(width: float, height: float, *, number: int = 1) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("pictures need matplotlib", cure="pip install 'jwcal[report]'") from None
    figure = Figure(figsize=(width * number, height), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(1, number))


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))
