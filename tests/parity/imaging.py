"""Comparisons that imaging products need beyond their arrays: sky coordinates, sky levels, catalogues."""

from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from astropy.io import fits

from jwcore import models
from tests.parity.compare import Comparison

WCS_TOLERANCE = 0.01
"""Milliarcseconds."""
ALIGNMENT_TOLERANCE = 1.0
"""Milliarcseconds."""
CATALOG_RTOL = 1e-3
SOURCES_OUTSIDE = 0.02
"""Part of the sources that may lie outside the tolerance of a column."""
SKY_TOLERANCE = 0.1
"""Milliarcseconds, for the positions in catalogues."""


def compare_wcs(step: str, ours: Path, peer: Path, *, tolerance: float = WCS_TOLERANCE) -> Comparison:
    """Compare the sky coordinates of a grid of pixels; the worst separation is given in units of the tolerance (mas)."""
    shape = models.read(peer).shape[-2:]
    y, x = np.meshgrid(*(np.linspace(0, n - 1, 25) for n in shape), indexing="ij")
    (ra1, dec1), (ra2, dec2) = (models.read(path).wcs(x, y, with_bounding_box=False) for path in (ours, peer))
    east = (ra1 - ra2 + 180) % 360 - 180
    separation = np.hypot(east * np.cos(np.deg2rad(dec2)), dec1 - dec2) * 3.6e6
    outside = float(np.mean(~(separation <= tolerance)))
    worst = float(np.max(separation)) / tolerance
    return Comparison(step, "WCS", f"{tolerance:g} mas", worst, outside, outside == 0.0)


def compare_alignment(step: str, ours: Path, peer: Path, *, cals: list[Path], truths: list[Path]) -> Comparison:
    """Compare the alignment of an exposure with the first one: the same to a milliarcsecond, or nearer to the truth.

    Parameters
    ----------
    step : str
        Name for the table.
    ours, peer : pathlib.Path
        The aligned exposure.
    cals, truths : list of pathlib.Path
        Exposure before the alignment and its truth, of the first exposure and of this one.
    """
    agreement = compare_wcs(step, ours, peer, tolerance=ALIGNMENT_TOLERANCE)
    (first, own) = (_pointing_error(cal, truth) for cal, truth in zip(cals, truths, strict=True))
    errors = [float(np.hypot(*(_shift(cals[1], aligned) - (own - first)).T).max()) for aligned in (ours, peer)]
    note = f"off the truth by {errors[0]:.2f} mas, peer {errors[1]:.2f} mas"
    passed = agreement.passed or errors[0] < errors[1]
    rule = f"{ALIGNMENT_TOLERANCE:g} mas, or nearer to the truth"
    return Comparison(step, "alignment", rule, agreement.worst, agreement.outside, passed, note=note)


def _pointing_error(cal: Path, truth: Path) -> np.ndarray:
    """Return how far (mas, east and north) the true reference point lies from that of the header."""
    actual, stated = fits.getheader(truth), fits.getheader(cal, "SCI")
    shift = np.array([actual["RA_TRUE"] - stated["RA_REF"], actual["DEC_TRUE"] - stated["DEC_REF"]]) * 3.6e6
    return shift * [np.cos(np.deg2rad(actual["DEC_TRUE"])), 1.0]


def _shift(before: Path, after: Path) -> np.ndarray:
    """Return how far (mas, east and north) an alignment moved the corners and the centre of an exposure."""
    ny, nx = models.read(before).shape[-2:]
    x, y = np.array([[0, 0], [nx, 0], [0, ny], [nx, ny], [nx / 2, ny / 2]]).T
    old, new = (np.array(models.read(path).wcs(x, y, with_bounding_box=False)) for path in (before, after))
    return ((new - old) * 3.6e6 * [np.cos(np.deg2rad(old[1])), np.ones_like(x)]).T


def compare_value(
    step: str, name: str, ours: float | None, peer: float | None, *, rtol: float, atol: float
) -> Comparison:
    """Compare two numbers of a header, within max(rtol |peer|, atol)."""
    rule = f"{rtol:g}, {atol:.2g}"
    if ours is None or peer is None:
        return Comparison(step, name, rule, np.nan, 1.0, ours == peer, note=f"ours {ours}, peer {peer}")
    worst = abs(ours - peer) / max(abs(peer) * rtol, atol, 1e-30)
    return Comparison(step, name, rule, worst, float(worst > 1), worst <= 1, note=f"ours {ours:.6g}, peer {peer:.6g}")


