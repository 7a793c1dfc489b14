"""A dithered programme: pointings with their hidden errors, and the exposures of every detector."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from jwcore.synth._random import derive_key, generator
from jwcore.synth.detector import RawExposure, expose
from jwcore.synth.effects import Effects
from jwcore.synth.exposure import Observation
from jwcore.synth.illumination import illuminate
from jwcore.synth.instruments import Bandpass, Instrument, Readout, Subarray
from jwcore.synth.maps import DetectorMaps
from jwcore.synth.psf import make_psf
from jwcore.synth.references import filter_offset
from jwcore.synth.scene import render
from jwcore.synth.siaf import load_aperture
from jwcore.synth.transients import Trapped
from jwcore.synth.wcs import Attitude, ImageWcs

__all__ = ["TARGET", "Programme", "dither_offsets", "make_maps", "make_programme"]

TARGET = (80.4875, -69.4975)
"""Default pointing, deg: the calibration field in the Large Magellanic Cloud."""

VA_SCALE = 1.0000345
"""Velocity-aberration scale of all exposures."""
SLEW_SECONDS = 60.0


def dither_offsets(*, number: int, step: float) -> list[tuple[float, float]]:
    """List dither offsets (arcsec) of mean zero: a golden-angle spiral, so that all sub-pixel phases differ."""
    index = np.arange(number)
    radius, angle = step * np.sqrt(index), index * np.pi * (3 - np.sqrt(5))
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return [(round(float(a), 4), round(float(b), 4)) for a, b in zip(x - x.mean(), y - y.mean(), strict=True)]


def make_maps(
    *, instrument: Instrument, detectors: Sequence[str], subarray: str | Subarray, effects: Effects
) -> list[DetectorMaps]:
    """Make the pixel properties of several detectors.

    Raises
    ------
    ValueError
        For an unknown detector or sub-array.
    """
    for name in detectors:
        if name not in instrument.detectors:
            raise ValueError(f"{instrument.name} has no detector {name!r}; it has {', '.join(instrument.detectors)}")
    return [
        DetectorMaps(
            spec=instrument.detectors[name],
            aperture=load_aperture(instrument=instrument, detector=name, subarray=subarray),
            effects=effects,
        )
        for name in detectors
    ]


@dataclass(frozen=True, kw_only=True)
class Programme:
    """The settings that all exposures of a run share.

    The first detector is the prime one: its aperture is pointed at the target. ``psf_radius`` is the half width of the
    PSF (pixel). Positions are in deg, ``pointing_error_mas`` in milliarcsec per axis.
    """

    instrument: Instrument
    maps: Sequence[DetectorMaps]
    readout: Readout
    bandpass: Bandpass
    target: tuple[float, float]
    roll: float
    seed: int
    start: datetime
    psf_radius: int
    zeroframe: bool = False
    pointing_error_mas: float = 0.0

    def attitudes(self, offset: tuple[float, float], index: int) -> tuple[Attitude, Attitude]:
        """Give the nominal and the true attitude of a dither: the target lies at ``offset`` (arcsec along V2, V3) from the prime.

        The error is normal on both axes, and a roll that moves a point 5 arcmin away by the same amount.
        """
        v2, v3 = self.maps[0].aperture.v2_ref, self.maps[0].aperture.v3_ref
        centred = Attitude.at(ra=self.target[0], dec=self.target[1], roll=self.roll, v2=v2, v3=v3)
        ra, dec = centred.to_sky(v2 - offset[0], v3 - offset[1])
        nominal = Attitude.at(ra=float(ra), dec=float(dec), roll=self.roll, v2=v2, v3=v3)
        error = generator(self.seed, "pointing", index).standard_normal(3) * self.pointing_error_mas * 1e-3
        ra, dec = nominal.to_sky(v2 + error[0], v3 + error[1])
        roll = self.roll + float(np.rad2deg(error[2] / 300.0))
        return nominal, Attitude.at(ra=float(ra), dec=float(dec), roll=roll, v2=v2, v3=v3)

    def observations(self, offsets: Sequence[tuple[float, float]]) -> Iterator[Observation]:
        """List all exposures: every dither with every detector."""
        start = self.start
        for k, offset in enumerate(offsets):
            nominal, true = self.attitudes(offset, k)
            for maps in self.maps:
                observation = Observation(
                    instrument=self.instrument,
                    maps=maps,
                    readout=self.readout,
                    bandpass=self.bandpass,
                    wcs=ImageWcs(
                        aperture=maps.aperture,
                        attitude=true,
                        filter_offset=filter_offset(self.bandpass),
                        va_scale=VA_SCALE,
                    ),
                    nominal=nominal,
                    start=start,
                    target=self.target,
                    exposure_number=k + 1,
                    dither=(k + 1, len(offsets)),
                    offset=offset,
                    prime_aperture=self.maps[0].aperture.name,
                    seed=self.seed,
                    zeroframe=self.zeroframe,
                )
                yield observation
            start = observation.end + timedelta(seconds=SLEW_SECONDS)

    def scene(self, observation: Observation, *, catalog: np.ndarray, background: float) -> np.ndarray:
        """Rate of a catalogue under a uniform sky (MJy/sr), e-/s for unit response, float32 [ny, nx]."""
        maps = observation.maps
        psf = make_psf(bandpass=self.bandpass, pixel_scale=maps.aperture.pixel_scale, radius=self.psf_radius)
        return render(
            catalog=catalog,
            wcs=observation.wcs,
            psf=psf,
            bandpass=self.bandpass,
            background=background,
            area=maps.area,
        )

    def exposures(
        self,
        offsets: Sequence[tuple[float, float]],
        *,
        catalog: np.ndarray | None,
        background: float = 0.0,
    ) -> Iterator[tuple[Observation, RawExposure]]:
        """Simulate all exposures in order, of a catalogue or (None) of a plain illumination.

        Charge that saturated pixels leave in traps is handed on to the next exposure of the same detector.
        """
        caught: dict[str, tuple[Trapped, datetime]] = {}
        for observation in self.observations(offsets):
            maps = observation.maps
            rate = (
                illuminate(maps, self.readout, background=self.instrument.mode.background)
                if catalog is None
                else self.scene(observation, catalog=catalog, background=background)
            )
            earlier = caught.get(maps.spec.name)
            trapped = earlier and earlier[0].after((observation.start - earlier[1]).total_seconds())
            raw = self.expose_rate(observation, rate=rate, trapped=trapped)
            if raw.caught is not None:
                caught[maps.spec.name] = raw.caught, observation.end
            yield observation, raw

    def expose_rate(self, observation: Observation, *, rate: np.ndarray, trapped: Trapped | None = None) -> RawExposure:
        """Simulate one exposure of a photo-electron rate (e-/s for unit response, float32 [ny, nx])."""
        return expose(
            rate=rate,
            maps=observation.maps,
            readout=self.readout,
            seed=int(derive_key(self.seed, observation.name)),
            zeroframe=self.zeroframe,
            trapped=trapped,
        )

    def field_width(self, offsets: Sequence[tuple[float, float]]) -> float:
        """Give the side (arcsec) of a square around the target that holds all detectors at all dithers."""
        prime = self.maps[0].aperture
        reach = max(
            np.hypot(m.aperture.v2_ref - prime.v2_ref, m.aperture.v3_ref - prime.v3_ref)
            + m.aperture.pixel_scale * np.hypot(*m.aperture.subarray.shape) / 2
            for m in self.maps
        )
        return 2.0 * (float(reach) + float(np.hypot(*np.array(offsets).T).max()) + 1.0)


def make_programme(
    *,
    instrument: Instrument,
    detectors: Sequence[str] | None = None,
    filter_name: str | None = None,
    pupil: str | None = None,
    readpatt: str | None = None,
    ngroups: int,
    nints: int,
    subarray: str | Subarray | None = None,
    effects: Effects | None = None,
    date: str = "2024-03-01T00:00:00",
    target: tuple[float, float] = TARGET,
    roll: float = 20.0,
    **settings: Any,
) -> Programme:
    """Make a programme; what is left out is taken from the mode of the instrument.

    Raises
    ------
    ValueError
        For an unknown detector, filter, read pattern or sub-array; the message lists the valid ones.
    """
    mode = instrument.mode
    detectors = detectors or (mode.detector,)
    maps = make_maps(
        instrument=instrument,
        detectors=detectors,
        subarray=subarray or mode.subarray,
        effects=effects or instrument.effects,
    )
    bandpass = _choose_bandpass(
        instrument, maps, filter_name=mode.filter if filter_name is None else filter_name, pupil=pupil or mode.pupil
    )
    size = maps[0].aperture.subarray
    return Programme(
        instrument=instrument,
        maps=maps,
        readout=instrument.readout(
            spec=maps[0].spec, subarray=size, pattern=readpatt or mode.readpatt, ngroups=ngroups, nints=nints
        ),
        bandpass=bandpass,
        start=datetime.fromisoformat(date),
        psf_radius=100 if min(size.shape) >= 160 else 32,
        target=target,
        roll=roll,
        **settings,
    )


def _choose_bandpass(instrument: Instrument, maps: Sequence[DetectorMaps], *, filter_name: str, pupil: str) -> Bandpass:
    """Find a bandpass that all detectors have."""
    wanted = pupil if pupil in instrument.bandpasses else filter_name
    channels = {m.spec.channel for m in maps}
    offered = {band.name for channel in channels for band in instrument.filters(channel)}
    if wanted in instrument.bandpasses and not instrument.bandpasses[wanted].channel:
        return instrument.bandpasses[wanted]
    if len(channels) > 1 or wanted not in offered:
        names = ", ".join(m.spec.name for m in maps)
        raise ValueError(f"filter {wanted!r} does not go with {names}; choose from {', '.join(sorted(offered))}")
    return instrument.bandpasses[wanted]
