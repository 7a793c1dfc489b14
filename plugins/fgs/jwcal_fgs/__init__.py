"""FGS for jwcal: exposure types, detectors and recipes of the science exposures.

The guider pipeline (identification, acquisition, track, fine guide) has no implementation yet.
"""

from jwcore import api

JWCAL_API = "1.0"
NAME = "FGS"
GUIDER = ("FGS_ID-STACK", "FGS_ID-IMAGE", "FGS_ACQ1", "FGS_ACQ2", "FGS_TRACK", "FGS_FINEGUIDE")


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
        api.ExposureType("FGS_DARK", NAME, "calibration", (), wcs=False),
        *(api.ExposureType(name, NAME, "guider", (), wcs=False) for name in GUIDER),
    ]


@api.hookimpl
def jwcal_detectors():
    """The two detectors: 2048 x 2048 pixels, four outputs, four reference pixels on every edge."""
    return [api.Detector(name, NAME) for name in ("GUIDER1", "GUIDER2")]


@api.hookimpl
def jwcal_recipes():
    """Recipes of the science exposures."""
    where = {"INSTRUME": NAME}
    return [
        api.detector1(*api.NEAR_INFRARED_STAGES, where=where),
        api.image2(where=where),
        api.image3(where=where),
    ]
