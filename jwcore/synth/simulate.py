"""Simulated programmes: dithered exposures, the references that calibrate them, and the truth."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from jwcore.synth._random import generator
from jwcore.synth.crds_cache import CONTEXT, CrdsCache
from jwcore.synth.detector import RawExposure, expose
from jwcore.synth.effects import Effects
from jwcore.synth.exposure import Observation, write_truth, write_uncal
from jwcore.synth.instruments import Instrument, Readout, Subarray
from jwcore.synth.maps import DetectorMaps
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.psf import make_psf
from jwcore.synth.references import USEAFTER, ReferenceWriter, dark_frames, filter_offset
from jwcore.synth.scene import render
from jwcore.synth.siaf import load_aperture
from jwcore.synth.sky import make_catalog, write_catalog
from jwcore.synth.wcs import Attitude, ImageWcs

__all__ = ["Simulation", "dither_offsets", "simulate", "tiny_exposure", "tiny_subarray"]

TARGET = (80.4875, -69.4975)
"""Default pointing, deg: the calibration field in the Large Magellanic Cloud."""
VA_SCALE = 1.0000345
BACKGROUND = 0.3
"""Sky brightness, MJy/sr."""
SLEW_SECONDS = 60.0


@dataclass(kw_only=True)
class Simulation:
    """What `simulate` wrote.

    ``uncals`` and ``truths`` are the raw and truth files in the same order; ``environment`` are the variables under
    which ``crds`` finds the references.
    """

    directory: Path
    uncals: list[Path] = field(default_factory=list)
    truths: list[Path] = field(default_factory=list)
    truth_catalog: Path | None = None
    asn: Path | None = None
    cache: Path | None = None
    context: str = CONTEXT
    environment: dict[str, str] = field(default_factory=dict)


def tiny_subarray(size: int = 64, *, xstart: int = 1, ystart: int = 1) -> Subarray:
    """A small square readout with one output; in the corner it contains reference pixels on two sides."""
    return Subarray(name="SUB64P", xstart=xstart, ystart=ystart, xsize=size, ysize=size)


def dither_offsets(*, number: int, step: float) -> list[tuple[float, float]]:
    """Dither offsets (arcsec, ideal frame) of mean zero: a golden-angle spiral, with sub-pixel phases all different."""
    index = np.arange(number)
    radius, angle = step * np.sqrt(index), index * np.pi * (3 - np.sqrt(5))
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return [(round(float(a), 4), round(float(b), 4)) for a, b in zip(x - x.mean(), y - y.mean(), strict=True)]


def _pointing(
    *, target: tuple[float, float], roll: float, offset: tuple[float, float], v2: float, v3: float
) -> Attitude:
    """Attitude that puts the target at ``offset`` (arcsec along V2, V3) from a telescope direction."""
    first = Attitude.at(ra=target[0], dec=target[1], roll=roll, v2=v2, v3=v3)
    ra, dec = first.to_sky(v2 - offset[0], v3 - offset[1])
    return Attitude.at(ra=float(ra), dec=float(dec), roll=roll, v2=v2, v3=v3)


def _with_error(attitude: Attitude, *, rng: np.random.Generator, error_mas: float, v2: float, v3: float) -> Attitude:
    """The attitude shifted by a normal error per axis (mas) and rolled by as many mas at 5 arcmin."""
    dv2, dv3, twist = rng.standard_normal(3) * error_mas * 1e-3
    ra, dec = attitude.to_sky(v2 + dv2, v3 + dv3)
    roll = attitude.roll(v2, v3) + float(np.rad2deg(twist / 300.0))
    return Attitude.at(ra=float(ra), dec=float(dec), roll=roll, v2=v2, v3=v3)


@dataclass(frozen=True, kw_only=True)
class _Programme:
    """The settings of a run that all its exposures share."""

    instrument: Instrument
    maps: dict[str, DetectorMaps]
    readout: Readout
    filter_name: str
    pupil: str
    roll: float
    target: tuple[float, float]
    seed: int
    zeroframe: bool
    pointing_error_mas: float
    start: datetime
    psf_radius: int

    def observations(self, offsets: Sequence[tuple[float, float]]) -> Iterator[Observation]:
        """All exposures: every dither with every detector."""
        prime = next(iter(self.maps.values())).aperture
        start = self.start
        for k, offset in enumerate(offsets):
            nominal = _pointing(
                target=self.target, roll=self.roll, offset=offset, v2=prime.v2_ref, v3=prime.v3_ref
            )
            true = _with_error(
                nominal,
                rng=generator(self.seed, "pointing", k),
                error_mas=self.pointing_error_mas,
                v2=prime.v2_ref,
                v3=prime.v3_ref,
            )
            for maps in self.maps.values():
                band = self.instrument.bandpass(filter_name=self.filter_name, pupil=self.pupil)
                yield (
                    observation := Observation(
                        instrument=self.instrument,
                        maps=maps,
                        readout=self.readout,
                        filter_name=self.filter_name,
                        pupil=self.pupil,
                        wcs=ImageWcs(
                            aperture=maps.aperture,
                            attitude=true,
                            filter_offset=filter_offset(band),
                            va_scale=VA_SCALE,
                        ),
                        nominal=nominal,
                        start=start,
                        target=self.target,
                        exposure_number=k + 1,
                        dither=(k + 1, len(offsets)),
                        offset=offset,
                        prime_aperture=prime.name,
                        seed=self.seed,
                        zeroframe=self.zeroframe,
                    )
                )
            start = observation.end + timedelta(seconds=SLEW_SECONDS)

    def expose(self, observation: Observation, catalog: np.ndarray, background: float) -> RawExposure:
        """Counts of one exposure."""
        maps = observation.maps
        psf = make_psf(
            bandpass=observation.bandpass, pixel_scale=maps.aperture.pixel_scale, radius=self.psf_radius
        )
        rate = render(
            catalog=catalog,
            wcs=observation.wcs,
            psf=psf,
            bandpass=observation.bandpass,
            background=background,
            area=maps.area,
        )
        label = int(generator(self.seed, observation.name).integers(2**62))
        return expose(
            rate=rate, maps=maps, readout=self.readout, effects=maps.effects, seed=label, zeroframe=self.zeroframe
        )


def _field_width(maps: dict[str, DetectorMaps], offsets: Sequence[tuple[float, float]]) -> float:
    """Side (arcsec) of a square around the target that all detectors and dithers fit in."""
    prime = next(iter(maps.values())).aperture
    reach = max(
        np.hypot(m.aperture.v2_ref - prime.v2_ref, m.aperture.v3_ref - prime.v3_ref)
        + m.aperture.pixel_scale * np.hypot(*m.aperture.subarray.shape) / 2
        for m in maps.values()
    )
    return 2.0 * (float(reach) + float(np.hypot(*np.array(offsets).T).max()) + 1.0)


def simulate(
    output_dir: Path | str,
    *,
    n_dithers: int = 4,
    detectors: Sequence[str] = ("NRCA1",),
    filter: str = "F200W",  # noqa: A002  (the name of the keyword)
    pupil: str = "CLEAR",
    readpatt: str = "BRIGHT1",
    ngroups: int = 10,
    nints: int = 1,
    subarray: str | Subarray = "FULL",
    seed: int = 1,
    effects: Effects | None = None,
    pointing_error_mas: float = 0.0,
    roll: float = 20.0,
    target: tuple[float, float] = TARGET,
    dither_step: float | None = None,
    catalog: np.ndarray | None = None,
    catalog_density: float = 300.0,
    background: float = BACKGROUND,
    date: str = "2024-03-01T00:00:00",
    zeroframe: bool = False,
    with_references: bool = True,
    inverse_linearity: bool = False,
) -> Simulation:
    """Simulate a dithered imaging programme with its references, association and truth.

    Parameters
    ----------
    output_dir : path
        Folder to write to (made if needed): raw and truth files, ``truth_catalog.ecsv``, the stage-3 association, and
        the reference cache in ``crds_cache``.
    n_dithers : int
        Number of pointings.
    detectors : sequence of str
        Detectors that expose in parallel; the first one's aperture points at the target. All must be of one channel.
    filter, pupil : str
        Wheel positions.
    readpatt : str
        Read pattern, such as ``RAPID`` or ``BRIGHT1``.
    ngroups, nints : int
        Groups per integration and integrations.
    subarray : str or Subarray
        Name of a sub-array of the detector, or any rectangle.
    seed : int
        Seed of sky, pointing errors and noise. The detector itself does not depend on it.
    effects : Effects, optional
        Detector effects; all common ones by default.
    pointing_error_mas : float
        Normal error per axis of each pointing that the headers do not know, milliarcsec.
    roll : float
        Position angle of the V3 axis, deg.
    target : (float, float)
        RA and Dec, deg.
    dither_step : float, optional
        Scale of the dither pattern, arcsec; a twelfth of the field by default.
    catalog : ndarray, optional
        Sources to inject instead of a random field.
    catalog_density : float
        Sources per square arcminute (at least 40 sources).
    background : float
        Sky brightness, MJy/sr.
    date : str
        Start of the programme, UTC.
    zeroframe : bool
        Write the first frame of every integration too.
    with_references : bool
        Write the reference files and the cache.
    inverse_linearity : bool
        Include INV_COEFFS in the linearity reference.

    Returns
    -------
    Simulation
        Paths of everything written.

    Raises
    ------
    ValueError
        For unknown detectors, filters, read patterns or sub-arrays.
    """
    directory = Path(output_dir)
    directory.mkdir(parents=True, exist_ok=True)
    effects = effects or Effects()
    programme = _programme(
        detectors=detectors, filter_name=filter, pupil=pupil, readpatt=readpatt, ngroups=ngroups, nints=nints,
        subarray=subarray, seed=seed, effects=effects, pointing_error_mas=pointing_error_mas, roll=roll, target=target,
        date=date, zeroframe=zeroframe,
    )  # fmt: skip
    prime = next(iter(programme.maps.values())).aperture
    step = prime.pixel_scale * min(prime.subarray.shape) / 12 if dither_step is None else dither_step
    offsets = dither_offsets(number=n_dithers, step=step)
    if catalog is None:
        catalog = make_catalog(
            ra=target[0],
            dec=target[1],
            width=_field_width(programme.maps, offsets),
            density=catalog_density,
            seed=seed,
        )
    result = Simulation(directory=directory)
    result.truth_catalog = write_catalog(catalog, directory / "truth_catalog.ecsv")
    observation = None
    for observation in programme.observations(offsets):
        raw = programme.expose(observation, catalog, background)
        result.uncals.append(write_uncal(observation, raw, directory))
        result.truths.append(write_truth(observation, raw, directory))
    result.asn = _write_association(directory, result.uncals, filter_name=filter, pupil=pupil)
    if with_references:
        cache = write_references(
            directory / "crds_cache",
            programme=programme,
            inverse_linearity=inverse_linearity,
        )
        result.cache, result.environment = cache.root, cache.environment()
    return result
