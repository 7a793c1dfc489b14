"""Flux calibration of images: selection of the conversion factor, its change with time, application."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = [
    "MICROJANSKY_PER_ARCSEC2",
    "TIME_TABLES",
    "exponential_change",
    "is_image_table",
    "linear_change",
    "power_law_change",
    "scale",
    "select_row",
    "sensitivity",
]

MICROJANSKY_PER_ARCSEC2 = 1e12 * (np.pi / 648000.0) ** 2
"""One MJy/sr in uJy/arcsec^2: 23.5045."""

KEY_COLUMNS = ("filter", "pupil", "subarray")
ANY_SUBARRAY = "GENERIC"


def _text(value: Any) -> str:
    return (value.decode() if isinstance(value, bytes) else str(value)).strip().upper()


def _columns(table: np.ndarray) -> dict[str, str]:
    """Names of the columns by their lower-case form."""
    return {name.lower(): name for name in table.dtype.names or ()}


def is_image_table(table: np.ndarray) -> bool:
    """Tell whether a PHOTOM table holds one factor per row, not a spectral response."""
    columns = _columns(table)
    return "photmjsr" in columns and "nelem" not in columns


def select_row(table: np.ndarray, *, settings: Mapping[str, str | None]) -> dict[str, Any] | None:
    """Select the row of a table by the key columns that the table has: filter, pupil, subarray.

    Comparison ignores case and blanks. A row for the named sub-array goes before one for ``GENERIC``; a table without
    key columns has one row for all.

    Parameters
    ----------
    table : structured ndarray
        PHOTOM table, or one with its time coefficients.
    settings : mapping
        ``filter``, ``pupil`` and ``subarray`` of the exposure.

    Returns
    -------
    dict or None
        Values by lower-case column name; None if no row matches.
    """
    columns = _columns(table)
    keys = [key for key in KEY_COLUMNS if key in columns]
    wanted = {key: _text(settings.get(key)) for key in keys}
    for subarray in (wanted.get("subarray"), ANY_SUBARRAY):
        if subarray is not None and "subarray" in wanted:
            wanted["subarray"] = subarray
        for row in table:
            if all(_text(row[columns[key]]) == wanted[key] for key in keys):
                return {name: row[column].item() for name, column in columns.items()}
    return None


def linear_change(time: float, *, t0: float, lossperyear: float) -> float:
    """Relative sensitivity ``1 - loss (t - t0) / 365`` (times in days)."""
    return 1.0 - lossperyear * (time - t0) / 365.0


def exponential_change(time: float, *, t0: float, amplitude: float, tau: float, const: float) -> float:
    """Relative sensitivity ``A exp(-(t - t0) / tau) + const`` (times in days)."""
    return amplitude * float(np.exp(-(time - t0) / tau)) + const


def power_law_change(time: float, *, t0: float, year1value: float, tsoft: float, alpha: float) -> float:
    """Relative sensitivity ``year1value ((t - t0 + tsoft) / (365 + tsoft))^alpha``; NaN where that is undefined."""
    base = (time - t0 + tsoft) / (365.0 + tsoft)
    return year1value * float(base**alpha) if base > 0 else float("nan")


TIME_TABLES: dict[str, tuple[Callable[..., float], tuple[str, ...]]] = {
    "TIMECOEFF_LINEAR": (linear_change, ("t0", "lossperyear")),
    "TIMECOEFF_EXPONENTIAL": (exponential_change, ("t0", "amplitude", "tau", "const")),
    "TIMECOEFF_POWERLAW": (power_law_change, ("t0", "year1value", "tsoft", "alpha")),
}
"""Table extension of a PHOTOM reference -> the change with time that its rows describe, and their columns."""


def sensitivity(tables: Mapping[str, np.ndarray], *, time: float, settings: Mapping[str, str | None]) -> float:
    """Sensitivity at a time relative to that of the PHOTOM table: the product of all changes that are given.

    Parameters
    ----------
    tables : mapping
        Tables by the names in :data:`TIME_TABLES`.
    time : float
        Middle of the exposure, MJD.
    settings : mapping
        As in :func:`select_row`; a table without a matching row changes nothing.

    Returns
    -------
    float
        NaN where a change is undefined at that time.
    """
    product = 1.0
    for name, table in tables.items():
        row = select_row(table, settings=settings)
        if row is not None:
            change, columns = TIME_TABLES[name]
            product *= change(time, **{column: row[column] for column in columns})
    return product


def scale(planes: Mapping[str, np.ndarray | None], *, factor: float) -> None:
    """Multiply science and error by a factor and variances by its square, in place.

    Parameters
    ----------
    planes : mapping
        Arrays of float32 by name; names that start with ``var_`` are variances, None is passed over.
    factor : float
    """
    for name, plane in planes.items():
        if plane is not None:
            np.multiply(plane, np.float32(factor**2 if name.startswith("var_") else factor), out=plane)
