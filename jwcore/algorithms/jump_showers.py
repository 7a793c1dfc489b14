"""Showers: faint, extended and short-lived brightenings of mid-infrared detectors after a particle event nearby.

A shower lifts many neighbouring pixels by less than their own threshold. It shows in the significance of the
differences between groups averaged over a ring of neighbours, which leaves out the pixel itself and so suppresses hits of
single pixels.

References
----------
M. Regan, "Detection and flagging of showers and snowballs in JWST", JWST-STScI-008545 (2024).
"""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms._numba import kernel
from jwcore.algorithms.bands import over_rows
from jwcore.algorithms.constant import constant
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.algorithms.groups import usable_differences, usable_groups
from jwcore.algorithms.jump_detection import (
    block_medians,
    block_moments,
    block_size,
    clip_ranks,
    load_differences,
    order_columns,
)
from jwcore.algorithms.jump_regions import Ellipses, connected_regions
from jwcore.algorithms.medians import median_network, sorting_network

__all__ = ["ShowerSettings", "flag_showers", "ring_offsets"]

_LOST = np.uint8(DO_NOT_USE | SATURATED | JUMP_DET)
_SATURATED = np.uint8(SATURATED)
_JUMP = np.uint8(JUMP_DET)
_FEWEST_DIFFERENCES = 10
_CLIP_SIGMA = 5.0
_BLOCK = 4_000_000
"""Samples of ramps that are gathered at a time."""


class ShowerSettings(NamedTuple):
    """What counts as a shower, and how far it is flagged; lengths in pixels."""

    snr_threshold: float = 1.2
    """Least mean significance in the ring around a pixel, sigma."""
    min_area: float = 90.0
    """Smallest region."""
    inner_radius: float = 1.0
    """Inner radius of the ring."""
    ring_width: float = 2.6
    """Width of the ring."""
    expand_ratio: float = 1.1
    """Factor on the minor axis of the region's ellipse; the major axis grows by the same length."""
    masked_groups: int = 5
    """Groups that are flagged after the one in which the shower begins."""
    max_amplitude: float = 11.1
    """Most that flagging may change the mean difference of a pixel, DN; where it changes more, the flags are taken back."""
    max_extended_radius: float = 200.0
    """Longest half axis of an ellipse."""
    minimum_sigclip_groups: int = 100
    """From this number of integrations on, median and noise are those of the integrations, group by group."""


class _Ramps(NamedTuple):
    """What the kernels need, in the order of their arguments; see `jwcore.algorithms.jump_detection`."""

    data: np.ndarray
    groupdq: np.ndarray
    gain: np.ndarray


def flag_showers(
    *,
    data: np.ndarray,
    groupdq: np.ndarray,
    pixeldq: np.ndarray,
    gain: np.ndarray,
    readnoise: np.ndarray,
    nframes: int,
    settings: ShowerSettings | None = None,
) -> int:
    """
    Flag showers in ramps whose jumps are flagged, in place.

    The significance of a difference d of neighbouring groups (electron) is abs(d - m) / sqrt(abs(m) + r^2 / nframes),
    with the median m of the pixel and its read noise r. Connected pixels around which its mean over a ring exceeds the
    threshold are a shower; groups with JUMP_DET, SATURATED or DO_NOT_USE do not count. The ellipse of the region,
    expanded, becomes JUMP_DET in this and the following groups. Fewer than ten differences in all are not searched.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Linear ramps, DN.
    groupdq : ndarray of uint8, same shape
        Group flags.
    pixeldq : ndarray of uint32, shape (ny, nx)
        Pixel flags.
    gain : ndarray of float32, shape (ny, nx)
        Gain, electron/DN.
    readnoise : ndarray of float32, shape (ny, nx)
        Noise of the difference of two single reads, DN.
    nframes : int
        Frames averaged in a group.
    settings : ShowerSettings, optional
        Parameters of the search.

    Returns
    -------
    int
        Number of showers.
    """
    settings = settings or ShowerSettings()
    usable = usable_groups(groupdq)
    pairs = usable_differences(usable)
    if usable[:, 1:].size - np.count_nonzero(~usable) < _FEWEST_DIFFERENCES:
        return 0
    ramps = _Ramps(data, groupdq, constant(gain))
    if len(data) >= settings.minimum_sigclip_groups:
        centre, sigma = _noise_of_integrations(ramps, pairs)
    else:
        centre, sigma = _noise_of_pixels(ramps, (readnoise * gain) ** 2 / np.float32(nframes), pairs)
    lost = pixeldq & _LOST != 0
    found = []
    for integration, group in pairs:
        plane = group if len(centre) > 1 else 0
        ellipses = _find(ramps, lost, centre[plane], sigma[plane], (integration, group), settings)
        found += [(integration, group + 1, ellipses)] * (len(ellipses) > 0)
    for integration in dict.fromkeys(integration for integration, _, _ in found):
        begins = [(group, ellipses) for owner, group, ellipses in found if owner == integration]
        _flag(data[integration], groupdq[integration], begins, settings)
    return sum(len(ellipses) for _, _, ellipses in found)


