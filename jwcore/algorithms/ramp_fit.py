"""Count rates from ramps: ordinary least squares on the segments between cosmic-ray hits.

See `jwcore.algorithms.ramp_fit_segments` for the formulas.
"""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms.dq import DO_NOT_USE, SATURATED
from jwcore.algorithms.groups import usable_groups
from jwcore.algorithms.medians import median_network
from jwcore.algorithms.ramp_fit_rows import Plan, Ramps, Rates, fit_rows
from jwcore.algorithms.ramp_fit_segments import difference_coefficients, weight_powers

__all__ = ["RampFit", "Rates", "fit_ramps"]

_BLOCK_BYTES = 32 * 1024  # one block of differences stays in the first-level cache


class RampFit(NamedTuple):
    """Count rates of an exposure and of its integrations."""

    exposure: Rates
    """Arrays (ny, nx)."""
    integrations: Rates
    """Arrays (nints, ny, nx)."""


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
) -> RampFit | None:
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
        Average dark rate; adds to the photon noise.
    zeroframe : ndarray of float32, shape (nints, ny, nx), optional
        First frame of each integration, DN; 0 = invalid. Used only without ``suppress_one_group``.
    suppress_one_group : bool, optional
        Give up ramps with a single good group.
    firstgroup, lastgroup : int, optional
        First and last group (0-based) to use. Ignored unless firstgroup < lastgroup.
    trim_unusable : bool, optional
        Leave out leading groups, and one trailing group, that are DO_NOT_USE everywhere (mid-infrared detectors), so that their flags do not count.

    Returns
    -------
    RampFit or None
        Rates in DN/s; None when no pixel of any integration can be fitted. With a single integration, both parts share the arrays of slope, flags and
        partial variances.
    """
    ngroups = data.shape[1]
    added = _added_flags(ngroups, firstgroup, lastgroup)
    usable = usable_groups(groupdq) & (added == 0)
    first, last = _window(usable) if trim_unusable and ngroups > 1 else (0, ngroups)
    if last - first < min(ngroups, 2) or np.all(groupdq[:, first] & SATURATED):
        return None
    hull = _hull(usable)
    lengths = hull[:, 1] - hull[:, 0]
    tables, table = np.unique(lengths, return_inverse=True)
    networks = [median_network(max(length - 1, 0)) for length in tables]
    ends = np.cumsum([len(network) for network in networks])
    coefficients = np.zeros((len(tables), max(tables.max() - 1, 1), 6), np.float32)
    for index, length in enumerate(tables):
        if length > 1:
            coefficients[index, : length - 1] = difference_coefficients(length)
    plan = Plan(
        group_time=float(group_time),
        frame_time=float(frame_time),
        first_group_time=0.5 * (nframes + 1) * float(frame_time),
        suppress_one_group=suppress_one_group,
        first=first,
        last=last,
        added_flags=added,
        hull=hull,
        table=table,
        coefficients=coefficients,
        networks=np.concatenate(networks),
        network_range=np.column_stack([np.concatenate([[0], ends[:-1]]), ends]),
        powers=weight_powers(ngroups),
    )
    ramps = Ramps(
        data=data,
        groupdq=groupdq,
        pixeldq=pixeldq,
        gain=gain,
        noise=readnoise * gain / np.float32(np.sqrt(2 * nframes)),
        dark=np.zeros((1, data.shape[3]), np.float32) if dark is None else dark,
        zeroframe=np.empty((0, 0, 0), np.float32) if zeroframe is None else zeroframe,
    )
    fit = _allocate(data.shape)
    block = min(max(_BLOCK_BYTES // (4 * coefficients.shape[1]) // 16 * 16, 16), 256)
    fit_rows(ramps, plan, block, fit.integrations, fit.exposure)
    return fit


def _added_flags(ngroups: int, firstgroup: int | None, lastgroup: int | None) -> np.ndarray:
    """Flag the groups outside firstgroup..lastgroup."""
    added = np.zeros(ngroups, np.uint8)
    first = max(firstgroup or 0, 0)
    last = ngroups - 1 if lastgroup is None else min(lastgroup, ngroups - 1)
    if first < last:
        added[:first] = DO_NOT_USE
        added[last + 1 :] = DO_NOT_USE
    return added


def _window(usable: np.ndarray) -> tuple[int, int]:
    """Leave out the leading groups, and the last group, that no integration uses."""
    used = usable.any(axis=0)
    if not used.any():
        return 0, 0
    return int(np.argmax(used)), len(used) - (not used[-1])


def _hull(usable: np.ndarray) -> np.ndarray:
    """First and end (exclusive) of the usable groups of each integration; 0, 0 if there are none."""
    first = np.argmax(usable, axis=1)
    end = usable.shape[1] - np.argmax(usable[:, ::-1], axis=1)
    return np.where(usable.any(axis=1)[:, None], np.column_stack([first, end]), 0)


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
