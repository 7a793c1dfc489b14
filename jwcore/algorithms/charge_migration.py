"""Charge migration: bright pixels push later charge into their neighbours.

The charge that a pixel holds repels what arrives later, so that beyond some level the pixel gains too little and its four
neighbours too much: the cores of bright stars look broader. Groups from that level on are left out of the fit of rates.

References
----------
P. Goudfrooij et al., "An algorithm to mitigate charge migration effects in data from the Near Infrared Imager and Slitless
Spectrograph on the James Webb Space Telescope", PASP 136, 014503 (2024).
"""

import numpy as np

from jwcore.algorithms._numba import kernel
from jwcore.algorithms.bands import over_rows
from jwcore.algorithms.dq import CHARGELOSS, DO_NOT_USE

__all__ = ["flag_charge_migration"]

_BAD = np.uint8(DO_NOT_USE)
_LOST = np.uint8(CHARGELOSS | DO_NOT_USE)


def flag_charge_migration(*, data: np.ndarray, groupdq: np.ndarray, threshold: float) -> np.ndarray:
    """
    Flag groups from the first one above a threshold on, in the pixel and its four neighbours, in place.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Linear ramps, DN.
    groupdq : ndarray of uint8, same shape
        Group flags; CHARGELOSS and DO_NOT_USE are set. Groups that are flagged DO_NOT_USE and nothing else do not count.
    threshold : float
        Signal from which charge migrates, DN.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        Pixels that were flagged in any group.
    """
    nints, ngroups, ny, nx = data.shape
    begin = np.empty((ny, nx), np.int32)
    flagged = np.zeros((ny, nx), np.bool_)
    for integration in range(nints):
        over_rows(_find_begin, ny, data[integration], groupdq[integration], np.float32(threshold), begin)
        if np.any(begin < ngroups):
            over_rows(_flag_from, ny, groupdq[integration], begin, flagged)
    return flagged


@kernel
def _find_begin(first, last, data, groupdq, threshold, begin):
    """Find the first group of each pixel above the threshold; the number of groups where there is none."""
    ngroups, _, nx = data.shape
    for row in range(first, last):
        found = begin[row]
        found[:] = ngroups
        for group in range(ngroups - 1, -1, -1):
            signal, flags = data[group, row], groupdq[group, row]
            for column in range(nx):
                above = signal[column] > threshold and flags[column] != _BAD
                found[column] = group if above else found[column]


@kernel
def _flag_from(first, last, groupdq, begin, flagged):
    """Flag the groups from the earliest begin of a pixel and its four neighbours on."""
    ngroups, ny, nx = groupdq.shape
    earliest = np.empty(nx, np.int32)
    for row in range(first, last):
        own = begin[row]
        # at the edges the row or column itself
        above, below = begin[min(row + 1, ny - 1)], begin[max(row - 1, 0)]
        start = ngroups
        for column in range(nx):
            beside = min(own[max(column - 1, 0)], own[min(column + 1, nx - 1)])
            earliest[column] = min(own[column], beside, above[column], below[column])
            start = min(start, earliest[column])
        for group in range(start, ngroups):
            flags = groupdq[group, row]
            for column in range(nx):
                flags[column] |= _LOST if group >= earliest[column] else np.uint8(0)
        for column in range(nx):
            flagged[row, column] |= earliest[column] < ngroups
