"""The part of a report that shows a source catalogue: the brightest sources, magnitudes and their errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jwcore import models
from jwcore.report import pictures, plots
from jwcore.report.figures import HEIGHT, WIDTH, svg
from jwcore.report.page import Page
from jwcore.report.planes import Planes

BRIGHTEST = 20
MAGNITUDES = ("aper_total_abmag", "isophotal_abmag")
"""Columns with the magnitude of a source, the first that there is."""
COLUMNS = {
    "label": ("label", ".0f"), "ra": ("RA (deg)", ".6f"), "dec": ("Dec (deg)", ".6f"), "xcentroid": ("x", ".2f"),
    "ycentroid": ("y", ".2f"), "aper_total_abmag": ("AB mag", ".3f"), "aper_total_abmag_err": ("error", ".3f"),
    "isophotal_abmag": ("isophotal", ".3f"), "is_extended": ("extended", ""), "sharpness": ("sharpness", ".2f"),
    "ellipticity": ("ellipticity", ".2f"), "nn_dist": ("nearest (px)", ".1f"),
}  # fmt: skip
"""Columns that are listed, with heading and format; RA and Dec are those of ``sky_centroid``."""
BIN = 0.5
"""Width of the bins of the histogram, magnitudes."""
MOST_BINS = 100
"""Bins of the histogram, at most: what spans more has wider ones."""


def catalog_of(path: Path, meta: models.Meta) -> models.Catalog | None:
    """Find the catalogue of a mosaic in its folder: by its header, or else by its name."""
    if models.suffix_of(path) != "i2d":
        return None
    names = [meta.source_catalog, models.product_name(path, "cat", extension=".ecsv")]
    found = next(
        (path.parent / Path(name).name for name in names if name and (path.parent / Path(name).name).is_file()), None
    )
    return None if found is None else models.Catalog.read(found)


def show_catalog(page: Page, catalog: models.Catalog, *, mosaic: Planes | None = None) -> None:
    """Add the brightest sources of a catalogue, the histogram of magnitudes, and where they are in their mosaic."""
    table = catalog.table
    page.heading("Sources")
    name = next((name for name in MAGNITUDES if name in table.colnames), None)
    measured = None if name is None else _numbers(table, name)
    magnitudes = np.full(len(table), np.nan) if measured is None else measured
    yes = _numbers(table, "is_extended")
    extended = None if yes is None else np.nan_to_num(yes) != 0
    known = np.isfinite(magnitudes)
    facts = [("Catalogue", Path(catalog.path).name if catalog.path else ""), ("Sources", f"{len(table):,}")]
    if extended is not None:
        facts.append(("Extended", f"{np.count_nonzero(extended):,}"))
    if known.any():
        facts.append(("AB magnitudes", f"{magnitudes[known].min():.2f} to {magnitudes[known].max():.2f}"))
    page.facts(facts)
    with page.row():
        if mosaic is not None:
            _map(page, catalog, mosaic)
        if known.any():
            with page.stack():
                page.picture(svg(_histogram(magnitudes, extended, known)), "Magnitudes of the sources.")
                _errors(page, magnitudes, _numbers(table, f"{name}_err"))
    order = np.argsort(magnitudes, kind="stable")[:BRIGHTEST]
    page.text(f"The {order.size} brightest:" if known.any() else f"The first {order.size}:")
    _list(page, table, order)


def _map(page: Page, catalog: models.Catalog, mosaic: Planes) -> None:
    """Circle the sources in their mosaic."""
    x, y = _numbers(catalog.table, "xcentroid"), _numbers(catalog.table, "ycentroid")
    if x is not None and y is not None:
        unit, few = mosaic.exposure.meta.bunit_data or "", pictures.FEW_POINTS
        marked = pictures.image(mosaic.plane("data"), label=unit, marks=(x, y), points=few)
        page.picture(svg(marked), "The sources in the mosaic.")


def _errors(page: Page, magnitudes: np.ndarray, errors: np.ndarray | None) -> None:
    """Draw errors against magnitudes."""
    usable = np.isfinite(magnitudes) if errors is None else np.isfinite(magnitudes) & (errors > 0)
    if errors is not None and usable.any():
        panel = {
            "x": magnitudes[usable], "y": errors[usable], "logy": True, "xlabel": "AB magnitude", "ylabel": "error (mag)"
        }  # fmt: skip
        drawn = plots.scatter([panel], size=WIDTH, height=HEIGHT)
        page.picture(svg(drawn), "Their errors (one sigma).")


def _histogram(magnitudes: np.ndarray, extended: np.ndarray | None, known: np.ndarray) -> Any:
    lowest, highest = magnitudes[known].min(), magnitudes[known].max()
    width = BIN * max(1.0, np.ceil((highest - lowest) / BIN / MOST_BINS))
    first, last = np.floor(lowest / width), np.floor(highest / width)
    edges = width * (first + np.arange(last - first + 2))
    kinds = {"sources": known}
    if extended is not None:
        kinds = {"like points": known & ~extended, "extended": known & extended}
    counts = {name: np.histogram(magnitudes[chosen], edges)[0] for name, chosen in kinds.items()}
    return plots.histogram(edges, counts, xlabel="AB magnitude", ylabel="sources")


def _list(page: Page, table: Any, order: np.ndarray) -> None:
    """List some rows: known columns, or of a catalogue of another kind the first ones."""
    columns = {heading: (_column(table, name), form) for name, (heading, form) in COLUMNS.items()}
    shown = {heading: (values, form) for heading, (values, form) in columns.items() if values is not None}
    if len(shown) < 3:
        plain = [name for name in table.colnames if getattr(table[name], "ndim", 0) == 1][: len(COLUMNS)]
        shown = {name: (_masked(table[name]), "") for name in plain}
    rows = [[_text(values[row], form) for values, form in shown.values()] for row in order]
    page.table(list(shown), rows)


def _numbers(table: Any, name: str) -> np.ndarray | None:
    """Give a column as numbers, NaN where there is none; None for what is no column of numbers."""
    values = _column(table, name)
    return None if values is None or values.dtype.kind not in "biuf" else np.ma.filled(values.astype(float), np.nan)


def _column(table: Any, name: str) -> np.ma.MaskedArray | None:
    """Give plain values of a column; RA and Dec are those of the centroid."""
    if name in ("ra", "dec"):
        return _masked(getattr(table["sky_centroid"], name).deg) if "sky_centroid" in table.colnames else None
    return _masked(table[name]) if name in table.colnames else None


def _masked(column: Any) -> np.ma.MaskedArray:
    """Take the unit off a column, and keep which rows are empty; there are two kinds of masked columns."""
    plain = getattr(column, "unmasked", column)
    return np.ma.array(np.asarray(getattr(plain, "value", plain)), mask=getattr(column, "mask", False))


def _text(value: Any, form: str) -> str:
    if np.ma.is_masked(value):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else ""
    if not isinstance(value, (int, float, np.number)):
        return str(value)
    return format(value, form or (".6g" if isinstance(value, (float, np.floating)) else "d"))
