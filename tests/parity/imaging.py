"""Comparisons that imaging products need beyond their arrays: sky coordinates, sky levels, catalogues."""

from pathlib import Path

import numpy as np

from jwcore import models
from tests.parity.compare import Comparison

WCS_TOLERANCE = 0.01
"""Milliarcseconds."""
CATALOG_RTOL = 1e-3
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


def compare_value(step: str, name: str, ours: float | None, peer: float | None, *, rtol: float) -> Comparison:
    """Compare two numbers of a header."""
    if ours is None or peer is None:
        return Comparison(step, name, f"{rtol:g}", np.nan, 1.0, ours == peer, note=f"ours {ours}, peer {peer}")
    worst = abs(ours - peer) / max(abs(peer) * rtol, 1e-30)
    return Comparison(
        step, name, f"{rtol:g}", worst, float(worst > 1), worst <= 1, note=f"ours {ours:.6g}, peer {peer:.6g}"
    )


def compare_catalogs(ours: Path, peer: Path) -> list[Comparison]:
    """Match the sources of two catalogues one to one and compare what was measured."""
    from astropy.table import Table

    a, b = Table.read(ours, format="ascii.ecsv"), Table.read(peer, format="ascii.ecsv")
    order = [_nearest(a, row) for row in b]
    unique = len(set(order)) == len(a) == len(b)
    note = f"ours {len(a)}, peer {len(b)} sources"
    results = [Comparison("source_catalog", "sources", "one to one", 0.0, 0.0 if unique else 1.0, unique, note=note)]
    if not len(a) or not len(b):
        return results
    matched = a[order]
    columns = [_column(name, matched[name], b[name]) for name in b.colnames if name != "label" and name in a.colnames]
    agreeing = [column for column in columns if column.passed]
    lacking = sorted(set(b.colnames) ^ set(a.colnames))
    worst = max((column.worst for column in agreeing), default=0.0)
    note = f"only in one: {', '.join(lacking)}" if lacking else ""
    results.append(
        Comparison(
            "source_catalog", f"{len(agreeing)} columns", f"{CATALOG_RTOL:g}", worst, 0.0, not lacking, note=note
        )
    )
    return results + [column for column in columns if not column.passed]


def _nearest(table, row) -> int:
    return int(np.argmin(np.hypot(table["xcentroid"] - row["xcentroid"], table["ycentroid"] - row["ycentroid"])))


def _column(name: str, ours, peer) -> Comparison:
    """Compare one column; NaN must meet NaN."""
    if hasattr(peer, "separation"):
        separation = ours.separation(peer).to_value("mas")
        outside = float(np.mean(~(separation <= SKY_TOLERANCE)))
        worst = float(np.nanmax(separation)) / SKY_TOLERANCE
        return Comparison("source_catalog", name, f"{SKY_TOLERANCE:g} mas", worst, outside, outside <= 0.01)
    if not np.issubdtype(np.asarray(peer).dtype, np.number):
        values = [np.asarray([str(item) for item in column]) for column in (ours, peer)]
        outside = float(np.mean(values[0] != values[1]))
        return Comparison("source_catalog", name, "equal", float(outside > 0), outside, outside <= 0.01)
    a, b = (np.asarray(getattr(column, "value", column), dtype="f8") for column in (ours, peer))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.abs(a - b) / (CATALOG_RTOL * np.abs(b))
    ratio[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    outside = float(np.mean(~(ratio <= 1.0)))
    finite = ratio[np.isfinite(ratio)]
    worst = float(finite.max()) if finite.size else 0.0
    return Comparison("source_catalog", name, f"{CATALOG_RTOL:g}", worst, outside, outside <= 0.01)
