"""NIRSpec for jwcal: exposure types, detectors, recipes, and the correction of read-outs with interleaved references.

The spectroscopic stages have no implementation yet.
"""

from jwcal_nirspec.refpix import refpix
from jwcore import api

JWCAL_API = "1.0"
NAME = "NIRSPEC"
STEPS = (refpix,)
UNLIT = dict.fromkeys(("SUB512", "SUB512S", "SUB32"), 4)
IMAGING = (
    "NRS_CONFIRM", "NRS_FOCUS", "NRS_IMAGE", "NRS_MSATA", "NRS_TACONFIRM", "NRS_TACQ", "NRS_TASLIT", "NRS_WATA", "NRS_VERIFY",
)  # fmt: skip
SPECTROSCOPY = {
    "NRS_FIXEDSLIT": "slit", "NRS_MSASPEC": "mos", "NRS_IFU": "ifu", "NRS_AUTOFLAT": "calibration",
    "NRS_AUTOWAVE": "lamp", "NRS_LAMP": "lamp",
}  # fmt: skip


@api.hookimpl
def jwcal_exposure_types():
    """Exposure types of NIRSpec with the recipes that follow one another for each."""
    to_cal = ("detector1", "image2")
    return [
        *(api.ExposureType(name, NAME, "imaging", to_cal) for name in IMAGING),
        api.ExposureType("NRS_MIMF", NAME, "imaging", (*to_cal, "image3")),
        *(api.ExposureType(name, NAME, family, ("detector1",)) for name, family in SPECTROSCOPY.items()),
        api.ExposureType("NRS_BRIGHTOBJ", NAME, "slit", ("detector1",), always_tso=True),
        api.ExposureType("NRS_DARK", NAME, "calibration", ("dark",), wcs=False),
    ]


@api.hookimpl
def jwcal_detectors():
    """The two detectors: 2048 x 2048 pixels, four outputs, four reference pixels on every edge."""
    return [api.Detector(name, NAME, unlit_columns=UNLIT) for name in ("NRS1", "NRS2")]


@api.hookimpl
def jwcal_recipes():
    """Recipes of stage 1 and of the imaging modes."""
    where = {"INSTRUME": NAME}
    return [
        api.detector1(*api.NEAR_INFRARED_STAGES, where=where),
        api.dark(*api.NEAR_INFRARED_STAGES[:-1], where=where),
        api.image2(where=where),
        api.image3(where=where),
    ]
