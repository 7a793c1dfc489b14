"""The choice of parameters for the 1/f correction of an image, from a few figures of a draft that was cleaned quickly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms.background2d import background_map
from jwcore.algorithms.flicker import FILTER_SIZE, largest_boxes
from jwcore.algorithms.flicker_mask import background_limits, background_pixels
from jwcore.algorithms.line_statistics import line_medians
from jwcore.algorithms.readout import ReadoutLayout
from jwcore.algorithms.sorted_sample import SortedSample

__all__ = ["LIMITS", "Choice", "Figures", "Limits", "choose", "choose_parameters", "mean_image", "measure"]

DRAFT_SIGMA, CLIP_SIGMA = 2.0, 3.0
"""Limits of background pixels in the draft, upwards, and of clipping elsewhere."""
CENTRE = (3 / 8, 5 / 8)
"""Range of the lines and columns that are averaged for profiles, in parts of the image."""
INSIDE_CHANNEL = (1 / 3, 2 / 3)
"""Range of the columns of one channel that are averaged, in parts of its width."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What each of the `Figures` is compared with, and the profile whose scatter is measured ("fast" or "slow" axis)."""

    masked: float
    offset: float
    slope_low: float
    slope_high: float
    slope_ratio: float
    scatter: float
    scatter_of: str


LIMITS = {
    "NIRISS": Limits(
        masked=0.07, offset=0.07, slope_low=1e-5, slope_high=1e-4, slope_ratio=5, scatter=0.02, scatter_of="slow"
    ),
    "NIRCAM": Limits(
        masked=0.1, offset=0.07, slope_low=1e-5, slope_high=1e-5, slope_ratio=3, scatter=0.02, scatter_of="fast"
    ),
}
"""Limits for the imagers for which they have been established."""


@dataclass(frozen=True)
class Figures:
    """What the choice rests on; levels in the unit of the image.

    Attributes
    ----------
    masked : float
        Fraction of pixels that do not show background.
    offset : float
        Largest difference of level between neighbouring channels.
    slope : float
        Steepest slope of the mean profiles along the two axes, per pixel.
    slope_ratio : float
        Ratio of the two slopes, at least 1.
    scatter : float
        Scatter of a mean profile about a line.
    """

    masked: float
    offset: float
    slope: float
    slope_ratio: float
    scatter: float


@dataclass(frozen=True)
class Choice:
    """Background ("median" or "model") and whether channels are fitted one by one."""

    background: str
    by_channel: bool


