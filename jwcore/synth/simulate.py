"""The front door of the simulator: whole programmes on disk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jwcore.synth.crds_cache import CONTEXT, FOLDER
from jwcore.synth.effects import Effects
from jwcore.synth.exposure import Observation
from jwcore.synth.instruments import Subarray
from jwcore.synth.limits import check_pointing_error, check_size
from jwcore.synth.programme import TARGET, dither_offsets, make_programme
from jwcore.synth.raw_files import split, write_truth, write_uncal
from jwcore.synth.reference_files import ReferenceSet
from jwcore.synth.sky import make_catalog, write_catalog
from jwcore.synth.tables import find_instrument

__all__ = ["TARGET", "Simulation", "simulate"]

BACKGROUND = 0.3
"""Default sky brightness, MJy/sr."""


@dataclass(kw_only=True)
class Simulation:
    """What `simulate` wrote.

    ``uncals`` and ``truths`` are the raw and truth files in the same order; ``environment`` holds the variables under
    which the ``crds`` client finds the references; ``to_mosaics`` tells whether these serve beyond the rates.
    """

    directory: Path
    uncals: list[Path] = field(default_factory=list)
    truths: list[Path] = field(default_factory=list)
    truth_catalog: Path | None = None
    asn: Path | None = None
    cache: Path | None = None
    context: str = CONTEXT
    environment: dict[str, str] = field(default_factory=dict)
    to_mosaics: bool = False


def simulate(
    output_dir: Path | str,
    *,
    instrument: str = "NIRCAM",
    mode: str | None = None,
    n_dithers: int = 4,
    detectors: Sequence[str] | None = None,
    filter: str | None = None,  # noqa: A002  (named after the keyword)
    pupil: str | None = None,
    readpatt: str | None = None,
    ngroups: int = 10,
    nints: int = 1,
    subarray: str | Subarray | None = None,
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
    plain: bool | None = None,
    date: str = "2024-03-01T00:00:00",
    zeroframe: bool = False,
    segments: int = 1,
    with_references: bool = True,
    full_frame_references: bool = True,
    inverse_linearity: bool = False,
) -> Simulation:
    """Simulate a dithered programme with its references, association and truth.

    What is not given is taken from the mode of the instrument.

    Parameters
    ----------
    output_dir : path
        Folder to write to (made if needed): raw and truth files, ``truth_catalog.ecsv``, the stage-3 association, and
        the reference cache in ``crds_cache``. Modes with a plain illumination have no catalogue and no association.
    instrument, mode : str
        ``NIRCAM``, ``MIRI``, ``NIRSPEC``, ``NIRISS`` or ``FGS``, and one of its modes (by default the first one).
    n_dithers : int
        Number of pointings.
    detectors : sequence of str, optional
        Detectors that expose in parallel; the first one's aperture points at the target. All must be of one channel.
    filter, pupil : str, optional
        Wheel positions.
    readpatt : str, optional
        Read pattern, such as ``RAPID`` or ``BRIGHT1``.
    ngroups, nints : int
        Groups per integration, and integrations.
    subarray : str or Subarray, optional
        Name of a sub-array of the detector, or any rectangle.
    seed : int
        Seed of sky, pointing errors and noise. The detector itself does not depend on it.
    effects : Effects, optional
        Detector effects; the usual ones of the instrument by default.
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
    plain : bool, optional
        Plain illumination instead of a field of sources; by default in modes that do not take images of the sky.
    date : str
        Start of the programme, UTC.
    zeroframe : bool
        Write the first frame of every integration too.
    segments : int
        Number of files into which a long exposure is cut between integrations.
    with_references : bool
        Write the reference files and the cache.
    full_frame_references : bool
        References that serve all sub-arrays cover the whole detector, as those of the mission do; False makes them as
        small as the sub-array.
    inverse_linearity : bool
        Include INV_COEFFS in the linearity reference.

    Returns
    -------
    Simulation
        Paths of everything written.

    Raises
    ------
    ValueError
        For an unknown instrument, mode, detector, filter, read pattern or sub-array (the message lists the valid ones), and
        for a programme that fits neither memory nor disk.
    """
    chosen = find_instrument(instrument, mode)
    check_pointing_error(pointing_error_mas)
    detectors = None if detectors is None else list(dict.fromkeys(detectors))
    programme = make_programme(
        instrument=chosen, detectors=detectors, filter_name=filter, pupil=pupil, readpatt=readpatt, ngroups=ngroups,
        nints=nints, subarray=subarray, effects=effects, date=date, target=target, roll=roll, seed=seed,
        zeroframe=zeroframe, pointing_error_mas=pointing_error_mas,
    )  # fmt: skip
    if segments > nints:
        raise ValueError(f"{nints} integrations cannot be cut into {segments} segments")
    prime = programme.maps[0].aperture
    step = prime.pixel_scale * min(prime.subarray.shape) / 12 if dither_step is None else dither_step
    offsets = dither_offsets(number=n_dithers, step=step)
    directory = Path(output_dir)
    directory.mkdir(parents=True, exist_ok=True)
    check_size(programme, dithers=n_dithers, directory=directory)
    result = Simulation(directory=directory)
    sky = not plain and (chosen.mode.sky or catalog is not None)
    if sky:
        if catalog is None:
            width = programme.field_width(offsets)
            catalog = make_catalog(
                ra=target[0], dec=target[1], width=width, density=catalog_density, magnitudes=magnitudes, seed=seed
            )
        result.truth_catalog = write_catalog(catalog, directory / "truth_catalog.ecsv")
    for observation, raw in programme.exposures(offsets, catalog=catalog if sky else None, background=background):
        for part, counts in split(observation, raw, segments):
            result.uncals.append(write_uncal(part, counts, directory))
            result.truths.append(write_truth(part, counts, directory))
        if sky:
            result.asn = _write_association(observation, result.uncals, directory)
    if with_references:
        references = ReferenceSet(
            root=directory / FOLDER,
            instrument=chosen,
            inverse_linearity=inverse_linearity,
            full_frame=full_frame_references,
            psf_radius=programme.psf_radius,
        )
        cache = references.write(maps=programme.maps, readout=programme.readout, bandpass=programme.bandpass)
        result.cache, result.environment = cache.root, cache.environment()
        result.to_mosaics = sky and "distortion" in (*chosen.types, *chosen.mode.types)
    return result


def _write_association(observation: Observation, uncals: Sequence[Path], directory: Path) -> Path:
    """Write the stage-3 association of the calibrated images that the raw files will become."""
    program, number = f"{observation.program:05d}", f"o{observation.observation:03d}"
    wheels = observation.instrument.optics(observation.bandpass)
    optics = "-".join(sorted(str(wheels[name]).lower() for name in ("FILTER", "PUPIL") if wheels.get(name))) or "clear"
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
