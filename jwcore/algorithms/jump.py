"""Cosmic-ray jumps by the two-point difference method.

A charged particle lifts one difference of neighbouring groups above the others of its pixel. The size that noise
allows follows from the pixel's median difference (photon noise) and its read noise.

References
----------
R. E. Anderson & K. D. Gordon, "Optimal cosmic-ray detection for nondestructive read ramps", PASP 123, 1237 (2011).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jwcore.algorithms.bands import over_rows
from jwcore.algorithms.constant import constant
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, NO_GAIN_VALUE
from jwcore.algorithms.groups import usable_differences, usable_groups
from jwcore.algorithms.jump_detection import block_size, detect_clipped, detect_iterative, detect_single_pass
from jwcore.algorithms.jump_growth import flag_after_jumps, flag_neighbours, mark_spreading_jumps
from jwcore.algorithms.medians import median_network, sorting_network

__all__ = ["JumpCount", "JumpThresholds", "detect_jumps", "flag_bad_gain", "flooded_groups"]

_BAND = 32
"""Most rows that are copied at a time to find flooded groups."""


class JumpThresholds(NamedTuple):
    """Rejection thresholds (sigma) by the number of usable differences of a pixel."""

    four_or_more: float = 4.0
    three: float = 5.0
    two: float = 6.0


class JumpCount(NamedTuple):
    """What `detect_jumps` found."""

    jumps: np.ndarray
    """Groups of each row flagged before neighbours and after-glow were added, int64 (ny,)."""
    unusable_groups: int
    """Groups, over all integrations, that are DO_NOT_USE in every pixel."""
    method: str
    """``"iterative"``, ``"single pass"``, ``"sigma clip"``, or ``"none"`` with too few groups."""


def flag_bad_gain(pixeldq: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """
    Flag pixels without a positive gain with NO_GAIN_VALUE and DO_NOT_USE, in place.

    Parameters
    ----------
    pixeldq : ndarray of uint32, shape (ny, nx)
        Pixel flags.
    gain : ndarray of float32, shape (ny, nx)
        Gain, electron/DN.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        The pixels concerned.
    """
    bad = ~(gain > 0)
    pixeldq[bad] |= np.uint32(NO_GAIN_VALUE | DO_NOT_USE)
    return bad


def detect_jumps(
    *,
    data: np.ndarray,
    groupdq: np.ndarray,
    gain: np.ndarray,
    readnoise: np.ndarray,
    nframes: int,
    thresholds: JumpThresholds | None = None,
    min_diffs_single_pass: int = 10,
    minimum_groups: int = 3,
    minimum_sigclip_groups: int = 100,
    only_use_ints: bool = True,
    neighbour_limits: tuple[float, float] | None = (10.0, 1000.0),
    after_jumps: Sequence[tuple[float, int]] = (),
    usable: np.ndarray | None = None,
    flooded: np.ndarray | None = None,
) -> JumpCount:
    """
    Flag the groups that follow a jump with JUMP_DET, in place.

    Which groups are usable, and which are flooded, is asked of an exposure as a whole: give the answers with its pieces.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Linear ramps, DN.
    groupdq : ndarray of uint8, same shape
        Group flags; groups with DO_NOT_USE or SATURATED are not used. JUMP_DET is set.
    gain : ndarray of float32, shape (ny, nx)
        Gain, electron/DN.
    readnoise : ndarray of float32, shape (ny, nx)
        Noise of the difference of two single reads (correlated double sample), DN.
    nframes : int
        Frames averaged in a group.
    thresholds : JumpThresholds, optional
        Rejection thresholds, sigma.
    min_diffs_single_pass : int, optional
        From this number of differences in an integration on, all differences are compared once with the pixel's
        median; with fewer, the worst is rejected again and again.
    minimum_groups : int, optional
        Fewest usable groups in an integration.
    minimum_sigclip_groups : int, optional
        From this number of integrations (``only_use_ints``) or of usable groups in all on, a sigma clip over them
        takes the place of both.
    only_use_ints : bool, optional
        Clip each difference over integrations, or all differences of the exposure together.
    neighbour_limits : (float, float) or None, optional
        Range (sigma) of jumps whose four neighbours are flagged too; None for no neighbours.
    after_jumps : sequence of (float, int), optional
        Height (DN) above the median, and number of groups to flag after jumps at least so high.
    usable, flooded : ndarray of bool, shape (nints, ngroups), optional
        From `usable_groups` and `flooded_groups` of the whole exposure; by default of these arrays.

    Returns
    -------
    JumpCount
        Number of jumps, and what was used.
    """
    thresholds = thresholds or JumpThresholds()
    usable = usable_groups(groupdq) if usable is None else usable
    pairs = usable_differences(usable)
    unusable_count = int(np.count_nonzero(~usable))
    fewest = int(usable.sum(axis=1).min())
    clip = _clips(usable, minimum_sigclip_groups, only_use_ints)
    if len(pairs) == 0 or not (clip or fewest >= minimum_groups):
        return JumpCount(np.zeros(data.shape[2], np.int64), unusable_count, "none")

    ramps = _Ramps(data, groupdq, constant(gain), (readnoise * gain) ** 2 / np.float32(nframes), pairs)
    if clip:
        method = "sigma clip"
        if flooded is None:
            flooded = flooded_groups(
                data=data, groupdq=groupdq, gain=gain, threshold=thresholds.four_or_more, usable=usable,
                minimum_sigclip_groups=minimum_sigclip_groups, only_use_ints=only_use_ints,
            )  # fmt: skip
        _detect_clipped(data, groupdq, gain, pairs, thresholds.four_or_more, over_integrations=only_use_ints)
        _reset(groupdq, flooded)
    elif fewest - 1 >= min_diffs_single_pass:
        method = "single pass"
        network, threshold = median_network(len(pairs)), np.float32(thresholds.four_or_more)
        over_rows(detect_single_pass, data.shape[2], *ramps, network, threshold, block_size(pairs))
    else:
        method = "iterative"
        network = sorting_network(len(pairs))
        limits = np.array([np.inf, np.inf, thresholds.two, thresholds.three, thresholds.four_or_more], np.float32)
        over_rows(detect_iterative, data.shape[2], *ramps, network, limits, block_size(pairs))
    jumps = _grow(ramps, neighbour_limits, after_jumps)
    return JumpCount(jumps, unusable_count, method)


def flooded_groups(
    *,
    data: np.ndarray,
    groupdq: np.ndarray,
    gain: np.ndarray,
    threshold: float = 4.0,
    minimum_sigclip_groups: int = 100,
    only_use_ints: bool = True,
    usable: np.ndarray | None = None,
    read: Callable[[np.ndarray], np.ndarray] = np.array,
) -> np.ndarray:
    """
    Tell in which usable groups a sigma clip leaves no pixel without JUMP_DET or DO_NOT_USE.

    That is no particle: the light of the whole image has changed, and `detect_jumps` does not count it as jumps.

    Parameters
    ----------
    data, groupdq, gain, minimum_sigclip_groups, only_use_ints, usable
        As for `detect_jumps`; nothing is changed.
    threshold : float, optional
        Threshold of the clip, sigma.
    read : callable
        Copies rows of an array, which may be in a file.

    Returns
    -------
    ndarray of bool, shape (nints, ngroups)
        False everywhere if jumps are not found by a sigma clip. Rows are looked at until every group has an undisturbed
        pixel, so this costs next to nothing unless there is a flood.
    """
    usable = usable_groups(groupdq, read=read) if usable is None else usable
    pairs = usable_differences(usable)
    flooded = usable & (len(pairs) > 0 and _clips(usable, minimum_sigclip_groups, only_use_ints))
    done = 0
    while flooded.any() and done < data.shape[2]:
        rows = slice(done, done + min(done + 1, _BAND))
        flags, band = read(groupdq[:, :, rows]), read(data[:, :, rows])
        _detect_clipped(band, flags, gain[rows], pairs, threshold, over_integrations=only_use_ints)
        flooded &= np.all(flags & np.uint8(JUMP_DET | DO_NOT_USE), axis=(2, 3))
        done = rows.stop
    return flooded


def _clips(usable: np.ndarray, minimum_sigclip_groups: int, only_use_ints: bool) -> bool:
    """Tell whether there are enough integrations, or groups, for a sigma clip."""
    return (len(usable) if only_use_ints else int(usable.sum())) >= minimum_sigclip_groups


def _reset(groupdq: np.ndarray, flooded: np.ndarray) -> None:
    """Clear the jumps of flooded groups in the pixels that carry no other flag."""
    for index in np.argwhere(flooded):
        flags = groupdq[tuple(index)]
        flags[flags == JUMP_DET] = 0


class _Ramps(NamedTuple):
    """What the kernels need, in the order of their arguments; see `jwcore.algorithms.jump_detection`."""

    data: np.ndarray
    groupdq: np.ndarray
    gain: np.ndarray
    variance: np.ndarray
    pairs: np.ndarray


def _detect_clipped(
    data: np.ndarray,
    groupdq: np.ndarray,
    gain: np.ndarray,
    pairs: np.ndarray,
    threshold: float,
    *,
    over_integrations: bool,
) -> None:
    """Flag jumps by a sigma clip of each difference over the integrations, or of all differences together."""
    subsets = [pairs[pairs[:, 1] == group] for group in np.unique(pairs[:, 1])] if over_integrations else [pairs]
    for subset in subsets:
        network = sorting_network(len(subset))
        over_rows(
            detect_clipped, data.shape[2], data, groupdq, constant(gain), subset, network, threshold, block_size(subset)
        )


def _grow(ramps: _Ramps, limits: tuple[float, float] | None, after_jumps: Sequence[tuple[float, int]]) -> np.ndarray:
    """Count the jumps of each row, and flag their neighbours and the groups after them."""
    nints, ngroups, ny, nx = ramps.data.shape
    spread = np.zeros((nints, (ngroups + 6) // 8, ny, nx), np.uint8)
    spread_limits = np.array(limits or (np.inf, np.inf), np.float32)
    jumps = np.zeros(ny, np.int64)
    scheme = median_network(len(ramps.pairs)), block_size(ramps.pairs)
    over_rows(mark_spreading_jumps, ny, *ramps, *scheme, spread_limits, spread, jumps)
    if limits:
        over_rows(flag_neighbours, ny, ramps.groupdq, spread)
    if after_jumps:
        heights = np.array([height for height, _ in after_jumps], np.float32)
        lengths = np.array([length for _, length in after_jumps])
        over_rows(flag_after_jumps, ny, ramps.data, ramps.groupdq, ramps.gain, ramps.pairs, heights, lengths)
    return jumps
