import os
from pathlib import Path

import numpy as np
import pytest

from jwcore import models


@pytest.fixture
def rng():
    return np.random.default_rng(42)


@pytest.fixture
def image(rng):
    """A small calibrated image with most of its planes."""
    shape = (6, 8)
    planes = {name: rng.normal(size=shape) for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat", "area")}
    exposure = models.Image(**planes, dq=rng.integers(0, 1 << 32, shape, dtype="u4"))
    exposure.meta.instrument.name = "NIRCAM"
    exposure.meta.instrument.detector = "NRCA1"
    exposure.meta.exposure.type = "NRC_IMAGE"
    exposure.meta.bunit_data = exposure.meta.bunit_err = "MJy/sr"
    exposure.meta.wcsinfo.crval1 = 82.18739831764201
    return exposure


@pytest.fixture
def real_data():
    """Folder with real JWST files."""
    folder = Path(os.environ.get("JWCAL_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("JWCAL_REAL_DATA names no folder with real files")
    return folder
