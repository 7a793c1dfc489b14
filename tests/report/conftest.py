"""Pages that several tests look at."""

import pytest

from jwcore.report.product import report_page
from tests.report._products import calibrated, mosaic


@pytest.fixture(scope="package")
def pages(tmp_path_factory):
    """Write the pages of a calibrated image and of a mosaic."""
    folder = tmp_path_factory.mktemp("pages")
    made = {"image": calibrated(folder), "mosaic": mosaic(folder)}
    return {name: report_page(path).write(folder / f"{name}.html") for name, path in made.items()}
