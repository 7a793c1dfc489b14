"""Time, processor time and memory of a command with all its children."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SAMPLING_SECONDS = 0.1
LOADED = {".so", ".pyc", ".nbc", ".nbi", ".fits", ".asdf"}
"""Endings of what a pipeline loads from its environment, from its references, and of our compiled kernels."""


@dataclass(frozen=True)
class Measurement:
    """What one run took.

    Attributes
    ----------
    wall, cpu : float
        Elapsed and processor seconds.
    rss : float
        Largest resident set of the main process, MB, as the kernel counts it (the figure that ``wait`` gives would start
        at the memory of the process that launched it).
    tree : float
        Largest proportional set of all its processes together, MB, sampled.
    log : str
        What it printed.
    """

    wall: float
    cpu: float
    rss: float
    tree: float
    log: str = field(default="", repr=False)


class CommandError(RuntimeError):
    """A benchmarked command did not succeed, so that its time means nothing."""


def measure(command: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> Measurement:
    """Run a command to its end.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    environment : mapping
        Variables on top of those of this process.
    folder : pathlib.Path
        Working folder; the output goes to ``command.log`` in it.

    Raises
    ------
    CommandError
        With the end of its output, when it fails.
    """
    log = folder / "command.log"
    with log.open("w") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            list(command), env={**os.environ, **environment}, cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
        sampler = _Sampler(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    rss, tree = sampler.finish()
    if process.returncode:
        raise CommandError(f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    return Measurement(wall, usage.ru_utime + usage.ru_stime, rss, tree, log.read_text())


def fill_page_cache(*places: Path) -> None:
    """Read files, and those of folders that programs load, so that a run after it measures no disk.

    Some systems drop files from memory half a minute after their last use, which is less than one run of a pipeline.
    """
    for place in places:
        inside = (path for path in place.rglob("*") if LOADED.intersection(path.suffixes) and path.is_file())
        for path in inside if place.is_dir() else [place]:
            with path.open("rb", buffering=0) as stream:
                while stream.read(1 << 22):
                    pass


class _Sampler:
    """Watches the memory of a process tree from a thread."""

    def __init__(self, pid: int):
        self._pid = pid
        self._peak = 0.0
        self._high_water = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLING_SECONDS):
            self._peak = max(self._peak, sum(map(_proportional_set, _family(self._pid))))
            self._high_water = max(self._high_water, _megabytes(self._pid, "status", "VmHWM:"))

    def finish(self) -> tuple[float, float]:
        self._stop.set()
        self._thread.join()
        return self._high_water, self._peak


def _family(pid: int) -> list[int]:
    """Return a process and all its descendants that are alive."""
    members = [pid]
    for member in members:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                members += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return members


def _proportional_set(pid: int) -> float:
    """Return the memory of a process in MB, shared pages divided among their users."""
    return _megabytes(pid, "smaps_rollup", "Pss:")


def _megabytes(pid: int, file: str, name: str) -> float:
    """Return a figure of the kernel about a process; 0 when it has ended."""
    try:
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
