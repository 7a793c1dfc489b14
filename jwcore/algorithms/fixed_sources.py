"""Sources that keep their place on the detector while the telescope moves: warm pixels and the like, but no stars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jwcore.algorithms.alignment import AlignImage

__all__ = ["fixed_on_detector"]

SAME_PLACE = 1.0
"""Distance in pixels up to which two sources have the same place on the detector."""
MOVED = 3.0
"""Distance in pixels by which the sky at that place must have moved meanwhile."""
COMPARED = 6
"""Exposures with which each one is compared, of those that were pointed elsewhere."""
SHARE = 3
"""One in so many of these must show a source at the same place: chance does, but not so often in crowded fields."""
ARCSEC = np.rad2deg(1.0) * 3600.0


def fixed_on_detector(
    images: Sequence[AlignImage], *, origins: Sequence[tuple[float, float]]
) -> list[NDArray[np.bool_]]:
    """Tell which sources of the exposures of one detector are no part of the sky.

    They are at the same place in at least a third of the exposures that were pointed elsewhere, though there the sky has moved,
    by the WCSes. Chance does that to few stars. Dithers of less than three pixels do not tell.

    Parameters
    ----------
    images : sequence of AlignImage
        At least one.
    origins : sequence of tuple of float
        Place of the first pixel of each image on the detector, x and y.

    Returns
    -------
    list of ndarray of bool, shape (n,)
        Of each image: which of its sources are fixed.
    """
    from scipy.spatial import KDTree

    places = [np.stack([one.x, one.y], axis=1) + origin for one, origin in zip(images, origins, strict=True)]
    views = _views(images, origins)
    reach = MOVED * _apart(views[0, 0], views[0, 1])
    trees = [KDTree(place) for place in places]
    sky = [_directions(image, image.x, image.y) for image in images]
    fixed = []
    for k, place in enumerate(places):
        elsewhere = np.flatnonzero((_apart(views, views[k]) > reach).any(axis=1))
        if len(elsewhere) == 1 < len(images) - 1:  # the odd one out may have a wrong header, and looks at the same sky
            elsewhere = elsewhere[:0]
        elsewhere = elsewhere[:: -(-len(elsewhere) // COMPARED) or 1]
        votes = np.zeros(len(place), dtype=np.int64)
        for other in elsewhere:
            distance, nearest = trees[other].query(place, distance_upper_bound=SAME_PLACE)
            met = np.flatnonzero(np.isfinite(distance))
            votes[met] += _apart(sky[k][met], sky[other][nearest[met]]) > reach
        fixed.append((votes > 0) & (SHARE * votes >= len(elsewhere)))
    return fixed


def _views(images: Sequence[AlignImage], origins: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Return where some places on the detector look in each exposure, shape (images, places, 3).

    The places are the centre of the first image, the pixel beside it, and the corners.
    """
    (x0, x1), (y0, y1) = images[0].wcs.bounding_box.bounding_box(order="F")
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    places = np.array([(x, y), (x + 1, y), (x0, y0), (x0, y1), (x1, y0), (x1, y1)]) + origins[0]
    return np.array([_directions(image, *(places - origin).T) for image, origin in zip(images, origins, strict=True)])


def _directions(image: AlignImage, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit vectors of pixels on the sky, shape (n, 3)."""
    lon, lat = np.deg2rad(image.wcs(x, y, with_bounding_box=False))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances (arcsec) of near unit vectors."""
    return ARCSEC * np.linalg.norm(one - other, axis=-1)
