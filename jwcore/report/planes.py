"""Single planes and medians of a product's arrays, read without the rest: ramps may be larger than the memory."""

from __future__ import annotations

from math import prod

import numpy as np

from jwcore import models
from jwcore.algorithms import dq
from jwcore.models.fits_file import FitsFile

SAMPLE = 64_000_000
"""Bytes that are read for the medians of all planes, about."""
ROWS = 64
"""Rows in which the median of a plane is measured, at most: in them are 100,000 pixels and more of a full frame."""
LONGEST = 500
"""Planes of which medians are measured, at most; of more some are left out, evenly."""


class Planes:
    """The two-dimensional planes of the arrays of a product, counted through all leading axes.

    Parameters
    ----------
    exposure : Exposure
        A product that was read from a file.
    """

    def __init__(self, exposure: models.Exposure):
        assert exposure.path is not None
        self.exposure = exposure
        self._file = FitsFile(exposure.path)
        self._blocks = {
            name: block
            for name, array in exposure.declared().items()
            for block in self._file.blocks
            if block.name.upper() == array.hdu.upper() and block.version == 1
        }

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array, () when the file has none with two axes or more."""
        shape = self._blocks[name].shape if name in self._blocks else ()
        return shape if len(shape) > 1 and self._blocks[name].is_image else ()

    def count(self, name: str) -> int:
        """Number of planes of an array."""
        shape = self.shape(name)
        return prod(shape[:-2]) if shape else 0

    def plane(self, name: str, number: int = 0) -> np.ndarray:
        """Read one plane in the declared type."""
        ny = self.shape(name)[-2]
        return self._rows(name, number * ny, ny)

    def union(self, name: str, number: int, last: int) -> np.ndarray:
        """Join the flags of several planes, ``last`` not included; uint32."""
        flags = self.plane(name, number).astype(np.uint32)
        for other in range(number + 1, last):
            flags |= self.plane(name, other)
        return flags

    def rows(self, name: str, number: int) -> np.ndarray:
        """Choose the rows in which the medians of a number of planes are measured: all, or some that are evenly spread."""
        ny, nx = self.shape(name)[-2:]
        most = int(np.clip(SAMPLE // (4 * nx * max(number, 1)), 4, ROWS))
        return np.arange(ny) if ny <= most else np.linspace(0, ny - 1, most + 2).astype(int)[1:-1]

    def medians(self, name: str, planes: np.ndarray, bad: np.ndarray | None = None) -> np.ndarray:
        """Measure the medians of planes in some of their rows.

        Parameters
        ----------
        name : str
            The array.
        planes : ndarray of int, shape (n,)
            Their numbers.
        bad : ndarray of bool, shape (ny, nx), optional
            Pixels that do not count.

        Returns
        -------
        ndarray, shape (n,)
            NaN where no pixel counts.
        """
        ny, nx = self.shape(name)[-2:]
        rows = self.rows(name, planes.size)
        values = np.empty((planes.size, rows.size, nx), self.exposure.declared()[name].dtype)
        places = [
            ((plane * ny + row) * nx, line)
            for plane, lines in zip(planes, values, strict=True)
            for row, line in zip(rows, lines, strict=True)
        ]
        self._file.fill(self._blocks[name], places)
        usable = np.isfinite(values) if bad is None else np.isfinite(values) & ~bad[rows]
        return np.array([np.median(one[use]) if use.any() else np.nan for one, use in zip(values, usable, strict=True)])

    def _rows(self, name: str, first: int, number: int) -> np.ndarray:
        """Read rows, counted through all planes."""
        nx = self.shape(name)[-1]
        out = np.empty((number, nx), self.exposure.declared()[name].dtype)
        self._file.fill(self._blocks[name], [(first * nx, out)])
        return out


def evenly(number: int, most: int = LONGEST) -> np.ndarray:
    """Choose numbers below ``number``, all of them or ``most``, evenly spread."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).astype(int))


def bad_pixels(flags: np.ndarray | None) -> np.ndarray | None:
    """Tell which pixels of a plane of flags never count: those that must not be used, and reference pixels."""
    return None if flags is None else flags & np.uint32(dq.DO_NOT_USE | dq.REFERENCE_PIXEL) != 0
