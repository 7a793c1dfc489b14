"""Real JWST files, where they are; tests are skipped with the reason where they are not."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data():
    """Folder with real JWST data."""
    default = Path(__file__).parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("JWCAL_REAL_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set JWCAL_REAL_DATA")
    return folder
