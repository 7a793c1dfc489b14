"""NIRISS as data: the detector, the read patterns, sub-arrays, filters and modes.

Wavelengths are those of the public instrument documentation, rounded; detector figures are typical values of the H2RG
array (Doyon et al. 2023, PASP 135, 098001).
"""

from jwcore.synth.instruments import (
    Bandpass,
    DetectorSpec,
    Instrument,
    Mode,
    NearInfraredClocks,
    ReadPattern,
    Subarray,
)

__all__ = ["NIRISS"]

_PUPIL_WHEEL = {
    "F090W": (0.90, 0.20), "F115W": (1.15, 0.23), "F140M": (1.40, 0.15), "F150W": (1.50, 0.33), "F158M": (1.59, 0.20),
    "F200W": (1.99, 0.46),
}  # fmt: skip
_FILTER_WHEEL = {
    "F277W": (2.77, 0.72), "F356W": (3.61, 0.91), "F380M": (3.83, 0.21), "F430M": (4.29, 0.21), "F444W": (4.43, 1.10),
    "F480M": (4.82, 0.30), "CLEAR": (1.70, 1.80),
}  # fmt: skip
_MODES = (
    Mode(
        name="imaging",
        exp_type="NIS_IMAGE",
        template="NIRISS Imaging",
        detector="NIS",
        filter="F200W",
        readpatt="NISRAPID",
        sky=True,
    ),
    Mode(
        name="soss",
        exp_type="NIS_SOSS",
        template="NIRISS Single-Object Slitless Spectroscopy",
        detector="NIS",
        filter="CLEAR",
        readpatt="NISRAPID",
        subarray="SUBSTRIP256",
        tso=True,
        keywords={"PUPIL": "GR700XD", "PWCPOS": 245.79},
    ),
    Mode(
        name="ami",
        exp_type="NIS_AMI",
        template="NIRISS Aperture Masking Interferometry",
        detector="NIS",
        filter="F480M",
        readpatt="NISRAPID",
        subarray="SUB80",
        keywords={"PUPIL": "NRM"},
    ),
    Mode(
        name="wfss",
        exp_type="NIS_WFSS",
        template="NIRISS Wide Field Slitless Spectroscopy",
        detector="NIS",
        filter="CLEAR",
        readpatt="NIS",
        keywords={"FILTER": "GR150C", "PUPIL": "F200W"},
    ),
)

NIRISS = Instrument(
    name="NIRISS",
    modes={mode.name: mode for mode in _MODES},
    mode=_MODES[0],
    model_prefix="NisImg",
    aperture_table="siaf_niriss.json",
    detectors={
        "NIS": DetectorSpec(
            name="NIS",
            number=496,
            fastaxis=-2,
            slowaxis=-1,
            gain=1.62,
            read_noise=11.5,
            dark=0.02,
            bias=10500.0,
            well=50000.0,
        )
    },
    read_patterns={
        "NISRAPID": ReadPattern(name="NISRAPID"),
        "NIS": ReadPattern(name="NIS", nframes=4),
    },
    bandpasses={
        **{n: Bandpass(name=n, pivot=p, width=w, partner="CLEAR") for n, (p, w) in _PUPIL_WHEEL.items()},
        **{n: Bandpass(name=n, pivot=p, width=w, pupil="CLEARP") for n, (p, w) in _FILTER_WHEEL.items()},
    },
    clocks=NearInfraredClocks(),
    types=("mask", "saturation", "superbias", "sirskernel", "ipc", "linearity", "dark", "gain", "readnoise", "flat"),
    subarrays={
        "NIS": (
            Subarray(name="SUBSTRIP256", xstart=1, ystart=1793, xsize=2048, ysize=256),
            Subarray(name="SUBSTRIP96", xstart=1, ystart=1803, xsize=2048, ysize=96),
        )
    },
)
"""NIRISS, in its imaging mode."""
