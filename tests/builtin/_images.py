"""Small calibrated images and the folder of real data, for tests of the image steps."""

import os
from pathlib import Path

import numpy as np
import pytest

from jwcore import models


def image(shape=(20, 24), *, seed=1, **meta):
    """Make an Image (2-D) or Cube (3-D) of count rates; ``subarray__xstart=5`` sets meta.subarray.xstart."""
    rng = np.random.default_rng(seed)
    kind = models.Image if len(shape) == 2 else models.Cube
    exposure = kind(
        data=rng.normal(10, 3, shape).astype(np.float32),
        err=rng.uniform(0.5, 1.5, shape).astype(np.float32),
        dq=np.zeros(shape, np.uint32),
        var_poisson=rng.uniform(0.1, 2, shape).astype(np.float32),
        var_rnoise=rng.uniform(0.1, 0.5, shape).astype(np.float32),
    )
    for path, value in meta.items():
        exposure.meta.set(path.replace("__", "."), value)
    return exposure


def real_data(folder):
    """Give a folder of real JWST files; skip the test where there is none."""
    root = os.environ.get("JWCAL_REAL_DATA", Path(__file__).parents[2] / "../shared/data")
    path = Path(root) / folder
    if not path.is_dir():
        pytest.skip(f"no real data at {path}; set JWCAL_REAL_DATA")
    return path
