"""What a plan consists of: plain, printable, picklable records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jwcore.plugins import Plugins, Selection

RUN, SKIP, REFUSED = "run", "skip", "refused"
"""What is to happen with a step; a refused one keeps the plan from running."""
COMPLETE, SKIPPED, FAILED = "COMPLETE", "SKIPPED", "FAILED"
"""What became of a step, as its status keyword says."""


@dataclass(frozen=True)
class Source:
    """Where a node gets one product from: a file, a stream of another node, or an object in memory.

    Attributes
    ----------
    path : str
        File, when the product exists already.
    node, stream : str
        The node that will make it, and the stream under which it leaves that node.
    object : object or None
        A loaded product that the caller handed in.
    extra : mapping
        What the association says about this member beyond name and role.
    """

    path: str = ""
    node: str = ""
    stream: str = ""
    object: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Short name for people."""
        if self.object is not None:
            return self.object.meta.filename or "object in memory"
        return Path(self.path).name if self.path else f"{self.node} [{self.stream}]"


@dataclass(frozen=True)
class PlannedStep:
    """One step with everything that was decided about it.

    ``saves`` are the side products that it is going to write, ``may_save`` those that it decides about when it runs;
    ``undoes``: it takes back what it did in an earlier run.
    """

    label: str
    stage: str
    implementation: str = ""
    version: str = ""
    source_hash: str = ""
    action: str = RUN
    reason: str = ""
    attempted: bool = True
    on: tuple[str, ...] = ()
    gives: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, Any] = field(default_factory=dict)
    wrappers: tuple[str, ...] = ()
    wrapper_hashes: tuple[str, ...] = ()
    calls: tuple[PlannedStep, ...] = ()
    saves: tuple[str, ...] = ()
    may_save: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    chunk: str = "exposure"
    halo: int = 0
    scratch: float = 0.0
    undoes: bool = False

    @property
    def runs(self) -> bool:
        """Whether the step is going to run."""
        return self.action == RUN


@dataclass(frozen=True)
class PlannedSplit:
    """A product divided into branches and joined again."""

    by: PlannedStep
    branches: Mapping[str, tuple[PlannedStep, ...]]
    merge: PlannedStep
    on: str


@dataclass(frozen=True)
class PlannedForEach:
    """A template: the steps run once for every item that ``source`` finds at run time."""

    source: PlannedStep
    steps: tuple[PlannedStep, ...]
    gives: str
    on: str


@dataclass(frozen=True)
class PlannedSave:
    """A stream written in the middle of the recipe."""

    stream: str
    suffix: str


PlannedEntry = PlannedStep | PlannedSplit | PlannedForEach | PlannedSave


@dataclass
class Node:
    """One recipe on one exposure or one set of exposures; ``options`` are its own parameters that are not the defaults."""

    id: str
    recipe: str
    base: str
    inputs: dict[str, tuple[Source, ...]]
    entries: tuple[PlannedEntry, ...]
    saves: dict[str, Any]
    ensemble: bool = False
    after: tuple[str, ...] = ()
    state_from: str = ""
    association: dict[str, str] = field(default_factory=dict)
    peak_bytes: int = 0
    in_memory: bool = True
    options: dict[str, Any] = field(default_factory=dict)

    def steps(self) -> Iterator[PlannedStep]:
        """Iterate over all planned steps, with those inside branches, fan-outs and calls."""
        for entry in self.entries:
            yield from _steps_of(entry)

    def signature(self) -> str:
        """Digest of all that decides what the node makes; equal digests mean that nothing has to be done again."""
        plain = {
            "recipe": self.recipe,
            "entries": [asdict(entry) for entry in self.entries],
            "inputs": {role: [_source_stamp(s) for s in sources] for role, sources in self.inputs.items()},
        }
        return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class RunOptions:
    """How a plan is executed; none of it changes an array."""

    output_dir: str | None = None
    executor: str = "serial"
    jobs: int = 1
    max_memory: int | None = None
    resume: bool = False
    command: str = ""


@dataclass
class Problem:
    """Something that keeps a plan from running: who, what, and the exit code that it leads to."""

    node: str
    label: str
    text: str
    cure: str
    exit_code: int


@dataclass(repr=False)
class Plan:
    """The executable outcome of planning: nodes in an order in which each comes after those that it needs.

    ``plugins`` are those that it was made with; they stay behind when it goes to another process.
    """

    recipe: str
    nodes: list[Node]
    selection: Selection
    options: RunOptions
    context: str = ""
    problems: list[Problem] = field(default_factory=list)
    broken_plugins: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    plugins: Plugins | None = field(default=None, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"plugins": None}

    def load_plugins(self) -> Plugins:
        """Return the plugins, loaded again where the plan has come without them."""
        if self.plugins is None:
            self.plugins = Plugins(self.selection)
        return self.plugins

    def node(self, name: str) -> Node:
        """Find a node by its id."""
        return next(node for node in self.nodes if node.id == name)

    def run(self) -> Any:
        """Execute the plan.

        Returns
        -------
        jwcore.runner.Result
            The products, by node and stream.
        """
        from jwcore.runner import run_plan

        return run_plan(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data for ``--json``."""
        return {
            "recipe": self.recipe,
            "context": self.context,
            "plugins": asdict(self.selection)
            | {"blocked": sorted(self.selection.blocked), "only": sorted(self.selection.only)},
            "options": asdict(self.options),
            "nodes": [_node_dict(node) for node in self.nodes],
            "problems": [asdict(problem) for problem in self.problems],
            "remarks": self.remarks,
        }

    def __str__(self) -> str:
        from jwcore.report.plan_text import plan_as_text

        return plan_as_text(self)

    __repr__ = __str__  # what an interactive session shows


def _steps_of(entry: PlannedEntry) -> Iterator[PlannedStep]:
    if isinstance(entry, PlannedStep):
        yield entry
        for callee in entry.calls:
            yield from _steps_of(callee)
    elif isinstance(entry, PlannedSplit):
        yield from _steps_of(entry.by)
        for branch in entry.branches.values():
            for step in branch:
                yield from _steps_of(step)
        yield from _steps_of(entry.merge)
    elif isinstance(entry, PlannedForEach):
        yield from _steps_of(entry.source)
        for step in entry.steps:
            yield from _steps_of(step)


def _source_stamp(source: Source) -> tuple[Any, ...]:
    if source.path:
        stat = Path(source.path).stat()
        return (Path(source.path).name, stat.st_size)
    return (source.node, source.stream)


def _node_dict(node: Node) -> dict[str, Any]:
    plain = {
        "id": node.id, "recipe": node.recipe, "base": node.base, "after": list(node.after), "state_from": node.state_from,
        "saves": dict(node.saves), "peak_bytes": node.peak_bytes, "signature": node.signature(),
        "inputs": {role: [source.label for source in sources] for role, sources in node.inputs.items()},
    }  # fmt: skip
    plain["entries"] = [{"kind": type(entry).__name__} | asdict(entry) for entry in node.entries]
    return plain
