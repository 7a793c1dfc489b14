"""What the plan says about memory, what a command takes, and what a limit costs."""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from benchmarks.commands import Task
from benchmarks.measure import Measurement
from tests.parity import peer
from tests.parity.cases import Case

LONG = Case(name="benchmark long", mode="tso-grism", subarray="SUBGRISM256", readpatt="RAPID", ngroups=30, nints=40)
"""A time series of 40 integrations of 30 groups of 256 × 2048 pixels."""
LIMIT = "1G"
_UNITS = {"MB": 1.0, "GB": 1e3}


def planned(task: Task, work: Path) -> float:
    """Return the memory that the plan of our command announces, MB."""
    program, _, *rest = task.own(work)
    told = subprocess.run(
        [program, "plan", *rest], env={**os.environ, **task.environment}, capture_output=True, text=True, check=True
    ).stdout
    return max(float(size) * _UNITS[unit] for size, unit in re.findall(r"memory at peak: about ([\d.]+) (\w+)", told))


def memory_table(rows: Iterable[tuple[str, float, Sequence[Measurement]]]) -> str:
    """Return the table of announced and of measured memory."""
    lines = ["| command | plan MB | measured MB | plan / measured |", "|---|---|---|---|"]
    for name, announced, runs in rows:
        measured = float(np.median([run.rss for run in runs]))
        lines.append(f"| {name} | {announced:.0f} | {measured:.0f} | {announced / measured:.2f} |")
    return "\n".join(lines)


def long_tasks() -> dict[str, Task]:
    """Return our command on a long time series, as it is and with a limit."""
    simulation = LONG.simulate(peer.cache_folder())
    inputs = tuple(simulation.uncals[:1])
    return {
        name: Task(name, "detector1", inputs, simulation.environment, 0.0, arguments=arguments)
        for name, arguments in {"without a limit": (), f"--max-memory {LIMIT}": ("--max-memory", LIMIT)}.items()
    }


def streaming_table(results: Mapping[str, Measurement], same: str) -> str:
    """Return the table of a long exposure with and without a limit."""
    lines = ["| detector1 | wall s | measured MB |", "|---|---|---|"]
    lines += [f"| {name} | {run.wall:.1f} | {run.rss:.0f} |" for name, run in results.items()]
    return "\n".join([*lines, "", same])


def compared(one: Path, other: Path) -> str:
    """Say whether the products of two folders hold the same arrays and keywords."""
    names = sorted(path.name for path in one.glob("*.fits"))
    differing = [name for name in names if not _same(one / name, other / name)]
    if differing or names != sorted(path.name for path in other.glob("*.fits")):
        return f"The products differ: {', '.join(differing) or 'not the same files'}."
    return f"All arrays and keywords of the {len(names)} products are equal, bit for bit, but for DATE."


def _same(one: Path, other: Path) -> bool:
    """Compare two products; the record of the run, which names the limit, differs."""
    with fits.open(one) as a, fits.open(other) as b:
        own, others = ([hdu for hdu in hdus if hdu.name not in ("ASDF", "JWCAL")] for hdus in (a, b))
        return len(own) == len(others) and all(_equal(*pair) for pair in zip(own, others, strict=True))


def _equal(one: Any, other: Any) -> bool:
    headers = [{key: value for key, value in hdu.header.items() if key != "DATE"} for hdu in (one, other)]
    return headers[0] == headers[1] and (one.data is None or one.data.tobytes() == other.data.tobytes())
