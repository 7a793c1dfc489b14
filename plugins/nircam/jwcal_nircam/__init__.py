"""NIRCam for jwcal: exposure types, detectors and recipes of the imaging modes.

The steps of NIRCam imaging are the shared ones; what is particular to the instrument is in the traits below.
"""

from jwcore import api

JWCAL_API = "1.0"
NAME = "NIRCAM"
SHORT_WAVE = tuple(f"NRC{module}{number}" for module in "AB" for number in range(1, 5))
LONG_WAVE = ("NRCALONG", "NRCBLONG")
OFFSET_KEYS = ("filter", "pupil")


def _type(name, family, recipes, **traits):
    return api.ExposureType(name, NAME, family, recipes, filter_offset_keys=OFFSET_KEYS, **traits)


@api.hookimpl
def jwcal_exposure_types():
    """Exposure types of NIRCam with the recipes that follow one another for each."""
    to_cal = ("detector1", "image2")
    return [
        _type("NRC_IMAGE", "imaging", (*to_cal, "image3"), direct_image=True, member_roles=("science", "background")),
        _type("NRC_TSIMAGE", "imaging", to_cal, always_tso=True),
        _type("NRC_CORON", "coronagraphy", to_cal),
        _type("NRC_FOCUS", "imaging", to_cal),
        _type("NRC_TACQ", "imaging", to_cal),
        _type("NRC_TACONFIRM", "imaging", to_cal),
        _type("NRC_WFSS", "wfss", ("detector1",)),
        _type("NRC_TSGRISM", "tso grism", ("detector1",), always_tso=True),
        *(_type(name, "calibration", ("detector1",), wcs=False) for name in ("NRC_FLAT", "NRC_LED", "NRC_GRISM")),
        _type("NRC_WFSC", "calibration", ("detector1",)),
        _type("NRC_DARK", "calibration", ("dark",), wcs=False),
    ]


@api.hookimpl
def jwcal_detectors():
    """The ten detectors: 2048 x 2048 pixels, four outputs, four reference pixels on every edge."""
    return [api.Detector(name, NAME) for name in (*SHORT_WAVE, *LONG_WAVE)]


@api.hookimpl
def jwcal_recipes():
    """Recipes of the imaging modes."""
    where = {"INSTRUME": NAME}
    return [
        api.detector1(*api.NEAR_INFRARED_STAGES, where=where),
        api.dark(*api.NEAR_INFRARED_STAGES[:-1], where=where),
        api.image2(where=where),
        api.image3(where=where),
    ]
