"""Where a reference image lies on the detector, and which part of it belongs to an exposure."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jwcore.errors import BadInput
from jwcore.models.facts import INTERLEAVED, NORMAL
from jwcore.models.stripes import StripeReadout, is_striped, stripes_of

__all__ = [
    "DETECTOR_PLANES",
    "StripedWindow",
    "Window",
    "cut_out",
    "reference_window",
    "science_window",
    "shows_detector",
]

log = logging.getLogger(__name__)

DETECTOR_PLANES = {
    **dict.fromkeys(("mask", "saturation", "superbias", "linearity", "dark", "reset", "gain", "readnoise"), 2),
    **dict.fromkeys(("flat", "area", "photom", "fringe", "bkg", "pictureframe", "psfmask", "dflat", "sflat"), 2),
    "ipc": 4,
}
"""Reference types whose arrays are images of the detector, and the least number of axes that such an array has.

An IPC kernel is an image of the detector only when it differs from pixel to pixel. Steps declare further types; see
`shows_detector`.
"""

FULL_FRAMES = (NORMAL, INTERLEAVED, (1024, 1032))
"""Shapes that need no keywords to be recognised as the whole detector (rows, columns)."""


@dataclass(frozen=True)
class Window:
    """A rectangle of detector pixels in science orientation.

    Attributes
    ----------
    x, y : int
        First column and row, counted from 1 (SUBSTRT1, SUBSTRT2).
    nx, ny : int
        Number of columns and rows (SUBSIZE1, SUBSIZE2).
    """

    x: int
    y: int
    nx: int
    ny: int

    def __str__(self) -> str:
        return f"{self.nx}×{self.ny} at ({self.x}, {self.y})"

    def slices(self, inside: "Window") -> tuple[slice, slice]:
        """Return the row and column slices of this window in an array that covers the window `inside`."""
        top, left = self.y - inside.y, self.x - inside.x
        return slice(top, top + self.ny), slice(left, left + self.nx)

    def fits(self, inside: "Window") -> bool:
        """Whether this window lies within another one."""
        return (
            self.x >= inside.x
            and self.y >= inside.y
            and self.x + self.nx <= inside.x + inside.nx
            and self.y + self.ny <= inside.y + inside.ny
        )


@dataclass(frozen=True)
class StripedWindow(Window):
    """The rectangle around the stripes of a frame, and the lines of it that the frame holds.

    Attributes
    ----------
    lines : tuple of int
        Columns or rows, counted from the first of the rectangle; a line may come more than once.
    along_x : bool
        Whether the lines are columns.
    named : Window
        What the keywords of the exposure say: a reference that says the same is striped already.
    """

    lines: tuple[int, ...]
    along_x: bool
    named: Window

    def pick(self, array: np.ndarray) -> np.ndarray:
        """Take the lines out of an array that covers the rectangle in its last two axes."""
        return np.take(array, self.lines, axis=-1 if self.along_x else -2)


def science_window(meta: Any, shape: tuple[int, ...] | None = None) -> Window | None:
    """Return the window of an exposure.

    Parameters
    ----------
    meta : Meta
        Metadata of the exposure.
    shape : tuple of int, optional
        Shape of its data; where the keywords disagree with it, the array is right.

    Returns
    -------
    Window or None
        None when the exposure does not say, for a resampled image, whose pixels are not those of the detector, and for
        superstripes, each of which has its own (`jwcore.models.of_one_stripe`).

    Raises
    ------
    BadInput
        For a start below 1, or stripes that do not add up to the frame.
    """
    if meta.get("cal_step.resample") == "COMPLETE":
        return None
    if stripes_of(meta):
        return None
    values = [meta.get(f"subarray.{name}") for name in ("xstart", "ystart", "xsize", "ysize")]
    window = _window(values, shape, "the exposure")
    return window if window is None or not is_striped(meta) else _striped(meta, window)


def _striped(meta: Any, window: Window) -> StripedWindow:
    """Return the window of a frame in stripes."""
    readout = StripeReadout.of(meta)
    lines = readout.lines
    first, size = int(lines.min()), int(np.ptp(lines)) + 1
    picked = tuple((lines - first).tolist())
    if readout.along_x:
        return StripedWindow(first + 1, window.y, size, window.ny, picked, True, window)
    return StripedWindow(window.x, first + 1, window.nx, size, picked, False, window)


def shows_detector(
    type: str,  # noqa: A002
    shape: tuple[int, ...],
    keyword: Callable[[str], Any],
    *,
    declared: bool = False,
) -> bool:
    """Tell whether an array of a reference is an image of the detector, which is cut to the exposure.

    The type decides. An array of a type about which nobody said anything is one when it is a full frame or when the
    header says which pixels it covers; all others are handed out as they are stored.

    Parameters
    ----------
    type : str
        Reference type.
    shape : tuple of int
        Shape of the array.
    keyword : callable
        Gives the value of a header keyword, None when absent.
    declared : bool
        Whether a step declares the type in ``@step(images=...)``.
    """
    least = DETECTOR_PLANES.get(type, 2 if declared else None)
    if least is None:
        stated = (keyword("SUBSIZE2"), keyword("SUBSIZE1"))
        return len(shape) >= 2 and (shape[-2:] == stated or shape[-2:] in FULL_FRAMES)
    return len(shape) >= least


def reference_window(keyword: Callable[[str], Any], shape: tuple[int, ...], name: str) -> Window | None:
    """Return the window that a reference array covers.

    Parameters
    ----------
    keyword : callable
        Gives the value of a header keyword, None when absent.
    shape : tuple of int
        Shape of the array.
    name : str
        File name for messages.

    Returns
    -------
    Window or None
        None when neither keywords nor the shape tell.

    Raises
    ------
    BadInput
        For a start below 1.
    """
    window = _window([keyword(key) for key in ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2")], shape, name)
    if window is None and shape[-2:] in FULL_FRAMES:
        return Window(1, 1, shape[-1], shape[-2])
    return window


def _window(values: list[Any], shape: tuple[int, ...] | None, name: str) -> Window | None:
    if any(value is None for value in values):
        return None
    x, y, nx, ny = (int(value) for value in values)
    if x < 1 or y < 1:
        raise BadInput(
            f"{name} starts at pixel ({x}, {y})",
            where=name,
            cure="SUBSTRT1 and SUBSTRT2 count from 1; correct the header",
        )
    if shape is None:
        return Window(x, y, nx, ny)
    rows, columns = shape[-2:]
    if (rows, columns) != (ny, nx) and ((rows, columns), (ny, nx)) != (INTERLEAVED, NORMAL):
        log.warning("%s: SUBSIZE says %d×%d, the array has %d×%d; the array is taken", name, nx, ny, columns, rows)
    return Window(x, y, columns, rows)


def cut_out(
    shape: tuple[int, ...], window: Window | None, target: Window | None, name: str
) -> tuple[slice, slice] | None:
    """Return the part of a reference array that belongs to an exposure.

    Parameters
    ----------
    shape : tuple of int
        Shape of the reference array.
    window : Window or None
        What the array covers; None when unknown.
    target : Window or None
        What the exposure covers; None takes every reference as it is.
    name : str
        File name for messages.

    Returns
    -------
    tuple of slice or None
        Rows and columns, out of which a striped window takes its lines; None when the whole array is wanted. An exposure
        with interleaved reference pixels gets references of its normal pixels whole.

    Raises
    ------
    BadInput
        When the exposure is not inside the reference, or the reference does not say where it lies.
    """
    if isinstance(target, StripedWindow) and window == target.named:
        return None
    if target is None or window == target or ((target.ny, target.nx) == INTERLEAVED and shape[-2:] == NORMAL):
        return None
    if window is None:
        plain = target.named if isinstance(target, StripedWindow) else target
        if shape[-2:] == (plain.ny, plain.nx):
            return None
        raise BadInput(
            f"reference of {shape[-1]}×{shape[-2]} pixels does not say where it lies on the detector",
            where=name,
            cure="add SUBSTRT1, SUBSTRT2, SUBSIZE1 and SUBSIZE2 to its header",
        )
    if not target.fits(window):
        raise BadInput(
            f"reference covers {window} pixels, the exposure {target}: it does not contain it",
            where=name,
            cure="name a reference for this sub-array with --override",
        )
    return target.slices(window)