def mean_image(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average images, float32 (n, ny, nx), pixel by pixel over those that have a value; NaN where none has."""
    number = np.sum(~np.isnan(images), axis=0)
    return np.divide(np.nansum(images, axis=0), number, out=np.full(number.shape, np.nan, np.float32), where=number > 0)


def choose_parameters(rate: NDArray[np.float32], *, layout: ReadoutLayout, limits: Limits, channels: int) -> Choice:
    """Choose parameters for an image.

    Parameters
    ----------
    rate : ndarray of float32, shape (ny, nx)
        Rates, DN/s, divided by the flat, the slopes of which are not those of the background.
    layout : ReadoutLayout
        Orientation of the read-out.
    limits : Limits
        Those of the instrument.
    channels : int
        Number of amplifiers that read each line; one has no offset to another.
    """
    return choose(measure(rate, layout=layout, channels=channels, scatter_of=limits.scatter_of), limits)


def measure(rate: NDArray[np.float32], *, layout: ReadoutLayout, channels: int, scatter_of: str) -> Figures:
    """Measure the figures of an image, after the median of every line was subtracted.

    Parameters
    ----------
    rate : ndarray of float32, shape (ny, nx)
        Rates, DN/s.
    layout : ReadoutLayout
        Orientation of the read-out.
    channels : int
        Number of amplifiers that read each line.
    scatter_of : {"fast", "slow"}
        Profile whose scatter is measured: the one along the fast axis, or the one along the slow axis inside the first
        channel.
    """
    draft, background = _quick_clean(rate, along_x=layout.fast_is_x)
    lines = layout.view(_without_sources(draft, background))  # rows: slow axis, columns: fast axis
    along_fast = lines[_span(len(lines), CENTRE)].mean(axis=0, dtype=np.float64)
    along_slow = lines[:, _span(lines.shape[1], CENTRE)].mean(axis=1, dtype=np.float64)
    (slope_fast, scatter), (slope_slow, _) = _line(along_fast), _line(along_slow)
    if scatter_of == "slow":
        width = lines.shape[1] // channels
        _, scatter = _line(lines[:, _span(width, INSIDE_CHANNEL)].mean(axis=1, dtype=np.float64))
    levels = [SortedSample(part.astype(np.float32)).clipped(CLIP_SIGMA).mean for part in np.split(along_fast, channels)]
    slopes = sorted((abs(slope_fast), abs(slope_slow)))
    return Figures(
        masked=float(1 - background.mean()),
        offset=float(np.abs(np.diff(levels)).max(initial=0)),
        slope=slopes[1],
        slope_ratio=slopes[1] / slopes[0] if slopes[0] > 0 else np.inf,
        scatter=scatter,
    )


def choose(figures: Figures, limits: Limits) -> Choice:
    """Choose parameters.

    Parameters
    ----------
    figures : Figures
        What was measured.
    limits : Limits
        What each figure is compared with.

    Returns
    -------
    Choice
        Channels that differ much ask for one fit each, as long as sources leave enough pixels; a sloping background asks
        for a model, which takes the light of extended sources away when too much of the image is masked.
    """
    offsets = figures.offset >= limits.offset
    if figures.masked >= limits.masked:
        steep = figures.slope >= (limits.slope_high if offsets else limits.slope_low)
        return Choice("model" if steep else "median", by_channel=False)
    if offsets:
        return Choice("median", by_channel=True)
    sloping = figures.slope >= limits.slope_low and figures.slope_ratio < limits.slope_ratio
    steep = figures.slope >= limits.slope_high
    return Choice("model" if steep or sloping else "median", figures.offset > 0 and figures.scatter >= limits.scatter)


def _span(length: int, part: tuple[float, float]) -> slice:
    return slice(round(part[0] * length), round(part[1] * length))


def _quick_clean(rate: NDArray[np.float32], *, along_x: bool) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Subtract the median of every line; return what is left, and the pixels that hold background."""
    background = background_pixels(rate, np.ones(rate.shape, bool), n_sigma=DRAFT_SIGMA)
    image = np.where(background, rate, np.float32(np.nan))
    sample = SortedSample(image.copy())
    within = background_limits(sample, upper=CLIP_SIGMA, lower_half=True)
    level = np.float32(sample.median(*within))
    low, high = background_limits(sample, upper=DRAFT_SIGMA, lower_half=True, within=within)
    low, high = max(low, within.low), min(high, within.high)
    medians = line_medians(image, along_x=along_x, low=low, high=high)
    lines = np.nan_to_num(medians - level)
    clean = rate - (lines if along_x else lines.T)
    background = (image >= low) & (image <= high)
    low, high = background_limits(
        SortedSample(np.where(background, clean, np.float32(np.nan))), upper=CLIP_SIGMA, lower_half=True
    )
    return clean, background & (clean >= low) & (clean <= high)


def _without_sources(image: NDArray[np.float32], background: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Put the smooth background in the place of all that is none."""
    if background.all():
        return image
    level = background_map(image, ~background, box_size=largest_boxes(image.shape), filter_size=FILTER_SIZE).level
    return np.where(background, image, level)


def _line(profile: NDArray[np.float64]) -> tuple[float, float]:
    """Slope of a straight line through a profile, and the scatter about it."""
    x = np.arange(profile.size)
    intercept, slope = np.polynomial.Polynomial.fit(x, profile, 1).convert(domain=(-1, 1)).coef
    return float(slope), float(np.std(profile - (intercept + slope * x)))
