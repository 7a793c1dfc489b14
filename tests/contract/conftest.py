"""Small exposures and toy plugins for the contract tests."""

from pathlib import Path

import numpy as np
import pytest

from jwcore import models, planner

TOYS = Path(__file__).parent / "toys"
SHAPES = str(TOYS / "shapes.py")


@pytest.fixture
def image():
    """Make a 4 x 6 image of NIRCam with the values 0 ... 23, or with other keywords."""

    def make(name="jw00001001001_02101_00001_nrca1_rate.fits", *, offset=0.0, **keywords):
        exposure = models.Image(data=np.arange(24, dtype="f4").reshape(4, 6) + np.float32(offset))
        defaults = {
            "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", "EXP_TYPE": "NRC_IMAGE", "FILTER": "F200W", "PUPIL": "CLEAR",
            "CHANNEL": "SHORT", "TELESCOP": "JWST", "DATE-OBS": "2026-01-01", "TIME-OBS": "00:00:00.000",
        }  # fmt: skip
        for keyword, value in {**defaults, **keywords}.items():
            exposure.meta.set_keyword(keyword, value)
        exposure.meta.filename = name
        return exposure

    return make


@pytest.fixture
def toy_plan():
    """Plan a toy recipe without references."""

    def make(inputs, recipe, **options):
        options.setdefault("plugins", (SHAPES,))
        return planner.plan(inputs, recipe, references="none", **options)

    return make
