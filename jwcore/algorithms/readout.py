"""How a ramp is read out: which frames make up a group, and how a stored image lies on the detector."""

from dataclasses import dataclass

import numpy as np

__all__ = ["ReadoutLayout", "frame_numbers"]


def frame_numbers(*, ngroups: int, nframes: int, groupgap: int) -> np.ndarray:
    """List the frames that are averaged into each group, numbered from 1 at the reset.

    Parameters
    ----------
    ngroups : int
        Number of groups in an integration.
    nframes : int
        Frames averaged into a group.
    groupgap : int
        Frames dropped between two groups.

    Returns
    -------
    frames : ndarray of float64, shape (ngroups, nframes)
    """
    first = np.arange(ngroups, dtype=float) * (nframes + groupgap)
    return 1.0 + first[:, None] + np.arange(nframes, dtype=float)


@dataclass(frozen=True)
class ReadoutLayout:
    """Place of a stored image on its detector, in read-out order.

    In read-out order rows follow the slow axis and columns the fast axis, both in the direction in which the pixels
    are clocked, so that every amplifier is a stripe of columns.

    Parameters
    ----------
    fastaxis, slowaxis : int
        FASTAXIS and SLOWAXIS: 1 for x, 2 for y; negative where the axis is read backwards.
    shape : tuple of int
        Size (ny, nx) of the stored image.
    start : tuple of int
        Zero-based position (y, x) of its first pixel on the detector.
    detector_shape : tuple of int
        Size (ny, nx) of the whole detector.
    reference_pixels : tuple of int
        Width of the reference-pixel border on the (left, right, bottom, top) of the stored image.
    """

    fastaxis: int
    slowaxis: int
    shape: tuple[int, ...]
    start: tuple[int, int] = (0, 0)
    detector_shape: tuple[int, int] = (2048, 2048)
    reference_pixels: tuple[int, int, int, int] = (4, 4, 4, 4)

    def __post_init__(self) -> None:
        if {abs(self.fastaxis), abs(self.slowaxis)} != {1, 2}:
            raise ValueError(f"FASTAXIS={self.fastaxis} and SLOWAXIS={self.slowaxis} are not 1 and 2 up to the sign")

    @property
    def fast_is_x(self) -> bool:
        """Whether the fast axis runs along x."""
        return abs(self.fastaxis) == 1

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the whole detector in read-out order."""
        ny, nx = self.detector_shape
        return (ny, nx) if self.fast_is_x else (nx, ny)

    @property
    def rows(self) -> slice:
        """Detector rows, in read-out order, that the image covers."""
        return self._span(self.slowaxis)

    @property
    def columns(self) -> slice:
        """Detector columns, in read-out order, that the image covers."""
        return self._span(self.fastaxis)

    @property
    def row_border(self) -> tuple[int, int]:
        """Reference rows before the first and after the last row of active pixels."""
        return self._border(self.slowaxis)

    @property
    def column_border(self) -> tuple[int, int]:
        """Reference columns before the first and after the last column of active pixels."""
        return self._border(self.fastaxis)

    def view(self, image: np.ndarray) -> np.ndarray:
        """View an array (..., ny, nx) in read-out order (..., slow, fast), without a copy."""
        step_y, step_x = (self.slowaxis, self.fastaxis) if self.fast_is_x else (self.fastaxis, self.slowaxis)
        turned = image[..., :: _sign(step_y), :: _sign(step_x)]
        return turned if self.fast_is_x else turned.swapaxes(-1, -2)

    def stored(self, along_slow: np.ndarray, along_fast: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn profiles along both axes into contiguous profiles along y and x of the stored image.

        Profiles (n, sections, nslow) and (n, sections, nfast) belong to equal sections of the other axis.
        """
        rows, columns = _sign(self.slowaxis), _sign(self.fastaxis)
        slow = np.ascontiguousarray(along_slow[:, ::columns, ::rows])
        fast = np.ascontiguousarray(along_fast[:, ::rows, ::columns])
        return (slow, fast) if self.fast_is_x else (fast, slow)

    def _span(self, axis: int) -> slice:
        index = 2 - abs(axis)
        first, size = self.start[index], self.shape[index]
        if axis < 0:
            first = self.detector_shape[index] - first - size
        return slice(first, first + size)

    def _border(self, axis: int) -> tuple[int, int]:
        left, right, bottom, top = self.reference_pixels
        low, high = (left, right) if abs(axis) == 1 else (bottom, top)
        return (low, high) if axis > 0 else (high, low)


def _sign(axis: int) -> int:
    return 1 if axis > 0 else -1
