"""MIRI as data: three detectors, the read patterns, sub-arrays, filters and modes.

Clocks are those of the interference correction (units of 10 us); wavelengths those of the public instrument
documentation, rounded; detector figures are typical of the Si:As arrays (Ressler et al. 2015, PASP 127, 675).
"""

from jwcore.synth.effects import Effects
from jwcore.synth.instruments import Bandpass, DetectorSpec, Instrument, Mode, ReadPattern, Subarray

__all__ = ["MIRI", "MidInfraredClocks"]

FULL_ROWS = 1024
SKIPPED_ROW_CLOCKS = 7
"""Clocks of a row that is skipped."""
_ROW_OVERHEAD = {"FULL": 13, "BRIGHTSKY": 34, "SUB256": 32}
"""Clocks of a row beyond those of its pixels: more where columns before the sub-array are skipped."""
_SLOW_OVERHEAD, _OTHER_OVERHEAD = 11, 10


class MidInfraredClocks:
    """Frame timing of the Si:As arrays: four outputs in turn along a row, several samples per pixel in slow mode."""

    def row(self, *, spec: DetectorSpec, subarray: Subarray, pattern: ReadPattern) -> int:
        """Clocks of a row."""
        overhead = _ROW_OVERHEAD.get(subarray.name, _OTHER_OVERHEAD) if pattern.samples == 1 else _SLOW_OVERHEAD
        return subarray.xsize // 4 * pattern.samples + overhead

    def frame(self, *, spec: DetectorSpec, subarray: Subarray, pattern: ReadPattern) -> int:
        """Clocks of a frame."""
        skipped = (FULL_ROWS - subarray.ysize) * SKIPPED_ROW_CLOCKS
        return subarray.ysize * self.row(spec=spec, subarray=subarray, pattern=pattern) + skipped


_FILTERS = {
    "F560W": (5.65, 1.00), "F770W": (7.65, 1.95), "F1000W": (9.95, 1.80), "F1130W": (11.31, 0.73), "F1280W": (12.81, 2.47),
    "F1500W": (15.06, 2.92), "F1800W": (17.98, 2.95), "F2100W": (20.80, 4.58), "F2550W": (25.36, 3.67),
    "P750L": (8.50, 7.00),
}  # fmt: skip

_DETECTORS = {"MIRIMAGE": (493, ""), "MIRIFULONG": (494, "34"), "MIRIFUSHORT": (495, "12")}
_WAVES = {"Hz390": 390.625, "Hz10": 10.039216}
_PATTERNS = (
    ReadPattern(name="FASTR1"),
    ReadPattern(name="FAST", reset_frames=0),
    ReadPattern(name="SLOWR1", samples=9),
    ReadPattern(name="SLOW", samples=9, reset_frames=0),
    *(ReadPattern(name=f"FASTGRPAVG{n if n > 4 else ''}", nframes=n) for n in (4, 8, 16, 32, 64)),
)
_MODES = (
    Mode(
        name="imaging",
        exp_type="MIR_IMAGE",
        template="MIRI Imaging",
        detector="MIRIMAGE",
        filter="F770W",
        readpatt="FASTR1",
        sky=True,
    ),
    Mode(
        name="lrs-slitless",
        exp_type="MIR_LRS-SLITLESS",
        template="MIRI Low Resolution Spectroscopy",
        detector="MIRIMAGE",
        filter="P750L",
        readpatt="FASTR1",
        subarray="SLITLESSPRISM",
        tso=True,
    ),
    Mode(
        name="lrs-fixedslit",
        exp_type="MIR_LRS-FIXEDSLIT",
        template="MIRI Low Resolution Spectroscopy",
        detector="MIRIMAGE",
        filter="P750L",
        readpatt="FASTR1",
    ),
    Mode(
        name="mrs",
        exp_type="MIR_MRS",
        template="MIRI Medium Resolution Spectroscopy",
        detector="MIRIFUSHORT",
        filter="",
        readpatt="SLOWR1",
        keywords={"BAND": "SHORT"},
    ),
    Mode(
        name="coronagraphy",
        exp_type="MIR_4QPM",
        template="MIRI Coronagraphic Imaging",
        detector="MIRIMAGE",
        filter="F1130W",
        readpatt="FASTR1",
        subarray="MASK1140",
        keywords={"CORONMSK": "4QPM_1140"},
    ),
)

MIRI = Instrument(
    name="MIRI",
    modes={mode.name: mode for mode in _MODES},
    mode=_MODES[0],
    model_prefix="MirImg",
    aperture_table="siaf_miri.json",
    detectors={
        name: DetectorSpec(
            name=name,
            number=number,
            channel=channel,
            fastaxis=1,
            slowaxis=2,
            gain=4.0,
            read_noise=18.0,
            dark=0.2,
            bias=9000.0,
            well=59000.0,
            shape=(1024, 1032),
            border=(0, 0, 4, 4),
            interleaved=True,
            superbias=False,
            reference_output=True,
            waves=_WAVES,
        )
        for name, (number, channel) in _DETECTORS.items()
    },
    read_patterns={pattern.name: pattern for pattern in _PATTERNS},
    bandpasses={
        **{
            name: Bandpass(name=name, pivot=pivot, width=width, efficiency=0.25)
            for name, (pivot, width) in _FILTERS.items()
        },
        "": Bandpass(name="", pivot=8.0, width=1.0),
    },
    clocks=MidInfraredClocks(),
    types=("mask", "saturation", "ipc", "reset", "linearity", "rscd", "dark", "gain", "readnoise", "emicorr", "flat"),
    wheels=("FILTER",),
    effects=Effects(
        dark_settling=True,
        reset_decay=True,
        switch_decay=True,
        first_frame=True,
        last_frame=True,
        drift_rms=1.5,
        one_over_f_rms=0.6,
        amplifier_rms=0.3,
    ),
)
"""MIRI, in its imaging mode."""
