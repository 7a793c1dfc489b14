"""Stars move: from the epoch of a catalogue to that of an observation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["moved_stars", "year_of"]

MAS = np.deg2rad(1.0 / 3.6e6)
"""One milliarcsecond in radian."""


def year_of(mjd: float) -> float:
    """Return the Julian year of a Modified Julian Date."""
    return 2000.0 + (mjd - 51544.5) / 365.25


def moved_stars(
    ra: ArrayLike, dec: ArrayLike, *, pm_ra: ArrayLike, pm_dec: ArrayLike, years: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Move stars along their proper motions, straight on the sphere.

    Parallax and the change of the motion along the way are left out. The former moves a star by as much as 1 mas at a
    distance of 1 kpc and by 10 mas at 100 pc, the latter moves none but the nearest by 1 mas.

    Parameters
    ----------
    ra, dec : array_like of float
        Degrees.
    pm_ra, pm_dec : array_like of float
        Proper motion in mas per year; that in right ascension with the factor cos(dec), as Gaia gives it.
    years : array_like of float
        From the epoch of the positions to the wanted one.

    Returns
    -------
    ra, dec : ndarray of float64
        Degrees, RA in [0, 360).
    """
    lon, lat = np.deg2rad(np.asarray(ra, dtype=np.float64)), np.deg2rad(np.asarray(dec, dtype=np.float64))
    east, north = (np.asarray(years) * np.asarray(motion, dtype=np.float64) * MAS for motion in (pm_ra, pm_dec))
    radial, level = np.cos(lat) - north * np.sin(lat), np.sin(lat) + north * np.cos(lat)
    x, y = radial * np.cos(lon) - east * np.sin(lon), radial * np.sin(lon) + east * np.cos(lon)
    return np.rad2deg(np.arctan2(y, x)) % 360.0, np.rad2deg(np.arctan2(level, np.hypot(x, y)))
