"""Source catalogues and other ECSV tables."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jwcore.errors import BadInput
from jwcore.models.writer import atomic

if TYPE_CHECKING:
    from astropy.table import Table


class Catalog:
    """A table product kept as ECSV.

    Parameters
    ----------
    table : astropy.table.Table, optional
        The table; its ``meta`` is written too.
    path : path-like, optional
        File to read the table from when it is first needed.
    """

    def __init__(self, table: "Table | None" = None, *, path: str | Path | None = None):
        self._table = table
        self.path = None if path is None else Path(path)

    @property
    def table(self) -> "Table":
        """The table (imports astropy.table on first access).

        Raises
        ------
        BadInput
            When the file is not an ECSV table.
        """
        if self._table is None:
            self._table = self._read()
        return self._table

    @table.setter
    def table(self, table: "Table") -> None:
        self._table = table

    def _read(self) -> "Table":
        from astropy.table import QTable

        if self.path is None:
            raise ValueError("a Catalog needs a table or a path")
        try:
            return QTable.read(self.path, format="ascii.ecsv")
        except (OSError, ValueError) as error:
            raise BadInput(f"not an ECSV table: {error}", where=str(self.path), cure="give an .ecsv file") from None

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Return the catalogue in `path`, read now."""
        catalog = cls(path=path)
        _ = catalog.table
        return catalog

    def write(self, path: Path) -> None:
        """Write the table to `path`, complete or not at all."""
        text = io.StringIO()
        self.table.write(text, format="ascii.ecsv")
        with atomic(path) as stream:
            stream.write(text.getvalue().encode())

    def copy(self) -> Self:
        """Return an independent copy."""
        return type(self)(self.table.copy(), path=self.path)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"<Catalog {self.path or ''} {'not loaded' if self._table is None else f'{len(self)} rows'}>"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a Catalog has no {name}; its columns are in .table")
