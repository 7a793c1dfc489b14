"""The base of all containers: arrays that load themselves, metadata, and everything else that was in the file."""

import copy
import difflib
import functools
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from jwcore.errors import BadInput
from jwcore.models.asdf_tree import KEEP, AsdfTree
from jwcore.models.declare import Array, Table
from jwcore.models.fits_file import Block, FitsFile
from jwcore.models.headers import Cards
from jwcore.models.history import PROVENANCE, unpack
from jwcore.models.meta import Meta

"""EXTNAME of the compressed provenance record."""

ASDF = "ASDF"
"""EXTNAME of the ASDF tree."""


_ATTRIBUTES = ("meta", "header_cards", "hdus", "path", "wcs", "extras", "provenance")


class Extra:
    """An HDU that the container does not declare, carried along.

    Parameters
    ----------
    name : str
        EXTNAME.
    data : numpy.ndarray, optional
        Array or structured array of a new HDU.
    version : int
        EXTVER.
    block, file : Block and FitsFile, optional
        Where it was read.
    """

    def __init__(
        self,
        name: str,
        data: np.ndarray | None = None,
        *,
        version: int = 1,
        block: Block | None = None,
        file: FitsFile | None = None,
    ):
        self.name = name
        self.version = version
        self.block = block
        self.file = file
        self._data = data

    @property
    def data(self) -> np.ndarray | None:
        """The array or table, read on first access."""
        if self._data is None and self.block is not None and self.file is not None and self.block.size:
            self._data = self.file.array(self.block) if self.block.is_image else self.file.table(self.block)
        return self._data

    @property
    def loaded(self) -> bool:
        """True when the data were read or given, so that they may differ from the file."""
        return self._data is not None

    def __deepcopy__(self, memo: dict) -> Self:
        return type(self)(self.name, copy.deepcopy(self._data), version=self.version, block=self.block, file=self.file)


