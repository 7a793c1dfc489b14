"""The programmes on which both pipelines are compared, and the tolerances of each step."""

import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import jwcore.synth
from jwcore.synth import Simulation, simulate
from jwcore.synth.simulate import TARGET
from jwcore.synth.sky import make_catalog

RAMP_STEPS = (
    "group_scale", "dq_init", "saturation", "ipc", "superbias", "refpix", "linearity", "dark_current", "jump",
)  # fmt: skip
IMAGE2_STEPS = ("assign_wcs", "flat_field", "photom")
IMAGE3_STEPS = ("tweakreg", "skymatch", "outlier_detection")

_RTOL = {
    **dict.fromkeys(RAMP_STEPS, 1e-6),
    **dict.fromkeys(("resample", "resample2", "i2d", "mosaic"), 1e-4),
}


def rtol(step: str) -> float:
    """Return the relative tolerance of a step's floats; the other half of the rule is a thousandth of the error."""
    return _RTOL.get(step, 1e-5)


@dataclass(frozen=True)
class Case:
    """One simulated programme of NIRCam images.

    Attributes
    ----------
    name : str
        Shown in the table.
    readpatt, ngroups, nints, dithers : str, int
        Size of the programme.
    subarray : str
        ``SUB160`` is a corner of the detector with reference pixels on two sides and one amplifier.
    recipes : tuple of str
        What is run and compared.
    quick : bool
        Part of ``make parity-quick``.
    """

    name: str
    readpatt: str
    ngroups: int
    nints: int = 1
    dithers: int = 1
    subarray: str = "SUB160"
    recipes: tuple[str, ...] = ("detector1",)
    quick: bool = False

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
        return replace(result, asn=next(folder.glob("*_asn.json")), cache=root, environment=environment)

    def _simulate(self, folder: Path) -> None:
        simulate(
            folder,
            n_dithers=self.dithers,
            readpatt=self.readpatt,
            ngroups=self.ngroups,
            nints=self.nints,
            subarray=self.subarray,
            seed=self.nints * 100 + self.ngroups,
            catalog=_bright_field(self.subarray, self.nints),
            pointing_error_mas=5.0 if self.dithers > 1 else 0.0,
            zeroframe=self.nints > 1,
        )


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


_CHAIN = ("detector1", "image2")
CASES = (
    Case("corner 1x5", "SHALLOW4", 5, recipes=_CHAIN, quick=True),
    Case("corner 1x10", "BRIGHT1", 10, quick=True),
    Case("corner 2x5", "DEEP8", 5, nints=2, quick=True),
    Case("corner 2x10", "RAPID", 10, nints=2, quick=True),
    Case("full 1x5", "SHALLOW4", 5, subarray="FULL", quick=True),
    Case("full 1x10", "BRIGHT1", 10, subarray="FULL"),
    Case("full 2x5", "RAPID", 5, nints=2, subarray="FULL"),
    Case("full 2x10", "MEDIUM8", 10, nints=2, subarray="FULL"),
    Case(
        "mosaic small",
        "BRIGHT1",
        5,
        dithers=4,
        subarray="SUB640",
        recipes=(*_CHAIN, "image3"),
        quick=True,
    ),
    Case("mosaic full", "BRIGHT1", 5, dithers=4, subarray="FULL", recipes=(*_CHAIN, "image3")),
)
