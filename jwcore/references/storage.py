"""Where the arrays of a reference come from: a FITS file, or memory.

A storage reads one block of one array at a time, native-endian and contiguous. Nothing is mapped, because mapped pages
count as memory in use and kernels want native arrays in any case.
"""

from collections.abc import Mapping
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from jwcore.models.fits_file import Block, FitsFile

__all__ = ["FitsStorage", "Key", "MemoryStorage", "Storage"]

Key: TypeAlias = str | tuple[str, int]
"""EXTNAME, or (EXTNAME, EXTVER)."""


class Storage(Protocol):
    """What `jwcore.references.Reference` needs to know about its data."""

    def keyword(self, name: str, key: Key | None = None) -> Any:
        """Return a header value of one extension (primary when None), None when absent."""

    def shape(self, key: Key) -> tuple[int, ...] | None:
        """Return the shape of an array, None when there is no such array."""

    def read(
        self, key: Key, index: tuple[int, ...], cut: tuple[slice, slice], *, dtype: type | None = None
    ) -> np.ndarray:
        """Read the planes under a leading index, cut to rows and columns, as stored or as another type."""

    def dtype(self, key: Key) -> np.dtype | None:
        """Return the type of the values of an array, None when there is no such array."""

    def table(self, key: Key) -> np.ndarray | None:
        """Read a table as a native structured array, None when there is no such table."""


def _pair(key: Key) -> tuple[str, int]:
    return (key, 1) if isinstance(key, str) else key


class MemoryStorage:
    """Arrays in memory, for tests, overrides and callers without files.

    Parameters
    ----------
    arrays : mapping of Key to ndarray
        Images, and tables as structured arrays.
    header : mapping
        Keywords, the same for all extensions.
    """

    def __init__(self, arrays: Mapping[Key, np.ndarray], header: Mapping[str, Any]):
        self._arrays = {_pair(key): np.asarray(array) for key, array in arrays.items()}
        self._header = dict(header)

    def keyword(self, name: str, key: Key | None = None) -> Any:
        """Return a header value, None when absent."""
        return self._header.get(name)

    def shape(self, key: Key) -> tuple[int, ...] | None:
        """Return the shape of an array, None when there is no such array."""
        array = self._arrays.get(_pair(key))
        return None if array is None or array.dtype.names else array.shape

    def read(
        self, key: Key, index: tuple[int, ...], cut: tuple[slice, slice], *, dtype: type | None = None
    ) -> np.ndarray:
        """Read the planes under a leading index, cut to rows and columns, as stored or as another type."""
        array = self._arrays[_pair(key)][index]
        if array.ndim > 1:
            array = array[(..., *cut)]
        return np.array(array, dtype=dtype or array.dtype.newbyteorder("="), order="C")

    def dtype(self, key: Key) -> np.dtype | None:
        """Return the type of an array, None when there is no such array."""
        return None if self.shape(key) is None else self._arrays[_pair(key)].dtype

    def table(self, key: Key) -> np.ndarray | None:
        """Return a copy of a table, None when there is no such table."""
        array = self._arrays.get(_pair(key))
        return array.copy() if array is not None and array.dtype.names else None


class FitsStorage:
    """Extensions of a FITS file; headers are parsed once, at the first use.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    """

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def _file(self) -> FitsFile:
        return FitsFile(self.path)

    def _block(self, key: Key) -> Block | None:
        name, version = _pair(key)
        blocks = (block for block in self._file.blocks if block.name.upper() == name and block.version == version)
        return next(blocks, None)

    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of all images, from the headers."""
        return [block.shape for block in self._file.blocks if block.is_image and block.shape]

    def keyword(self, name: str, key: Key | None = None) -> Any:
        """Return a header value of one extension, None when absent."""
        block = self._block(key or "PRIMARY")
        return None if block is None else block.header.get(name)

    def shape(self, key: Key) -> tuple[int, ...] | None:
        """Return the shape of an image extension, None when there is no such image."""
        block = self._block(key)
        return (block.shape or None) if block is not None and block.is_image else None

    def dtype(self, key: Key) -> np.dtype | None:
        """Return the type of the values of an image, None when there is no such image."""
        block = self._block(key)
        return block.dtype if block is not None and block.is_image else None

    def read(
        self, key: Key, index: tuple[int, ...], cut: tuple[slice, slice], *, dtype: type | None = None
    ) -> np.ndarray:
        """Read the planes under a leading index, cut to rows and columns; only the rows that are wanted are read."""
        block = self._block(key)
        assert block is not None
        skip = sum(n * prod(block.shape[axis + 1 :]) for axis, n in enumerate(index))
        shape = block.shape[len(index) :]
        dtype = dtype or block.dtype.type
        if len(shape) < 2:
            out: np.ndarray = np.empty(shape, dtype)
            self._file.fill(block, [(skip, out)])
            return out
        *leading, ny, nx = shape
        top, bottom, _ = cut[0].indices(ny)
        band: np.ndarray = np.empty((prod(leading), bottom - top, nx), dtype)
        if (top, bottom) == (0, ny):
            self._file.fill(block, [(skip, band)])
        else:
            self._file.fill(block, ((skip + (n * ny + top) * nx, plane) for n, plane in enumerate(band)))
        return np.ascontiguousarray(band[..., cut[1]]).reshape(*leading, bottom - top, -1)

    def table(self, key: Key) -> np.ndarray | None:
        """Read a table extension as a native structured array, None when there is no such table."""
        block = self._block(key)
        return self._file.table(block) if block is not None and not block.is_image else None
