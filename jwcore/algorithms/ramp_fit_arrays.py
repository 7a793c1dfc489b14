"""The arrays and tables that the kernels of the ramp fit share."""

from typing import NamedTuple

import numpy as np

__all__ = ["GroupRules", "Ramps", "Rates", "Tables", "Times"]


class Ramps(NamedTuple):
    """
    Input arrays.

    Shapes are (nints, ngroups, ny, nx) or (ny, nx) for an exposure, (ngroups, nx) or (nx,) for a row of an integration.
    """

    data: np.ndarray
    """Linear ramps, DN, float32."""
    groupdq: np.ndarray
    """Group flags, uint8."""
    pixeldq: np.ndarray
    """Pixel flags, uint32."""
    gain: np.ndarray
    """Gain, electron/DN, float32."""
    noise: np.ndarray
    """Read noise of a group, electron, float32."""
    dark: np.ndarray
    """Average dark rate, DN/s, added to the rate that the photon noise is taken from, float32; one row is enough."""
    zeroframe: np.ndarray
    """First frames (nints, ny, nx), DN, float32; 0 where there is none, a single pixel if there are none at all."""


class Times(NamedTuple):
    """Times, s, and what to do with ramps of a single good group."""

    group: float
    """From group to group."""
    frame: float
    """From frame to frame."""
    first_group: float
    """Mean time since the reset of the frames in the first group of the window."""
    suppress_one_group: bool
    """Give up ramps with a single good group."""


class GroupRules(NamedTuple):
    """Which groups are looked at, and which of their flags count; groups are counted within the window."""

    window: np.ndarray
    """First and end (exclusive) group to look at, int (2,)."""
    kept_flags: np.ndarray
    """Flags of each group that count, uint8 (ngroups,)."""
    added_flags: np.ndarray
    """Flags to add to each group, uint8 (ngroups,)."""


class Tables(NamedTuple):
    """What is the same for all pixels; groups are counted within the window."""

    rules: GroupRules
    """Groups and flags."""
    hull: np.ndarray
    """First and end (exclusive) of the groups that have usable pixels, int (nints, 2)."""
    choice: np.ndarray
    """Which of the tables by length serves each integration, int (nints,)."""
    coefficients: np.ndarray
    """`difference_coefficients` by length, float32 (lengths, longest - 1, 6)."""
    networks: np.ndarray
    """Comparators of all median networks, one after the other, int32 (m, 2)."""
    network_range: np.ndarray
    """First and end (exclusive) comparator of the network of each length, int (lengths, 2)."""
    powers: np.ndarray
    """`weight_powers`, float64 (6, ngroups)."""


class Rates(NamedTuple):
    """Output arrays, DN/s, float32, flags uint32; shape ([nints,] ny, nx) or, for a row, (nx,)."""

    slope: np.ndarray
    err: np.ndarray
    dq: np.ndarray
    var_poisson: np.ndarray
    var_rnoise: np.ndarray
