"""Time both pipelines side by side: ``python -m benchmarks [-n RUNS] [--only NAME]``; writes ``docs/benchmarks.md``."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks import report
from benchmarks.commands import Pair, Stage, pairs, prepare
from benchmarks.measure import Measurement, measure
from tests.parity import peer

PAGE = peer.REPOSITORY / "docs/benchmarks.md"
INTRODUCTION = """\
Four simulated full-frame NIRCam exposures (1 integration of 10 groups, 2048²). Whole commands, each in a fresh process, the
two pipelines in turns; medians. *RSS* is the peak of the main process, *tree* the peak of all processes together."""

STEPS = """\
Single steps, each inside one fresh process from the raw to the calibrated exposure; ours include the loading of their
compiled kernels and of their libraries:"""


def main() -> None:
    """Run all pairs in turns, print the tables, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("-n", "--runs", type=int, default=3, help="runs of each command")
    parser.add_argument("--only", action="append", help="detector1, image2, image3 or steps; may be repeated")
    parser.add_argument("--no-page", action="store_true", help="print only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jwcal-bench-") as folder:
        work = Path(folder)
        stage = prepare(work)
        chosen = [pair for pair in pairs(stage) if options.only is None or pair.name in options.only]
        results = {pair.name: in_turns(pair, runs=options.runs, stage=stage, work=work) for pair in chosen}
        parts = [f"Measured with `make bench` on {report.environment()}.", INTRODUCTION]
        if chosen:
            parts.append(report.command_table(results, {pair.name: pair.goal for pair in chosen}))
        if options.only is None or "steps" in options.only:
            parts += [STEPS, step_times(stage, runs=options.runs)]
    text = "\n\n".join(parts)
    print(text)
    if not options.no_page:
        report.insert(PAGE, text)


def in_turns(pair: Pair, *, runs: int, stage: Stage, work: Path) -> dict[str, list[Measurement]]:
    """Run both commands alternately, after one run of ours that compiles and fills the caches."""
    results: dict[str, list[Measurement]] = {"jwst": [], "jwcal": []}
    _run(pair.own, stage, work)
    for _ in range(runs):
        results["jwst"].append(_run(pair.official, stage, work))
        results["jwcal"].append(_run(pair.own, stage, work))
    return results


def _run(command, stage: Stage, work: Path) -> Measurement:
    output = work / "products"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    return measure(command(output), environment=stage.environment, folder=output)


def step_times(stage: Stage, *, runs: int) -> str:
    """Compare the steps of stages 1 and 2, after one run of ours that compiles and fills the caches."""
    official, own = [], []
    _own_steps(stage.uncals[:1], stage.environment)
    for _ in range(runs):
        official.append(
            peer.timings(peer.run_peer("products", stage.uncals[:1], environment=stage.environment, again=True))
        )
        own.append(_own_steps(stage.uncals[:1], stage.environment))
    return report.step_table(_medians(official), _medians(own))


def _own_steps(inputs: Sequence[Path], environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.steps", *map(str, inputs)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=peer.REPOSITORY, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: median(run[name] for run in runs) for name in runs[0]}


if __name__ == "__main__":
    main()
