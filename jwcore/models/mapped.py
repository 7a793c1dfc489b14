"""Arrays that live in scratch files: as large as the disk allows, in memory only where they are worked on."""

import mmap
import os
import weakref
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Scratch", "assign", "copied", "release"]


class _Mapping(mmap.mmap):
    """A file seen as memory, which can be read and written the ordinary way too."""

    fileno: int


class Scratch:
    """A folder of arrays; the files have no names, so that nothing is left when the program ends.

    Parameters
    ----------
    folder : path
        Where there is room for them.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return an array of zeros in a new file."""
        size = max(prod(shape) * np.dtype(dtype).itemsize, 1)
        path = self.folder / "array"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        path.unlink()
        os.ftruncate(handle, size)
        mapping = _Mapping(handle, size)
        mapping.fileno = handle
        weakref.finalize(mapping, os.close, handle)
        return np.frombuffer(mapping, dtype, prod(shape)).reshape(shape)


def release(array: np.ndarray) -> None:
    """Give back the memory through which the file of an array is seen; the values stay. Other arrays are left alone."""
    mapping = _mapping(array)
    if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def copied(part: np.ndarray) -> np.ndarray:
    """Return a copy in memory of a part of an array; what is in a scratch file is read from it.

    Through the mapping it would be slower, and systems map far more around what is asked for.
    """
    mapping = _mapping(part)
    if mapping is None:
        return np.array(part)
    out = np.empty(part.shape, part.dtype)
    for offset, run in _runs(part, out, mapping):
        while run:
            count = os.preadv(mapping.fileno, [run], offset)
            run, offset = run[count:], offset + count  # noqa: PLW2901
    return out


def assign(part: np.ndarray, values: np.ndarray) -> None:
    """Set a part of an array; what is in a scratch file is written to it."""
    mapping = _mapping(part)
    if mapping is None:
        part[...] = values
        return
    for offset, run in _runs(part, np.ascontiguousarray(np.broadcast_to(values, part.shape), part.dtype), mapping):
        while run:
            count = os.pwritev(mapping.fileno, [run], offset)
            run, offset = run[count:], offset + count  # noqa: PLW2901


def _mapping(array: np.ndarray) -> _Mapping | None:
    """Find the mapping that an array is a view of."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, _Mapping) else None


def _runs(part: np.ndarray, memory: np.ndarray, mapping: _Mapping) -> Iterator[tuple[int, memoryview]]:
    """Iterate over pieces that follow one another in the file: their place there, and their bytes in memory."""
    start = _address(part) - _address(np.frombuffer(mapping, "u1"))
    leading = part.ndim
    size = part.itemsize
    while leading and (part.strides[leading - 1] == size or part.shape[leading - 1] == 1):
        leading -= 1
        size *= part.shape[leading]
    flat = memory.reshape(*part.shape[:leading], -1)
    for index in np.ndindex(part.shape[:leading]):
        offset = start + sum(n * stride for n, stride in zip(index, part.strides, strict=False))
        yield offset, flat[index].view("u1").data


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]
