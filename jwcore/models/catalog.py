"""Source catalogues and other tables."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jwcore.errors import BadInput
from jwcore.models.history import PROVENANCE, pack, unpack
from jwcore.models.writer import atomic

if TYPE_CHECKING:
    from astropy.table import Table


FORMATS = {"ecsv": "ascii.ecsv", "fits": "fits"}
"""Name of the format in astropy, by extension."""


class Catalog:
    """A table product, kept as ECSV or as a FITS table.

    Parameters
    ----------
    table : astropy.table.Table, optional
        The table; its ``meta`` is written too, in FITS as far as keywords can hold it.
    path : path-like, optional
        File to read the table from when it is first needed.
    extension : {"ecsv", "fits"}, optional
        Extension of the file that is written: by default that of `path`, else ``ecsv``.
    base : str, optional
        Base name of the file that is written, where it is not that of the run's product.
    """

    def __init__(
        self,
        table: "Table | None" = None,
        *,
        path: str | Path | None = None,
        extension: str | None = None,
        base: str | None = None,
    ):
        self.base = base
        self._table = table
        self.path = None if path is None else Path(path)
        is_fits = self.path is not None and self.path.suffix.lower() == ".fits"
        self.extension = extension or ("fits" if is_fits else "ecsv")

    @property
    def table(self) -> "Table":
        """The table (imports astropy.table on first access).

        Raises
        ------
        BadInput
            When the file is no such table.
        """
        if self._table is None:
            self._table = self._read()
        return self._table

    @table.setter
    def table(self, table: "Table") -> None:
        self._table = table

    @property
    def provenance(self) -> list[dict]:
        """Records of the runs that made the catalogue; in the file they are one line of compressed text."""
        if PROVENANCE not in self.table.meta:
            return []
        try:
            content = base64.b64decode(self.table.meta[PROVENANCE])
        except (TypeError, ValueError):
            content = b""  # reported as damaged, like any other wrong content
        return unpack(content, where=str(self.path))

    @provenance.setter
    def provenance(self, records: list[dict]) -> None:
        self.table.meta[PROVENANCE] = base64.b64encode(pack(records)).decode()

    def _read(self) -> "Table":
        from astropy.table import QTable

        if self.path is None:
            raise ValueError("a Catalog needs a table or a path")
        try:
            return QTable.read(self.path, format=FORMATS[self.extension])
        except (OSError, ValueError) as error:
            kind = self.extension.upper()
            raise BadInput(
                f"not an {kind} table: {error}", where=str(self.path), cure=f"give an {kind} table"
            ) from None

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Return the catalogue in `path`, read now."""
        catalog = cls(path=path)
        _ = catalog.table
        return catalog

    def write(self, path: Path) -> None:
        """Write the table to `path`, complete or not at all."""
        with atomic(path) as stream:
            stream.write(self._fits() if self.extension == "fits" else self._ecsv())

    def _ecsv(self) -> bytes:
        text = io.StringIO()
        self.table.write(text, format=FORMATS["ecsv"])
        return text.getvalue().encode()

    def _fits(self) -> bytes:
        content = io.BytesIO()
        table = self.table.copy(copy_data=False)
        plain = str | int | float | bool
        table.meta = {k: v for k, v in table.meta.items() if len(k) <= 8 and isinstance(v, plain)}
        table.write(content, format=FORMATS["fits"])
        return content.getvalue()

    def copy(self) -> Self:
        """Return an independent copy."""
        return type(self)(self.table.copy(), path=self.path, extension=self.extension)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"<Catalog {self.path or ''} {'not loaded' if self._table is None else f'{len(self)} rows'}>"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a Catalog has no {name}; its columns are in .table")
