"""Tiny exposures in memory, with the truth and the references that match them: the fixtures of step tests."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jwcore.synth.detector import RawExposure
from jwcore.synth.detector_references import ReferenceContent
from jwcore.synth.effects import Effects
from jwcore.synth.exposure import Observation
from jwcore.synth.illumination import illuminate
from jwcore.synth.instruments import Subarray
from jwcore.synth.programme import Programme, make_programme
from jwcore.synth.raw_files import integration_times, write_truth, write_uncal
from jwcore.synth.reference_files import geometry_keywords
from jwcore.synth.references import ReferenceMaker
from jwcore.synth.tables import find_instrument
from jwcore.synth.transients import Trapped

if TYPE_CHECKING:
    from jwcore.models import Ramp
    from jwcore.references import Reference

__all__ = ["TinyExposure", "tiny_exposure", "tiny_subarray"]

_WITHOUT_WCS = ("distortion", "filteroffset", "apcorr", "abvegaoffset")
"""Reference types that tests of detector steps have no use for."""


def tiny_subarray(size: int = 64, *, xstart: int = 1, ystart: int = 1) -> Subarray:
    """Make a small square readout with one output; in the corner it has reference pixels on two sides."""
    return Subarray(name="SUB64P", xstart=xstart, ystart=ystart, xsize=size, ysize=size)


@dataclass(frozen=True, kw_only=True, eq=False)
class TinyExposure:
    """A small exposure in memory, with the truth and the references that match it.

    ``raw`` has the counts and the truth; ``rate`` is the true count rate in DN/s after the detector corrections and
    before the flat.
    """

    observation: Observation
    raw: RawExposure
    programme: Programme

    @cached_property
    def rate(self) -> np.ndarray:
        """True count rate, DN/s, float32 [ny, nx]."""
        return self.raw.rate / self.observation.maps.gain

    @property
    def maker(self) -> ReferenceMaker:
        """Maker of the references of this detector and sub-array."""
        programme = self.programme
        return ReferenceMaker(
            instrument=programme.instrument,
            maps=self.observation.maps,
            readout=programme.readout,
            bandpass=programme.bandpass,
            psf_radius=programme.psf_radius,
        )

    @cached_property
    def references(self) -> dict[str, ReferenceContent]:
        """Detector and flat-field references by type: arrays by extension name and standard DQ flags."""
        maker = self.maker
        return {kind: maker.make(kind) for kind in maker.types if kind not in _WITHOUT_WCS}

    def reference(self, kind: str) -> "Reference":
        """Give a reference as steps get it."""
        from jwcore.references import Reference

        content = self.references[kind]
        header = geometry_keywords(content, self.maker) | content.keywords
        arrays: Mapping[Any, np.ndarray] = content.arrays | content.tables
        return Reference.from_arrays(kind, arrays, header=header, dq=content.flags, tree=content.tree)

    def step_references(self) -> "dict[str, Reference]":
        """Give all references as steps get them, by type."""
        return {kind: self.reference(kind) for kind in self.references}

    def ramp(self) -> "Ramp":
        """Give the exposure as the first step gets it."""
        from jwcore.models import Meta, Ramp

        meta = Meta()
        for name, value in {**self.observation.primary_keywords(), **self.observation.science_keywords()}.items():
            meta.set_keyword(name, value)
        raw = self.raw
        return Ramp(
            data=raw.data.astype(np.float32), meta=meta, int_times=integration_times(self.observation),
            zeroframe=None if raw.zeroframe is None else raw.zeroframe.astype(np.float32),
            refout=None if raw.reference_output is None else raw.reference_output.astype(np.float32),
        )  # fmt: skip

    def write(self, directory: Path) -> Path:
        """Write the raw and the truth file; return the raw one."""
        write_truth(self.observation, self.raw, directory)
        return write_uncal(self.observation, self.raw, directory)


def tiny_exposure(
    *,
    instrument: str = "NIRCAM",
    mode: str | None = None,
    size: int = 64,
    subarray: str | Subarray | None = None,
    rate: np.ndarray | float | None = None,
    effects: Effects | None = None,
    detector: str | None = None,
    filter: str | None = None,  # noqa: A002  (named after the keyword)
    readpatt: str | None = None,
    ngroups: int = 10,
    nints: int = 1,
    frame_time: float | None = None,
    xstart: int = 1,
    ystart: int = 1,
    seed: int = 1,
    zeroframe: bool = False,
    trapped: Trapped | None = None,
) -> TinyExposure:
    """Simulate a small exposure in memory, in milliseconds: the fixture of step tests.

    Parameters
    ----------
    instrument : str
        ``NIRCAM``, ``MIRI``, ``NIRSPEC``, ``NIRISS`` or ``FGS``.
    mode : str, optional
        One of its modes, such as ``soss``; the first one by default.
    size : int
        Side of a square sub-array, pixel.
    subarray : str or Subarray, optional
        A sub-array of the mission (``SUB64``) or any rectangle, instead of the square.
    rate : ndarray or float, optional
        Photo-electron rate for unit response, e-/s; by default a smooth gradient from 5 to 50 on a square, else a plain
        scene that fills the range of the detector.
    effects : Effects, optional
        Detector effects; the usual ones of the instrument by default.
    detector, filter, readpatt : str, optional
        As in `simulate`; NIRCam starts from NRCA1, F200W and RAPID, others from the defaults of the mode.
    ngroups, nints : int
        Groups per integration, and integrations.
    frame_time : float, optional
        Frame time, s; by default 10 s on a square (a real frame of this size would take far less), else the real one.
    xstart, ystart : int
        Corner of the square on the detector, 1-based; at (1, 1) there are reference pixels.
    seed : int
        Seed of the noise.
    zeroframe : bool
        Also keep the first frame of every integration.
    trapped : Trapped, optional
        Charge that an earlier exposure left in traps.

    Returns
    -------
    TinyExposure
        Counts, truth and references.
    """
    chosen = find_instrument(instrument, mode)
    square = subarray is None
    if readpatt is None:
        readpatt = "RAPID" if chosen.mode.readpatt == "BRIGHT1" else chosen.mode.readpatt
    programme = make_programme(
        instrument=chosen,
        detectors=detector and (detector,),
        filter_name=filter,
        readpatt=readpatt,
        subarray=tiny_subarray(size, xstart=xstart, ystart=ystart) if subarray is None else subarray,
        ngroups=ngroups,
        nints=nints,
        effects=effects,
        seed=seed,
        zeroframe=zeroframe,
    )
    if square or frame_time is not None:
        readout = replace(programme.readout, frame_time=10.0 if frame_time is None else frame_time)
        programme = replace(programme, readout=readout)
    observation = next(programme.observations([(0.0, 0.0)]))
    shape = observation.maps.aperture.subarray.shape
    if rate is None:
        gradient = np.linspace(5, 50, shape[0])[:, None] * np.ones(shape[1])
        rate = (
            gradient if square else illuminate(observation.maps, programme.readout, background=chosen.mode.background)
        )
    filled = np.broadcast_to(np.asarray(rate, np.float32), shape)
    raw = programme.expose_rate(observation, rate=np.ascontiguousarray(filled), trapped=trapped)
    return TinyExposure(observation=observation, raw=raw, programme=programme)
