import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_caches(tmp_path_factory, monkeypatch):
    """Keep tests away from the user's CRDS settings and cache folder."""
    for name in [name for name in os.environ if name.startswith("CRDS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def parameters():
    """Selection parameters of a NIRCam image."""
    return {
        "META.INSTRUMENT.NAME": "NIRCAM",
        "META.INSTRUMENT.DETECTOR": "NRCB1",
        "META.INSTRUMENT.FILTER": "F200W",
        "META.INSTRUMENT.PUPIL": "CLEAR",
        "META.EXPOSURE.TYPE": "NRC_IMAGE",
        "META.EXPOSURE.READPATT": "RAPID",
        "META.SUBARRAY.NAME": "FULL",
        "META.OBSERVATION.DATE": "2023-05-01",
        "META.OBSERVATION.TIME": "12:00:00.0",
    }


@pytest.fixture
def real_data():
    """Folder of the real JWST files."""
    root = Path(os.environ.get("JWCAL_REAL_DATA", Path(__file__).parents[3] / "shared/data"))
    if not root.is_dir():
        pytest.skip(f"no real data in {root}: set JWCAL_REAL_DATA")
    return root
