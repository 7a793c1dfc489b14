"""The frame of a moving target: every exposure is turned on the sky so that the target stays at one place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["MOVING_TARGET", "follow_target", "mean_position"]

MOVING_TARGET = "moving_target"
"""Name of the last frame of a WCS that follows its target."""


def mean_position(ra: ArrayLike, dec: ArrayLike) -> tuple[float, float]:
    """Average sky positions: the circular mean of RA, so that 359° and 1° give 0°, and the mean of Dec.

    Parameters
    ----------
    ra, dec : array_like of float
        Degrees.

    Returns
    -------
    tuple of float
        RA in [0, 360) and Dec, degrees.
    """
    angle = np.deg2rad(np.asarray(ra, dtype=np.float64))
    start = angle.flat[0]
    turned = np.angle(np.exp(1j * (angle - start)))  # differences from the first: near zero they average exactly
    mean = start + np.angle(np.exp(1j * turned).mean())
    return float(np.rad2deg(mean) % 360.0), float(np.asarray(dec, dtype=np.float64).mean())


def follow_target(wcs: Any, *, target: tuple[float, float], mean: tuple[float, float]) -> Any:
    """Add a frame in which the target lies at its mean position.

    The sky is turned by ``Rz(RA_m) Ry(Dec_t - Dec_m) Rz(-RA_t)``, which takes the target to the mean position, keeps
    north up there and, other than shifts of RA and Dec, keeps angles and distances. Further world axes pass unchanged.

    Parameters
    ----------
    wcs : gwcs.WCS
        With RA and Dec (degrees) as its first two world axes. A WCS that follows its target already is started afresh.
    target, mean : tuple of float
        RA and Dec of the target in this exposure and on average, degrees.

    Returns
    -------
    gwcs.WCS
        A new WCS; its last frame is called ``moving_target``. RA comes out in [0, 360).
    """
    import gwcs
    from astropy.modeling.models import Identity, RotationSequence3D
    from gwcs.geometry import CartesianToSpherical, SphericalToCartesian

    steps = [(step.frame, step.transform) for step in wcs.pipeline if step.frame.name != MOVING_TARGET]
    world = steps[-1][0]
    # astropy turns the coordinate system, hence the opposite signs of the formula
    angles = [target[0], mean[1] - target[1], -mean[0]]
    turn = (
        SphericalToCartesian(wrap_lon_at=360)
        | RotationSequence3D(angles, axes_order="zyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )
    if world.naxes > 2:
        turn = turn & Identity(world.naxes - 2)
    moved = gwcs.WCS([*steps[:-1], (world, turn.rename("to_moving_target")), (_renamed(world), None)], name=wcs.name)
    moved.bounding_box = wcs.bounding_box
    return moved


def _renamed(frame: Any) -> Any:
    """Copy a frame under the name of the moving target's."""
    import copy

    renamed = copy.deepcopy(frame)
    renamed.name = MOVING_TARGET
    return renamed
