"""How our cost grows with the size of an exposure, and how it compares with the speed of the memory."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numba
import numpy as np

from benchmarks.commands import Task
from tests.parity import peer
from tests.parity.cases import Case

SIZES = ((1, 10), (1, 100), (10, 10), (10, 100))
"""Integrations and groups."""
SIDE = 512


def growing() -> list[tuple[int, int, Task]]:
    """Return tasks on ever longer exposures of a sub-array (BRIGHTSKY of MIRI) of 512² pixels."""
    found = []
    for nints, ngroups in SIZES:
        case = Case(
            name=f"benchmark {nints}x{ngroups}",
            instrument="MIRI",
            subarray="BRIGHTSKY",
            readpatt="FASTR1",
            ngroups=ngroups,
            nints=nints,
        )
        simulation = case.simulate(peer.cache_folder())
        task = Task(case.name, "detector1", tuple(simulation.uncals[:1]), simulation.environment, 0.0)
        found.append((nints, ngroups, task))
    return found


def growth_table(rows: Sequence[tuple[int, int, Mapping[str, float]]]) -> str:
    """Return the table of seconds inside the steps, and of nanoseconds for each pixel of each group."""
    lines = ["| integrations × groups | s in steps | ns per sample |", "|---|---|---|"]
    for nints, ngroups, steps in rows:
        total = sum(steps.values())
        lines.append(f"| {nints} × {ngroups} | {total:.2f} | {total / (nints * ngroups * SIDE**2) * 1e9:.1f} |")
    return "\n".join(lines)


@numba.njit(parallel=True)
def _pass(data, flags):
    for row in numba.prange(data.shape[0]):
        for column in range(data.shape[1]):
            if flags[row, column] == 0:
                data[row, column] *= np.float32(1.000001)


def pass_seconds(shape: tuple[int, ...]) -> float:
    """Return the time of one pass over a ramp on all cores: read and write its samples, read its flags; best of five."""
    data = np.ones((int(np.prod(shape[:-1])), shape[-1]), np.float32)
    flags = np.zeros(data.shape, np.uint8)
    return min(_seconds(lambda: _pass(data, flags)) for _ in range(6))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def pass_table(steps: Mapping[str, float], shape: tuple[int, ...]) -> str:
    """Return the time of each step in units of one pass over the ramp, the least that a step of the ramp can take."""
    one, size = pass_seconds(shape), float(np.prod(shape))
    lines = [
        f"One pass over {' × '.join(map(str, shape))} samples (read and write 4 bytes, read 1 byte of flags: "
        f"{9 * size / 1e9:.2f} GB) takes {one * 1e3:.0f} ms here, {9 * size / one / 1e9:.1f} GB/s.",
        "",
        "| step | s | passes |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {seconds:.2f} | {seconds / one:.1f} |" for name, seconds in steps.items()]
    total = sum(steps.values())
    return "\n".join([*lines, f"| **all** | **{total:.2f}** | **{total / one:.0f}** |"])


def shape_of(path: Path) -> tuple[int, ...]:
    """Return the shape of a raw exposure."""
    from astropy.io import fits

    return tuple(fits.getheader(path, "SCI")[f"NAXIS{axis}"] for axis in (4, 3, 2, 1))
