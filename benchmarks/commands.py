"""The commands that are compared, and what they work on."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.parity import peer
from tests.parity.cases import Case
from tests.parity.harness import association

PROGRAMME = Case(
    name="benchmark",
    subarray="FULL",
    readpatt="BRIGHT1",
    ngroups=10,
    dithers=4,
    sky=True,
    recipes=("detector1", "image2", "image3"),
)
"""Four full-frame NIRCam exposures of ten groups."""


@dataclass(frozen=True)
class Pair:
    """One task as a command of either pipeline; ``goal`` is the ratio of the times that is aimed at."""

    name: str
    inputs: tuple[Path, ...]
    goal: float

    def official(self, output: Path) -> list[str]:
        """Return the peer's command."""
        strun = str(peer.peer_environment() / "bin/strun")
        return [strun, f"calwebb_{self.name}", *map(str, self.inputs), f"--output_dir={output}"]

    def own(self, output: Path) -> list[str]:
        """Return our command."""
        jwcal = str(Path(sys.executable).with_name("jwcal"))
        return [jwcal, "run", self.name, *map(str, self.inputs), "-o", str(output), "--references", "crds"]


@dataclass(frozen=True)
class Stage:
    """The inputs of all tasks: raw exposures, and the peer's rate and cal files of them."""

    uncals: tuple[Path, ...]
    rates: tuple[Path, ...]
    mosaic: Path
    environment: dict[str, str]


def prepare(work: Path) -> Stage:
    """Simulate the programme and make the inputs of stages 2 and 3 with the peer; all of it is kept between runs."""
    simulation = PROGRAMME.simulate(peer.cache_folder())
    rates: list[Path] = []
    cals: list[Path] = []
    for uncal in simulation.uncals:
        folder = peer.run_peer("products", [uncal], environment=simulation.environment)
        rates.append(_named(folder / "gain_scale.fits", uncal, "rate", work))
        cals += folder.glob("*_cal.fits")
    mosaic = association(sorted(cals, key=lambda path: path.name), work)
    return Stage(tuple(simulation.uncals), tuple(rates), mosaic, simulation.environment)


def _named(path: Path, uncal: Path, suffix: str, folder: Path) -> Path:
    """Copy a product under its proper name."""
    target = folder / uncal.name.replace("_uncal", f"_{suffix}")
    if not target.exists():
        shutil.copy(path, target)
    return target


def pairs(stage: Stage) -> list[Pair]:
    """Return the tasks."""
    return [
        Pair("detector1", stage.uncals[:1], 10.0),
        Pair("image2", stage.rates[:1], 7.0),
        Pair("image3", (stage.mosaic,), 10.0),
    ]
