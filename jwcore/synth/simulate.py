"""The front door of the simulator: whole programmes on disk, and tiny exposures in memory."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from jwcore.synth.crds_cache import CONTEXT, FOLDER
from jwcore.synth.detector import RawExposure
from jwcore.synth.effects import Effects
from jwcore.synth.exposure import Observation, write_truth, write_uncal
from jwcore.synth.instruments import Instrument, Readout, Subarray
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.programme import Programme, dither_offsets, make_maps
from jwcore.synth.reference_files import ReferenceSet
from jwcore.synth.references import ReferenceContent, ReferenceMaker
from jwcore.synth.sky import make_catalog, write_catalog

__all__ = ["Simulation", "TinyExposure", "simulate", "tiny_exposure", "tiny_subarray"]

TARGET = (80.4875, -69.4975)
"""Default pointing, deg: the calibration field in the Large Magellanic Cloud."""
BACKGROUND = 0.3
"""Default sky brightness, MJy/sr."""


@dataclass(kw_only=True)
class Simulation:
    """What `simulate` wrote.

    ``uncals`` and ``truths`` are the raw and truth files in the same order; ``environment`` holds the variables under
    which the ``crds`` client finds the references.
    """

    directory: Path
    uncals: list[Path] = field(default_factory=list)
    truths: list[Path] = field(default_factory=list)
    truth_catalog: Path | None = None
    asn: Path | None = None
    cache: Path | None = None
    context: str = CONTEXT
    environment: dict[str, str] = field(default_factory=dict)


def _programme(
    *,
    instrument: Instrument,
    detectors: Sequence[str],
    filter_name: str,
    pupil: str,
    readpatt: str,
    ngroups: int,
    nints: int,
    subarray: str | Subarray,
    effects: Effects,
    date: str,
    **settings: object,
) -> Programme:
    maps = make_maps(instrument=instrument, detectors=detectors, subarray=subarray, effects=effects)
    if readpatt not in instrument.read_patterns:
        raise ValueError(f"no read pattern {readpatt!r}; there are {', '.join(instrument.read_patterns)}")
    channels = {m.spec.channel for m in maps}
    offered = {band.name for channel in channels for band in instrument.filters(channel)}
    wanted = pupil if pupil in instrument.bandpasses else filter_name
    if len(channels) > 1 or wanted not in offered:
        raise ValueError(f"filter {wanted!r} does not go with {', '.join(detectors)}; choose from {sorted(offered)}")
    size = maps[0].aperture.subarray
    return Programme(
        instrument=instrument,
        maps=maps,
        readout=Readout(
            pattern=instrument.read_patterns[readpatt], ngroups=ngroups, nints=nints, frame_time=size.frame_time
        ),
        bandpass=instrument.bandpass(filter_name=filter_name, pupil=pupil),
        start=datetime.fromisoformat(date),
        psf_radius=100 if min(size.shape) >= 160 else 32,
        **settings,  # type: ignore[arg-type]
    )


def simulate(
    output_dir: Path | str,
    *,
    n_dithers: int = 4,
    detectors: Sequence[str] = ("NRCA1",),
    filter: str = "F200W",  # noqa: A002  (named after the keyword)
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
    magnitudes: tuple[float, float] = (15.0, 26.0),
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
        Groups per integration, and integrations.
    subarray : str or Subarray
        Name of a sub-array of the detector, or any rectangle.
    seed : int
        Seed of sky, pointing errors and noise. The detector itself does not depend on it.
    effects : Effects, optional
        Detector effects; the usual ones by default.
    pointing_error_mas : float
        Normal error per axis of each pointing that the headers do not know, milliarcsec.
    roll : float
        Position angle of the V3 axis, deg.
    target : (float, float)
        RA and Dec, deg.
    dither_step : float, optional
        Scale of the dither pattern, arcsec; a twelfth of the field by default.
    catalog : ndarray, optional
        Sources to inject instead of a random field (`jwcore.synth.sky.CATALOG_DTYPE`).
    catalog_density : float
        Sources per square arcminute (at least 40 sources).
    magnitudes : (float, float)
        Brightest and faintest magnitude of the random field (AB).
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
        For an unknown detector, filter, read pattern or sub-array; the message lists the valid ones.
    """
    programme = _programme(
        instrument=NIRCAM, detectors=detectors, filter_name=filter, pupil=pupil, readpatt=readpatt, ngroups=ngroups,
        nints=nints, subarray=subarray, effects=effects or Effects(), date=date, target=target, roll=roll, seed=seed,
        zeroframe=zeroframe, pointing_error_mas=pointing_error_mas,
    )  # fmt: skip
    prime = programme.maps[0].aperture
    step = prime.pixel_scale * min(prime.subarray.shape) / 12 if dither_step is None else dither_step
    offsets = dither_offsets(number=n_dithers, step=step)
    if catalog is None:
        width = programme.field_width(offsets)
        catalog = make_catalog(
            ra=target[0], dec=target[1], width=width, density=catalog_density, magnitudes=magnitudes, seed=seed
        )
    directory = Path(output_dir)
    directory.mkdir(parents=True, exist_ok=True)
    result = Simulation(directory=directory)
    result.truth_catalog = write_catalog(catalog, directory / "truth_catalog.ecsv")
    for observation in programme.observations(offsets):
        raw = programme.expose(observation, catalog=catalog, background=background)
        result.uncals.append(write_uncal(observation, raw, directory))
        result.truths.append(write_truth(observation, raw, directory))
        result.asn = _write_association(observation, result.uncals, directory)
    if with_references:
        references = ReferenceSet(
            root=directory / FOLDER,
            instrument=programme.instrument,
            inverse_linearity=inverse_linearity,
            psf_radius=programme.psf_radius,
        )
        cache = references.write(maps=programme.maps, readout=programme.readout, bandpass=programme.bandpass)
        result.cache, result.environment = cache.root, cache.environment()
    return result


