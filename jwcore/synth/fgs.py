"""The Fine Guidance Sensor as data: two guiders, the read patterns and sub-arrays, and the modes of imaging and guiding.

Shapes and timing of the guider products are those of flight data; detector figures are typical values of the H2RG arrays.
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

__all__ = ["FGS"]

_PATTERNS = (
    ReadPattern(name="FGSRAPID"),
    ReadPattern(name="FGS", nframes=4),
    ReadPattern(name="FGS60", nframes=1, groupgap=4),
    ReadPattern(name="ID", frame_time=0.3406),
    ReadPattern(name="ACQ1", groupgap=1, frame_time=0.182),
    ReadPattern(name="ACQ2", groupgap=3, frame_time=0.01254),
    ReadPattern(name="TRACK", groupgap=1, frame_time=0.01254),
    ReadPattern(name="FINEGUIDE", nframes=4, groupgap=39, frame_time=0.00126),
)
_SUBARRAYS = (
    Subarray(name="128X128", xstart=887, ystart=1022, xsize=128, ysize=128),
    Subarray(name="32X32", xstart=935, ystart=1070, xsize=32, ysize=32),
    Subarray(name="8X8", xstart=947, ystart=1082, xsize=8, ysize=8),
    Subarray(name="2048X64", xstart=13, ystart=1, xsize=2024, ysize=2048),
)


def _guiding(name: str, readpatt: str, subarray: str) -> Mode:
    return Mode(
        name=name,
        exp_type=f"FGS_{name.upper()}",
        template="FGS",
        detector="GUIDER1",
        filter="",
        readpatt=readpatt,
        subarray=subarray,
        guider=True,
    )


_MODES = (
    Mode(
        name="imaging",
        exp_type="FGS_IMAGE",
        template="FGS External Calibration",
        detector="GUIDER1",
        filter="",
        readpatt="FGSRAPID",
        sky=True,
    ),
    _guiding("id-image", "ID", "2048X64"),
    _guiding("acq1", "ACQ1", "128X128"),
    _guiding("acq2", "ACQ2", "32X32"),
    _guiding("track", "TRACK", "32X32"),
    _guiding("fineguide", "FINEGUIDE", "8X8"),
)

FGS = Instrument(
    name="FGS",
    modes={mode.name: mode for mode in _MODES},
    mode=_MODES[0],
    model_prefix="FgsImg",
    aperture_table="siaf_fgs.json",
    detectors={
        "GUIDER1": DetectorSpec(
            name="GUIDER1", number=497, fastaxis=-2, slowaxis=-1, gain=1.75, read_noise=11.0, dark=0.01, well=50000.0
        ),
        "GUIDER2": DetectorSpec(
            name="GUIDER2", number=498, fastaxis=2, slowaxis=-1, gain=1.6, read_noise=11.5, dark=0.01, well=50000.0
        ),
    },
    read_patterns={pattern.name: pattern for pattern in _PATTERNS},
    bandpasses={"": Bandpass(name="", pivot=2.5, width=3.5)},
    clocks=NearInfraredClocks(),
    types=("mask", "saturation", "superbias", "ipc", "linearity", "dark", "gain", "readnoise", "flat"),
    subarrays=dict.fromkeys(("GUIDER1", "GUIDER2"), _SUBARRAYS),
    wheels=(),
)
"""The Fine Guidance Sensor, in its imaging mode."""
