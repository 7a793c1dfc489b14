"""Pages that several tests look at, and figures without pages."""

import pytest

from jwcore.report import catalogs, findings, previews
from jwcore.report.product import report_page
from tests.report._products import calibrated, mosaic


@pytest.fixture(scope="package")
def products(tmp_path_factory):
    """Write a calibrated image and a mosaic."""
    folder = tmp_path_factory.mktemp("products")
    return {"image": calibrated(folder), "mosaic": mosaic(folder)}


@pytest.fixture(scope="package")
def pages(products, tmp_path_factory):
    """Write the pages of both."""
    folder = tmp_path_factory.mktemp("pages")
    return {name: report_page(path).write(folder / f"{name}.html") for name, path in products.items()}


@pytest.fixture
def figures(monkeypatch):
    """Collect the figures of pages that are made meanwhile; they are not written as SVG, which takes most of the time."""
    drawn = []

    def collect(figure):
        drawn.append(figure)
        return "<svg></svg>"

    for module in (catalogs, findings, previews):
        monkeypatch.setattr(module, "svg", collect)
    return drawn
