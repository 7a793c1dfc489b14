"""Dark current: bring a dark ramp to the grouping of an exposure.

A dark ramp is known at the mean frame number of each of its groups. Between them, and beyond its last group, it is
taken to grow linearly. Every group of the exposure is then a fixed combination of the dark's groups, and the reference
can be used one plane at a time.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from jwcore.algorithms.planes import add_scaled
from jwcore.algorithms.readout import frame_numbers

__all__ = ["group_weights", "regrouped"]


def group_weights(
    *, ngroups: int, nframes: int, groupgap: int, dark_ngroups: int, dark_nframes: int = 1, dark_groupgap: int = 0
) -> np.ndarray:
    """Give the combination of dark groups that stands for each group of an exposure.

    The groups are the same when both are averaged alike. Otherwise every frame of the exposure gets the dark
    interpolated to its frame number (extrapolated from the last two groups after the end of the dark), and the frames
    of a group are averaged. For a dark of single frames that is the mean of the frames that the group is made of.

    Parameters
    ----------
    ngroups, nframes, groupgap : int
        Groups of the exposure, frames averaged into each and dropped in between.
    dark_ngroups, dark_nframes, dark_groupgap : int
        The same for the dark.

    Returns
    -------
    weights : ndarray of float64, shape (ngroups, dark_ngroups)
    """
    weights = np.zeros((ngroups, dark_ngroups))
    if dark_ngroups == 1:
        weights[:, 0] = 1.0
        return weights
    known = frame_numbers(ngroups=dark_ngroups, nframes=dark_nframes, groupgap=dark_groupgap).mean(axis=1)
    frames = frame_numbers(ngroups=ngroups, nframes=nframes, groupgap=groupgap)
    if (nframes, groupgap) == (dark_nframes, dark_groupgap):
        frames = frames.mean(axis=1, keepdims=True)
    left = np.clip(np.searchsorted(known, frames, side="right") - 1, 0, dark_ngroups - 2)
    fraction = (frames - known[left]) / (known[left + 1] - known[left])
    share = 1.0 / frames.shape[1]
    group = np.broadcast_to(np.arange(ngroups)[:, None], frames.shape)
    np.add.at(weights, (group, left), (1.0 - fraction) * share)
    np.add.at(weights, (group, left + 1), fraction * share)
    return weights


def regrouped(planes: Iterable[np.ndarray], weights: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Combine the planes of a dark ramp, read one after the other, into the groups of an exposure.

    Parameters
    ----------
    planes : iterable of ndarray of float32, shape (ny, nx)
        Groups of the dark in DN.
    weights : ndarray, shape (ngroups, dark_ngroups)
        See `group_weights`.

    Yields
    ------
    group : int
    dark : ndarray of float32, shape (ny, nx)
        Dark of that group. NaN counts as zero in averages; it is kept where a single plane is the whole answer, and in
        what is extrapolated, of which half of the terms would tell nothing.
    """
    used = weights != 0
    first, last = np.argmax(used, axis=1), used.shape[1] - 1 - np.argmax(used[:, ::-1], axis=1)
    sums: dict[int, np.ndarray] = {}
    previous: np.ndarray | None = None
    for j, plane in zip(range(last.max() + 1), planes, strict=False):
        for group in np.flatnonzero(used[:, j]).tolist():
            if weights[group, j] == 1 and first[group] == last[group]:
                yield group, plane
                continue
            adjacent = last[group] - first[group] <= 1  # many groups may lie between, or beyond, the same two planes
            if adjacent and j < last[group]:
                continue
            if group not in sums:
                sums[group] = np.zeros(plane.shape, np.float32)
            add = _add_extrapolated if weights[group].min() < 0 else add_scaled
            if adjacent and previous is not None and used[group, j - 1]:
                add(sums[group], previous, weights[group, j - 1])
            add(sums[group], plane, weights[group, j])
            if j == last[group]:
                yield group, sums.pop(group)
        previous = plane


def _add_extrapolated(total: np.ndarray, plane: np.ndarray, weight: float) -> None:
    """Add ``weight * plane`` to ``total`` in place, NaN included."""
    total += np.float32(weight) * plane
