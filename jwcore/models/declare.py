"""Declaring what a container holds: arrays and tables with their extension, type and dimensions."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jwcore.models.exposure import Exposure


class Array:
    """One declared array of a container: an attribute and its FITS extension.

    Reading the attribute loads the array on first access and gives None when it is absent; setting it casts to the
    declared type and checks the number of dimensions.

    Parameters
    ----------
    hdu : str
        EXTNAME.
    dtype : str
        Type in memory and in files.
    ndim : int
        Number of dimensions.
    doc : str
        Meaning, with unit.
    required : bool
        The container cannot be read or written without it.
    fill : int, optional
        Value of the array made on first access when there is none, shaped like the primary array. None: stays absent.
    framed : bool
        The last two axes are those of the primary array.
    """

    name: str

    def __init__(
        self, hdu: str, dtype: str, ndim: int, doc: str, *, required=False, fill: int | None = None, framed: bool = True
    ):
        self.hdu = hdu
        self.dtype = np.dtype(dtype)
        self.ndim = ndim
        self.doc = doc
        self.required = required
        self.fill = fill
        self.framed = framed
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, exposure: "Exposure | None", owner: type | None = None) -> Any:
        return self if exposure is None else exposure.load(self)

    def __set__(self, exposure: "Exposure", value: Any) -> None:
        exposure.store(self, None if value is None else self.accept(value))

    def accept(self, value: Any) -> np.ndarray:
        """Return `value` as a native C-contiguous array of the declared type; ValueError for wrong dimensions."""
        array = np.ascontiguousarray(value, dtype=self.dtype)
        if array.ndim != self.ndim:
            raise ValueError(f"{self.name} ({self.hdu}) takes {self.ndim} dimensions, got shape {array.shape}")
        return array


class Table(Array):
    """One declared table of a container; its value is a numpy structured array with the declared columns."""

    def __init__(self, hdu: str, columns: list[tuple[str, str]] | None, doc: str):
        super().__init__(hdu, "u1", 1, doc, framed=False)
        self.columns = columns

    def accept(self, value: Any) -> np.ndarray:
        """Return `value` as a structured array of the declared columns; ValueError when one is missing."""
        table = np.atleast_1d(np.asarray(value))
        names = table.dtype.names
        if names is None:
            raise ValueError(f"{self.name} ({self.hdu}) takes a structured array")
        if self.columns is None:
            return table
        missing = [name for name, _ in self.columns if name not in names]
        if missing:
            raise ValueError(f"{self.name} ({self.hdu}) lacks the columns {', '.join(missing)}")
        return table[[name for name, _ in self.columns]].astype(self.columns)
