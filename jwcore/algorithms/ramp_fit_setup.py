"""What both fits of ramps prepare before they look at pixels."""

import numpy as np

from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET
from jwcore.algorithms.ramp_fit_arrays import GroupRules, Rates

__all__ = ["allocate_rates", "dark_in_counts", "rules_of_groups"]


def rules_of_groups(
    usable: np.ndarray, *, firstgroup: int | None, lastgroup: int | None, trim_unusable: bool
) -> tuple[GroupRules, np.ndarray]:
    """
    Decide which groups are looked at, and which of their flags count.

    Parameters
    ----------
    usable : ndarray of bool, shape (nints, ngroups)
        Which groups have usable pixels, from `usable_groups`.
    firstgroup, lastgroup : int or None
        First and last group (0-based) to use. Ignored unless firstgroup < lastgroup.
    trim_unusable : bool
        Leave out leading groups, and one trailing group, that are DO_NOT_USE everywhere. Where fewer than two of
        several groups would be left, all are kept and marked DO_NOT_USE.

    Returns
    -------
    rules : GroupRules
        The window of groups and the flags of those within.
    usable : ndarray of bool, shape (nints, end - first)
        Which groups of the window have usable pixels.
    """
    ngroups = usable.shape[1]
    inside = _inside(ngroups, firstgroup, lastgroup)
    usable = usable & inside
    first, end = _window(usable) if trim_unusable else (0, ngroups)
    if end - first < 2 <= ngroups:
        first, end, inside, usable = 0, ngroups, np.zeros_like(inside), np.zeros_like(usable)
    kept = np.full(end - first, 0xFF, np.uint8)
    if first > 0:
        kept[0] &= ~np.uint8(JUMP_DET)  # a jump into the first group that is left disturbs nothing
    added = np.where(inside[first:end], 0, DO_NOT_USE).astype(np.uint8)
    return GroupRules(np.array((first, end)), kept, added), usable[:, first:end]


def _inside(ngroups: int, firstgroup: int | None, lastgroup: int | None) -> np.ndarray:
    """Tell which groups lie within firstgroup..lastgroup; all of them if that is no range."""
    groups = np.arange(ngroups)
    first = firstgroup or 0
    last = ngroups - 1 if lastgroup is None else lastgroup
    return (groups >= first) & (groups <= last) if first < last else np.ones(ngroups, bool)


def _window(usable: np.ndarray) -> tuple[int, int]:
    """Leave out the leading groups, and the last group, that no integration uses; keep all where none is used."""
    used = np.logical_or.reduce(usable, axis=0)
    if not used.any():
        return 0, len(used)
    return int(np.argmax(used)), len(used) - int(not used[-1])


def dark_in_counts(dark: np.ndarray | None, gain: np.ndarray) -> np.ndarray:
    """Convert a dark rate (ny, nx) from electron/s to DN/s, 0 where there is no gain; a single row of 0 without one."""
    if dark is None:
        return np.zeros((1, gain.shape[1]), np.float32)
    return np.divide(dark, gain, out=np.zeros_like(gain), where=gain > 0)


def allocate_rates(shape: tuple[int, ...]) -> tuple[Rates, Rates]:
    """
    Make the output arrays of a fit.

    Parameters
    ----------
    shape : tuple of int
        (nints, ngroups, ny, nx) of the ramps.

    Returns
    -------
    exposure, integrations : Rates
        Arrays (ny, nx) and (nints, ny, nx). With a single integration they share all but ``err``.
    """
    nints, _, ny, nx = shape

    def make(*dims: int) -> Rates:
        floats = [np.empty(dims, np.float32) for _ in range(4)]
        return Rates(floats[0], floats[1], np.empty(dims, np.uint32), floats[2], floats[3])

    integrations = make(nints, ny, nx)
    if nints > 1:
        return make(ny, nx), integrations
    shared = Rates(*(array[0] for array in integrations))
    return shared._replace(err=np.empty((ny, nx), np.float32)), integrations
