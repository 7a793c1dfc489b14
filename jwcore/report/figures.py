"""Figures: how large they are, which colours they have, and how they become SVG in a page."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import numpy as np

from jwcore.errors import UsageError

WIDTH, HEIGHT = 4.6, 3.1
"""Size of a drawing that shares a row with another, inches; small, so that its words can be read on a phone."""
SMALL = 9
"""Size of the smaller words, points."""
COLOURS = ("#0a84c9", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#7a6ff0")
"""Colours of lines and points; all are seen on white and on black."""
GREY = "#888888"
FINE = 300
"""Points along an image from which on it is smoothed, not shown in squares, where the screen has others."""
PALETTE = 256
"""Colours that an image with a palette can have."""


def new_figure(width: float, height: float, *, number: int = 1) -> tuple[Any, Any]:
    """Make a figure with some axes side by side.

    Parameters
    ----------
    width, height : float
        Size of each, inches.
    number : int
        How many.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : ndarray of matplotlib.axes.Axes, shape (number,)
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("pictures need matplotlib", cure="pip install 'jwcal[report]'") from None
    figure = Figure(figsize=(width * number, height), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(1, number))


def legend(figure: Any) -> None:
    """Name lines and bars above the axes, where they hide nothing."""
    figure.legend(
        fontsize=SMALL, frameon=False, loc="outside upper right", ncols=3, columnspacing=1.2, handlelength=1.4
    )


def svg(figure: Any) -> str:
    """Write a figure as SVG that takes the colours of its text and lines from the page.

    All texts are shown as they are: units and names come from files, and may hold what is a formula to matplotlib.
    """
    from matplotlib import rc_context
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    stream = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", transparent=True, dpi=110, bbox_inches="tight", pad_inches=0.03)
    drawn = re.sub(r"(data:image/png;base64,)\s*([^\"]*)", _with_palette, stream.getvalue())
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    drawn = re.sub(r'font-family: *[^;"]*;?', "", drawn)
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn).replace("#000000", "currentColor")
    fine = any(max(shown.get_array().shape[:2]) >= FINE for axis in figure.axes for shown in axis.images)
    return re.sub(r"image-rendering:[a-z-]*;?", "", drawn) if fine else drawn


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
