"""One reference file as steps see it: read-only, native, and cut to the exposure."""

import json
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jwcore.errors import BadInput
from jwcore.references.dq_def import translate
from jwcore.references.storage import FitsStorage, Key, MemoryStorage, Storage
from jwcore.references.subarray import (
    StripedWindow,
    Window,
    cut_out,
    reference_window,
    science_window,
    shows_detector,
)

if TYPE_CHECKING:
    from jwcore.models.exposure import Exposure

__all__ = ["Reference"]

_EVERYTHING = (slice(None), slice(None))


class Reference:
    """A reference file, opened lazily.

    Arrays come read-only, in native byte order, C-contiguous and, for images of the detector, cut to the sub-array of
    the exposure. An array is read when asked for and lives as long as somebody holds it.

    Parameters
    ----------
    type : str
        Reference type, lower case.
    storage : Storage
        Source of keywords, arrays and tables.
    path : pathlib.Path, optional
        The file; None for arrays in memory.
    provider : str
        Who selected the file.
    window : Window, optional
        The pixels of the exposure; None hands the arrays out whole.
    tree : mapping, optional
        Content of a reference in memory that stands for an ASDF or JSON file.
    image : bool
        Whether a step declares that the arrays of this type are images of the detector.
    """

    def __init__(
        self,
        type: str,  # noqa: A002  (the word that everybody uses)
        storage: Storage,
        *,
        path: Path | None = None,
        provider: str = "",
        window: Window | None = None,
        tree: Mapping[str, Any] | None = None,
        image: bool = False,
    ):
        self.type = type
        self.path = path
        self.provider = provider
        self.window = window
        self.image = image
        self._storage = storage
        self._tree = tree
        self._alive: weakref.WeakValueDictionary[Any, np.ndarray] = weakref.WeakValueDictionary()

    @classmethod
    def from_file(
        cls,
        type: str,  # noqa: A002
        path: Path,
        *,
        provider: str = "",
        window: Window | None = None,
        image: bool = False,
    ) -> "Reference":
        """Open a FITS, ASDF or JSON reference; nothing is read yet."""
        storage = MemoryStorage({}, {}) if path.suffix in (".asdf", ".json") else FitsStorage(path)
        return cls(type, storage, path=path, provider=provider, window=window, image=image)

    @classmethod
    def from_arrays(
        cls,
        type: str,  # noqa: A002
        arrays: Mapping[Key, np.ndarray] | None = None,
        *,
        header: Mapping[str, Any] | None = None,
        dq: np.ndarray | None = None,
        tree: Mapping[str, Any] | None = None,
        window: Window | None = None,
    ) -> "Reference":
        """Make a reference of arrays in memory, for tests and for calling steps alone.

        Parameters
        ----------
        type : str
            Reference type.
        arrays : mapping
            EXTNAME or (EXTNAME, EXTVER) -> image, or structured array for a table.
        header : mapping
            Keywords.
        dq : ndarray
            Quality array, in standard bits unless `arrays` brings a ``DQ_DEF`` table.
        tree : mapping
            Content, where the reference stands for an ASDF or JSON file.
        window : Window
            The pixels of the exposure to cut to.

        Returns
        -------
        Reference
        """
        arrays = dict(arrays or {})
        if dq is not None:
            arrays["DQ"] = dq
        return cls(type, MemoryStorage(arrays, header or {}), provider="memory", window=window, tree=tree)

    def cut_to(self, exposure: "Exposure") -> "Reference":
        """Return the same reference, cut to the pixels of another exposure."""
        window = science_window(exposure.meta, exposure.shape)
        return type(self)(
            self.type,
            self._storage,
            path=self.path,
            provider=self.provider,
            window=window,
            tree=self._tree,
            image=self.image,
        )

    @property
    def name(self) -> str:
        """Base name of the file."""
        return self.path.name if self.path else f"{self.type} (in memory)"

    def __repr__(self) -> str:
        return f"<Reference {self.type}: {self.name}>"

    def keyword(self, name: str, default: Any = None) -> Any:
        """Return a keyword of the primary header, else of the SCI header, else `default`."""
        for key in (None, "SCI"):
            value = self._storage.keyword(name, key)
            if value is not None:
                return value
        return default

    def header(self, key: Key, name: str, default: Any = None) -> Any:
        """Return a keyword of one extension, else `default`."""
        value = self._storage.keyword(name, key)
        return default if value is None else value

    def shape(self, key: Key = "SCI") -> tuple[int, ...] | None:
        """Return the shape that `array` has, without reading it; None when the extension is absent."""
        stored = self._storage.shape(key)
        cut = self._cut(stored) if stored else None
        if stored is None or cut is None:
            return stored
        ny, nx = (part.stop - part.start for part in cut)
        if isinstance(self.window, StripedWindow):
            ny, nx = (ny, len(self.window.lines)) if self.window.along_x else (len(self.window.lines), nx)
        return (*stored[:-2], ny, nx)

    def array(self, key: Key = "SCI") -> np.ndarray | None:
        """Return an image extension, None when the file does not have it.

        Parameters
        ----------
        key : str or (str, int)
            EXTNAME, or EXTNAME and EXTVER.

        Returns
        -------
        ndarray or None
            Read-only; float64 images of the detector are given as float32.
        """
        return self._read(key, (), None)

    def image_readers(self) -> list[Callable[[], Any]]:
        """Return how to read those of the SCI, ERR and DQ extensions that are one image of the detector."""
        readers = {"SCI": self.array, "ERR": self.array, "DQ": self.dq}
        shapes = {key: self._storage.shape(key) or () for key in readers}
        single = [key for key, shape in shapes.items() if len(shape) == 2 and self._is_detector_plane(shape)]
        return [partial(readers[key], key) for key in single]

    def planes(self, key: Key = "SCI") -> Iterator[np.ndarray]:
        """Iterate over the first axis of an image extension, holding one plane at a time."""
        for number in range((self.shape(key) or (0,))[0]):
            plane = self._read(key, (number,), None)
            assert plane is not None
            yield plane

    def rows(self, key: Key, start: int, stop: int, *, index: tuple[int, ...] = ()) -> np.ndarray | None:
        """Return the rows ``start:stop`` (counted in the cut-out) of all planes under a leading index."""
        return self._read(key, index, (start, stop))

    def _read(self, key: Key, index: tuple[int, ...], band: tuple[int, int] | None) -> np.ndarray | None:
        shape = self._storage.shape(key)
        if shape is None:
            return None
        known = (key, index, band)
        array = self._alive.get(known)
        if array is None:
            single = self._is_detector_plane(shape) and self._storage.dtype(key) == np.float64
            dtype = np.float32 if single else None
            if isinstance(self.window, StripedWindow) and self._cut(shape) is not None:
                whole = self.window.pick(self._storage.read(key, index, self._region(shape, None), dtype=dtype))
                array = np.ascontiguousarray(whole[..., slice(*band), :] if band else whole)
            else:
                array = self._storage.read(key, index, self._region(shape, band), dtype=dtype)
            array.flags.writeable = False
            self._alive[known] = array
        return array

    def _is_detector_plane(self, shape: tuple[int, ...]) -> bool:
        return shows_detector(self.type, shape, self.keyword, declared=self.image)

    def _cut(self, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
        if not self._is_detector_plane(shape):
            return None
        window = reference_window(self.keyword, shape, self.name)
        return cut_out(shape, window, self.window, str(self.path or self.name))

    def _region(self, shape: tuple[int, ...], band: tuple[int, int] | None) -> tuple[slice, slice]:
        rows, columns = self._cut(shape) or _EVERYTHING
        if band is not None:
            top = rows.start or 0
            rows = slice(top + band[0], top + band[1])
        return rows, columns

    def dq(self, key: Key = "DQ") -> np.ndarray | None:
        """Return a quality array as uint32 with standard bits (through DQ_DEF), None when the file does not have it."""
        known = ("dq", key)
        array = self._alive.get(known)
        if array is not None:
            return array
        stored = self.array(key)
        if stored is None:
            return None
        array = translate(stored, self._definitions, name=self.name)
        array.flags.writeable = False
        self._alive[known] = array
        return array

    @cached_property
    def _definitions(self) -> list[tuple[str, int]] | None:
        table = self._storage.table("DQ_DEF")
        return None if table is None else [(str(row["NAME"]).strip(), int(row["VALUE"])) for row in table]

    def table(self, key: Key) -> np.ndarray | None:
        """Return a table extension as a read-only structured array, None when the file does not have it."""
        table = self._storage.table(key)
        if table is not None:
            table.flags.writeable = False
        return table

    @cached_property
    def tree(self) -> dict[str, Any]:
        """Content of an ASDF reference, with live models."""
        if self._tree is not None:
            return dict(self._tree)
        if self.path is None or self.path.suffix != ".asdf":
            raise BadInput("reference is not an ASDF file", where=self.name, cure="name an .asdf file")
        from jwcore.algorithms._asdf import asdf

        try:
            with asdf.open(self.path, lazy_load=False, memmap=False) as file:
                return dict(file.tree)
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error

    @cached_property
    def json(self) -> Any:
        """Content of a JSON reference."""
        if self._tree is not None:
            return self._tree
        if self.path is None:
            raise BadInput("reference is not a JSON file", where=self.name, cure="name a .json file")
        try:
            return json.loads(self.path.read_text())
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> BadInput:
        return BadInput(f"cannot read this reference file: {error}", where=str(self.path), cure="fetch it again")
