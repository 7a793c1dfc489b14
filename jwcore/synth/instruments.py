"""What the simulator knows about an instrument: detectors, read patterns, bandpasses, modes and timing.

Everything is data. A further instrument is another `Instrument` value and another aperture table in ``data/``; the
forward model itself has no instrument names in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from jwcore.synth.effects import Effects

__all__ = [
    "Bandpass", "DetectorSpec", "FrameClocks", "Instrument", "Mode", "NearInfraredClocks", "ReadPattern", "Readout",
    "Subarray",
]  # fmt: skip

PLANCK = 6.62607015e-34
"""Planck constant, J s."""
COLLECTING_AREA = 25.4
"""Unobscured collecting area of the telescope, m^2."""
CLOCK = 1e-5
"""Pixel clock of all detectors, s."""


@dataclass(frozen=True, kw_only=True)
class Bandpass:
    """A filter: pivot wavelength and width (um), end-to-end efficiency, offset of Vega magnitudes (mag, AB - Vega).

    ``channel`` is the part of the instrument that has it; ``partner`` the filter that goes with one in the pupil wheel;
    ``pupil`` what is in the pupil wheel when the filter is not.
    """

    name: str
    pivot: float
    width: float
    channel: str = ""
    partner: str = ""
    pupil: str = "CLEAR"
    efficiency: float = 0.45
    vega_offset: float = 0.0

    @property
    def wheels(self) -> tuple[str, str]:
        """Values of the keywords FILTER and PUPIL."""
        return (self.partner, self.name) if self.partner else (self.name, self.pupil)

    @property
    def electrons_per_ujy(self) -> float:
        r"""Count rate of a source of 1 uJy, e-/s.

        For a source flat in :math:`F_\nu` the photon rate is :math:`F_\nu A \eta / h \cdot \Delta\lambda / \lambda`.
        """
        return 1e-32 * COLLECTING_AREA * self.efficiency / PLANCK * self.width / self.pivot


@dataclass(frozen=True, kw_only=True)
class ReadPattern:
    """A read pattern: ``nframes`` frames averaged per group and ``groupgap`` frames dropped between groups.

    ``samples`` is the number of conversions per pixel, ``reset_frames`` the number of frames between integrations.
    ``references`` tells the patterns that interleave reference pixels with normal ones (IRS2). ``frame_time`` (s) is
    given for the patterns of a guider that do not follow the usual clocks.
    """

    name: str
    nframes: int = 1
    groupgap: int = 0
    samples: int = 1
    reset_frames: int = 1
    references: bool = False
    frame_time: float | None = None


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """A detector: place in the instrument, readout directions and average electronic properties.

    ``fastaxis`` and ``slowaxis`` are the FASTAXIS and SLOWAXIS keywords (+-1 for x, +-2 for y). ``shape`` is (rows,
    columns); ``border`` the number of rows or columns of reference pixels at the bottom, top, left and right.
    ``interleaved`` says that the outputs take turns along a row instead of reading a stripe each. Gain in e-/DN,
    ``read_noise`` in e- for a single read, ``dark`` in e-/s, ``bias`` in DN. With ``superbias`` the bias is subtracted
    before the correction of the non-linearity, and ``well`` is in DN above it; otherwise the non-linearity acts on
    counts that include the bias, and so does ``well``. ``reference_output`` says that the counts of the reference output are kept
    apart. ``waves`` are the lines of electromagnetic interference, Hz.
    """

    name: str
    number: int
    fastaxis: int
    slowaxis: int
    module: str = ""
    channel: str = ""
    gain: float = 2.05
    read_noise: float = 10.5
    dark: float = 0.003
    bias: float = 8000.0
    well: float = 52000.0
    shape: tuple[int, int] = (2048, 2048)
    border: tuple[int, int, int, int] = (4, 4, 4, 4)
    interleaved: bool = False
    superbias: bool = True
    reference_output: bool = False
    waves: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Subarray:
    """A rectangle of the detector that is read out, 1-based corner, in science orientation.

    ``unlit`` is the number of columns on the left and on the right that a spectrum does not reach.
    """

    name: str
    xstart: int
    ystart: int
    xsize: int
    ysize: int
    noutputs: int = 1
    unlit: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Array shape (ny, nx)."""
        return self.ysize, self.xsize

    @property
    def origin(self) -> tuple[int, int]:
        """Row and column of the first pixel in the full frame, 0-based."""
        return self.ystart - 1, self.xstart - 1

    @property
    def is_full(self) -> bool:
        """True for a readout of the whole detector."""
        return self.name == "FULL"


class FrameClocks(Protocol):
    """Timing of an instrument's detectors, in clocks of 10 us."""

    def row(self, *, spec: DetectorSpec, subarray: Subarray, pattern: ReadPattern) -> int:
        """Clocks from the start of one row to the start of the next."""

    def frame(self, *, spec: DetectorSpec, subarray: Subarray, pattern: ReadPattern) -> int:
        """Clocks from the start of one frame to the start of the next."""


@dataclass(frozen=True, kw_only=True)
class NearInfraredClocks:
    """Frame timing of the near-infrared arrays: overhead per row, and ``extra_rows`` rows of overhead per frame.

    Read-out through four outputs has one extra row and one extra clock. Interleaved reference pixels (IRS2) lengthen a
    row to 712 clocks (Moseley et al. 2010, Proc. SPIE 7742, 77421B).
    """

    extra_rows: int = 2
    overhead: int = 12

    def row(self, *, spec: DetectorSpec, subarray: Subarray, pattern: ReadPattern) -> int:
        """Clocks of a row."""
        columns = subarray.shape[1 if abs(spec.fastaxis) == 1 else 0]
        return 712 if pattern.references else columns // subarray.noutputs + self.overhead

    def frame(self, *, spec: DetectorSpec, subarray: Subarray, pattern: ReadPattern) -> int:
        """Clocks of a frame."""
        rows = subarray.shape[0 if abs(spec.fastaxis) == 1 else 1]
        extra, clocks = (1, 1) if subarray.noutputs > 1 else (self.extra_rows, 0)
        return self.row(spec=spec, subarray=subarray, pattern=pattern) * (rows + extra) + clocks


