"""Plots of figures: points, curves, levels, vectors and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jwcore.report.figures import COLOURS, GREY, HEIGHT, SMALL, WIDTH, legend, new_figure

MANY = 2000
"""Points of a plot from which on they are drawn as an image."""
NAMED = 40
"""Levels whose names are shown, at most."""


def scatter(panels: Sequence[dict[str, Any]], *, size: float = 4.5, height: float | None = None) -> Any:
    """Draw scatter plots side by side.

    Parameters
    ----------
    panels : sequence of dict
        Each has x, y (ndarrays, shape (n,)), xlabel, ylabel and, optionally, title, logx, logy, xlim, ylim, line, and
        ``special`` (bool, shape (n,)): which points are drawn as open circles.
    size, height : float
        Size of a panel, inches; square by default.
    """
    figure, axes = new_figure(size, height or size, number=len(panels))
    for axis, panel in zip(axes, panels, strict=True):
        special = panel.get("special", np.zeros(len(panel["x"]), bool))
        axis.plot(panel["x"][~special], panel["y"][~special], ".", ms=4, alpha=0.7, color=COLOURS[0],
                  rasterized=len(panel["x"]) > MANY)  # fmt: skip
        axis.plot(panel["x"][special], panel["y"][special], "o", ms=6, mfc="none", mec=COLOURS[1])
        if "line" in panel:
            axis.axhline(panel["line"], color=GREY, lw=0.8)
        axis.set(xscale="log" if panel.get("logx") else "linear", yscale="log" if panel.get("logy") else "linear")
        for along in (axis.xaxis, axis.yaxis):
            if along.get_scale() == "log":
                _plain_figures(along)
        axis.set(**{name: panel[name] for name in ("xlim", "ylim", "xlabel", "ylabel") if name in panel})
        axis.set_title(panel.get("title", ""), fontsize=10)
    return figure


def curves(x: Any, lines: Mapping[str, Any], *, xlabel: str, ylabel: str) -> Any:
    """Draw lines over a common axis; their names are shown when there are a few of them.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Whole numbers.
    lines : mapping of str to ndarray, shape (n,)
        Values by name.
    xlabel, ylabel : str
        Names of the axes.
    """
    figure, (axis,) = new_figure(WIDTH, HEIGHT)
    few = len(lines) <= len(COLOURS)
    for number, (name, values) in enumerate(lines.items()):
        colour = COLOURS[number] if few else COLOURS[0]
        style = "o-" if few and len(x) <= 60 else "-"
        axis.plot(x, values, style, ms=3, lw=1, color=colour, alpha=1.0 if few else 0.3, label=name)
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    _whole_numbers(axis.xaxis)
    if few and len(lines) > 1:
        legend(figure)
    return figure


def levels(names: Sequence[str], values: Any, *, xlabel: str, notes: Sequence[str] = ()) -> Any:
    """Draw one value for each of some named things, below each other, with a note beside each.

    Parameters
    ----------
    names : sequence of str, n
        The first is at the top; of many none is shown.
    values : ndarray, shape (n,)
        One for each; NaN where there is none.
    xlabel : str
        What the values are.
    notes : sequence of str, optional
        One for each.
    """
    shown = len(names) <= NAMED
    figure, (axis,) = new_figure(WIDTH, min(1.0 + 0.26 * len(names), 7.0))
    places = np.arange(len(names))[::-1]
    axis.hlines(places, min(0.0, np.nanmin(values)), values, color=GREY, lw=0.6, alpha=0.6)
    axis.scatter(values, places, s=24 if shown else 8, c=COLOURS[0], clip_on=False, zorder=3)
    axis.set_yticks(places if shown else [], names if shown else [], fontsize=SMALL)
    for place, value, note in zip(places, values, notes, strict=False):
        if shown and np.isfinite(value):
            axis.annotate(note, (value, place), (6, 0), textcoords="offset points", va="center", fontsize=SMALL)
    axis.margins(x=0.36 if notes else 0.05)
    axis.set(xlabel=xlabel, xlim=(None if np.nanmin(values) < 0 else 0, None), ylim=(-0.7, len(names) - 0.3))
    return figure


def vectors(dx: Any, dy: Any, radii: Any, groups: Sequence[str], *, unit: str) -> Any:
    """Draw vectors from a common origin with circles around their tips; east is left.

    Parameters
    ----------
    dx, dy : ndarray, shape (n,)
        To the east and to the north.
    radii : ndarray, shape (n,)
        Radii of the circles; NaN for none.
    groups : sequence of str, n
        Each group has a colour.
    unit : str
        Unit of all.
    """
    from matplotlib.patches import Circle

    figure, (axis,) = new_figure(WIDTH, WIDTH * 0.7)
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
        legend(figure)
    return figure


def histogram(edges: Any, counts: Mapping[str, Any], *, xlabel: str, ylabel: str) -> Any:
    """Draw stacked histograms.

    Parameters
    ----------
    edges : ndarray, shape (n + 1,)
        Edges of the bins.
    counts : mapping of str to ndarray, shape (n,)
        Numbers in the bins, by name.
    xlabel, ylabel : str
        Names of the axes.
    """
    figure, (axis,) = new_figure(WIDTH, HEIGHT)
    below = np.zeros(len(edges) - 1)
    for colour, (name, number) in zip(COLOURS, counts.items(), strict=False):
        axis.bar(edges[:-1], number, np.diff(edges), bottom=below, align="edge", color=colour, label=name, lw=0)
        below += number
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    _whole_numbers(axis.yaxis)
    if len(counts) > 1:
        legend(figure)
    return figure


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def _plain_figures(axis: Any) -> None:
    """Write plain figures at the ticks of a logarithmic axis: powers of ten would be formulas, which are not typeset."""
    from matplotlib.ticker import FuncFormatter, LogFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
