"""The tasks that are timed, as commands of either pipeline, and what they work on."""

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.parity import peer
from tests.parity.cases import Case, Options
from tests.parity.harness import association

NIRCAM = Case(
    name="benchmark",
    subarray="FULL",
    readpatt="BRIGHT1",
    ngroups=10,
    dithers=4,
    sky=True,
    recipes=("detector1", "image2", "image3"),
)
"""Four full-frame exposures of ten groups."""
MIRI = Case(name="benchmark miri", instrument="MIRI", subarray="FULL", readpatt="FASTR1", ngroups=100, nints=2)


@dataclass(frozen=True)
class Task:
    """One command.

    Attributes
    ----------
    name, recipe : str
        Of the table, and of the pipeline.
    inputs : tuple of pathlib.Path
        What it works on.
    environment : mapping
        The CRDS variables.
    goal : float
        The ratio of the times that is aimed at.
    options : mapping
        Step -> parameters that differ from the defaults.
    step : str
        The step that the task is about, when it is not about the whole command.
    arguments : tuple of str
        Further arguments of our command.
    """

    name: str
    recipe: str
    inputs: tuple[Path, ...]
    environment: Mapping[str, str]
    goal: float
    options: Mapping[str, Options] = field(default_factory=dict)
    step: str = ""
    arguments: tuple[str, ...] = ()

    def official(self, output: Path) -> list[str]:
        """Return the peer's command."""
        strun = str(peer.peer_environment() / "bin/strun")
        settings = [f"--steps.{step}.{name}={value}" for step, name, value in self._settings()]
        return [strun, f"calwebb_{self.recipe}", *map(str, self.inputs), f"--output_dir={output}", *settings]

    def own(self, output: Path) -> list[str]:
        """Return our command."""
        jwcal = str(Path(sys.executable).with_name("jwcal"))
        settings = [word for step, name, value in self._settings() for word in ("-s", f"{step}.{name}={value}")]
        how = ["-o", str(output), "--references", "crds", *settings, *self.arguments]
        return [jwcal, "run", self.recipe, *map(str, self.inputs), *how]

    def _settings(self) -> Iterator[tuple[str, str, object]]:
        for step, values in self.options.items():
            for name, value in values.items():
                yield step, name, value


def tasks(names: list[str] | None, work: Path) -> list[Task]:
    """Simulate what the chosen tasks need and return them; no names stand for all.

    Inputs of stages 2 and 3 are made by the peer. All of it is kept between runs.
    """
    makers = {
        "detector1": _stages,
        "image2": _stages,
        "image3": _stages,
        "miri": _miri,
        "emicorr": _miri,
        "clean_flicker_noise": _single_steps,
        "likely": _single_steps,
        "snowballs": _single_steps,
    }
    wanted = list(makers) if names is None else [name for name in makers if name in names]
    made = [task for maker in dict.fromkeys(makers[name] for name in wanted) for task in maker(work)]
    return sorted((task for task in made if task.name in wanted), key=lambda task: wanted.index(task.name))


def _stages(work: Path) -> list[Task]:
    simulation = NIRCAM.simulate(peer.cache_folder())
    rates: list[Path] = []
    cals: list[Path] = []
    for uncal in simulation.uncals:
        folder = peer.run_peer("products", [uncal], environment=simulation.environment)
        rates.append(_named(folder / "gain_scale.fits", uncal, "rate", work))
        cals += folder.glob("*_cal.fits")
    mosaic = association(sorted(cals, key=lambda path: path.name), work)
    return [
        Task("detector1", "detector1", tuple(simulation.uncals[:1]), simulation.environment, 10.0),
        Task("image2", "image2", tuple(rates[:1]), simulation.environment, 7.0),
        Task("image3", "image3", (mosaic,), simulation.environment, 10.0),
    ]


def _single_steps(work: Path) -> list[Task]:
    """One exposure with a step switched on, or to another method."""
    simulation = NIRCAM.simulate(peer.cache_folder())

    def task(name: str, step: str, **values: object) -> Task:
        inputs = tuple(simulation.uncals[:1])
        return Task(name, "detector1", inputs, simulation.environment, 8.0, {step: values}, step)

    return [
        task("clean_flicker_noise", "clean_flicker_noise", skip=False),
        task("likely", "ramp_fit", algorithm="LIKELY"),
        task("snowballs", "jump", expand_large_events=True),
    ]


def _miri(work: Path) -> list[Task]:
    simulation = MIRI.simulate(peer.cache_folder())
    inputs = tuple(simulation.uncals[:1])
    on, off = ({"emicorr": {"skip": skip}} for skip in (False, True))
    return [
        Task("miri", "detector1", inputs, simulation.environment, 10.0, off),
        Task("emicorr", "detector1", inputs, simulation.environment, 8.0, on, "emicorr"),
    ]


def _named(path: Path, uncal: Path, suffix: str, folder: Path) -> Path:
    """Copy a product under its proper name."""
    target = folder / uncal.name.replace("_uncal", f"_{suffix}")
    if not target.exists():
        shutil.copy(path, target)
    return target
