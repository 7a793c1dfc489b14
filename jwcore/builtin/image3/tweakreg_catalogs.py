"""Catalogues that tweakreg reads: sources of single exposures, and the reference catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jwcore.api import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from astropy.table import Table

    from jwcore.algorithms.alignment import Positions
    from jwcore.api import ExposureSet

COLUMNS = {name: (name,) for name in ("RA", "DEC", "PMRA", "REF_EPOCH", "WEIGHT")} | {"PMDEC": ("PMDEC", "PMDE")}
"""Names of columns, in any case: proper motions (mas/yr, that in RA with the factor cos(dec)) and their epoch (year) are named
as by Gaia, or as by VizieR."""
MOTION = ("PMRA", "PMDEC")
EPOCH = "REF_EPOCH"
LARGEST_CHECKED = 5_000_000
"""Size in bytes up to which a reference catalogue is read while a run is planned, some 50 000 stars."""
YEARS = (1800.0, 2100.0)
"""What may be an epoch; Julian Dates are not."""
SHOWN_COLUMNS = 8
FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits", ".fit": "fits", ".vot": "votable", ".xml": "votable"}
"""Formats of tables by the end of the file name; others are text, whose kind is guessed."""
NO_NUMBER = [("", "0"), ("null", "0")]
"""Cells of text tables that mean a missing value."""


# ---- sources of single exposures
def custom_catalogs(exposures: ExposureSet, catfile: str | None) -> list[Path | None]:
    """Find the catalogue of each exposure: in ``catfile``, in the association, or in the header; None for none."""
    listed = _read_catfile(Path(catfile)) if catfile else {}
    found: list[Path | None] = []
    for meta, info, path in zip(exposures.metas(), exposures.members_info, exposures.paths(), strict=True):
        name = Path(meta.filename or path or "").name
        catalog = listed.get(name, info.get("tweakreg_catalog", meta.get("tweakreg_catalog")))
        folders = [Path(catfile).parent] if name in listed and catfile else []
        folders += [path.parent] if path else []
        found.append(_locate(catalog, [*folders, Path()]) if catalog else None)
    return found


def _read_catfile(path: Path) -> dict[str, str]:
    """Read pairs of exposure and catalogue; an exposure alone on its line is searched for sources."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError as error:
        raise UsageError(f"cannot read catfile: {error.strerror}", where=str(path), cure="check its path") from None
    return {Path(words[0]).name: words[1] if len(words) > 1 else "" for words in lines if words}


def _locate(name: str, folders: Iterable[Path]) -> Path:
    """Look for a file in several folders."""
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    raise UsageError("there is no such source catalogue", where=name, cure="correct its path, or leave it out")


def read_sources(path: Path) -> Table:
    """Read the sources of one exposure: columns x, y (or xcentroid, ycentroid), optional flux and weight.

    Sources whose place or weight is missing, or whose weight is not positive, are left out.
    """
    import numpy as np
    from astropy.table import Table

    table = _read_table(path)
    for axis in ("x", "y"):
        if axis not in table.colnames and f"{axis}centroid" in table.colnames:
            table.rename_column(f"{axis}centroid", axis)
    if not {"x", "y"} <= set(table.colnames):
        raise UsageError("the catalogue has no columns x and y", where=str(path), cure="add them, pixels from 0")
    names = [name for name in ("id", "x", "y", "flux", "weight") if name in table.colnames]
    sources = Table({name: numbers(table, name, where=str(path)) for name in names})
    usable = np.isfinite(sources["x"]) & np.isfinite(sources["y"])
    return sources[usable & (sources["weight"] > 0) if "weight" in names else usable]


# ---- the reference catalogue
def reference_catalog(name: str, *, year: float | None) -> tuple[Positions, int]:
    """Read the reference catalogue: columns RA and DEC, else sky_centroid; optional weight and proper motions.

    Where there are proper motions the stars are moved to the epoch of the observation, and those without one are left
    out, since nobody knows where they are.

    Parameters
    ----------
    name : str
        The file.
    year : float or None
        Epoch of the observation, where it is known.

    Returns
    -------
    catalog : Positions
    moved : int
        How many stars were moved.
    """
    from jwcore.algorithms.alignment import Positions

    stars = _read_stars(name)
    ra, dec = stars.ra, stars.dec
    if stars.motions:
        ra, dec = _at_epoch(stars, year=year, where=name)
    catalog = Positions(ra, dec, stars.weight).take(_usable(ra, dec, stars.weight))
    return catalog, len(catalog) if stars.motions else 0


def check_reference(name: str) -> None:
    """Refuse, while a run is planned, a file that cannot be a reference catalogue; large ones are read when they are used."""
    if Path(name).stat().st_size <= LARGEST_CHECKED:
        _read_stars(name)


@dataclass(frozen=True)
class _Stars:
    """A reference catalogue as it is in its file: degrees, and ``motions``: mas/yr in RA and Dec, and the epoch in years."""

    ra: np.ndarray
    dec: np.ndarray
    weight: np.ndarray | None
    motions: tuple[np.ndarray, ...]


