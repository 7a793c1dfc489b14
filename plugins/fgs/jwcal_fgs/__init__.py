"""FGS for jwcal: exposure types, detectors, recipes, and the steps for guiding data."""

from jwcal_fgs.guider import GUIDER, flat_field, guider_cds
from jwcore import api

JWCAL_API = "1.0"
NAME = "FGS"
STEPS = (guider_cds, flat_field)


@api.hookimpl
def jwcal_exposure_types():
    """Exposure types of FGS with the recipes that follow one another for each."""
    to_cal = ("detector1", "image2")
    return [
        api.ExposureType("FGS_IMAGE", NAME, "imaging", (*to_cal, "image3"), direct_image=True),
        api.ExposureType("FGS_FOCUS", NAME, "imaging", to_cal),
        *(
            api.ExposureType(name, NAME, "calibration", ("detector1",), wcs=False)
            for name in ("FGS_INTFLAT", "FGS_SKYFLAT")
        ),
        api.ExposureType("FGS_DARK", NAME, "calibration", ("dark",), wcs=False),
        *(api.ExposureType(name, NAME, "guider", ("guider",), wcs=False, raw="GuiderRaw") for name in GUIDER),
    ]


@api.hookimpl
def jwcal_detectors():
    """The two detectors: 2048 x 2048 pixels, four outputs, four reference pixels on every edge."""
    return [api.Detector(name, NAME) for name in ("GUIDER1", "GUIDER2")]


@api.hookimpl
def jwcal_recipes():
    """Recipes of the science exposures, and of guiding data."""
    where = {"INSTRUME": NAME}
    return [
        api.guider(where={**where, "EXP_TYPE": GUIDER}),
        api.dark(*api.NEAR_INFRARED_STAGES[:-1], where=where),
        api.detector1(*api.NEAR_INFRARED_STAGES, where=where),
        api.image2(where=where),
        api.image3(where=where),
    ]
