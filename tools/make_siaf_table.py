"""Write the compact aperture table of the simulator from ``pysiaf``.

A development tool: ``pysiaf`` is needed to make the table, never to use it. Run it when the project reference database
has a new version::

    python tools/make_siaf_table.py NIRCam jwcore/synth/data/siaf_nircam.json

For every detector the table keeps the full-frame aperture with its Sci -> Idl distortion polynomial; sub-arrays share
the polynomial of their detector, so only their reference point, angle, corner and size are kept. The detectors of the
integral-field unit have no such aperture: they get a uniform scale around the reference point of a channel.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pysiaf

FULL_FRAME = {
    "NIRCam": {
        **{f"NRC{m}{i}": f"NRC{m}{i}_FULL" for m in "AB" for i in range(1, 5)},
        "NRCALONG": "NRCA5_FULL",
        "NRCBLONG": "NRCB5_FULL",
    },
    "MIRI": {"MIRIMAGE": "MIRIM_FULL", "MIRIFUSHORT": "MIRIFU_CHANNEL1A", "MIRIFULONG": "MIRIFU_CHANNEL3A"},
    "NIRSpec": {"NRS1": "NRS1_FULL", "NRS2": "NRS2_FULL"},
    "NIRISS": {"NIS": "NIS_CEN"},
    "FGS": {"GUIDER1": "FGS1_FULL", "GUIDER2": "FGS2_FULL"},
}
IFU_SCALE = 0.196
"""Pixel scale of the integral-field unit across the slices, arcsec."""
OTHER_NAMES = {"NIS_AMI1": "SUB80", "NIS_AMITA": "SUBTAAMI", "NIS_SOSSTA": "SUBTASOSS"}
"""Apertures that are not named after their sub-array."""
SUBARRAYS = {
    "NIRCam": r"SUB[0-9A-Z]+",
    "MIRI": r"(BRIGHTSKY|SLITLESSPRISM|(SUB|MASK)[0-9A-Z]+)(_IPS?)?",
    "NIRSpec": r"SUB[0-9A-Z]+",
    "NIRISS": r"SUB[0-9]+|WFSS[0-9]+[RC]",
    "FGS": r"SUB[0-9A-Z]+",
}
"""What the names of the sub-arrays look like."""


def corner(aperture: pysiaf.Aperture, full: pysiaf.Aperture) -> tuple[int, int]:
    """First science column and row (1-based, full-frame science pixels) of an aperture."""
    x_edge = np.array([0.5, aperture.XSciSize + 0.5])
    y_edge = np.array([0.5, aperture.YSciSize + 0.5])
    x_det, y_det = aperture.sci_to_det(x_edge, y_edge)
    x_sci, y_sci = full.det_to_sci(x_det, y_det)
    return int(np.ceil(min(x_sci))), int(np.ceil(min(y_sci)))


def describe(aperture: pysiaf.Aperture, full: pysiaf.Aperture) -> dict:
    """Describe an aperture: reference point, angle, corner and size, in the units of the SIAF."""
    xstart, ystart = corner(aperture, full)
    return {
        "v2_ref": aperture.V2Ref,
        "v3_ref": aperture.V3Ref,
        "v3_idl_yangle": aperture.V3IdlYAngle,
        "v_idl_parity": aperture.VIdlParity,
        "x_sci_ref": aperture.XSciRef,
        "y_sci_ref": aperture.YSciRef,
        "xstart": xstart,
        "ystart": ystart,
        "xsize": aperture.XSciSize,
        "ysize": aperture.YSciSize,
        "x_sci_scale": aperture.XSciScale,
        "y_sci_scale": aperture.YSciScale,
    }


def describe_detector(siaf: pysiaf.Siaf, full_name: str, pattern: str) -> dict:
    """Describe the distortion and the apertures of a detector."""
    full = siaf[full_name]
    coefficients = full.get_polynomial_coefficients()
    apertures = {"FULL": {"name": full_name, **describe(full, full)}}
    prefix = full_name.split("_", maxsplit=1)[0] + "_"
    for name, aperture in siaf.apertures.items():
        subarray = OTHER_NAMES.get(name, name.removeprefix(prefix))
        known = name in OTHER_NAMES or (name.startswith(prefix) and re.fullmatch(pattern, subarray))
        if known and aperture.AperType == "SUBARRAY":
            apertures[subarray] = {"name": name, **describe(aperture, full)}
    return {
        "degree": full.Sci2IdlDeg,
        "sci2idl_x": [float(v) for v in coefficients["Sci2IdlX"]],
        "sci2idl_y": [float(v) for v in coefficients["Sci2IdlY"]],
        "apertures": apertures,
    }


def describe_ifu(aperture: pysiaf.Aperture) -> dict:
    """Describe a detector of the integral-field unit: a uniform scale, which says where it looks and no more."""
    full = {
        "name": aperture.AperName,
        "v2_ref": aperture.V2Ref,
        "v3_ref": aperture.V3Ref,
        "v3_idl_yangle": aperture.V3IdlYAngle,
        "v_idl_parity": aperture.VIdlParity,
        "x_sci_ref": 516.5,
        "y_sci_ref": 512.5,
        "xstart": 1,
        "ystart": 1,
        "xsize": 1032,
        "ysize": 1024,
        "x_sci_scale": IFU_SCALE,
        "y_sci_scale": IFU_SCALE,
    }
    linear = {"sci2idl_x": [0.0, IFU_SCALE, 0.0], "sci2idl_y": [0.0, 0.0, IFU_SCALE]}
    return {"degree": 1, **linear, "apertures": {"FULL": full}}


def make_table(instrument: str) -> dict:
    """All full-frame and sub-array apertures of an instrument, by detector and sub-array name."""
    siaf = pysiaf.Siaf(instrument)
    table: dict = {"instrument": instrument.upper(), "prd": pysiaf.JWST_PRD_VERSION, "detectors": {}}
    for detector, full_name in FULL_FRAME[instrument].items():
        is_ifu = siaf[full_name].AperType == "COMPOUND"
        table["detectors"][detector] = (
            describe_ifu(siaf[full_name]) if is_ifu else describe_detector(siaf, full_name, SUBARRAYS[instrument])
        )
    return table


if __name__ == "__main__":
    instrument_name, path = sys.argv[1:]
    Path(path).write_text(json.dumps(make_table(instrument_name), indent=1) + "\n", encoding="utf-8")
