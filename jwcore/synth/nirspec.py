"""NIRSpec as data: two detectors, the read patterns, sub-arrays, filters and modes.

Rectangles of the sub-arrays are those by which the mission's calibration files are selected; detector figures are typical
values of the H2RG arrays (Birkmann et al. 2022, A&A 661, A83).
"""

from jwcore.synth.effects import Effects
from jwcore.synth.instruments import (
    Bandpass,
    DetectorSpec,
    Instrument,
    Mode,
    NearInfraredClocks,
    ReadPattern,
    Subarray,
)

__all__ = ["NIRSPEC"]

# frames averaged, interleaved references
_PATTERNS = {
    "NRSRAPID": (1, False), "NRS": (4, False), "NRSIRS2RAPID": (1, True), "NRSIRS2": (5, True),
}  # fmt: skip

_FILTERS = {
    "CLEAR": (3.0, 4.0), "F070LP": (1.0, 0.5), "F100LP": (1.4, 0.8), "F170LP": (2.4, 1.4), "F290LP": (4.0, 2.2),
    "F110W": (1.1, 0.2), "F140X": (1.4, 1.2),
}  # fmt: skip

# first column, first row, columns, rows
_COMMON_SUBARRAYS = {
    "ALLSLITS": (1, 897, 2048, 256), "SUB2048": (1, 946, 2048, 32), "SUB1024A": (1, 946, 1024, 32),
    "SUB1024B": (1025, 946, 1024, 32), "SUB512": (1025, 957, 512, 32), "SUB32": (1399, 975, 32, 32),
    "SUBS200A1": (1, 1041, 2048, 64), "SUBS200A2": (1, 1005, 2048, 64), "SUBS400A1": (1, 965, 2048, 64),
    "SUBS200B1": (1, 918, 2048, 64),
}  # fmt: skip
_SUBARRAYS = {
    "NRS1": _COMMON_SUBARRAYS | {"SUB512S": (1025, 965, 512, 16)},
    "NRS2": _COMMON_SUBARRAYS | {"SUB1024A": (1, 963, 1024, 32)},
}
_UNLIT = {"SUB512": 4, "SUB512S": 4, "SUB32": 4}
"""Sub-arrays without reference pixels: the columns at their sides are dark and take their place."""
_MODES = (
    Mode(
        name="fixedslit",
        background=0.0,
        exp_type="NRS_FIXEDSLIT",
        template="NIRSpec Fixed Slit Spectroscopy",
        detector="NRS1",
        filter="F290LP",
        readpatt="NRSRAPID",
        subarray="ALLSLITS",
        keywords={"GRATING": "G395H", "FXD_SLIT": "S200A1"},
    ),
    Mode(
        name="brightobject",
        background=0.0,
        exp_type="NRS_BRIGHTOBJ",
        template="NIRSpec Bright Object Time Series",
        detector="NRS1",
        filter="F290LP",
        readpatt="NRSRAPID",
        subarray="SUB2048",
        tso=True,
        keywords={"GRATING": "G395H", "FXD_SLIT": "S1600A1"},
    ),
    Mode(
        name="ifu",
        background=0.0,
        exp_type="NRS_IFU",
        template="NIRSpec IFU Spectroscopy",
        detector="NRS1",
        filter="F290LP",
        readpatt="NRSIRS2RAPID",
        keywords={"GRATING": "G395H"},
    ),
    Mode(
        name="mos",
        background=0.0,
        exp_type="NRS_MSASPEC",
        template="NIRSpec MultiObject Spectroscopy",
        detector="NRS1",
        filter="F290LP",
        readpatt="NRSIRS2",
        keywords={"GRATING": "G395H", "MSAMETID": 1},
    ),
    Mode(
        name="image",
        exp_type="NRS_IMAGE",
        template="NIRSpec Imaging",
        detector="NRS1",
        filter="F140X",
        readpatt="NRSRAPID",
        keywords={"GRATING": "MIRROR"},
    ),
)


def _rectangle(name: str, corner_and_size: tuple[int, int, int, int]) -> Subarray:
    x, y, nx, ny = corner_and_size
    return Subarray(name=name, xstart=x, ystart=y, xsize=nx, ysize=ny, unlit=_UNLIT.get(name, 0))


NIRSPEC = Instrument(
    name="NIRSPEC",
    modes={mode.name: mode for mode in _MODES},
    mode=_MODES[0],
    aperture_table="siaf_nirspec.json",
    detectors={
        "NRS1": DetectorSpec(
            name="NRS1", number=491, fastaxis=2, slowaxis=1, gain=1.0, read_noise=7.2, dark=0.008, well=54000.0
        ),
        "NRS2": DetectorSpec(
            name="NRS2", number=492, fastaxis=-2, slowaxis=-1, gain=1.14, read_noise=8.1, dark=0.006, well=54000.0
        ),
    },
    read_patterns={
        name: ReadPattern(name=name, nframes=frames, references=references)
        for name, (frames, references) in _PATTERNS.items()
    },
    bandpasses={name: Bandpass(name=name, pivot=pivot, width=width) for name, (pivot, width) in _FILTERS.items()},
    clocks=NearInfraredClocks(extra_rows=1),
    types=(
        "mask", "saturation", "superbias", "refpix", "sirskernel", "ipc", "linearity", "dark", "gain", "readnoise",
        "pictureframe", "flat",
    ),
    subarrays={
        detector: tuple(_rectangle(name, numbers) for name, numbers in rectangles.items())
        for detector, rectangles in _SUBARRAYS.items()
    },
    wheels=("FILTER",),
    effects=Effects(amplifier_rms=1.0),
)  # fmt: skip
"""NIRSpec, in its fixed-slit mode."""