def _read_stars(name: str) -> _Stars:
    """Read a reference catalogue, and refuse one in which nothing can be used."""
    import numpy as np

    table = _read_table(_locate(name, [Path()]))
    columns = _by_name(table, where=name)
    if {"RA", "DEC"} <= set(columns):
        ra, dec = (numbers(table, columns[axis], unit="deg", where=name) for axis in ("RA", "DEC"))
    elif "sky_centroid" in table.colnames:
        ra, dec = (
            np.asarray(getattr(table["sky_centroid"].icrs, axis).deg, dtype=np.float64) for axis in ("ra", "dec")
        )
    else:
        found = f"; there is: {', '.join(table.colnames[:SHOWN_COLUMNS])}" if table.colnames else ""
        text = f"the reference catalogue has no columns RA and DEC, nor sky_centroid{found}"
        raise UsageError(text, where=name, cure="add RA and DEC in degrees, or rename those that hold them")
    weight = numbers(table, columns["WEIGHT"], where=name) if "WEIGHT" in columns else None
    stars = _Stars(ra, dec, weight, _motions(table, columns, where=name))
    if not _usable(ra, dec, weight).any():
        text = f"none of its {len(table)} rows has a position, and a weight above 0" if len(table) else "it has no rows"
        cure = "give one with stars of the field; None aligns the exposures with one another only"
        raise UsageError(f"the reference catalogue is empty: {text}", where=name, cure=cure)
    return stars


def _usable(ra: np.ndarray, dec: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    import numpy as np

    return np.isfinite(ra) & np.isfinite(dec) & (True if weight is None else weight > 0)


def _by_name(table: Table, *, where: str) -> dict[str, str]:
    """Find the columns of a reference catalogue; two for one thing are refused."""
    found: dict[str, str] = {}
    for name, names in COLUMNS.items():
        columns = [column for column in table.colnames if column.upper() in names]
        if len(columns) > 1:
            raise UsageError(f"columns {' and '.join(columns)} are ambiguous", where=where, cure="keep one of them")
        if columns:
            found[name] = columns[0]
    return found


def _motions(table: Table, columns: dict[str, str], *, where: str) -> tuple[np.ndarray, ...]:
    """Read proper motions and their epoch; empty where the catalogue has none."""
    moves = [columns[axis] for axis in MOTION if axis in columns]
    if not moves:
        return ()
    if len(moves) == 1:
        cure = f"add the other of {' and '.join(MOTION)}, or take it out if the positions are those of the observation"
        raise UsageError(f"{moves[0]} is the only proper motion", where=where, cure=cure)
    if EPOCH not in columns:
        cure = "add it (2016.0 for Gaia DR3), or take pmra and pmdec out if the positions are those of the observation"
        raise UsageError("there are proper motions but no column ref_epoch", where=where, cure=cure)
    epoch = numbers(table, columns[EPOCH], unit="yr", where=where)
    strange = epoch[(epoch < YEARS[0]) | (epoch > YEARS[1])]
    if strange.size:
        cure = "give Julian years, 2016.0 for Gaia DR3"
        raise UsageError(f"{columns[EPOCH]} = {strange[0]:g} is no year", where=where, cure=cure)
    return (*(numbers(table, name, unit="mas/yr", where=where) for name in moves), epoch)


def _at_epoch(stars: _Stars, *, year: float | None, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Move stars to the epoch of the observation."""
    from jwcore.algorithms.proper_motion import moved_stars

    if year is None:
        cure = "add EXPMID to the headers of the exposures, or take pmra and pmdec out of the catalogue"
        raise UsageError("there are proper motions, but no exposure knows its time", where=where, cure=cure)
    pm_ra, pm_dec, epoch = stars.motions
    return moved_stars(stars.ra, stars.dec, pm_ra=pm_ra, pm_dec=pm_dec, years=year - epoch)


# ---- tables
def _read_table(path: Path) -> Table:
    from astropy.table import Table

    kind = FORMATS.get(path.suffix.lower(), "ascii")
    try:
        if not path.stat().st_size:
            raise ValueError("the file is empty")
        return Table.read(path, format=kind, **({"fill_values": NO_NUMBER} if kind == "ascii" else {}))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"cannot read this catalogue: {reason}", where=str(path), cure="give ECSV, FITS, VOTable or text"
        ) from None


def numbers(table: Table, name: str, *, unit: str = "", where: str = "") -> np.ndarray:
    """Return a column as plain numbers, NaN where they are missing; in a unit, where the column has one."""
    import numpy as np
    from astropy.units import Quantity, UnitConversionError

    column: Any = table[name]
    try:
        missing = np.asarray(getattr(column, "mask", False))
        values = np.asarray(getattr(column, "unmasked", column), dtype=np.float64)
        if unit and getattr(column, "unit", None) is not None:
            values = Quantity(values, column.unit).to_value(unit)
    except (TypeError, ValueError, UnitConversionError) as error:
        reason = _text_in(column) or str(error).splitlines()[0]
        cure = f"write numbers{f' in {unit}' if unit else ''}"
        raise UsageError(f"column {name} cannot be used: {reason}", where=where, cure=cure) from None
    return np.where(missing, np.nan, values)


def _text_in(column: Any) -> str:
    """Find the first cell that holds text in place of a number."""
    missing = getattr(column, "mask", None)
    for row, cell in enumerate(column):
        if missing is None or not missing[row]:
            try:
                float(cell)
            except (TypeError, ValueError):
                return f"row {row + 1} holds '{cell}'"
    return ""