def _write_association(observation: Observation, uncals: Sequence[Path], directory: Path) -> Path:
    """Write the stage-3 association of the calibrated images that the raw files will become."""
    program, number = f"{observation.program:05d}", f"o{observation.observation:03d}"
    optics = "-".join(sorted((observation.pupil.lower(), observation.filter_name.lower())))
    product = f"jw{program}-{number}_t001_{observation.instrument.name.lower()}_{optics}"
    if not observation.maps.aperture.subarray.is_full:
        product += f"-{observation.maps.aperture.subarray.name.lower()}"
    members = [
        {
            "expname": path.name.replace("_uncal", "_cal"),
            "exptype": "science",
            "asn_candidate": f"({number}, observation)",
        }
        for path in uncals
    ]
    association = {
        "asn_type": "image3",
        "asn_rule": "Asn_Lv3Image",
        "version_id": None,
        "code_version": "synthetic",
        "degraded_status": "No known degraded exposures in association.",
        "program": program,
        "constraints": "No constraints",
        "asn_id": number,
        "target": "t001",
        "asn_pool": "none",
        "products": [{"name": product, "members": members}],
    }
    path = directory / f"jw{program}-{number}_image3_00001_asn.json"
    path.write_text(json.dumps(association, indent=2) + "\n", encoding="utf-8")
    return path


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

    @cached_property
    def references(self) -> dict[str, ReferenceContent]:
        """Detector and flat-field references by type: arrays by extension name and standard DQ flags."""
        maker = ReferenceMaker(instrument=self.programme.instrument, maps=self.observation.maps)
        readout = self.programme.readout
        contents = [
            maker.mask(), maker.saturation(), maker.superbias(), maker.ipc(), maker.linearity(), maker.gain(),
            maker.readnoise(), maker.dark(frames=readout.frames, frame_time=readout.frame_time), maker.area(),
            maker.flat(bandpass=self.programme.bandpass), maker.photom(),
        ]  # fmt: skip
        return {content.type: content for content in contents}

    def write(self, directory: Path) -> Path:
        """Write the raw and the truth file; return the raw one."""
        write_truth(self.observation, self.raw, directory)
        return write_uncal(self.observation, self.raw, directory)


def tiny_exposure(
    *,
    size: int = 64,
    rate: np.ndarray | float | None = None,
    effects: Effects | None = None,
    detector: str = "NRCA1",
    filter: str = "F200W",  # noqa: A002  (named after the keyword)
    readpatt: str = "RAPID",
    ngroups: int = 10,
    nints: int = 1,
    frame_time: float = 10.0,
    xstart: int = 1,
    ystart: int = 1,
    seed: int = 1,
    zeroframe: bool = False,
) -> TinyExposure:
    """Simulate a small exposure in memory, in milliseconds: the fixture of step tests.

    Parameters
    ----------
    size : int
        Side of the square sub-array, pixel.
    rate : ndarray or float, optional
        Photo-electron rate for unit response, e-/s; by default a smooth gradient from 5 to 50.
    effects : Effects, optional
        Detector effects; the usual ones by default.
    detector, filter, readpatt : str
        As in `simulate`.
    ngroups, nints : int
        Groups per integration, and integrations.
    frame_time : float
        Frame time, s (a real frame of this size would take far less).
    xstart, ystart : int
        Corner on the detector, 1-based; at (1, 1) the first four rows and columns are reference pixels.
    seed : int
        Seed of the noise.
    zeroframe : bool
        Also keep the first frame of every integration.

    Returns
    -------
    TinyExposure
        Counts, truth and references.
    """
    subarray = tiny_subarray(size, xstart=xstart, ystart=ystart)
    programme = _programme(
        instrument=NIRCAM, detectors=(detector,), filter_name=filter, pupil="CLEAR", readpatt=readpatt, ngroups=ngroups,
        nints=nints, subarray=subarray, effects=effects or Effects(), date="2024-03-01T00:00:00", target=TARGET,
        roll=20.0, seed=seed, zeroframe=zeroframe,
    )  # fmt: skip
    programme = replace(programme, readout=replace(programme.readout, frame_time=frame_time))
    if rate is None:
        rate = np.linspace(5, 50, size)[:, None] * np.ones(size)
    observation = next(programme.observations([(0.0, 0.0)]))
    filled = np.broadcast_to(np.asarray(rate, np.float32), subarray.shape)
    raw = programme.expose_rate(observation, rate=np.ascontiguousarray(filled))
    return TinyExposure(observation=observation, raw=raw, programme=programme)
