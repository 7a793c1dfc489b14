"""NIRCam as data: ten detectors, the read patterns, the filters and the modes.

Wavelengths are those of the public instrument documentation, rounded; detector figures are typical values of the
H2RG arrays (read noise of one read, dark current at the operating temperature).
"""

import numpy as np

from jwcore.synth.instruments import (
    Bandpass,
    DetectorSpec,
    Instrument,
    Mode,
    NearInfraredClocks,
    ReadPattern,
    Subarray,
)

__all__ = ["NIRCAM"]

_VEGA_WAVELENGTHS = (0.704, 0.901, 1.154, 1.501, 1.990, 2.786, 3.563, 4.421, 4.834)
_VEGA_OFFSETS = (0.27, 0.50, 0.77, 1.24, 1.70, 2.32, 2.82, 3.24, 3.42)

_FILTERS = {
    "F070W": (0.704, 0.128), "F090W": (0.901, 0.194), "F115W": (1.154, 0.225), "F140M": (1.404, 0.142),
    "F150W": (1.501, 0.318), "F150W2": (1.671, 1.227), "F162M": (1.626, 0.168), "F164N": (1.644, 0.020),
    "F182M": (1.845, 0.238), "F187N": (1.874, 0.024), "F200W": (1.990, 0.461), "F210M": (2.093, 0.205),
    "F212N": (2.120, 0.027), "F250M": (2.503, 0.181), "F277W": (2.786, 0.672), "F300M": (2.996, 0.318),
    "F322W2": (3.247, 1.339), "F323N": (3.237, 0.038), "F335M": (3.365, 0.347), "F356W": (3.563, 0.787),
    "F360M": (3.621, 0.372), "F405N": (4.055, 0.046), "F410M": (4.092, 0.436), "F430M": (4.280, 0.228),
    "F444W": (4.421, 1.024), "F460M": (4.624, 0.228), "F466N": (4.654, 0.054), "F470N": (4.707, 0.051),
    "F480M": (4.834, 0.303),
}  # fmt: skip

_PUPIL_WHEEL = {
    "F162M": "F150W2", "F164N": "F150W2", "F323N": "F322W2", "F405N": "F444W", "F466N": "F444W", "F470N": "F444W",
}  # fmt: skip
"""Filters in the pupil wheel, and the wide filter that goes with them."""

# frames averaged, frames dropped
_PATTERNS = {
    "RAPID": (1, 0), "BRIGHT1": (1, 1), "BRIGHT2": (2, 0), "SHALLOW2": (2, 3), "SHALLOW4": (4, 1),
    "MEDIUM2": (2, 8), "MEDIUM8": (8, 2), "MEDIUMDEEP2": (2, 13), "MEDIUMDEEP8": (8, 7),
    "DEEP2": (2, 18), "DEEP8": (8, 12),
}  # fmt: skip

_FLIPPED_X = ("NRCA1", "NRCA3", "NRCALONG", "NRCB2", "NRCB4")
"""Detectors whose science image is mirrored in x; the others are mirrored in y."""

_NUMBERS = {
    "NRCA1": 481, "NRCA2": 482, "NRCA3": 483, "NRCA4": 484, "NRCALONG": 485,
    "NRCB1": 486, "NRCB2": 487, "NRCB3": 488, "NRCB4": 489, "NRCBLONG": 490,
}  # fmt: skip


def _detector(name: str) -> DetectorSpec:
    fast, slow = (-1, 2) if name in _FLIPPED_X else (1, -2)
    long = name.endswith("LONG")
    return DetectorSpec(
        name=name,
        module=name[3],
        channel="LONG" if long else "SHORT",
        number=_NUMBERS[name],
        fastaxis=fast,
        slowaxis=slow,
        gain=1.82 if long else 2.05,
        read_noise=9.3 if long else 10.5,
        dark=0.03 if long else 0.003,
    )


_IMAGING = ("photom", "area", "distortion", "filteroffset", "apcorr", "abvegaoffset")
_COMMON = {"CORONMSK": "NONE", "PILIN": False}
_MODES = (
    Mode(
        name="imaging",
        exp_type="NRC_IMAGE",
        template="NIRCam Imaging",
        detector="NRCA1",
        filter="F200W",
        readpatt="BRIGHT1",
        sky=True,
        keywords=_COMMON,
        types=_IMAGING,
    ),
    Mode(
        name="tso-imaging",
        exp_type="NRC_TSIMAGE",
        template="NIRCam Time Series",
        detector="NRCB1",
        filter="F200W",
        readpatt="RAPID",
        subarray="SUB160P",
        sky=True,
        tso=True,
        keywords=_COMMON,
        types=_IMAGING,
    ),
    Mode(
        name="tso-grism",
        exp_type="NRC_TSGRISM",
        template="NIRCam Grism Time Series",
        detector="NRCALONG",
        filter="F322W2",
        readpatt="RAPID",
        subarray="SUBGRISM64",
        tso=True,
        keywords=_COMMON | {"PUPIL": "GRISMR"},
    ),
)
_STRIPES = tuple(
    Subarray(name=f"SUBGRISM{rows}", xstart=1, ystart=1, xsize=2048, ysize=rows, noutputs=4) for rows in (64, 128, 256)
)

NIRCAM = Instrument(
    name="NIRCAM",
    modes={mode.name: mode for mode in _MODES},
    mode=_MODES[0],
    model_prefix="NrcImg",
    aperture_table="siaf_nircam.json",
    detectors={name: _detector(name) for name in _NUMBERS},
    read_patterns={name: ReadPattern(name=name, nframes=n, groupgap=gap) for name, (n, gap) in _PATTERNS.items()},
    bandpasses={
        name: Bandpass(
            name=name,
            pivot=pivot,
            width=width,
            channel="SHORT" if pivot < 2.4 else "LONG",
            partner=_PUPIL_WHEEL.get(name, ""),
            vega_offset=float(np.interp(pivot, _VEGA_WAVELENGTHS, _VEGA_OFFSETS)),
        )
        for name, (pivot, width) in _FILTERS.items()
    },
    clocks=NearInfraredClocks(),
    types=("mask", "saturation", "superbias", "sirskernel", "ipc", "linearity", "gain", "readnoise", "dark", "flat"),
    subarrays=dict.fromkeys(("NRCALONG", "NRCBLONG"), _STRIPES),
)
"""NIRCam, in its imaging mode."""