def ring_offsets(*, inner_radius: float, width: float) -> np.ndarray:
    """
    List the pixels of a ring around a pixel.

    Parameters
    ----------
    inner_radius, width : float
        Centres of pixels between ``inner_radius`` and ``inner_radius + width`` belong to the ring.

    Returns
    -------
    ndarray of int64, shape (n, 2)
        Offsets in y and x.
    """
    reach = int(inner_radius + width)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    radius = np.hypot(y, x)
    return np.argwhere((radius >= inner_radius) & (radius <= inner_radius + width)) - reach


def _noise_of_pixels(ramps: _Ramps, variance: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median difference of every pixel and its noise, electron, shape (1, ny, nx)."""
    centre = np.empty((1, *variance.shape), np.float32)
    over_rows(_medians, variance.shape[0], *ramps, pairs, median_network(len(pairs)), block_size(pairs), centre[0])
    return centre, np.sqrt(np.abs(centre) + variance)


def _noise_of_integrations(ramps: _Ramps, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clipped median and spread of every difference over the integrations, electron, shape (ngroups - 1, ny, nx)."""
    shape = (ramps.data.shape[1] - 1, *ramps.data.shape[2:])
    centre, sigma = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    for group in np.unique(pairs[:, 1]):
        subset = pairs[pairs[:, 1] == group]
        scheme = sorting_network(len(subset)), block_size(subset)
        over_rows(_clipped_moments, shape[1], *ramps, subset, *scheme, centre[group], sigma[group])
    return centre, sigma


def _find(
    ramps: _Ramps,
    lost: np.ndarray,
    centre: np.ndarray,
    sigma: np.ndarray,
    pair: tuple[int, int],
    settings: ShowerSettings,
) -> Ellipses:
    """Find the regions of one difference in which the mean significance around pixels is high."""
    mask = np.empty(lost.shape, np.uint8)
    ring = ring_offsets(inner_radius=settings.inner_radius, width=settings.ring_width)
    threshold = np.float32(settings.snr_threshold)
    over_rows(_mark_extended, len(lost), *ramps, lost, centre, sigma, *pair, ring, threshold, mask)
    ellipses = connected_regions(mask, minimum_area=settings.min_area).ellipses()
    return ellipses.expanded(factor=settings.expand_ratio, longest=2 * settings.max_extended_radius)


def _flag(data: np.ndarray, groupdq: np.ndarray, begins: list[tuple[int, Ellipses]], settings: ShowerSettings) -> None:
    """Flag the showers of an integration, but not where that changes the mean difference too much."""
    shape: tuple[int, int] = data.shape[1:]
    drawn = [(group, ellipses.drawn(shape)) for group, ellipses in begins]
    y, x = np.nonzero(np.logical_or.reduce([pixels for _, pixels in drawn]))
    step = max(_BLOCK // len(data), 1)
    for start in range(0, y.size, step):
        block = y[start : start + step], x[start : start + step]
        before = groupdq[:, *block]
        flags = before.copy()
        for group, pixels in drawn:
            showered = flags[group : group + settings.masked_groups + 1]
            showered[pixels[block] & (showered & _SATURATED == 0)] |= _JUMP
        samples = data[:, *block]
        change = np.abs(_mean_difference(samples, flags) - _mean_difference(samples, before))
        groupdq[:, *block] = np.where(change <= settings.max_amplitude, flags, before)  # NaN: nothing would be left


def _mean_difference(samples: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Mean difference of neighbouring groups that are not flagged, NaN where there is none."""
    lost = flags & _LOST != 0
    steps = np.diff(samples, axis=0)
    good = ~(lost[1:] | lost[:-1]) & np.isfinite(steps)
    number = np.count_nonzero(good, axis=0)
    total = np.sum(steps, axis=0, where=good, dtype=np.float64)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


@kernel
def _medians(first, last, ramp, groupdq, gain, pairs, network, block, centre):
    """Median of the differences without flags of every pixel, for a range of rows."""
    nx = ramp.shape[3]
    differences = np.empty((pairs.shape[0], block), np.float32)
    work = np.empty_like(differences)
    unusable = np.empty(block, np.int32)
    for row in range(first, last):
        for start in range(0, nx, block):
            width = min(block, nx - start)
            load_differences(ramp, groupdq, gain, pairs, row, start, width, _LOST, differences)
            block_medians(differences, network, width, work, unusable, centre[row, start : start + width])


@kernel
def _clipped_moments(first, last, ramp, groupdq, gain, pairs, network, block, centre, sigma):
    """Median and standard deviation of the clipped differences without flags of every pixel, for a range of rows."""
    nx = ramp.shape[3]
    differences = np.empty((pairs.shape[0], block), np.float32)
    ordered = np.empty_like(differences)
    usable = np.empty(block, np.int64)
    middle, total, square = np.empty(block), np.empty(block), np.empty(block)
    for row in range(first, last):
        for start in range(0, nx, block):
            width = min(block, nx - start)
            load_differences(ramp, groupdq, gain, pairs, row, start, width, _LOST, differences)
            order_columns(differences, network, width, ordered, usable)
            block_moments(ordered, width, usable, middle, total, square)
            for column in range(width):
                if usable[column] > 0:
                    _, _, centre[row, start + column], sigma[row, start + column] = clip_ranks(
                        ordered, column, usable[column], _CLIP_SIGMA, middle[column], total[column], square[column]
                    )


@kernel
def _mark_extended(
    first, last, ramp, groupdq, gain, lost, centre, sigma, integration, group, ring, threshold, mask
):  # fmt: skip
    """
    Mark the pixels of a range of rows around which the mean significance of one difference exceeds the threshold.

    It does where the sum of what exceeds the threshold in each pixel of the ring is positive. Pixels beyond the edge count
    with a significance of zero.
    """
    ny, nx = mask.shape
    reach = ring[-1, 0]
    low, high = max(first - reach, 0), min(last + reach, ny)
    excess = np.empty((high - low, nx), np.float32)
    known = np.empty((high - low, nx), np.bool_)
    for row in range(low, high):
        earlier, later = ramp[integration, group, row], ramp[integration, group + 1, row]
        earlier_dq, later_dq = groupdq[integration, group, row], groupdq[integration, group + 1, row]
        value, good = excess[row - low], known[row - low]
        for column in range(nx):
            step = later[column] * gain[row, column] - earlier[column] * gain[row, column]
            significance = abs(step - centre[row, column]) / sigma[row, column]
            usable = (earlier_dq[column] | later_dq[column]) & _LOST == 0 and not lost[row, column]
            good[column] = usable and significance < np.inf
            value[column] = significance - threshold if good[column] else np.float32(0)
    total = np.empty(nx, np.float32)
    for row in range(first, last):
        total[:] = 0
        for index in range(ring.shape[0]):
            y, shift = row + ring[index, 0], ring[index, 1]
            if y < 0 or y >= ny:
                total -= threshold
                continue
            left, right = max(0, -shift), min(nx, nx - shift)
            total[:left] -= threshold
            total[right:] -= threshold
            inner, value = total[left:right], excess[y - low, left + shift : right + shift]
            for column in range(inner.size):
                inner[column] += value[column]
        for column in range(nx):
            mask[row, column] = known[row - low, column] and total[column] > 0
