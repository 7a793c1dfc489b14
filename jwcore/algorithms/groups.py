"""Small questions about whole groups of a ramp."""

from collections.abc import Callable

import numpy as np

from jwcore.algorithms.dq import DO_NOT_USE

__all__ = ["usable_differences", "usable_groups"]


LARGEST_BAND = 63
"""Most rows that are looked at at a time."""


def usable_groups(groupdq: np.ndarray, *, read: Callable[[np.ndarray], np.ndarray] = np.asarray) -> np.ndarray:
    """
    Tell which groups are not DO_NOT_USE in all their pixels.

    Parameters
    ----------
    groupdq : ndarray of uint8, shape (nints, ngroups, ny, nx)
        Group flags.
    read : callable
        Brings rows of one group into memory, where the flags are in a file.

    Returns
    -------
    ndarray of bool, shape (nints, ngroups)
        True where at least one pixel is usable. A group is left at its first usable row, so this costs next to nothing.
    """
    nints, ngroups = groupdq.shape[:2]
    usable = np.zeros((nints, ngroups), bool)
    for index in np.ndindex(nints, ngroups):
        group, start, number = groupdq[index], 0, 1
        while not usable[index] and start < len(group):
            usable[index] = not np.all(read(group[start : start + number]) & DO_NOT_USE)
            start, number = start + number, min(2 * number + 1, LARGEST_BAND)
    return usable


def usable_differences(usable: np.ndarray) -> np.ndarray:
    """
    List the differences of neighbouring groups that are both usable.

    Parameters
    ----------
    usable : ndarray of bool, shape (nints, ngroups)
        From `usable_groups`.

    Returns
    -------
    ndarray of int32, shape (n, 2)
        (integration, group) of the earlier group, in order.
    """
    return np.argwhere(usable[:, :-1] & usable[:, 1:]).astype(np.int32, order="C")
