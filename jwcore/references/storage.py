"""Where the arrays of a reference come from: a FITS file, or memory.

A storage reads one block of one array at a time, native-endian and contiguous. Nothing is mapped, because mapped pages
count as memory in use and kernels want native arrays in any case.
"""

import warnings
from collections.abc import Mapping
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from jwcore.errors import BadInput

__all__ = ["FitsStorage", "Key", "MemoryStorage", "Storage"]

Key: TypeAlias = str | tuple[str, int]
"""EXTNAME, or (EXTNAME, EXTVER)."""

_DTYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_UNSIGNED = {(16, 2**15): np.uint16, (32, 2**31): np.uint32, (64, 2**63): np.uint64}


class Storage(Protocol):
    """What `jwcore.references.Reference` needs to know about its data."""

    def keyword(self, name: str, key: Key | None = None) -> Any:
        """Return a header value of one extension (primary when None), None when absent."""

    def shape(self, key: Key) -> tuple[int, ...] | None:
        """Return the shape of an array, None when there is no such array."""

    def read(self, key: Key, index: tuple[int, ...], cut: tuple[slice, slice]) -> np.ndarray:
        """Read the planes under a leading index, cut to rows and columns."""

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

    def read(self, key: Key, index: tuple[int, ...], cut: tuple[slice, slice]) -> np.ndarray:
        """Read the planes under a leading index, cut to rows and columns."""
        array = self._arrays[_pair(key)][index]
        if array.ndim > 1:
            array = array[(..., *cut)]
        return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")

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
    def _extensions(self) -> dict[tuple[str, int], tuple[Any, int | None, int]]:
        """Map (EXTNAME, EXTVER) to header, byte offset of plainly stored data, and HDU number."""
        from astropy.io import fits
        from astropy.utils.exceptions import AstropyUserWarning

        found: dict[tuple[str, int], tuple[Any, int | None, int]] = {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AstropyUserWarning)  # a truncated file is reported when it is read
                with fits.open(self.path, memmap=True) as hdus:
                    for number, hdu in enumerate(hdus):
                        key = (hdu.name.upper() if number else "PRIMARY", int(hdu.header.get("EXTVER", 1)))
                        plain = isinstance(hdu, fits.ImageHDU | fits.PrimaryHDU) and self.path.suffix != ".gz"
                        found.setdefault(key, (hdu.header, hdu.fileinfo()["datLoc"] if plain else None, number))
        except (OSError, TypeError, ValueError, IndexError) as error:
            raise self._damaged(error) from error
        if not found:
            raise self._damaged("it is empty")
        return found

    def _damaged(self, reason: object) -> BadInput:
        return BadInput(f"cannot read this reference file: {reason}", where=str(self.path), cure="fetch it again")

    def keyword(self, name: str, key: Key | None = None) -> Any:
        """Return a header value of one extension, None when absent."""
        extension = self._extensions.get(_pair(key or "PRIMARY"))
        return None if extension is None else extension[0].get(name)

    def shape(self, key: Key) -> tuple[int, ...] | None:
        """Return the shape of an image extension, None when there is no such image."""
        extension = self._extensions.get(_pair(key))
        if extension is None or extension[0].get("XTENSION", "IMAGE").strip() != "IMAGE":
            return None
        header = extension[0]
        return tuple(header[f"NAXIS{axis}"] for axis in range(header["NAXIS"], 0, -1)) or None

    def read(self, key: Key, index: tuple[int, ...], cut: tuple[slice, slice]) -> np.ndarray:
        """Read the planes under a leading index, cut to rows and columns."""
        header, offset, number = self._extensions[_pair(key)]
        shape = self.shape(key)
        assert shape is not None
        unsigned = _UNSIGNED.get((header["BITPIX"], header.get("BZERO", 0)))
        scaled = header.get("BSCALE", 1) != 1 or (header.get("BZERO", 0) != 0 and unsigned is None)
        if offset is None or scaled:
            return self._read_through_astropy(number, index, cut)
        dtype = np.dtype(_DTYPES[header["BITPIX"]])
        skip, rest = _skip(shape, index)
        array = self._read_planes(offset + skip * dtype.itemsize, rest, dtype, cut)
        array = array.byteswap(inplace=True).view(dtype.newbyteorder("=")) if dtype.itemsize > 1 else array
        if unsigned is not None:
            array = array.view(unsigned)
            array ^= unsigned(header["BZERO"])
        return array

    def _read_planes(
        self, offset: int, shape: tuple[int, ...], dtype: np.dtype, cut: tuple[slice, slice]
    ) -> np.ndarray:
        """Read an array of `shape` at a byte offset; of a cut-out only the rows that it touches."""
        if len(shape) < 2:
            return self._read_block([offset], shape, dtype)
        *leading, ny, nx = shape
        top, bottom, _ = cut[0].indices(ny)
        plane = ny * nx * dtype.itemsize
        count = prod(leading)
        if (top, bottom) == (0, ny):
            block = self._read_block([offset], (count, ny, nx), dtype)
        else:
            first = offset + top * nx * dtype.itemsize
            block = self._read_block([first + n * plane for n in range(count)], (count, bottom - top, nx), dtype)
        return np.ascontiguousarray(block[..., cut[1]]).reshape(*leading, bottom - top, -1)

    def _read_block(self, offsets: list[int], shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Fill an array with equal pieces that start at the given bytes."""
        block = np.empty(shape, dtype)
        pieces = block.reshape(len(offsets), -1).view(np.uint8)
        with self.path.open("rb") as file:
            for offset, piece in zip(offsets, pieces, strict=True):
                file.seek(offset)
                if file.readinto(piece.data) != piece.nbytes:
                    raise self._damaged("it is truncated")
        return block

    def _read_through_astropy(self, number: int, index: tuple[int, ...], cut: tuple[slice, slice]) -> np.ndarray:
        from astropy.io import fits

        try:
            with fits.open(self.path, memmap=False) as hdus:
                array = hdus[number].data[index]
        except (OSError, TypeError, ValueError) as error:
            raise self._damaged(error) from error
        if array.ndim > 1:
            array = array[(..., *cut)]
        return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")

    def table(self, key: Key) -> np.ndarray | None:
        """Read a table extension as a native structured array, None when there is no such table."""
        from astropy.io import fits

        extension = self._extensions.get(_pair(key))
        if extension is None or extension[0].get("XTENSION", "").strip() != "BINTABLE":
            return None
        try:
            with fits.open(self.path, memmap=False) as hdus:
                data = hdus[extension[2]].data
                columns = {name: np.asarray(data[name]) for name in data.names}
        except (OSError, TypeError, ValueError) as error:
            raise self._damaged(error) from error
        return _structured(columns, len(data))


def _skip(shape: tuple[int, ...], index: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Return the number of elements before an indexed block, and the shape of the block."""
    skip = sum(n * prod(shape[axis + 1 :]) for axis, n in enumerate(index))
    return skip, shape[len(index) :]


def _structured(columns: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
    """Join columns in native byte order; text becomes ``str`` without trailing blanks."""
    native = {}
    for name, column in columns.items():
        if column.dtype.kind in "SU":
            column = np.char.rstrip(column.astype(str))  # noqa: PLW2901
        native[name] = column.astype(column.dtype.newbyteorder("="))
    table = np.empty(rows, dtype=[(name, column.dtype, column.shape[1:]) for name, column in native.items()])
    for name, column in native.items():
        table[name] = column
    return table
