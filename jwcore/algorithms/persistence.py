"""Persistence: pixels that have been saturated release trapped charge for a while.

Each pixel has a *window*: the time until which it is not to be trusted, 0 if there is none. Windows outlast the exposure
and belong to the detector, so that they are handed on from one exposure to the next as a list of pixels.

References
----------
R. M. Smith et al., "A theory for image persistence in HgCdTe photodiodes", Proc. SPIE 7021, 70210J (2008).
"""

from typing import NamedTuple, Self

import numpy as np

from jwcore.algorithms._numba import kernel
from jwcore.algorithms.bands import over_rows
from jwcore.algorithms.dq import DO_NOT_USE, PERSISTENCE, SATURATED

__all__ = ["Windows", "flag_persistence"]

_SATURATED = np.uint8(SATURATED)


class Windows(NamedTuple):
    """Pixels with a window."""

    rows: np.ndarray
    """Zero-based row on the detector, int (n,)."""
    columns: np.ndarray
    """Zero-based column on the detector, int (n,)."""
    ends: np.ndarray
    """Time at which the window ends, s, float64 (n,)."""

    @classmethod
    def none(cls) -> Self:
        """Return an empty list."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))

    def image(self, start: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
        """Return the ends of windows (s, float64, 0 without one) in the part of the detector that begins at ``start``."""
        inside = self._inside(start, shape)
        image = np.zeros(shape)
        image[self.rows[inside] - start[0], self.columns[inside] - start[1]] = self.ends[inside]
        return image

    def replaced(self, image: np.ndarray, start: tuple[int, int]) -> Self:
        """Return the list with the windows in a part of the detector replaced by those of an image."""
        outside = ~self._inside(start, image.shape)
        y, x = np.nonzero(image)
        new = y + start[0], x + start[1], image[y, x]
        return type(self)(*(np.concatenate([old[outside], more]) for old, more in zip(self, new, strict=True)))

    def _inside(self, start: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
        """Tell which pixels lie in a part of the detector."""
        y, x = self.rows - start[0], self.columns - start[1]
        return (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])


def flag_persistence(
    *,
    data: np.ndarray,
    groupdq: np.ndarray,
    windows: np.ndarray,
    times: np.ndarray,
    duration: float,
    threshold: float | None = None,
    unusable: bool = False,
) -> np.ndarray:
    """
    Open windows where pixels saturate, and flag the groups within windows with PERSISTENCE; both in place.

    A window begins with the first saturated group of an integration, and again in each of its later groups as long as no
    other is saturated. A window that ends later than one that begins now is not valid and is closed.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Ramps, DN.
    groupdq : ndarray of uint8, same shape
        Group flags; PERSISTENCE is set.
    windows : ndarray of float64, shape (ny, nx)
        Ends of the windows that are open when the exposure begins, s; on return those that were open in the last group.
    times : ndarray of float64, shape (nints, ngroups)
        Ends of the groups, s.
    duration : float
        Length of a window, s.
    threshold : float, optional
        Signal, DN, that opens a window, too.
    unusable : bool, optional
        Set DO_NOT_USE as well.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        Pixels that were flagged in any group.
    """
    flagged = np.zeros(windows.shape, np.bool_)
    mark = np.uint8(PERSISTENCE | DO_NOT_USE if unusable else PERSISTENCE)
    limit = np.float32(np.inf if threshold is None else threshold)
    over_rows(_flag_rows, windows.shape[0], data, groupdq, windows, times, float(duration), limit, mark, flagged)
    return flagged


@kernel
def _flag_rows(first, last, data, groupdq, windows, times, duration, threshold, mark, flagged):
    """Go through the groups of a range of rows in the order of time."""
    nints, ngroups, _, nx = data.shape
    saturated = np.empty(nx, np.uint8)
    for row in range(first, last):
        window, found = windows[row], flagged[row]
        for integration in range(nints):
            saturated[:] = 0
            for group in range(ngroups):
                signal, flags = data[integration, group, row], groupdq[integration, group, row]
                now = times[integration, group]
                end = now + duration
                for column in range(nx):
                    saturated[column] += flags[column] & _SATURATED != 0 and saturated[column] < 2
                    until = window[column] if window[column] >= now else 0.0
                    opens = saturated[column] == 1 or (until == 0 and signal[column] > threshold)
                    until = end if opens else until
                    until = until if until <= end else 0.0
                    window[column] = until
                    flags[column] |= mark if until > 0 else np.uint8(0)
                    found[column] |= until > 0
