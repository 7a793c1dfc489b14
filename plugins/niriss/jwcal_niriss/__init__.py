"""NIRISS for jwcal: exposure types, detector and recipes; direct imaging is complete from calibrated exposures on."""

from jwcore import api

JWCAL_API = "1.0"
NAME = "NIRISS"


def _type(name, family, recipes, **traits):
    return api.ExposureType(name, NAME, family, recipes, filter_offset_keys=("filter", "pupil"), **traits)


@api.hookimpl
def jwcal_exposure_types():
    """Exposure types of NIRISS with the recipes that follow one another for each."""
    to_cal = ("detector1", "image2")
    return [
        _type("NIS_IMAGE", "imaging", (*to_cal, "image3"), direct_image=True, photom_cubes=False,
              member_roles=("science", "background")),
        _type("NIS_AMI", "ami", to_cal, photom_cubes=False),
        _type("NIS_FOCUS", "imaging", to_cal, photom_cubes=False),
        _type("NIS_TACQ", "imaging", to_cal, photom_cubes=False),
        _type("NIS_TACONFIRM", "imaging", to_cal, photom_cubes=False),
        _type("NIS_SOSS", "soss", ("detector1",), whole_lines=True),
        _type("NIS_WFSS", "wfss", ("detector1",)),
        _type("NIS_EXTCAL", "calibration", ("detector1",)),
        _type("NIS_LAMP", "calibration", ("detector1",), wcs=False),
        _type("NIS_DARK", "calibration", ("dark",), wcs=False),
    ]  # fmt: skip


@api.hookimpl
def jwcal_detectors():
    """The one detector: 2048 x 2048 pixels, four outputs, four reference pixels on every edge."""
    return [api.Detector("NIS", NAME)]


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
