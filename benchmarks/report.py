"""Tables of measurements for the terminal and for ``docs/benchmarks.md``."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.measure import Measurement
from tests.parity import peer

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def environment() -> str:
    """Describe the machine and the software."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "?",
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024**2
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("jwcal", "numpy", "numba", "astropy", "gwcs", "photutils")
    )
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GB; {platform.system()} {platform.release()}; Python "
        f"{platform.python_version()}; {packages}; against jwst {peer.VERSION}"
    )


def middle(runs: Sequence[Measurement]) -> Measurement:
    """Return the median of every figure."""
    return Measurement(*(median(getattr(run, name) for run in runs) for name in ("wall", "cpu", "rss", "tree")))


def medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median seconds of every step."""
    return {name: median(run[name] for run in runs if name in run) for name in runs[0]}


def command_table(results: Mapping[str, Mapping[str, Sequence[Measurement]]], goals: Mapping[str, float]) -> str:
    """Return the table of whole commands."""
    lines = [
        "| command | runs | who | wall s (range) | CPU s | RSS MB | tree PSS MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, sides in results.items():
        middles = {who: middle(runs) for who, runs in sides.items()}
        for who, runs in sides.items():
            m, walls = middles[who], [run.wall for run in runs]
            span = f"{m.wall:.2f} ({min(walls):.2f}–{max(walls):.2f})"
            lines.append(f"| {name} | {len(runs)} | {who} | {span} | {m.cpu:.2f} | {m.rss:.0f} | {m.tree:.0f} |")
        a, b = middles["jwst"], middles["jwcal"]
        times = f"**{a.wall / b.wall:.1f}×** (goal {goals[name]:.0f}×)"
        ratios = " | ".join(f"{x / y:.1f}×" for x, y in ((a.cpu, b.cpu), (a.rss, b.rss), (a.tree, b.tree)))
        lines.append(f"| **{name}** | | **ratio** | {times} | {ratios} |")
    return "\n".join(lines)


def step_table(rows: Iterable[tuple[str, float, float]]) -> str:
    """Return the table of steps, their seconds in the peer and in ours."""
    lines = ["| step | jwst s | jwcal s | ratio |", "|---|---|---|---|"]
    lines += [f"| {name} | {official:.2f} | {own:.2f} | {official / own:.0f}× |" for name, official, own in rows if own]
    return "\n".join(lines)


def insert(page: Path, text: str) -> None:
    """Replace what stands between the markers of a page; a page without markers gets them at its end."""
    content = page.read_text() if page.exists() else "# Benchmarks\n"
    before, found, rest = content.partition(BEGIN)
    after = rest.partition(END)[2] if found else ""
    page.write_text(f"{before.rstrip()}\n\n{BEGIN}\n{text.strip()}\n{END}\n{after.lstrip()}".rstrip() + "\n")
