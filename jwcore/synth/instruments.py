"""What the simulator knows about an instrument: detectors, read patterns, bandpasses and timing.

Everything is data. A further instrument is another `Instrument` value and another aperture table in ``data/``; the
forward model itself has no instrument names in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Bandpass", "DetectorSpec", "Instrument", "ReadPattern", "Readout", "Subarray"]

PLANCK = 6.62607015e-34
"""Planck constant, J s."""
COLLECTING_AREA = 25.4
"""Unobscured collecting area of the telescope, m^2."""
CLOCK = 1e-5
"""Pixel clock of the near-infrared detectors, s."""


@dataclass(frozen=True, kw_only=True)
class Bandpass:
    """A filter: pivot wavelength and width (um), end-to-end efficiency, offset of Vega magnitudes (mag, AB - Vega).

    ``channel`` is the part of the instrument that has it; ``partner`` the filter that goes with one in the pupil wheel.
    """

    name: str
    pivot: float
    width: float
    channel: str
    partner: str = ""
    efficiency: float = 0.45
    vega_offset: float = 0.0

    @property
    def wheels(self) -> tuple[str, str]:
        """Values of the keywords FILTER and PUPIL."""
        return (self.partner, self.name) if self.partner else (self.name, "CLEAR")

    @property
    def electrons_per_ujy(self) -> float:
        r"""Count rate of a source of 1 uJy, e-/s.

        For a source flat in :math:`F_\nu` the photon rate is :math:`F_\nu A \eta / h \cdot \Delta\lambda / \lambda`.
        """
        return 1e-32 * COLLECTING_AREA * self.efficiency / PLANCK * self.width / self.pivot


@dataclass(frozen=True, kw_only=True)
class ReadPattern:
    """A read pattern: ``nframes`` frames averaged per group and ``groupgap`` frames dropped between groups."""

    name: str
    nframes: int
    groupgap: int


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """A detector: place in the instrument, readout directions and average electronic properties.

    ``fastaxis`` and ``slowaxis`` are the FASTAXIS and SLOWAXIS keywords (+-1 for x, +-2 for y); gain in e-/DN,
    ``read_noise`` in e- for a single read, ``dark`` in e-/s, ``well`` in DN above the bias.
    """

    name: str
    module: str
    channel: str
    number: int
    fastaxis: int
    slowaxis: int
    gain: float = 2.05
    read_noise: float = 10.5
    dark: float = 0.003
    well: float = 52000.0
    size: int = 2048
    border: int = 4


@dataclass(frozen=True, kw_only=True)
class Subarray:
    """A rectangle of the detector that is read out, 1-based corner, in science orientation."""

    name: str
    xstart: int
    ystart: int
    xsize: int
    ysize: int
    noutputs: int = 1

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

    @property
    def frame_time(self) -> float:
        """Time to read one frame, s: 12 overhead clocks per row, one or two extra rows per frame."""
        rows, clocks = (1, 1) if self.noutputs > 1 else (2, 0)
        return ((self.xsize // self.noutputs + 12) * (self.ysize + rows) + clocks) * CLOCK


@dataclass(frozen=True, kw_only=True)
class Readout:
    """How an exposure is read: pattern, number of groups and integrations, frame time (s)."""

    pattern: ReadPattern
    ngroups: int
    nints: int
    frame_time: float

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

    def first_frame(self, group: int) -> int:
        """Index (0-based) of the first frame of a group."""
        return group * self.group_frames

    def mean_times(self) -> np.ndarray:
        """Mean time of every group after the reset, s, shape (ngroups,)."""
        first = np.arange(self.ngroups) * self.group_frames + 1
        return (first + (self.nframes - 1) / 2) * self.frame_time


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """All the tables that describe one instrument in one imaging mode.

    ``model_prefix`` begins the model names of its photometric reference tables.
    """

    name: str
    exp_type: str
    template: str
    model_prefix: str
    aperture_table: str
    detectors: Mapping[str, DetectorSpec]
    read_patterns: Mapping[str, ReadPattern]
    bandpasses: Mapping[str, Bandpass]
    amplifiers: int = 4

    def bandpass(self, *, filter_name: str, pupil: str) -> Bandpass:
        """Bandpass of a filter and pupil: a filter in the pupil wheel is the narrower one and decides."""
        return self.bandpasses[pupil if pupil in self.bandpasses else filter_name]

    def filters(self, channel: str) -> list[Bandpass]:
        """Bandpasses that a channel offers."""
        return [band for band in self.bandpasses.values() if band.channel == channel]
