"""The report of a product: one page that tells at a glance what it is, how it looks and how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jwcore import models
from jwcore.errors import BadInput
from jwcore.report.catalogs import catalog_of, show_catalog
from jwcore.report.findings import show_findings
from jwcore.report.making import show_making, show_steps
from jwcore.report.page import Page
from jwcore.report.plan_text import human_size
from jwcore.report.planes import Planes
from jwcore.report.previews import show_pixels, sky_of

KINDS = {
    "uncal": "raw ramps", "ramp": "corrected ramps", "dark": "dark ramps", "rate": "count rates",
    "rateints": "count rates of each integration", "cal": "calibrated image", "calints": "calibrated images of each integration",
    "crf": "calibrated image, outliers flagged", "i2d": "resampled image", "segm": "segmentation map", "cat": "source catalogue",
    "s2d": "resampled spectral images", "s3d": "spectral cube", "x1d": "extracted spectra", "c1d": "combined spectrum",
    "x1dints": "extracted spectra of each integration",
}  # fmt: skip
"""What a product is, by its suffix."""
OF_SLITS = {"SlitModel": "calibrated image of a slit", "MultiSlitModel": "calibrated images of slits"}
"""What products are that have the suffixes of images, by their DATAMODL."""


def report_page(path: Path) -> Page:
    """Make the page of a product.

    Raises
    ------
    BadInput
        When the file is no product, or damaged.
    """
    product = models.read(path)
    page = Page(path.name)
    if isinstance(product, models.Catalog):
        return _catalog_page(page, path, product)
    if not isinstance(product, models.Exposure):
        raise BadInput(
            "there is no report of this kind of file", where=str(path), cure="give an exposure or a catalogue"
        )
    history = product.provenance
    _check(product, path)
    catalog = catalog_of(path, product.meta)
    page.text(_summary(path, product.meta))
    page.facts(_facts(path, product))
    show_steps(page, product.meta, history)
    planes = Planes(product)
    show_pixels(page, planes)
    show_findings(page, product, history)
    if catalog is not None:
        show_catalog(page, catalog, mosaic=planes)
    show_making(page, path, history)
    return page


def _catalog_page(page: Page, path: Path, catalog: models.Catalog) -> Page:
    page.text(KINDS["cat"].capitalize())
    page.facts([("File", human_size(path.stat().st_size)), ("Rows", f"{len(catalog):,}")])
    show_catalog(page, catalog)
    show_making(page, path, catalog.provenance)
    return page


def _check(product: models.Exposure, path: Path) -> None:
    """Refuse reference files, and FITS files that are no product of anybody: no known model, no science, no record."""
    if any(card.keyword == "REFTYPE" for card in product.header_cards.get("PRIMARY", ())):
        raise BadInput("this is a reference file", where=str(path), cure="give an exposure or a catalogue")
    if not product.primary() and not product.meta.get("model_type") and not product.provenance:
        raise BadInput(
            "this is no product", where=str(path), cure="give a file that a pipeline wrote, such as X_cal.fits"
        )


def _summary(path: Path, meta: models.Meta) -> str:
    """Say in one line what it is."""
    suffix, model = models.suffix_of(path) or "", meta.get("model_type")
    kind = KINDS.get(suffix) or (f"product of the type {model}" if model else "product")
    if suffix.startswith("cal"):
        kind = OF_SLITS.get(model, kind)
    kind = kind[0].upper() + kind[1:]
    number = meta.get("resample.pointings")
    if suffix == "i2d" and number and number > 1:
        kind = f"Mosaic of {number} exposures"
    words = [
        kind,
        _joined(meta, "INSTRUME", "FILTER", between=" "),
        _joined(meta, "TARGPROP") or _joined(meta, "TARGNAME"),
    ]
    return " · ".join(word for word in words if word)


def _facts(path: Path, product: models.Exposure) -> Iterator[tuple[str, Any]]:
    """Yield what the headers say, as far as they do."""
    meta = product.meta
    sky = sky_of(meta)
    scale = f", {sky.pixel:.4g}″ a pixel" if sky is not None else ""
    size = " × ".join(str(length) for length in reversed(product.shape))
    facts = [
        ("Instrument", _joined(meta, "INSTRUME", "DETECTOR")),
        ("Optics", _joined(meta, "FILTER", "PUPIL", "GRATING", "BAND")),
        ("Exposure type", _joined(meta, "EXP_TYPE")),
        ("Target", _joined(meta, "TARGPROP") or _joined(meta, "TARGNAME")),
        ("Programme, observation, visit", _joined(meta, "PROGRAM", "OBSERVTN", "VISIT")),
        ("Start (UTC)", _time(meta.keyword("DATE-BEG") or _joined(meta, "DATE-OBS", "TIME-OBS", between=" "))),
        ("Exposure time", _seconds(meta.keyword("EFFEXPTM"))),
        ("Duration", _seconds(meta.keyword("DURATION"))),
        ("Readout", _readout(meta)),
        ("Sub-array", _joined(meta, "SUBARRAY")),
        ("Size", f"{size}{scale}" if size else ""),
        ("Unit", meta.get("bunit_data")),
        ("Resampling", _resampling(meta)),
        ("Made (UTC)", _time(meta.get("date") or "")),
        ("By", _joined(meta, "CAL_VCS", "CAL_VER", between=" ")),
        ("Reference context", meta.get("ref_file.crds.context_used")),
        ("File", human_size(path.stat().st_size)),
    ]
    return ((name, value) for name, value in facts if value)


def _joined(meta: models.Meta, *keywords: str, between: str = " / ") -> str:
    values: Sequence[Any] = [meta.keyword(keyword, "") for keyword in keywords]
    return between.join(str(value) for value in values if value not in ("", None))


def _time(text: str) -> str:
    """Leave out the fractions of a second."""
    return text.replace("T", " ").partition(".")[0]


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f} s"


def _readout(meta: models.Meta) -> str:
    exposure = meta.exposure
    if not exposure.ngroups:
        return exposure.readpatt or ""
    return f"{exposure.nints or 1} × {exposure.ngroups} groups {exposure.readpatt or ''}".strip()


def _resampling(meta: models.Meta) -> str:
    if not meta.resample.pointings:
        return ""
    weight, drop = meta.resample.weight_type, meta.resample.pixfrac
    return ", ".join(
        text for text in (f"weight {weight}" if weight else "", "" if drop is None else f"pixfrac {drop:g}") if text
    )
