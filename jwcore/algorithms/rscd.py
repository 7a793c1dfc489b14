"""Reset-switch charge decay: leaving out the groups that follow a reset of mid-infrared detectors."""

from dataclasses import dataclass

import numpy as np

from jwcore.algorithms.dq import DO_NOT_USE, SATURATED

__all__ = ["Shortened", "flag_first_groups", "groups_to_skip"]

_SHORT_RAMP = 5
_LEFT_FOR_FIT = 3


@dataclass(frozen=True)
class Shortened:
    """Pixels that saturate so early that fewer groups were flagged.

    Attributes
    ----------
    pixels : ndarray of bool, shape (ny, nx)
        Those for which this happened in some integration.
    to_none : ndarray of bool, shape (ny, nx)
        Those among them of which no group was flagged in some integration.
    """

    pixels: np.ndarray
    to_none: np.ndarray


def groups_to_skip(ngroups: int, wanted: int) -> int:
    """Limit the groups to leave out so that three are left; ramps of up to five groups lose one at most."""
    if ngroups <= _SHORT_RAMP:
        wanted = 1
    return max(0, min(wanted, ngroups - _LEFT_FOR_FIT))


def flag_first_groups(groupdq: np.ndarray, skip: int) -> Shortened:
    """Flag the first groups of integrations DO_NOT_USE in place, fewer where a pixel saturates early.

    A pixel that is not saturated in its first group keeps at least two groups before saturation, as far as there are two:
    of ``skip`` groups one less is flagged as long as the second of the groups that would be left is saturated.

    Parameters
    ----------
    groupdq : ndarray of uint8, shape (nints, ngroups, ny, nx)
        Group flags.
    skip : int
        Groups to flag, at most ``ngroups - 2``.

    Returns
    -------
    Shortened
    """
    counts = np.full((len(groupdq), *groupdq.shape[2:]), skip, np.int16)
    early = groupdq[:, 0] & SATURATED == 0
    for group in range(skip + 1, 1, -1):
        early &= groupdq[:, group] & SATURATED != 0
        counts -= early
    for group in range(skip):
        groupdq[:, group] |= (counts > group) * np.uint8(DO_NOT_USE)
    shortened = counts < skip
    return Shortened(np.any(shortened, axis=0), np.any(shortened & (counts == 0), axis=0))