class Exposure:
    """One product in memory: declared arrays, metadata, WCS, provenance, and all unknown parts of its file.

    Arrays are attributes; they are loaded on first access, read as None when absent, and are cast to the declared type
    when set.

    Parameters
    ----------
    meta : Meta, optional
    **arrays
        Declared arrays by attribute name.

    Attributes
    ----------
    meta : Meta
    header_cards : dict
        Cards that are no known keyword (astropy ``Card``), by EXTNAME in upper case.
    hdus : dict
        `Extra` HDUs that are not declared, by (EXTNAME, EXTVER).
    path : pathlib.Path or None
        File it was read from.
    """

    model_types: ClassVar[tuple[str, ...]] = ()
    """DATAMODL of the product."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Further DATAMODL that can be read into this container."""

    def __init__(self, *, meta: Meta | None = None, **arrays: Any):
        self.meta = Meta() if meta is None else meta
        self.header_cards: dict[str, list] = {}
        self.hdus: dict[tuple[str, int], Extra] = {}
        self.path: Path | None = None
        self._known_cards: dict[str, Any] = {}
        self._file: FitsFile | None = None
        self._blocks: dict[str, Block] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._reading: dict[str, Future] = {}
        self._tree = AsdfTree()
        self._extras: dict[str, Any] | None = None
        self._wcs: Any = KEEP
        self._provenance: list[dict] | Callable[[], list[dict]] = []
        for name, value in arrays.items():
            if name not in self.declared():
                raise TypeError(self._no_such(name))
            setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(self._no_such(name))

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse names that are not declared: what they hold would not be written."""
        if not name.startswith("_") and name not in _ATTRIBUTES and not hasattr(type(self), name):
            raise AttributeError(self._no_such(name))
        super().__setattr__(name, value)

    def _no_such(self, name: str) -> str:
        near = difflib.get_close_matches(name, [*self.declared(), *_ATTRIBUTES], n=1)
        return f"{type(self).__name__} has no {name}" + (f"; did you mean {near[0]}?" if near else "")

    # ---- declaration
    @classmethod
    @functools.cache
    def declared(cls) -> dict[str, Array]:
        """Return the declared arrays and tables by attribute name, in file order."""
        found: dict[str, Array] = {}
        for owner in reversed(cls.__mro__):
            found.update({name: item for name, item in vars(owner).items() if isinstance(item, Array)})
        return found

    @classmethod
    def primary(cls) -> Array | None:
        """Return the declaration of the primary array, None for a plain `Exposure`."""
        return next((array for array in cls.declared().values() if array.required), None)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays, of which none is read; a table may change its length."""
        known = {name: self.shape_of(name) or () for name in self.arrays()}
        return {name: shape for name, shape in known.items() if len(shape) > 1}

    def inherit(self, source: "Exposure") -> None:
        """Take over what nobody knows (cards, extensions, ASDF nodes) from the exposure that this product was made of."""
        if self.header_cards or self.hdus:
            return
        declared = {array.hdu for array in self.declared().values()}
        self.header_cards = {name: list(cards) for name, cards in source.header_cards.items()}
        self.hdus = {key: hdu for key, hdu in source.hdus.items() if key[0] not in declared}
        self.extras.update(source.extras)

    # ---- arrays
    def load(self, spec: Array) -> np.ndarray | None:
        """Return the array of a declaration, read or filled on first access."""
        name = spec.name
        if name not in self._arrays and name in self._blocks:
            assert self._file is not None
            block = self._blocks.pop(name)
            begun = self._reading.pop(name, None)
            try:
                self._arrays[name] = self._read(spec, block) if begun is None else begun.result()
            except ValueError as error:
                raise BadInput(
                    str(error), where=str(self._file.path), cure="the extension has another layout"
                ) from None
        elif name not in self._arrays and spec.fill is not None and self._has_primary():
            shape = self.shape[len(self.shape) - spec.ndim :]
            self._arrays[name] = (
                np.zeros(shape, spec.dtype) if spec.fill == 0 else np.full(shape, spec.fill, spec.dtype)
            )
        return self._arrays.get(name)

    def _read(self, spec: Array, block: Block) -> np.ndarray:
        assert self._file is not None
        if isinstance(spec, Table):
            return spec.accept(self._file.table(block))
        return self._file.array(block, dtype=spec.dtype)

    def begin_reading(self, pool: Executor) -> None:
        """Begin to read all arrays in another thread; whoever wants one before it is there waits for it."""
        for name, spec in self.declared().items():
            if name in self._blocks and name not in self._reading:
                self._reading[name] = pool.submit(self._read, spec, self._blocks[name])

    def load_into(self, name: str, out: np.ndarray) -> None:
        """Make `out` the array `name` and fill it with the values, so that a mapped file can take the place of memory.

        Parameters
        ----------
        name : str
            Attribute of an array that is present.
        out : ndarray
            C-contiguous, of the shape and the declared type of the array.
        """
        spec = self.declared()[name]
        if (out.shape, out.dtype) != (self.shape_of(name), spec.dtype) or not out.flags.c_contiguous:
            raise ValueError(f"{name} takes a C-contiguous {spec.dtype} array of shape {self.shape_of(name)}")
        if name in self._blocks and self._file is not None:
            self._file.array(self._blocks[name], out=out)
        else:
            out[...] = self._arrays[name]
        self.store(spec, out)

    def store(self, spec: Array, value: np.ndarray | None) -> None:
        """Keep `value` as the array of a declaration, None removes it."""
        for kept in (self._blocks, self._arrays, self._reading):
            kept.pop(spec.name, None)
        if value is not None:
            self._arrays[spec.name] = value

    def arrays(self) -> list[str]:
        """Return the names of the arrays and tables that are present, without loading them."""
        filled = self._has_primary()
        return [
            name for name, spec in self.declared().items() if self._present(name) or (filled and spec.fill is not None)
        ]

    def _present(self, name: str) -> bool:
        return name in self._arrays or name in self._blocks

    def _has_primary(self) -> bool:
        primary = self.primary()
        return primary is not None and self._present(primary.name)

    def shape_of(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of an array without loading it, None when it is absent."""
        if name in self._arrays:
            return self._arrays[name].shape
        return self._blocks[name].shape if name in self._blocks else None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the primary array, () when there is none."""
        primary = self.primary()
        if primary is not None:
            return self.shape_of(primary.name) or ()
        science = self.hdus.get(("SCI", 1))
        return science.block.shape if science is not None and science.block is not None else ()

    # ---- the rest
    @property
    def model_type(self) -> str:
        """DATAMODL that the product has in a file."""
        stored = self.meta.get("model_type")
        return stored if stored in self.model_types or not self.model_types else self.model_types[0]

    @property
    def wcs(self) -> Any:
        """The gWCS, None when there is none; loaded on first access."""
        if self._wcs is KEEP and self._tree.has_wcs():
            self._wcs = self._tree.wcs()
        return None if self._wcs is KEEP else self._wcs

    @wcs.setter
    def wcs(self, value: Any) -> None:
        self._wcs = value

    @property
    def has_wcs(self) -> bool:
        """Tell whether there is a gWCS, without loading it."""
        return self._tree.has_wcs() if self._wcs is KEEP else self._wcs is not None

    @property
    def extras(self) -> dict[str, Any]:
        """Top-level nodes of the ASDF tree that FITS does not hold, such as ``cal_logs`` (the live dict)."""
        if self._extras is None:
            self._extras = self._tree.nodes()
        return self._extras

    @property
    def provenance(self) -> list[dict]:
        """Records of the runs that made the product; JSON-able."""
        if callable(self._provenance):
            self._provenance = self._provenance()
        return self._provenance

    @provenance.setter
    def provenance(self, records: list[dict]) -> None:
        self._provenance = records

    def copy(self) -> Self:
        """Return an independent copy; what was not loaded stays unloaded in both."""
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_reading": {}}

    def __deepcopy__(self, memo: dict) -> Self:
        other = type(self).__new__(type(self))
        shallow = {"_file", "_tree", "_known_cards", "path", "_provenance" if callable(self._provenance) else ""}
        for name, value in self.__getstate__().items():
            vars(other)[name] = value if name in shallow or value is KEEP else copy.deepcopy(value, memo)
        return other

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.shape)) or "no data"
        return f"<{type(self).__name__} {self.meta.get('filename') or ''} {shape}: {' '.join(self.arrays())}>"

    # ---- checks
    def validate(self) -> None:
        """Check that required arrays are present and that all arrays fit together; header facts only, no pixels.

        Raises
        ------
        BadInput
            Naming the array.
        """
        where = str(self.path or self.meta.get("filename") or type(self).__name__)
        for name, spec in self.declared().items():
            shape = self.shape_of(name)
            if shape is None:
                if spec.required:
                    raise BadInput(
                        f"there is no {spec.hdu} extension", where=where, cure=f"give a file of a {type(self).__name__}"
                    )
                continue
            if isinstance(spec, Table):
                continue
            if len(shape) != spec.ndim:
                cure = f"a {type(self).__name__} takes {spec.ndim}"
                raise BadInput(f"{spec.hdu} has {len(shape)} dimensions {shape}", where=where, cure=cure)
            if 0 in shape:
                raise BadInput(f"{spec.hdu} is empty: shape {shape}", where=where, cure="give an exposure with data")
            if spec.framed and shape[-2:] != self.shape[-2:]:
                cure = f"its frame must be that of the primary array, {self.shape}"
                raise BadInput(f"{spec.hdu} has shape {shape}", where=where, cure=cure)

    # ---- from a file
    def _place(self, name: str, block: Block) -> None:
        """Note where a declared array is; refuse a table in its place."""
        if block.is_image == isinstance(self.declared()[name], Table):
            kind = "an image" if block.is_image else "a table (perhaps a compressed image)"
            raise BadInput(f"{block.name} is {kind}", where=str(self.path), cure="give an uncompressed product")
        self._blocks[name] = block

    @classmethod
    def from_file(cls, file: FitsFile) -> Self:
        """Return the product in `file`; arrays stay on disk until they are used.

        Raises
        ------
        BadInput
            When the file does not hold what this container declares.
        """
        exposure = cls()
        exposure.path = file.path
        exposure._file = file
        attributes = {spec.hdu.upper(): name for name, spec in cls.declared().items()}
        for block in file.blocks[1:]:
            name = block.name.upper()
            if name == ASDF:
                exposure._tree = AsdfTree(functools.partial(file.bytes, block))
            elif name == PROVENANCE:
                exposure._provenance = functools.partial(_records, file, block)
            elif name in attributes and block.version == 1:
                exposure._place(attributes[name], block)
            else:
                exposure.hdus[block.name, block.version] = Extra(
                    block.name, version=block.version, block=block, file=file
                )
        exposure.meta, exposure._known_cards, exposure.header_cards = read_cards(file)
        exposure.validate()
        return exposure


class FileCards(NamedTuple):
    """What the headers of a file say."""

    meta: Meta
    known: dict[str, Any]
    """Cards of known keywords, by path."""
    unknown: dict[str, list]
    """All other cards, by EXTNAME."""


def read_cards(file: FitsFile) -> FileCards:
    """Return the metadata and the cards of a file; free attributes of its ASDF tree are read when asked for."""
    tree = next((AsdfTree(functools.partial(file.bytes, b)) for b in file.blocks if b.name == ASDF), AsdfTree())
    found = FileCards(Meta(unknown=tree.free_meta), {}, {})
    for block in file.blocks:
        if block.name in (ASDF, PROVENANCE) or not mapped(file, block):
            continue
        cards = Cards(block.name.upper(), block.header)
        found.meta.take(cards.values)
        found.known.update(cards.known)
        found.unknown[block.name.upper()] = cards.unknown
    return found


def mapped(file: FitsFile, block: Block) -> bool:
    """Tell whether the header of an HDU belongs to the product as a whole: there is no second HDU of its name."""
    return sum(other.name == block.name for other in file.blocks) == 1


def _records(file: FitsFile, block: Block) -> list[dict]:
    return unpack(file.bytes(block), where=str(file.path))
