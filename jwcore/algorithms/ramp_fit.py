"""Count rates from ramps: ordinary least squares on the segments between cosmic-ray hits.

See `jwcore.algorithms.ramp_fit_segments` for the formulas.
"""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms.bands import over_rows
from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET
from jwcore.algorithms.groups import usable_groups
from jwcore.algorithms.medians import median_network
from jwcore.algorithms.ramp_fit_arrays import Ramps, Rates, Tables, Times
from jwcore.algorithms.ramp_fit_rows import fit_rows
from jwcore.algorithms.ramp_fit_segments import difference_coefficients, weight_powers
from jwcore.algorithms.ramp_fit_table import SegmentTable, tabulate_segments

__all__ = ["RampFit", "Rates", "SegmentTable", "fit_ramps"]

_BLOCK_BYTES = 128 * 1024  # one block of differences stays in the second-level cache


class RampFit(NamedTuple):
    """Count rates of an exposure and of its integrations."""

    exposure: Rates
    """Arrays (ny, nx)."""
    integrations: Rates
    """Arrays (nints, ny, nx)."""
    segments: SegmentTable | None = None
    """Fits of the single segments, if asked for."""


def fit_ramps(
    *,
    data: np.ndarray,
    groupdq: np.ndarray,
    pixeldq: np.ndarray,
    gain: np.ndarray,
    readnoise: np.ndarray,
    nframes: int,
    frame_time: float,
    group_time: float,
    dark: np.ndarray | None = None,
    zeroframe: np.ndarray | None = None,
    suppress_one_group: bool = True,
    firstgroup: int | None = None,
    lastgroup: int | None = None,
    trim_unusable: bool = False,
    keep_segments: bool = False,
    dropped_frames: int = 0,
) -> RampFit:
    """
    Fit the ramps of an exposure.

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
        Noise of the difference of two single reads (correlated double sample), DN.
    nframes : int
        Frames averaged in a group.
    frame_time, group_time : float
        Seconds between frames, and between groups.
    dark : ndarray of float32, shape (ny, nx), optional
        Average dark rate, electron/s; adds to the photon noise.
    zeroframe : ndarray of float32, shape (nints, ny, nx), optional
        First frame of each integration, DN; 0 = invalid. Used only without ``suppress_one_group``.
    suppress_one_group : bool, optional
        Give up ramps with a single good group.
    firstgroup, lastgroup : int, optional
        First and last group (0-based) to use. Ignored unless firstgroup < lastgroup.
    trim_unusable : bool, optional
        Leave out leading groups, and one trailing group, that are DO_NOT_USE everywhere (mid-infrared detectors), so
        that their flags do not count.
    keep_segments : bool, optional
        Tabulate the fits of the single segments too; this takes memory like the ramps.
    dropped_frames : int, optional
        Frames dropped before the first group; matters for the pedestals of that table alone.

    Returns
    -------
    RampFit
        Rates in DN/s; NaN and DO_NOT_USE where a ramp cannot be fitted. With a single integration, both parts share
        the arrays of slope, flags and partial variances.
    """
    ngroups = data.shape[1]
    usable = usable_groups(groupdq) & _inside(ngroups, firstgroup, lastgroup)
    first, end = _window(usable) if trim_unusable else (0, ngroups)
    tables = _tables(usable[:, first:end], (first, end), _inside(ngroups, firstgroup, lastgroup)[first:end])
    times = Times(float(group_time), float(frame_time), 0.5 * (nframes + 1) * float(frame_time), suppress_one_group)
    ramps = Ramps(
        data=data,
        groupdq=groupdq,
        pixeldq=pixeldq,
        gain=gain,
        noise=readnoise * gain / np.float32(np.sqrt(2 * nframes)),
        dark=np.zeros((1, data.shape[3]), np.float32) if dark is None else _dark_in_counts(dark, gain),
        zeroframe=np.zeros((1, 1, 1), np.float32) if zeroframe is None else zeroframe,
    )
    fit = _allocate(data.shape)
    block = min(max(_BLOCK_BYTES // (4 * tables.coefficients.shape[1]) // 16 * 16, 32), 256)
    over_rows(fit_rows, data.shape[2], ramps, times, tables, block, fit.integrations, fit.exposure)
    if keep_segments:
        since_reset = times.first_group + dropped_frames * times.frame
        return fit._replace(segments=tabulate_segments(ramps, times, tables, fit.integrations, since_reset))
    return fit


def _dark_in_counts(dark: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Convert electron/s to DN/s, 0 where there is no gain."""
    return np.divide(dark, gain, out=np.zeros_like(gain), where=gain > 0)


def _inside(ngroups: int, firstgroup: int | None, lastgroup: int | None) -> np.ndarray:
    """Tell which groups lie within firstgroup..lastgroup; all of them if that is no range."""
    groups = np.arange(ngroups)
    first = firstgroup or 0
    last = ngroups - 1 if lastgroup is None else lastgroup
    return (groups >= first) & (groups <= last) if first < last else np.ones(ngroups, bool)


def _window(usable: np.ndarray) -> tuple[int, int]:
    """Leave out the leading groups, and the last group, that no integration uses."""
    used = np.logical_or.reduce(usable, axis=0)
    if not used.any():
        return 0, len(used)
    return int(np.argmax(used)), len(used) - int(not used[-1])


def _tables(usable: np.ndarray, window: tuple[int, int], inside: np.ndarray) -> Tables:
    """Tabulate what depends on the usable groups (nints, ngroups) within the window alone."""
    ngroups = usable.shape[1]
    begin = np.argmax(usable, axis=1)
    end = ngroups - np.argmax(usable[:, ::-1], axis=1)
    anything = np.logical_or.reduce(usable, axis=1)
    hull = np.where(anything[:, None], np.column_stack([begin, end]), 0)
    lengths, choice = np.unique(hull[:, 1] - hull[:, 0], return_inverse=True)
    networks = [median_network(max(length - 1, 0)) for length in lengths]
    ends = np.cumsum([len(network) for network in networks])
    coefficients = np.zeros((len(lengths), max(lengths.max() - 1, 1), 6), np.float32)
    for index, length in enumerate(lengths):
        if length > 1:
            coefficients[index, : length - 1] = difference_coefficients(length)
    kept_flags = np.full(ngroups, 0xFF, np.uint8)
    if window[0] > 0:
        kept_flags[0] &= ~np.uint8(JUMP_DET)  # a jump into the first group that is left disturbs nothing
    return Tables(
        window=np.array(window),
        kept_flags=kept_flags,
        added_flags=np.where(inside, 0, DO_NOT_USE).astype(np.uint8),
        hull=hull,
        choice=choice,
        coefficients=coefficients,
        networks=np.concatenate(networks),
        network_range=np.column_stack([np.concatenate([[0], ends[:-1]]), ends]),
        powers=weight_powers(ngroups),
    )


def _allocate(shape: tuple[int, ...]) -> RampFit:
    """Make the output arrays; a single integration shares all but ``err`` with the exposure."""
    nints, _, ny, nx = shape

    def make(*dims: int) -> Rates:
        floats = [np.empty(dims, np.float32) for _ in range(4)]
        return Rates(floats[0], floats[1], np.empty(dims, np.uint32), floats[2], floats[3])

    integrations = make(nints, ny, nx)
    if nints > 1:
        return RampFit(make(ny, nx), integrations)
    shared = Rates(*(array[0] for array in integrations))
    return RampFit(shared._replace(err=np.empty((ny, nx), np.float32)), integrations)
