"""Correlated read noise (1/f noise): measured on pixels without sources and subtracted, image by image.

The images are the differences of successive groups of a ramp, count rates, or what is left of the groups of a time series after
its median ramp was subtracted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms._numba import parallel_kernel, prange
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.algorithms.flicker_fourier import frame_noise, stripe_noise
from jwcore.algorithms.flicker_mask import Limits, background_limits
from jwcore.algorithms.line_statistics import line_medians, transposed
from jwcore.algorithms.readout import ReadoutLayout
from jwcore.algorithms.sorted_sample import SortedSample

__all__ = ["Kept", "NoiseFit", "clean_images", "clean_ramp", "clean_series", "filled_flat", "largest_boxes"]

Plane = NDArray[np.float32]
Parts = tuple[Plane | float, Plane]
"""Background and noise of an image."""

BACKGROUND_SIGMA = 3.0
"""Clipping limit of the values that make the background level."""
FILTER_SIZE = (5, 5)
LARGEST_BOX = 32
"""Largest side of a box of the background model, pixel."""
_LOST = np.uint8(DO_NOT_USE | SATURATED)
_DISTURBED = np.uint8(DO_NOT_USE | SATURATED | JUMP_DET)


class Kept(NamedTuple):
    """Arrays of the shape of the data that receive what was found; None to forget it."""

    background: NDArray[np.float32] | None = None
    noise: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class NoiseFit:
    """How background and noise of one image are measured.

    Attributes
    ----------
    layout : ReadoutLayout
        Orientation of the read-out.
    method : {"median", "fft"}
        One median per line, or Fourier series along the read-out.
    background : {"median", "model"} or None
        One level for the whole image, a smooth map, or none.
    box : tuple of int or None
        Boxes (ny, nx) of the smooth map; None: the largest that divide the image.
    n_sigma : float
        Limit of the pixels that count, both sides; zero or less does not clip.
    along_x : bool
        Whether the lines that have a median run along x.
    channels : int
        Parts of a line with a median each.
    """

    layout: ReadoutLayout
    method: str = "median"
    background: str | None = "median"
    box: tuple[int, int] | None = None
    n_sigma: float = 2.0
    along_x: bool = True
    channels: int = 1

    def __call__(self, image: Plane) -> Parts | None:
        """Measure background and noise.

        Parameters
        ----------
        image : ndarray of float32, shape (ny, nx)
            Image, NaN where pixels must not be used.

        Returns
        -------
        background, noise : float or ndarray of float32 (ny, nx)
            Two parts of the image; None when no pixel is usable.
        """
        sample = SortedSample(image.copy())
        if sample.count() == 0:
            return None
        if self.background is None:
            return 0.0, self._noise(image, 0.0, Limits())
        within = background_limits(sample, lower=BACKGROUND_SIGMA, upper=BACKGROUND_SIGMA, lower_half=True)
        level = sample.median(*within)
        if self.background == "model":
            values = np.empty_like(image)
            _keep_within(image, *within, values)
            smooth = self._smooth_background(values)
            if smooth is not None:
                values -= smooth
                return smooth, self._noise(values, 0.0, self._second_clip(SortedSample(values.copy()), Limits()))
        return level, self._noise(image, level, self._second_clip(sample, within))

    def _second_clip(self, sample: SortedSample, within: Limits) -> Limits:
        """Narrow the limits down to the pixels on which the noise is measured."""
        if self.n_sigma <= 0:
            return within
        low, high = background_limits(sample, lower=self.n_sigma, upper=self.n_sigma, lower_half=True, within=within)
        return Limits(max(low, within.low), min(high, within.high))

    def _smooth_background(self, values: Plane) -> Plane | None:
        """Map of the background; None when too few boxes hold enough pixels for one."""
        from jwcore.algorithms.background2d import background_map

        found = background_map(values, box_size=self.box or largest_boxes(values.shape), filter_size=FILTER_SIZE)
        return None if found.noise_mesh.size == 1 else found.level

    def _noise(self, image: Plane, level: float, limits: Limits) -> Plane:
        """Measure the noise on the values within limits, after subtraction of a level."""
        if self.method == "median":
            return self._line_noise(image, level, limits)
        residual = np.empty_like(image)
        _keep_within(image, *limits, residual)
        residual -= np.float32(level)
        if residual.shape == self.layout.detector_shape:
            return frame_noise(residual) if self.layout.fast_is_x else transposed(frame_noise(transposed(residual)))
        noise = np.empty_like(residual)
        self.layout.view(noise)[:] = stripe_noise(self.layout.view(residual))
        return noise

    def _line_noise(self, image: Plane, level: float, limits: Limits) -> Plane:
        """Median of every line, or of its channels, minus the level; zero where there is none. Read-only."""
        medians = line_medians(image, along_x=self.along_x, channels=self.channels, low=limits.low, high=limits.high)
        lines = np.nan_to_num(medians - np.float32(level), copy=False)
        if self.channels > 1:
            lines = np.repeat(lines, image.shape[1 if self.along_x else 0] // self.channels, axis=1)
        return np.broadcast_to(lines if self.along_x else lines.T, image.shape)


def clean_ramp(
    groups: NDArray[np.float32],
    flags: NDArray[np.uint8],
    background: NDArray[np.bool_],
    *,
    fit: NoiseFit,
    flat: Plane | None = None,
    kept: Kept = Kept(),  # noqa: B008  (immutable)
) -> int:
    """Clean the differences of successive groups of one integration, in place; the first group stays.

    A difference counts where neither group is DO_NOT_USE or SATURATED and no jump lies between them. Groups that are
    unusable in all pixels are passed over: the difference of their neighbours is cleaned.

    Parameters
    ----------
    groups : ndarray of float32, shape (ngroups, ny, nx)
        Ramps in DN.
    flags : ndarray of uint8, shape (ngroups, ny, nx)
        Group flags.
    background : ndarray of bool, shape (ny, nx)
        Pixels without sources.
    fit : NoiseFit
        How the noise is measured.
    flat : ndarray of float32, shape (ny, nx), optional
        Response; background and noise are measured on differences divided by it.
    kept : Kept
        Receives the background of every difference, and the noise of every group.

    Returns
    -------
    int
        Number of differences in which noise was measured.
    """
    response = np.ones_like(groups[0]) if flat is None else flat
    before = np.empty_like(groups[0])
    image, total = np.empty_like(before), np.zeros_like(before)
    earlier, cleaned = -1, 0
    for number, group in enumerate(groups):
        if np.any(background & (flags[number] & _LOST == 0)):
            found = None
            if earlier >= 0:
                _difference(group, before, flags[number], flags[earlier], background, response, image)
                found = _in_response(fit(image), flat)
            before[:], earlier = group, number
            if found is not None:
                cleaned += 1
                total += found[1]
                _keep(kept.background, number, found[0])
        _keep(kept.noise, number, total)
        group -= total  # noqa: PLW2901  (in place)
    return cleaned


def clean_images(
    images: NDArray[np.float32],
    usable: Callable[[int], NDArray[np.bool_]],
    *,
    fit: NoiseFit,
    flat: Plane | None = None,
    signal: Callable[[int], Plane] | None = None,
    kept: Kept = Kept(),  # noqa: B008  (immutable)
) -> int:
    """Clean images one by one, in place.

    Parameters
    ----------
    images : ndarray of float32, shape (n, ny, nx)
        Rates, or the groups of one integration.
    usable : callable
        Gives for an image the pixels that count, bool (ny, nx).
    fit, flat, kept
        As in `clean_ramp`.
    signal : callable, optional
        Gives for an image the known part of it, which is left out when the noise is measured.

    Returns
    -------
    int
        Number of images in which noise was measured.
    """
    cleaned = 0
    for number in range(len(images)):
        image = images[number].copy() if signal is None else images[number] - signal(number)
        if flat is not None:
            image /= flat
        image[~usable(number)] = np.nan
        found = _in_response(fit(image), flat)
        if found is not None:
            cleaned += 1
            images[number] -= found[1]
            _keep(kept.background, number, found[0] if signal is None else found[0] + signal(number))
            _keep(kept.noise, number, found[1])
    return cleaned


def clean_series(
    groups: NDArray[np.float32],
    flags: NDArray[np.uint8],
    background: NDArray[np.bool_],
    *,
    fit: NoiseFit,
    signal: Callable[[int], Plane],
    flat: Plane | None = None,
    kept: Kept = Kept(),  # noqa: B008  (immutable)
) -> int:
    """Clean all groups of one integration whose signal is known, in place.

    A pixel counts until a jump: what it holds afterwards is not the known signal.

    Parameters
    ----------
    groups, flags, background, fit, flat, kept
        As in `clean_ramp`.
    signal : callable
        Gives the known signal of a group, float32 (ny, nx).

    Returns
    -------
    int
        Number of groups in which noise was measured.
    """
    hit = np.zeros(background.shape, bool)

    def usable(number: int) -> NDArray[np.bool_]:
        np.logical_or(hit, flags[number] & np.uint8(JUMP_DET), out=hit)
        return background & ~hit & (flags[number] & _LOST == 0)

    return clean_images(groups, usable, fit=fit, flat=flat, signal=signal, kept=kept)


def filled_flat(flat: Plane) -> Plane:
    """Replace what is missing in a flat field (NaN, zero) by its smooth surroundings."""
    from jwcore.algorithms.background2d import background_map

    missing = ~np.isfinite(flat) | (flat == 0)
    if not missing.any():
        return flat.copy()  # not read-only
    if missing.all():
        return np.ones_like(flat)
    smooth = background_map(flat, missing, box_size=largest_boxes(flat.shape), filter_size=FILTER_SIZE).level
    return np.where(missing, smooth, flat)


def largest_boxes(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the sides of the largest boxes, at most 32 pixels, that divide an image (ny, nx)."""
    ny, nx = (max(side for side in range(1, LARGEST_BOX + 1) if length % side == 0) for length in shape)
    return ny, nx


def _in_response(found: Parts | None, flat: Plane | None) -> Parts | None:
    """Background and noise as the pixels of that response show them."""
    return found if found is None or flat is None else (found[0] * flat, found[1] * flat)


def _keep(target: NDArray[np.float32] | None, number: int, value: Plane | float) -> None:
    if target is not None:
        target[number] = value


@parallel_kernel
def _difference(later, earlier, later_flags, earlier_flags, background, response, image):
    """Difference of two groups in the response of the pixels, NaN where it does not count."""
    for y in prange(image.shape[0]):
        for x in range(image.shape[1]):
            lost = later_flags[y, x] & _DISTURBED or earlier_flags[y, x] & _LOST or not background[y, x]
            image[y, x] = np.float32(np.nan) if lost else (later[y, x] - earlier[y, x]) / response[y, x]


@parallel_kernel
def _keep_within(image, low, high, kept):
    """Copy the values within limits; NaN for others."""
    for y in prange(image.shape[0]):
        for x in range(image.shape[1]):
            inside = image[y, x] >= low and image[y, x] <= high
            kept[y, x] = image[y, x] if inside else np.float32(np.nan)
