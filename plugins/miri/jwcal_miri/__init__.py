"""MIRI for jwcal: exposure types, detectors, recipes, and the steps particular to mid-infrared detectors."""

from jwcal_miri.emicorr import emicorr
from jwcal_miri.group_flags import firstframe, lastframe, rscd
from jwcal_miri.refpix import refpix
from jwcal_miri.reset import reset
from jwcore import api

JWCAL_API = "1.0"
NAME = "MIRI"
STEPS = (emicorr, firstframe, lastframe, reset, rscd, refpix)
STAGE1 = (
    "group_scale", "dq_init", "emicorr", "saturation", "ipc", "firstframe", "lastframe", "reset", "linearity", "rscd",
    "dark_current", "refpix",
)  # fmt: skip


def _type(name, family, recipes, **traits):
    return api.ExposureType(name, NAME, family, recipes, filter_offset_keys=("filter",), **traits)


@api.hookimpl
def jwcal_exposure_types():
    """Exposure types of MIRI with the recipes that follow one another for each."""
    to_cal = ("detector1", "image2")
    return [
        _type("MIR_IMAGE", "imaging", (*to_cal, "image3"), direct_image=True, member_roles=("science", "background")),
        _type("MIR_TACQ", "imaging", to_cal),
        _type("MIR_TACONFIRM", "imaging", to_cal),
        _type("MIR_CORONCAL", "imaging", to_cal),
        _type("MIR_4QPM", "coronagraphy", to_cal),
        _type("MIR_LYOT", "coronagraphy", to_cal),
        _type("MIR_LRS-FIXEDSLIT", "slit", ("detector1",)),
        _type("MIR_LRS-SLITLESS", "slitless", ("detector1",)),
        _type("MIR_MRS", "ifu", ("detector1",)),
        _type("MIR_WFSS", "wfss", ("detector1",)),
        *(
            _type(name, "calibration", ("detector1",), wcs=False)
            for name in ("MIR_FLATIMAGE", "MIR_FLATIMAGE-EXT", "MIR_FLATMRS", "MIR_FLATMRS-EXT")
        ),
        *(_type(name, "calibration", ("dark",), wcs=False) for name in ("MIR_DARKALL", "MIR_DARKIMG", "MIR_DARKMRS")),
    ]


@api.hookimpl
def jwcal_detectors():
    """The three detectors: 1024 rows of 1032 columns, of which four on the left and right are reference pixels."""
    return [
        api.Detector(
            name,
            NAME,
            shape=(1024, 1032),
            readout="mid-infrared",
            reference_pixels=(4, 4, 0, 0),
        )
        for name in ("MIRIMAGE", "MIRIFUSHORT", "MIRIFULONG")
    ]


@api.hookimpl
def jwcal_recipes():
    """Recipes of stage 1, of darks, whose stage 1 ends before dark and drifts are removed, and of the imaging modes."""
    where = {"INSTRUME": NAME}
    return [
        api.detector1(*STAGE1, where=where),
        api.dark(*STAGE1[:-2], where=where),
        api.image2(where=where),
        api.image3(where=where),
    ]