def compare_catalogs(ours: Path, peer: Path, *, skip: Collection[str] = ()) -> list[Comparison]:
    """Match the sources of two catalogues one to one and compare what was measured.

    Parameters
    ----------
    ours, peer : pathlib.Path
        ECSV files.
    skip : collection of str
        Patterns of the columns that are not compared.

    Returns
    -------
    list of Comparison
        Number of sources, all agreeing columns together, and each other column.
    """
    from astropy.table import Table

    a, b = Table.read(ours, format="ascii.ecsv"), Table.read(peer, format="ascii.ecsv")
    order = [_nearest(a, row) for row in b]
    unique = len(set(order)) == len(a) == len(b)
    note = f"ours {len(a)}, peer {len(b)} sources"
    results = [Comparison("source_catalog", "sources", "one to one", 0.0, 0.0 if unique else 1.0, unique, note=note)]
    if not len(a) or not len(b):
        return results
    matched = a[order]
    names = [name for name in b.colnames if name in a.colnames and not any(fnmatch(name, p) for p in ("label", *skip))]
    columns = [_column(name, matched[name], b[name], _scale(b, name)) for name in names]
    lacking = sorted(set(b.colnames) ^ set(a.colnames))
    results.append(Comparison("source_catalog", "columns", "the same", 0.0, 0.0, not lacking, note=", ".join(lacking)))
    return [*results, _together(columns)]


def _together(columns: list[Comparison]) -> Comparison:
    """Join the outcomes of all columns; those that differ are named."""
    failed = [f"{column.array} {column.worst:.2g} ({column.outside:.0%})" for column in columns if not column.passed]
    worst = max(column.worst for column in columns)
    outside = max(column.outside for column in columns)
    rule = f"{CATALOG_RTOL:g}, err/100"
    array = f"{len(columns)} columns"
    return Comparison("source_catalog", array, rule, worst, outside, not failed, note="; ".join(failed))


def _nearest(table, row) -> int:
    return int(np.argmin(np.hypot(table["xcentroid"] - row["xcentroid"], table["ycentroid"] - row["ycentroid"])))


def _scale(table, name: str):
    """Return a value below which differences of a column are judged absolutely: ten times the error, or the unit."""
    error = f"{name}_err"
    if error in table.colnames:
        return 10.0 * np.nan_to_num(np.asarray(getattr(table[error], "value", table[error]), dtype="f8"))
    return 1.0 if name in ("sharpness", "roundness", "ellipticity", "orientation", "sky_orientation") else 0.0


def _column(name: str, ours, peer, scale=0.0) -> Comparison:
    """Compare one column; NaN must meet NaN."""
    if hasattr(peer, "separation"):
        separation = ours.separation(peer).to_value("mas")
        outside = float(np.mean(~(separation <= SKY_TOLERANCE)))
        worst = float(np.nanmax(separation)) / SKY_TOLERANCE
        return Comparison("source_catalog", name, f"{SKY_TOLERANCE:g} mas", worst, outside, outside <= SOURCES_OUTSIDE)
    if not np.issubdtype(np.asarray(peer).dtype, np.number):
        values = [np.asarray([str(item) for item in column]) for column in (ours, peer)]
        outside = float(np.mean(values[0] != values[1]))
        return Comparison("source_catalog", name, "equal", float(outside > 0), outside, outside <= SOURCES_OUTSIDE)
    a, b = (np.asarray(getattr(column, "value", column), dtype="f8") for column in (ours, peer))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.abs(a - b) / (CATALOG_RTOL * np.maximum(np.abs(b), scale))
    ratio[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    outside = float(np.mean(~(ratio <= 1.0)))
    finite = ratio[np.isfinite(ratio)]
    worst = float(finite.max()) if finite.size else 0.0
    return Comparison("source_catalog", name, f"{CATALOG_RTOL:g}", worst, outside, outside <= SOURCES_OUTSIDE)
