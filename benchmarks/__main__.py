"""Time both pipelines side by side: ``python -m benchmarks [-n RUNS] [--only NAME]``; writes ``docs/benchmarks.md``."""

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import memory, report, scaling
from benchmarks.commands import Task, tasks
from benchmarks.log_times import own_steps, peer_steps
from benchmarks.measure import Measurement, fill_page_cache, measure
from jwcore.algorithms import _kernel_cache
from jwcore.associations import open_association
from tests.parity import peer

PAGE = peer.REPOSITORY / "docs/benchmarks.md"
INTRODUCTION = """\
Whole commands, each in a fresh process, the two pipelines in turns; medians. Before each run the files that it loads (input,
references, libraries) are read once, so that neither waits for the disk. *RSS* is the peak of the main process, *tree* the
peak of all processes together. `detector1`, `image2` and `image3` work on one, one and four simulated full-frame NIRCam
exposures (1 integration of 10 groups, 2048²); `clean_flicker_noise`, `likely` (ramp_fit) and `snowballs` (jump) are detector1
with these switched on; `miri` and `emicorr` are detector1 on 2 integrations of 100 groups, 1024 × 1032, without and with it."""
STEPS = """\
Single steps, as the logs of these commands tell; ours include the loading of their libraries and compiled kernels:"""
PASSES = """\
Steps of `detector1` against the speed of the memory. What exceeds a few passes is work per pixel (jump, ramp_fit), the
loading of libraries, or the reading of the exposure, which goes on behind the first steps."""
MEMORY = """\
What `jwcal plan` announces as the peak of memory, and what our command takes:"""
STREAMING = """\
A time series of 40 integrations of 30 groups, 256 × 2048 pixels (1.26 GB of raw data), as it is and with a limit:"""
GROWTH = "The cost of detector1 grows with the number of samples, the MIRI sub-array BRIGHTSKY of 512² pixels:"
Runs = dict[str, list[Measurement]]


def main() -> None:
    """Run all tasks in turns, print the tables, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "-n", "--runs", type=int, help="runs of each command (default: five of the recipes, else three)"
    )
    parser.add_argument("--only", action="append", help="a task, streaming or growth; may be repeated")
    parser.add_argument("--no-page", action="store_true", help="print only")
    options = parser.parse_args()
    os.environ.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # with it, packages that pip did not install are parsed anew each time
    with tempfile.TemporaryDirectory(prefix="jwcal-bench-") as folder:
        parts = list(_parts(options.only, options.runs, Path(folder)))
    text = "\n\n".join(parts)
    print(text)
    if not options.no_page:
        report.insert(PAGE, text)


def _parts(only: list[str] | None, runs: int | None, work: Path):
    """Iterate over the paragraphs of the page."""
    yield f"Measured with `make bench` on {report.environment()}."
    chosen = tasks(only, work)
    results = {
        task.name: in_turns(task, runs=runs or (5 if task.name == task.recipe else 3), work=work) for task in chosen
    }
    if chosen:
        yield INTRODUCTION
        yield report.command_table(results, {task.name: task.goal for task in chosen})
        yield STEPS
        yield report.step_table(_step_rows(chosen, results))
        yield MEMORY
        yield memory.memory_table(
            (task.name, memory.planned(task, work), results[task.name]["jwcal"]) for task in chosen
        )
    for task in chosen:
        if task.name == "detector1":
            yield PASSES
            yield scaling.pass_table(_own(results[task.name]), scaling.shape_of(task.inputs[0]))
    if only is None or "streaming" in only:
        yield STREAMING
        yield _streaming(work)
    if only is None or "growth" in only:
        yield GROWTH
        yield scaling.growth_table(
            [(nints, ngroups, _own(own_in_turns(task, runs or 3, work))) for nints, ngroups, task in scaling.growing()]
        )


def _streaming(work: Path) -> str:
    """Run a long exposure with and without a limit of memory and compare the products."""
    found = {name: (task, work / f"long{number}") for number, (name, task) in enumerate(memory.long_tasks().items())}
    runs = {name: _run(task.own, task, folder) for name, (task, folder) in found.items()}
    folders = [folder / "products" for _, folder in found.values()]
    return memory.streaming_table(runs, memory.compared(*folders))


def in_turns(task: Task, *, runs: int, work: Path) -> Runs:
    """Run both commands alternately, after one run of ours that compiles and fills the caches."""
    results: Runs = {"jwst": [], "jwcal": []}
    _run(task.own, task, work)
    for _ in range(runs):
        results["jwst"].append(_run(task.official, task, work))
        results["jwcal"].append(_run(task.own, task, work))
    return results


def own_in_turns(task: Task, runs: int, work: Path) -> Runs:
    """Run our command alone."""
    return {"jwcal": [_run(task.own, task, work) for _ in range(runs + 1)][1:]}


def _run(command: Callable[[Path], list[str]], task: Task, work: Path) -> Measurement:
    output = work / "products"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    words = command(output)
    environment = Path(words[0]).parents[1] / "lib"
    fill_page_cache(*_files(task), Path(task.environment["CRDS_PATH"]), environment, _kernel_cache.folder())
    return measure(words, environment=task.environment, folder=output)


def _files(task: Task) -> Iterator[Path]:
    """Iterate over the exposures of a task, in associations too."""
    for path in task.inputs:
        if path.suffix == ".json":
            yield from (Path(member.path) for product in open_association(path).products for member in product.members)
        else:
            yield path


def _own(results: Runs) -> dict[str, float]:
    return report.medians([own_steps(run.log) for run in results["jwcal"]])


def _step_rows(chosen: list[Task], results: dict[str, Runs]):
    """Iterate over the steps of whole recipes, and over the one step of each other task."""
    for task in chosen:
        own = _own(results[task.name])
        official = report.medians([peer_steps(run.log) for run in results[task.name]["jwst"]])
        for step in [task.step] if task.step else own:
            if step in official and own.get(step):
                name = step if task.recipe == task.name else f"{step} ({task.name})"
                yield name, official[step], own[step]


if __name__ == "__main__":
    main()
