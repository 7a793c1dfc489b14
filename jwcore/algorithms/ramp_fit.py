"""Count rates from ramps: ordinary least squares on the segments between cosmic-ray hits.

See `jwcore.algorithms.ramp_fit_segments` for the formulas.
"""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms.bands import over_rows
from jwcore.algorithms.constant import constant
from jwcore.algorithms.groups import usable_groups
from jwcore.algorithms.medians import median_network
from jwcore.algorithms.ramp_fit_arrays import GroupRules, Ramps, Rates, Tables, Times
from jwcore.algorithms.ramp_fit_rows import fit_rows
from jwcore.algorithms.ramp_fit_segments import difference_coefficients, weight_powers
from jwcore.algorithms.ramp_fit_setup import allocate_rates, dark_in_counts, rules_of_groups
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
    usable: np.ndarray | None = None,
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
    usable : ndarray of bool, shape (nints, ngroups), optional
        From `usable_groups` of the whole exposure, if these arrays are a piece of it.
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
    usable = usable_groups(groupdq) if usable is None else usable
    rules, usable = rules_of_groups(usable, firstgroup=firstgroup, lastgroup=lastgroup, trim_unusable=trim_unusable)
    tables = _tables(rules, usable)
    first_group = 0.5 * (nframes + 1) * frame_time + rules.window[0] * group_time
    times = Times(float(group_time), float(frame_time), float(first_group), suppress_one_group)
    ramps = Ramps(
        data=data,
        groupdq=groupdq,
        pixeldq=pixeldq,
        gain=constant(gain),
        noise=readnoise * gain / np.float32(np.sqrt(2 * nframes)),
        dark=dark_in_counts(dark, gain),
        zeroframe=np.zeros((1, 1, 1), np.float32) if zeroframe is None else zeroframe,
    )
    fit = RampFit(*allocate_rates(data.shape))
    block = min(max(_BLOCK_BYTES // (4 * tables.coefficients.shape[1]) // 16 * 16, 32), 256)
    over_rows(fit_rows, data.shape[2], ramps, times, tables, block, fit.integrations, fit.exposure)
    if keep_segments:
        since_reset = times.first_group + dropped_frames * times.frame
        return fit._replace(segments=tabulate_segments(ramps, times, tables, fit.integrations, since_reset))
    return fit


def _tables(rules: GroupRules, usable: np.ndarray) -> Tables:
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
    return Tables(
        rules=rules,
        hull=hull,
        choice=choice,
        coefficients=coefficients,
        networks=np.concatenate(networks),
        network_range=np.column_stack([np.concatenate([[0], ends[:-1]]), ends]),
        powers=weight_powers(ngroups),
    )
