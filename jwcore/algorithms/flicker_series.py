"""The known part of a time series: one median integration, scaled to the light curve.

What is left of an integration when it is subtracted is noise, also in the first group and where the source shines.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms._numba import parallel_kernel, prange
from jwcore.algorithms.dq import DO_NOT_USE, SATURATED
from jwcore.algorithms.medians import select_median

__all__ = ["known_signal", "light_curve", "median_integration"]

Cube = NDArray[np.float32]
_LOST = np.uint8(DO_NOT_USE | SATURATED)


def median_integration(groups: NDArray[np.float32], flags: NDArray[np.uint8]) -> Cube:
    """Take the median of all integrations.

    Parameters
    ----------
    groups : ndarray of float32, shape (nints, ngroups, ny, nx)
        Ramps, DN.
    flags : ndarray of uint8, same shape
        Group flags; what is DO_NOT_USE or SATURATED does not count.

    Returns
    -------
    ndarray of float32, shape (ngroups, ny, nx)
        NaN where no integration counts.
    """
    median = np.empty(groups.shape[1:], np.float32)
    for group in range(len(median)):
        _median_rows(groups, flags, group, median[group])
    return median


def light_curve(rates: Cube, background: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Measure how bright the source was in every integration, relative to the median.

    It is the median, over the pixels with light, of the ratio of the rate to the median rate, both without background;
    pixels weigh by the inverse of the photon noise of their ratio. That needs no aperture, and single bad pixels do not
    matter.

    Parameters
    ----------
    rates : ndarray of float32, shape (nints, ny, nx)
        Rates, NaN where there is none.
    background : ndarray of bool, shape (ny, nx)
        Pixels without light.

    Returns
    -------
    ndarray of float64, shape (nints,)
        1 where there is no light to compare.
    """
    known = np.isfinite(rates).all(axis=0)
    empty, lit = known & background, known & ~background
    if not lit.any():
        return np.ones(len(rates))
    light = rates[:, lit].astype(np.float64)
    if empty.any():
        light -= np.array([np.median(image[empty]) for image in rates])[:, None]
    typical = np.median(light, axis=0)
    bright = typical > 0
    if not bright.any():
        return np.ones(len(rates))
    typical, light = typical[bright], light[:, bright]
    return np.array([_weighted_median(row / typical, np.sqrt(typical)) for row in light])


def known_signal(
    median: Cube, background: NDArray[np.bool_], brightness: float
) -> Callable[[int], NDArray[np.float32]]:
    """Scale the light of the median integration, not its background, to that of one integration.

    Parameters
    ----------
    median : ndarray of float32, shape (ngroups, ny, nx)
        From `median_integration`.
    background : ndarray of bool, shape (ny, nx)
        Pixels without light.
    brightness : float
        From `light_curve`.

    Returns
    -------
    callable
        Gives for a group its signal, float32 (ny, nx).
    """

    def signal(group: int) -> NDArray[np.float32]:
        image = median[group]
        empty = image[background & np.isfinite(image)]
        level = np.float32(np.median(empty)) if empty.size else np.float32(0)
        return level + np.float32(brightness) * (image - level)

    return signal


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])


@parallel_kernel
def _median_rows(groups, flags, group, median):
    nints, nx = groups.shape[0], groups.shape[3]
    for y in prange(groups.shape[2]):
        values, counts = np.empty((nx, nints), np.float32), np.zeros(nx, np.int64)
        for i in range(nints):
            for x in range(nx):
                value = groups[i, group, y, x]
                if flags[i, group, y, x] & _LOST == 0 and np.isfinite(value):
                    values[x, counts[x]] = value
                    counts[x] += 1
        for x in range(nx):
            median[y, x] = select_median(values[x], counts[x])
