"""Write the compact aperture table of the simulator from ``pysiaf``.

A development tool: ``pysiaf`` is needed to make the table, never to use it. Run it when the project reference database
has a new version::

    python tools/make_siaf_table.py NIRCam jwcore/synth/data/siaf_nircam.json

For every detector the table keeps the full-frame aperture with its Sci -> Idl distortion polynomial; sub-arrays share
the polynomial of their detector, so only their reference point, angle, corner and size are kept.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pysiaf

FULL_FRAME = {
    "NIRCam": {
        **{f"NRC{m}{i}": f"NRC{m}{i}_FULL" for m in "AB" for i in range(1, 5)},
        "NRCALONG": "NRCA5_FULL",
        "NRCBLONG": "NRCB5_FULL",
    }
}
FULL_FRAME_NAMES = {"FULL"}


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


def make_table(instrument: str) -> dict:
    """All full-frame and sub-array apertures of an instrument, by detector and sub-array name."""
    siaf = pysiaf.Siaf(instrument)
    table: dict = {"instrument": instrument.upper(), "prd": pysiaf.JWST_PRD_VERSION, "detectors": {}}
    for detector, full_name in FULL_FRAME[instrument].items():
        full = siaf[full_name]
        coefficients = full.get_polynomial_coefficients()
        entry = {
            "degree": full.Sci2IdlDeg,
            "sci2idl_x": [float(v) for v in coefficients["Sci2IdlX"]],
            "sci2idl_y": [float(v) for v in coefficients["Sci2IdlY"]],
            "apertures": {},
        }
        prefix = full_name.split("_")[0] + "_"
        for name, aperture in siaf.apertures.items():
            subarray = name.removeprefix(prefix)
            wanted = subarray in FULL_FRAME_NAMES or (subarray.startswith("SUB") and "_" not in subarray)
            if name.startswith(prefix) and wanted and aperture.XSciRef is not None:
                entry["apertures"][subarray] = {"name": name, **describe(aperture, full)}
        table["detectors"][detector] = entry
    return table


if __name__ == "__main__":
    instrument_name, path = sys.argv[1:]
    Path(path).write_text(json.dumps(make_table(instrument_name), indent=1) + "\n", encoding="utf-8")
