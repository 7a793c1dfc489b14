"""Two figures that tell how much correlated noise a ramp holds: the scatter of its rows, and that of its columns.

In the difference of the last and the first usable group every pixel is compared with its neighbour two lines on. The median
of such differences along a line is what line and neighbour differ by; sources and slopes of the background, which neighbours
share, drop out. The scatter of these medians from line to line is that of an offset that is the same along a whole line, up
to a factor of sqrt(2), and to what white noise makes of the median of so many pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms._numba import parallel_kernel, prange
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, REFERENCE_PIXEL, SATURATED
from jwcore.algorithms.line_statistics import line_medians

__all__ = ["NoiseFigures", "noise_figures", "noise_figures_of_image"]

KEPT, KEPT_TO_SIGMA = 0.9, 1 / 0.789
"""Lines that count, the nearest to the median, and what their rms is to that of all in a normal distribution."""
NEIGHBOUR = 2
"""Lines from a pixel to its neighbour: even and odd lines may differ by an offset that is no noise."""
SAMPLES = 512
"""Pixels of a line that are looked at, about; more would not make the figures better."""
_LOST = np.uint8(DO_NOT_USE | SATURATED)
_JUMP = np.uint8(JUMP_DET)
_DISTURBED = np.uint8(DO_NOT_USE | SATURATED | JUMP_DET)
_BAD_PIXEL = np.uint32(DO_NOT_USE | REFERENCE_PIXEL)


class NoiseFigures(NamedTuple):
    """Scatter of rows and columns, unit of the data; NaN where too few of them can be measured."""

    rows: float
    columns: float

    def counts(self, when: str) -> dict[str, NDArray[np.float64]]:
        """Return what is known as figures of an exposure, ``row_noise_<when>`` and ``column_noise_<when>``.

        They are arrays of one element, so that they count once where an exposure is worked through in pieces.
        """
        named = {f"row_noise_{when}": self.rows, f"column_noise_{when}": self.columns}
        return {name: np.array([figure]) for name, figure in named.items() if np.isfinite(figure)}


def noise_figures(
    groups: NDArray[np.float32], flags: NDArray[np.uint8], pixel_flags: NDArray[np.uint32]
) -> NoiseFigures:
    """Measure how much rows, and columns, differ in the last usable group less the first.

    Parameters
    ----------
    groups : ndarray of float32, shape (ngroups, ny, nx)
        Ramps of one integration, DN.
    flags : ndarray of uint8, same shape
        Group flags. What is DO_NOT_USE or SATURATED in one of the two groups, or has a jump in between, does not count.
    pixel_flags : ndarray of uint32, shape (ny, nx)
        Pixel flags. What is DO_NOT_USE or a reference pixel does not count.

    Returns
    -------
    NoiseFigures
        Robust standard deviations of the offset of a row and of a column.
    """
    numbers = range(len(groups))
    first = next((number for number in numbers if not np.all(flags[number] & _LOST)), None)
    last = next((number for number in reversed(numbers) if not np.all(flags[number] & _LOST)), None)
    if first is None or last is None or first == last:
        return NoiseFigures(np.nan, np.nan)

    def sample(step_y: int, step_x: int) -> NDArray[np.float32]:
        sampled = np.empty((-(-groups.shape[1] // step_y), -(-groups.shape[2] // step_x)), np.float32)
        _sample(groups, flags, pixel_flags, first, last, step_y, step_x, sampled)
        return sampled

    return _figures(groups.shape[1:], sample)


def noise_figures_of_image(image: NDArray[np.float32], usable: NDArray[np.bool_]) -> NoiseFigures:
    """Measure how much rows, and columns, of an image differ.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Rates.
    usable : ndarray of bool, shape (ny, nx)
        Pixels that count.
    """

    def sample(step_y: int, step_x: int) -> NDArray[np.float32]:
        part = np.s_[::step_y, ::step_x]
        return np.where(usable[part], image[part], np.float32(np.nan))

    return _figures(image.shape, sample)


def _figures(shape: tuple[int, ...], sample: Callable[[int, int], NDArray[np.float32]]) -> NoiseFigures:
    """Measure rows in some of the columns, and columns in some of the rows."""
    ny, nx = shape
    rows, columns = sample(1, max(1, nx // SAMPLES)), sample(max(1, ny // SAMPLES), 1)
    return NoiseFigures(
        rows=_scatter(line_medians(rows[NEIGHBOUR:] - rows[:-NEIGHBOUR], along_x=True)),
        columns=_scatter(line_medians(columns[:, NEIGHBOUR:] - columns[:, :-NEIGHBOUR], along_x=False)),
    )


def _scatter(differences: NDArray[np.float32]) -> float:
    """Robust scatter of what neighbouring lines differ by, for one of the two.

    It is a trimmed rms: medians of integers are integers and halves, most of which may agree.
    """
    known = differences[np.isfinite(differences)]
    if known.size < 2:
        return np.nan
    near = np.sort(np.abs(known - np.median(known)))[: int(np.ceil(KEPT * known.size))]
    return float(KEPT_TO_SIGMA / np.sqrt(2) * np.sqrt(np.mean(np.square(near, dtype=np.float64))))


@parallel_kernel
def _sample(groups, flags, pixel_flags, first, last, step_y, step_x, sampled):
    """One group less an earlier one in every few pixels, NaN where it does not count."""
    for row in prange(sampled.shape[0]):
        y = row * step_y
        for column in range(sampled.shape[1]):
            x = column * step_x
            lost = pixel_flags[y, x] & _BAD_PIXEL != 0 or flags[first, y, x] & _LOST != 0
            for group in range(first + 1, last):
                lost = lost or flags[group, y, x] & _JUMP != 0
            lost = lost or flags[last, y, x] & _DISTURBED != 0
            sampled[row, column] = np.float32(np.nan) if lost else groups[last, y, x] - groups[first, y, x]
