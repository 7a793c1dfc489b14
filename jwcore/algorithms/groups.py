"""Small questions about whole groups of a ramp."""

import numpy as np

from jwcore.algorithms.dq import DO_NOT_USE

__all__ = ["usable_differences", "usable_groups"]


def usable_groups(groupdq: np.ndarray) -> np.ndarray:
    """
    Tell which groups are not DO_NOT_USE in all their pixels.

    Parameters
    ----------
    groupdq : ndarray of uint8, shape (nints, ngroups, ny, nx)
        Group flags.

    Returns
    -------
    ndarray of bool, shape (nints, ngroups)
        True where at least one pixel is usable. A group is left at its first usable row, so this costs next to nothing.
    """
    nints, ngroups = groupdq.shape[:2]
    usable = np.zeros((nints, ngroups), bool)
    for index in np.ndindex(nints, ngroups):
        usable[index] = any(not np.all(row & DO_NOT_USE) for row in groupdq[index])
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