@dataclass(frozen=True, kw_only=True)
class Readout:
    """How an exposure is read: pattern, number of groups and integrations, frame time (s), clocks of a row and a frame."""

    pattern: ReadPattern
    ngroups: int
    nints: int
    frame_time: float
    row_clocks: int = 0
    frame_clocks: int = 0

    @property
    def nframes(self) -> int:
        """Frames averaged into a group."""
        return self.pattern.nframes

    @property
    def group_frames(self) -> int:
        """Frames from the start of one group to the start of the next."""
        return self.pattern.nframes + self.pattern.groupgap

    @property
    def group_time(self) -> float:
        """Time between groups, s."""
        return self.group_frames * self.frame_time

    @property
    def frames(self) -> int:
        """Frames of an integration, from the reset to the last frame that is kept."""
        return (self.ngroups - 1) * self.group_frames + self.nframes

    @property
    def integration_time(self) -> float:
        """Length of an integration, s."""
        return self.frames * self.frame_time

    @property
    def integration_period(self) -> float:
        """Time from the start of one integration to the start of the next, s."""
        return (self.frames + self.pattern.reset_frames) * self.frame_time

    def first_frame(self, group: int) -> int:
        """Index (0-based) of the first frame of a group."""
        return group * self.group_frames

    def mean_times(self) -> np.ndarray:
        """Mean time of every group after the reset, s, shape (ngroups,)."""
        first = np.arange(self.ngroups) * self.group_frames + 1
        return (first + (self.nframes - 1) / 2) * self.frame_time


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One way of observing with an instrument, and what `simulate` takes when nothing else is said.

    ``keywords`` are further values of the primary header. ``sky`` tells the modes that take images of a field; the
    others get a plain illumination, with a ``background`` (full wells per integration) between its traces. ``guider``
    tells the products of a guider. ``types`` lists reference types beyond those of the instrument.
    """

    name: str
    exp_type: str
    template: str
    detector: str
    filter: str
    readpatt: str
    subarray: str = "FULL"
    pupil: str = ""
    sky: bool = False
    background: float = 0.01
    tso: bool = False
    guider: bool = False
    keywords: Mapping[str, object] = field(default_factory=dict)
    types: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """All the tables that describe one instrument, in one of its modes.

    ``mode`` is the chosen one of ``modes``. ``model_prefix`` begins the model names of its photometric reference tables.
    ``subarrays`` holds, by detector, rectangles that the aperture table lacks. ``wheels`` are the keywords of a bandpass;
    ``types`` the reference types of all modes; ``effects`` the usual detector effects.
    """

    name: str
    modes: Mapping[str, Mode]
    mode: Mode
    aperture_table: str
    detectors: Mapping[str, DetectorSpec]
    read_patterns: Mapping[str, ReadPattern]
    bandpasses: Mapping[str, Bandpass]
    clocks: FrameClocks
    types: tuple[str, ...]
    model_prefix: str = ""
    subarrays: Mapping[str, tuple[Subarray, ...]] = field(default_factory=dict)
    wheels: tuple[str, ...] = ("FILTER", "PUPIL")
    amplifiers: int = 4
    effects: Effects = field(default_factory=Effects)

    @property
    def exp_type(self) -> str:
        """Value of EXP_TYPE."""
        return self.mode.exp_type

    @property
    def template(self) -> str:
        """Name of the proposal template."""
        return self.mode.template

    def in_mode(self, name: str) -> "Instrument":
        """Choose another mode."""
        if name not in self.modes:
            raise ValueError(f"{self.name} has no mode {name!r}; it has {', '.join(self.modes)}")
        return replace(self, mode=self.modes[name])

    def readout(self, *, spec: DetectorSpec, subarray: Subarray, pattern: str, ngroups: int, nints: int) -> Readout:
        """Time the read-out of a sub-array.

        Raises
        ------
        ValueError
            For an unknown read pattern; the message lists those there are.
        """
        if pattern not in self.read_patterns:
            raise ValueError(f"no read pattern {pattern!r}; there are {', '.join(self.read_patterns)}")
        chosen = self.read_patterns[pattern]
        clocks = self.clocks.frame(spec=spec, subarray=subarray, pattern=chosen)
        return Readout(
            pattern=chosen,
            ngroups=ngroups,
            nints=nints,
            frame_time=round(clocks * CLOCK, 5) if chosen.frame_time is None else chosen.frame_time,
            row_clocks=self.clocks.row(spec=spec, subarray=subarray, pattern=chosen),
            frame_clocks=clocks,
        )

    def optics(self, bandpass: Bandpass) -> dict[str, object]:
        """Keywords of the wheels and of the mode."""
        return {**dict(zip(self.wheels, bandpass.wheels, strict=False)), **self.mode.keywords}

    def bandpass(self, *, filter_name: str, pupil: str) -> Bandpass:
        """Bandpass of a filter and pupil: a filter in the pupil wheel is the narrower one and decides."""
        return self.bandpasses[pupil if pupil in self.bandpasses else filter_name]

    def filters(self, channel: str) -> list[Bandpass]:
        """Bandpasses that a channel offers."""
        return [band for band in self.bandpasses.values() if band.channel == channel]
