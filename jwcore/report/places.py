"""Where the pages of products go, and what keeps them from going there: asked before anything is drawn."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from jwcore import models
from jwcore.errors import BadInput, UsageError
from jwcore.report.page import GENERATOR
from jwcore.report.product import KINDS

PAGES = (".html", ".htm")


def places_of(products: Iterable[Path], output: Path | None) -> dict[Path, Path]:
    """Decide where the report of each product goes.

    Parameters
    ----------
    products : iterable of Path
        Products, and folders of products.
    output : Path or None
        What the user asked for: a folder or, for a product alone, a file; None is beside the product.

    Returns
    -------
    dict of Path to Path
        Product -> page.

    Raises
    ------
    UsageError
        When two reports would go to one file, or one cannot be written, or would replace a file that is none of ours.
    BadInput
        When a folder has no product.
    """
    found = {one.absolute(): one for product in products for one in _products(product)}.values()
    file = output is not None and output.suffix.lower() in PAGES and not output.is_dir()
    if file and len(found) > 1:
        raise UsageError(
            "several reports do not fit into one file", where=str(output), cure="give a folder with -o DIR"
        )
    places: dict[Path, Path] = {}
    for path in found:
        place = output if output is not None and file else (output or path.parent) / f"{path.stem}_report.html"
        if place in places:
            both = f"{places[place]} and {path} would have the same page"
            raise UsageError(both, where=str(place), cure="report on them one by one, with -o FILE.html")
        _check(place)
        places[place] = path
    return {path: place for place, path in places.items()}


def _products(path: Path) -> Iterator[Path]:
    """Yield a file, or the products in a folder."""
    if not path.is_dir():
        yield path
        return
    names = sorted(path.iterdir())
    found = [one for one in names if one.suffix.lower() in (".fits", ".ecsv") and models.suffix_of(one) in KINDS]
    if not found:
        raise BadInput("no product is in this folder", where=str(path), cure="give products, such as X_cal.fits")
    yield from found


def _check(place: Path) -> None:
    """Refuse what cannot be written, or is not ours to replace."""
    folder = next(parent for parent in place.absolute().parents if parent.exists())
    if not folder.is_dir():
        cure = "give a folder with -o DIR, or a page with -o FILE.html"
        raise UsageError("this is a file, not a folder", where=str(folder), cure=cure)
    if not os.access(folder, os.W_OK):
        raise UsageError("nothing can be written into this folder", where=str(folder), cure="give another with -o DIR")
    if place.exists() and not _is_ours(place):
        raise UsageError(
            "this is no page of jwcal, and is not replaced",
            where=str(place),
            cure="give another name with -o FILE.html",
        )


def _is_ours(place: Path) -> bool:
    """Tell whether something that exists is a page that we wrote."""
    if not place.is_file():
        return False
    with place.open("rb") as stream:
        return GENERATOR.encode() in stream.read(1000)
