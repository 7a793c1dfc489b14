"""What a compared programme is, and the tolerances of each step."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import jwcore.synth
from jwcore import models
from jwcore.synth import Simulation, simulate
from jwcore.synth.simulate import TARGET
from jwcore.synth.sky import make_catalog
from jwcore.synth.striped import read_in_stripes
from jwcore.synth.tables import find_instrument
from tests.parity.compare import ALLOWED_OUTSIDE

NEAR_INFRARED = (
    "group_scale", "dq_init", "saturation", "ipc", "superbias", "refpix", "linearity", "dark_current",
)  # fmt: skip
MID_INFRARED = (
    "group_scale", "dq_init", "emicorr", "saturation", "ipc", "firstframe", "lastframe", "reset", "linearity", "rscd",
    "dark_current", "refpix",
)  # fmt: skip
COMMON = ("charge_migration", "jump", "picture_frame", "clean_flicker_noise", "persistence", "ramp_fit")
GUIDER = ("dq_init", "guider_cds", "flat_field")
OFF = ("emicorr", "firstframe", "charge_migration", "picture_frame", "clean_flicker_noise", "persistence")
"""Steps that run only where a case asks for them."""
RAMP_STEPS = frozenset((*NEAR_INFRARED, *MID_INFRARED, *COMMON)) - {"ramp_fit"}
IMAGE2_STEPS = ("assign_wcs", "flat_field", "photom")
IMAGE3_STEPS = ("tweakreg", "skymatch", "outlier_detection")

_RTOL = {
    **dict.fromkeys(RAMP_STEPS, 1e-6),
    **dict.fromkeys(("resample", "resample2", "i2d", "mosaic"), 1e-4),
}
_LEAST_RTOL = 1e-5
_STAGE1 = RAMP_STEPS | {"ramp_fit", "ramp_fitints", "rate", "rateints"}

Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One simulated programme.

    Attributes
    ----------
    name : str
        Shown in the table.
    instrument, mode, detector, subarray, readpatt : str
        What is simulated; a blank one is the first of the instrument or that of the mode. ``SUB160`` of NIRCam is a
        corner of the detector with reference pixels on two sides and one amplifier.
    ngroups, nints, dithers : int
        Size of the programme.
    sky : bool
        A field of sources, and references of the full frame; otherwise a plain illumination and references of the
        sub-array.
    recipes : tuple of str
        What is run and compared.
    options : mapping
        Step -> parameters. Steps that are off by default run only when they are named here.
    effects : mapping
        Effects beyond the usual ones and their strengths.
    stripes : mapping
        Lines that are kept of every frame, as `read_in_stripes` takes them; the sub-array holds them all.
    without : tuple of str
        Steps of the first recipe that are left out.
    segments : int
        Files into which the exposure is cut; the last one is compared.
    quick : bool
        Part of ``make parity-quick``.
    """

    name: str
    instrument: str = "NIRCAM"
    mode: str = ""
    detector: str = ""
    subarray: str = ""
    readpatt: str = ""
    ngroups: int
    nints: int = 1
    dithers: int = 1
    sky: bool = False
    recipes: tuple[str, ...] = ("detector1",)
    options: Mapping[str, Options] = field(default_factory=dict)
    effects: Mapping[str, bool | float] = field(default_factory=dict)
    stripes: Mapping[str, int] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    segments: int = 1
    quick: bool = False

    @property
    def recipe(self) -> str:
        """Recipe of the raw data."""
        return self.recipes[0]

    @property
    def full_frame(self) -> bool:
        """Whether the whole detector is read."""
        return (self.subarray or find_instrument(self.instrument, self.mode or None).mode.subarray) == "FULL"

    @property
    def steps(self) -> dict[str, Options]:
        """Steps of the first recipe in order, up to the fit of the ramps, with their parameters."""
        names: Sequence[str] = GUIDER
        if self.recipe != "guider":
            names = (*(MID_INFRARED if self.instrument == "MIRI" else NEAR_INFRARED), *COMMON)
        return {
            name: {**({"skip": False} if name in OFF else {}), **self.options.get(name, {})}
            for name in names
            if name not in self.without and (name not in OFF or name in self.options)
        }

    @property
    def ramp_steps(self) -> dict[str, Options]:
        """The steps before the fit of the ramps; all steps where there is no such fit."""
        return {name: options for name, options in self.steps.items() if name != "ramp_fit"}

    def rtol(self, step: str) -> float:
        """Return the relative tolerance of a step's floats; the other half of the rule is a thousandth of the error.

        Ramps agree to 1e-6. Where interference is fitted and subtracted they hold what a finer search for its phase makes
        of it, and agree to 1e-5.
        """
        strict = _RTOL.get(step, _LEAST_RTOL)
        return max(strict, _LEAST_RTOL) if "emicorr" in self.steps else strict

    def allowed(self, step: str) -> float:
        """Return the part of a step's pixels that may lie outside the tolerance."""
        return 1e-4 if step in _STAGE1 else ALLOWED_OUTSIDE

    @property
    def counts_hits(self) -> bool:
        """Whether the jumps that are found are those of single particles, which the truth knows."""
        search = self.options.get("jump", {})
        return "jump" in self.steps and not any(search.get(name) for name in ("expand_large_events", "find_showers"))

    def simulate(self, cache: Path) -> Simulation:
        """Return exposures and references, simulated once for each state of the simulator."""
        folder = cache / "simulations" / f"{self.name.replace(' ', '_')}-{_digest_of_simulator(repr(self))}"
        if not (folder / "done").is_file():
            for stale in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
                shutil.rmtree(stale)
            self._simulate(folder)
        (folder / "done").touch()
        result = Simulation(
            directory=folder, uncals=sorted(folder.glob("*_uncal.fits")), truths=sorted(folder.glob("*_truth.fits"))
        )
        root = folder / "crds_cache"
        environment = {
            "CRDS_PATH": str(root),
            "CRDS_CONTEXT": result.context,
            "CRDS_SERVER_URL": "https://jwst-serverless-mode.stsci.edu",
            "CRDS_READONLY_CACHE": "0",
        }
        return replace(result, asn=next(folder.glob("*_asn.json"), None), cache=root, environment=environment)

    def _simulate(self, folder: Path) -> None:
        usual = find_instrument(self.instrument).effects
        simulate(
            folder,
            instrument=self.instrument,
            mode=self.mode or None,
            detectors=(self.detector,) if self.detector else None,
            subarray=self.subarray or None,
            readpatt=self.readpatt or None,
            ngroups=self.ngroups,
            nints=self.nints,
            n_dithers=self.dithers,
            segments=self.segments,
            seed=self.nints * 100 + self.ngroups,
            effects=replace(usual, **self.effects),
            plain=not self.sky,
            catalog=_bright_field(self.subarray, self.nints) if self.sky else None,
            full_frame_references=self.sky,
            pointing_error_mas=5.0 if self.dithers > 1 else 0.0,
            zeroframe=self.instrument == "NIRCAM" and self.nints > 1,
        )
        for path in folder.glob("*_uncal.fits") if self.stripes else ():
            ramp = models.read(path)
            assert isinstance(ramp, models.Ramp)
            models.write(read_in_stripes(ramp, name=str(ramp.meta.subarray.name), **self.stripes), path)


def _bright_field(subarray: str, seed: int) -> np.ndarray | None:
    """Return a field for a sub-array: on the smallest some stars saturate, on the larger there are enough to align."""
    if subarray == "FULL":
        return None
    width, magnitudes, number = {"SUB160": (7.0, (10.0, 19.0), 60), "SUB640": (28.0, (16.0, 20.0), 90)}[subarray]
    ra, dec = TARGET
    return make_catalog(
        ra=ra, dec=dec, width=width, magnitudes=magnitudes, minimum=number, density=0.0, galaxy_fraction=0.1, seed=seed
    )


def _digest_of_simulator(settings: str) -> str:
    """Digest the sources of the simulator and of this module, and a case: what is new makes new exposures."""
    total = hashlib.sha256(settings.encode())
    for path in [Path(__file__), *sorted(Path(jwcore.synth.__path__[0]).rglob("*"))]:
        if path.is_file() and path.suffix != ".pyc":
            total.update(path.read_bytes())
    return total.hexdigest()[:16]
