"""Running a plan: nodes through an executor, as soon as those that they need are done."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from glob import escape
from pathlib import Path
from typing import Any

from jwcore import models
from jwcore.errors import BadInput, JwcalError, MissingReference, PluginError, RunFailed, UsageError
from jwcore.executors import find_executor
from jwcore.models import history
from jwcore.node_runner import NodeOutcome, NodeRunner, ProductRef
from jwcore.plan_model import Node, Plan, Source
from jwcore.recipes import SCIENCE, suffixes_of
from jwcore.report.plan_text import grouped_problems

log = logging.getLogger("jwcal")
SHOWN_PROBLEMS = 5


@dataclass(repr=False)
class Result:
    """Products of a run.

    ``result["cal"]`` gives the product of that stream or suffix when there is one, and the list of them when there are
    several. Products on disk are read when asked for.
    """

    plan: Plan
    outcomes: dict[str, NodeOutcome] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Result of {self.plan.recipe}, to be asked for {' or '.join(sorted(self.names())) or 'nothing'}>"

    def __getitem__(self, name: str) -> Any:
        found = [_open(product) for product in self.products(name)]
        if not found:
            raise KeyError(f"no product '{name}'; there is: {', '.join(sorted(self.names()))}")
        return found[0] if len(found) == 1 else found

    def products(self, name: str) -> Iterator[Any]:
        """Iterate over the products of a stream or suffix as they are: objects, or references to files."""
        for node in self.plan.nodes:
            for stream, product in self.outcomes[node.id].products.items():
                if name in (stream, *_suffixes_of(node, stream)):
                    yield from product if isinstance(product, list) else [product]

    def names(self) -> set[str]:
        """Streams and suffixes that products can be asked for by."""
        return {
            name
            for node in self.plan.nodes
            if node.id in self.outcomes
            for stream in self.outcomes[node.id].products
            for name in (stream, *_suffixes_of(node, stream))
        }

    def paths(self) -> list[Path]:
        """All files that the run wrote."""
        found: list[Path] = []
        for outcome in self.outcomes.values():
            for product in outcome.products.values():
                items = (
                    product
                    if isinstance(product, list)
                    else list(product.values())
                    if isinstance(product, dict)
                    else [product]
                )
                found += [Path(item.path) for item in items if isinstance(item, ProductRef)]
        return found


def run_plan(plan: Plan, *, progress: Callable | None = None) -> Result:
    """Execute a plan.

    Raises
    ------
    MissingReference, PluginError
        When the plan has problems; nothing has run then.
    RunFailed
        When a step failed; what other nodes have finished stays on disk.
    """
    refuse_problems(plan)
    for remark in plan.remarks:
        log.warning("note: %s", remark)
    plugins = plan.load_plugins()
    threads = max(1, (os.cpu_count() or 1) // max(1, plan.options.jobs))
    executor = find_executor(plan.options.executor, extra=plugins.named("jwcal_executors"))(plan.options.jobs)
    if plan.options.output_dir is not None:
        _make_folder(plan.options.output_dir)
    result = Result(plan)
    with tempfile.TemporaryDirectory(prefix="jwcal-") as scratch:
        plan = _spill(plan, scratch) if not executor.in_process else plan
        work = _Work(plan, threads, progress if executor.in_process else None, log.getEffectiveLevel())
        try:
            _run_nodes(plan, executor, work, result)
        finally:
            executor.shutdown(cancel_futures=True)
    plugins.finished(result)
    return result


def refuse_problems(plan: Plan) -> None:
    """Raise one error that lists everything that keeps a plan from running."""
    if not plan.problems:
        return
    worst = max(plan.problems, key=lambda problem: problem.exit_code)
    kind = {3: MissingReference, 4: BadInput, 5: PluginError}.get(worst.exit_code, UsageError)
    found = grouped_problems(plan)
    texts = [f"{', '.join(dict.fromkeys(label for label, _ in who))}: {text}" for (text, _), who in found.items()]
    more = f"; and {len(texts) - SHOWN_PROBLEMS} more, which the plan lists" if len(texts) > SHOWN_PROBLEMS else ""
    raise kind("; ".join(texts[:SHOWN_PROBLEMS]) + more, cure=worst.cure)


def _run_nodes(plan: Plan, executor: Any, work: _Work, result: Result) -> None:
    """Submit every node when those before it are done."""
    waiting = list(plan.nodes)
    running: dict[Future, Node] = {}
    while waiting or running:
        ready = [node for node in waiting if set(node.after) <= set(result.outcomes)]
        for node in ready:
            waiting.remove(node)
            running[executor.submit(work, node.id, _needed(node, result))] = node
            if executor.in_process:
                break
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            node = running.pop(future)
            result.outcomes[node.id] = _outcome(future, node)


def _outcome(future: Future, node: Node) -> NodeOutcome:
    try:
        return future.result()
    except BrokenProcessPool:
        raise RunFailed(
            "a worker process died (out of memory, or killed)", where=node.id, cure="use fewer -j, or --resume to go on"
        ) from None


def _needed(node: Node, result: Result) -> dict[tuple[str, str], Any]:
    """Products and state of earlier nodes that a node takes up."""
    needed: dict[tuple[str, str], Any] = {}
    for sources in node.inputs.values():
        for source in sources:
            if source.node:
                products = result.outcomes[source.node].products
                if source.stream not in products:
                    raise RunFailed(f"{source.node} made no {source.stream}", where=node.id, cure="see its log")
                needed[source.node, source.stream] = products[source.stream]
    if node.state_from:
        needed[node.state_from, "state"] = result.outcomes[node.state_from].state
    return needed


@dataclass
class _Work:
    """The task given to an executor; picklable, and loads the plugins where it runs."""

    plan: Plan
    threads: int
    progress: Callable | None
    level: int

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"progress": None}

    def __call__(self, node_id: str, upstream: Mapping[tuple[str, str], Any]) -> NodeOutcome:
        node = self.plan.node(node_id)
        if self.plan.plugins is None:
            os.environ.setdefault("NUMBA_NUM_THREADS", str(self.threads))
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter(f"{_short_name(self.plan, node)}  %(message)s"))
            log.handlers[:], log.propagate = [handler], False
            log.setLevel(self.level)
        if self.plan.options.resume and (done := _done_before(self.plan, node)) is not None:
            log.info("%-20s %s is up to date", "resume", node.id)
            return done
        log.info("%s", node.id)
        state = upstream.get((node.state_from, "state"))
        plugins = self.plan.load_plugins()
        return NodeRunner(self.plan, node, plugins, upstream=upstream, state=state, progress=self.progress).run()


def _short_name(plan: Plan, node: Node) -> str:
    """Last words of a base name, enough of them to tell all base names apart: a prefix for lines of nodes side by side."""
    bases = {one.base for one in plan.nodes}
    for words in range(2, 9):
        short = {base: "_".join(base.split("_")[-words:]) for base in bases}
        if len(set(short.values())) == len(bases):
            break
    return short[node.base].replace("%", "%%")


def _done_before(plan: Plan, node: Node) -> NodeOutcome | None:
    """Find all products of an earlier run with the same signature and the same inputs."""
    folder = plan.options.output_dir
    if folder is None:
        return None
    found: dict[str, list[Path]] = {}
    run: dict[str, Any] = {}
    for stream in node.saves:
        for suffix in _suffixes_of(node, stream):
            for path in sorted(Path(folder).glob(f"{'*' if node.ensemble else escape(node.base)}_{suffix}.*")):
                if (latest := _latest_run(path)).get("signature") == node.signature():
                    found.setdefault(stream, []).append(path)
                    run = run if run.get("products") else latest
    if not run or {stream: len(paths) for stream, paths in found.items()} != run.get("products") or _changed(run):
        return None
    references = {stream: [ProductRef(str(path)) for path in paths] for stream, paths in found.items()}
    return NodeOutcome(
        node.id, {name: made if len(made) > 1 else made[0] for name, made in references.items()}, reused=True
    )


def _latest_run(path: Path) -> dict[str, Any]:
    """Return the record of the last run in a product, with the references among its inputs; empty if it cannot be read."""
    try:
        records = history.runs(models.read(path).provenance)
    except JwcalError:
        return {}
    if not records:
        return {}
    run, settings = records[-1]
    references = [
        one for entry in history.flat_entries(settings["entries"]) for one in entry.get("references", {}).values()
    ]
    return run | {"inputs": {**run["inputs"], "references": [one for one in references if one != "N/A"]}}


def _changed(run: Mapping[str, Any]) -> bool:
    """Tell whether an input or a reference of a recorded run is gone or has changed since."""
    entries = [one for inputs in run["inputs"].values() for one in inputs if one.get("sha256")]
    return any(not Path(one["path"]).is_file() or models.fingerprint(one["path"]) != one["sha256"] for one in entries)


def _suffixes_of(node: Node, stream: str) -> tuple[str, ...]:
    return suffixes_of(node.saves.get(stream, stream))


def _spill(plan: Plan, scratch: str) -> Plan:
    """Write objects in memory to files, for workers that cannot see them."""
    if plan.options.output_dir is None:
        raise UsageError("parallel runs need an output folder", cure="give output_dir (-o DIR)")
    nodes = []
    for node in plan.nodes:
        inputs = {role: tuple(_spilled(s, scratch, node) for s in sources) for role, sources in node.inputs.items()}
        nodes.append(replace(node, inputs=inputs))
    return replace(plan, nodes=nodes)


def _spilled(source: Source, scratch: str, node: Node) -> Source:
    if source.object is None:
        return source
    path = models.write(
        source.object, Path(scratch) / f"{id(source.object)}" / (source.object.meta.filename or f"{node.base}.fits")
    )
    return replace(source, path=str(path), object=None)


def _make_folder(folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = "it is a file" if Path(folder).is_file() else error.strerror
        raise UsageError(f"cannot write to {folder}: {why}", where="-o", cure="choose another folder") from None


def _open(product: Any) -> Any:
    if isinstance(product, ProductRef):
        return product.open()
    return product


__all__ = ["SCIENCE", "JwcalError", "Result", "refuse_problems", "run_plan"]
