"""Planning: from inputs and a recipe to nodes in which nothing is left to decide."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from jwcore import memory, models
from jwcore.declare import Detector, ExposureType, StepInfo, matches, specificity, where_text
from jwcore.errors import BadInput, JwcalError, PluginError, UsageError
from jwcore.executors import find_executor
from jwcore.inputs import Job, open_inputs
from jwcore.params import Layer, Params, replacements, resolve, unknown_name
from jwcore.plan_model import (
    COMPLETE,
    REFUSED,
    RUN,
    SKIP,
    Node,
    Plan,
    PlannedEntry,
    PlannedForEach,
    PlannedSave,
    PlannedSplit,
    PlannedStep,
    Problem,
    RunOptions,
    Source,
)  # fmt: skip
from jwcore.plugin_modules import one_line
from jwcore.plugins import Implementation, Plugins, Selection
from jwcore.recipes import SCIENCE, Entry, ForEach, Save, Split, Step, holds, suffixes_of
from jwcore.references import (
    Found,
    Missing,
    NotApplicable,
    Provider,
    References,
    chain_from_options,
    parameter_layers,
    parameters_of,
)
from jwcore.references.fitness import as_image
from jwcore.references.providers import OverrideProvider
from jwcore.report.remarks import remarks, too_large

COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Request:
    """What the user asked for, after parsing: the one argument of the planner's internals."""

    params: tuple[Layer, ...] = ()
    skip: frozenset[str] = frozenset()
    save: frozenset[str] = frozenset()
    start: str | None = None


def plan(
    inputs: Any,
    recipe: str = "auto",
    *,
    to: str | None = None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    config: str | Path | None = None,
    skip: Iterable[str] = (),
    save: Iterable[str] = (),
    start: str | None = None,
    plugins: Sequence[str] = (),
    use: Mapping[str, str] | None = None,
    selection: Selection | None = None,
    references: str | Provider | None = None,
    overrides: Mapping[str, str] | None = None,
    output_dir: str | Path | None = None,
    executor: str = "serial",
    jobs: int = 1,
    max_memory: int | None = None,
    resume: bool = False,
    command: str = "",
) -> Plan:
    """Decide everything that a run will do, and check that it can.

    Parameters
    ----------
    inputs : path, product, or sequence of them
        Exposures, an association file, or a folder.
    recipe : str
        A recipe (``detector1``, ``calwebb_image2``), a single stage (``flat_field``), or ``auto``: the chain of recipes of the
        exposure type from what the inputs are.
    to : str, optional
        Product suffix at which ``auto`` stops.
    params : mapping, optional
        Label -> parameter -> value; the highest layer.
    config : path, optional
        TOML file with one table per label.
    skip, save : iterables of str
        Labels of steps that must not run, or whose result is to be written.
    start : str, optional
        Label to start from; what comes before is taken as done.
    plugins, use, selection
        Plugins to name, implementations to choose; or a ready selection.
    references : str or Provider, optional
        ``crds`` (default), ``none``, a folder of reference files, or who selects them.
    overrides : mapping, optional
        Reference type -> file to use whatever the rules say.
    output_dir : path, optional
        Folder for products. None keeps them in memory.
    executor, jobs, max_memory, resume, command
        How to run; see :class:`jwcore.plan_model.RunOptions`.

    Returns
    -------
    Plan
        Complete, also when there are problems: they are listed in ``plan.problems`` and keep it from running.

    Raises
    ------
    UsageError, BadInput, PluginError
        For what makes planning itself impossible.
    """
    chosen = selection or Selection.parse(tuple(plugins), use=use)
    loaded = Plugins(chosen)
    _check_names(loaded, overrides=overrides or {}, executor=executor)
    layers = _user_layers(config, params, skip=skip, save=save)
    request = Request(layers, frozenset(skip), frozenset(save), start)
    chain = chain_from_options(
        references=references, overrides=dict(overrides or {}), providers=loaded.named("jwcal_reference_providers")
    )
    jobs_to_plan = open_inputs(inputs, recipe=recipe, to=to, plugins=loaded)
    nodes: list[Node] = []
    problems: list[Problem] = []
    metas: dict[str, Any] = {}
    for job in jobs_to_plan:
        builder = NodeBuilder(job, plugins=loaded, request=request, chain=chain)
        nodes.append(builder.build())
        metas[job.id] = job.meta
        problems += builder.problems
    _check_steps(nodes, {"--from": [start] if start else [], "--skip": skip, "--save": save})
    _check_labels(nodes, layers, loaded)
    _check_targets(nodes, output_dir)
    _link_state(nodes, metas)
    return Plan(
        recipe=recipe, nodes=nodes, selection=chosen, context=_context(nodes) or getattr(chain, "context", "") or "",
        problems=problems,
        options=RunOptions(None if output_dir is None else str(output_dir), executor, jobs, max_memory, resume, command),
        broken_plugins={p.name: p.error for p in loaded.broken()},
        remarks=[*remarks(nodes, loaded, metas=metas, overrides=overrides or {}, references=references),
                 *too_large(nodes, jobs_to_plan, max_memory)],
        plugins=loaded,
    )  # fmt: skip


class NodeBuilder:
    """Plans one job: resolves implementations, parameters and references of every entry of its recipe."""

    def __init__(self, job: Job, *, plugins: Plugins, request: Request, chain: Any):
        self.job = job
        self.plugins = plugins
        self.request = request
        self.chain = chain
        self.problems: list[Problem] = []
        members = tuple(meta for meta, _ in job.sizes)
        self.metas = members if job.recipe.takes == "exposures" else (job.meta,)
        self.exposure_type: ExposureType | None = plugins.exposure_type(job.meta.keyword("EXP_TYPE"))
        self.detector: Detector | None = plugins.detector(job.meta.keyword("DETECTOR"))
        self.facts = _facts(job, self.exposure_type)
        self.started = request.start is None or request.start not in {s.label for s in job.recipe.steps()}
        self.idle = job.recipe.idle(job.to, plugins.stages) if job.to else set()
        self.streams = {SCIENCE, *job.inputs}
        self.own = Params()
        self._outcomes: dict[str, Any] = {}
        self._parameters: Mapping[str, str] | None = None
        pars = parameter_layers(chain, job.recipe.pars_class, job.recipe.steps(), self.parameters)
        asked_for = {job.recipe.name: {"skip": False}} if job.recipe.is_single else {}
        self._layers = (*pars, Layer("run by name", asked_for), *request.params)

    @property
    def parameters(self) -> Mapping[str, str]:
        """Header values that select references."""
        if self._parameters is None:
            origin = Path(self.job.origin) if self.job.origin else None
            self._parameters = parameters_of(self.job.meta, path=origin)
        return self._parameters

    def build(self) -> Node:
        """Plan all entries and return the node."""
        recipe = self.job.recipe
        own = self.own
        if not recipe.is_single:
            own, _ = resolve(recipe.params, label=recipe.name, layers=self._layers)
            self.own = own
        entries = []
        for entry in recipe.entries:
            if (planned := self._entry(entry, own)) is not None:
                entries.append(planned)
                self._follow(planned)
        self._refuse_repetition([e for e in entries if isinstance(e, PlannedStep) and e.runs and SCIENCE in e.on])
        saves = {stream: suffix for stream, suffix in recipe.saves.items() if stream in self.streams}
        saves |= {entry.suffix: entry.suffix for entry in entries if isinstance(entry, PlannedSave)}
        in_memory = getattr(own, "in_memory", True) and all(_in_memory(entry) for entry in entries)
        return Node(
            id=self.job.id, recipe=recipe.name, base=self.job.base, inputs=self.job.inputs, entries=tuple(entries),
            saves=saves, ensemble=recipe.takes == "exposures", after=self.job.after,
            association=self.job.association, peak_bytes=self._peak_bytes(entries, in_memory=in_memory),
            in_memory=in_memory, options=own.model_dump(exclude_defaults=True),
        )  # fmt: skip

    def _refuse_repetition(self, steps: list[PlannedStep]) -> None:
        """Refuse corrections that an input has been through, and to undo others: the result is wrong and looks right."""
        for meta, _ in self.job.sizes:
            wrong = [number for number, step in enumerate(steps) if self._is_done(step.stage, meta) != step.undoes]
            if wrong:
                names = " and ".join(steps[number].label for number in wrong)
                rest = [step.label for step in steps[wrong[-1] + 1 :]]
                what = f"has been through {names} already"
                cure = f"give what came before {steps[wrong[0]].label}" + (f", or --from {rest[0]}" if rest else "")
                if steps[wrong[0]].undoes:
                    what, cure = f"has not been through {names}: there is nothing to undo", f"--skip {names}"
                error = BadInput(f"{meta.filename or self.job.base} {what}", cure=cure)
                self.problems.clear()  # whatever else is missing, this is why
                self._problem(self.job.recipe.name, error)
                return

    def _is_done(self, stage: str, meta: Any) -> bool:
        declared = self.plugins.stages[stage]
        return bool(declared.status) and not declared.repeatable and meta.get(f"cal_step.{declared.status}") == COMPLETE

    def _peak_bytes(self, entries: Sequence[PlannedEntry], *, in_memory: bool) -> int:
        sizes = self.job.sizes if in_memory else self.job.sizes[:1]
        return memory.peak_bytes(sizes, self.job.meta, self.job.dimensions, entries)

    def _follow(self, entry: PlannedEntry) -> None:
        """Keep account of the streams that there will be, as the runner does when the entry runs."""
        if isinstance(entry, PlannedForEach) and entry.source.runs:
            self.streams.add(entry.gives)
        elif isinstance(entry, PlannedStep) and entry.runs:
            given = self.plugins.stages[entry.stage].gives
            if given and SCIENCE in entry.on:
                self.streams.discard(SCIENCE)
            self.streams |= {*given, *([entry.gives] if entry.gives else [])}

    def _entry(self, entry: Entry, own: Any) -> PlannedEntry | None:
        if isinstance(entry, Save):
            return PlannedSave(entry.stream, entry.suffix) if getattr(own, entry.option) else None
        if isinstance(entry, Split):
            return PlannedSplit(
                self._step(Step(entry.by, on=(entry.on,))),
                {
                    n: tuple(self._step(replace(s, label=f"{n}.{s.label}")) for s in b)
                    for n, b in entry.branches.items()
                },
                self._step(Step(entry.merge, on=(entry.on,))),
                entry.on,
            )
        if isinstance(entry, ForEach):
            source = self._step(Step(entry.source, on=(entry.on,)))
            return PlannedForEach(source, tuple(self._step(s) for s in entry.steps), entry.gives, entry.on)
        if self.started and not self.streams & set(entry.on):
            reason = f"nothing makes {' or '.join(entry.on)}"
            return PlannedStep(entry.label, entry.stage, on=entry.on, action=SKIP, reason=reason, attempted=False)
        return self._step(entry)

    def _step(self, entry: Step) -> PlannedStep:
        bare = PlannedStep(entry.label, entry.stage, on=entry.on, gives=entry.gives)
        if not self.started and entry.label != self.request.start:
            return replace(bare, action=SKIP, reason=f"done before --from {self.request.start}", attempted=False)
        self.started = True
        if {entry.label, entry.stage} & self.request.skip:
            return replace(bare, action=SKIP, reason="by request")
        if reason := self._declined(entry):
            return replace(bare, action=SKIP, reason=reason, attempted=False)
        if entry.stage not in self.plugins.stages:
            raise unknown_name(entry.stage, entry.stage, self.plugins.stages, where=f"recipe {self.job.recipe.name}")
        try:
            implementation = self.plugins.resolve(entry.stage, self.metas)
        except PluginError as error:
            self._problem(entry.label, error)
            return replace(bare, action=REFUSED, reason=str(error))
        if implementation is None:
            return self._unimplemented(bare, entry)
        try:
            return self._implemented(bare, entry, implementation)
        except JwcalError:
            raise
        except Exception as error:  # in what the step declares to be asked while planning
            text = f"{implementation.key} cannot be planned: {one_line(error, plugin=implementation.plugin.name)}"
            raise PluginError(text, where=entry.label, cure="mend what @step(...) declares") from error

    def _declined(self, entry: Step) -> str | None:
        """Say why the recipe itself leaves a step out; it then counts as not attempted."""
        if entry.label in self.idle:
            return f"not needed for {self.job.to}"
        if (reason := holds(entry.when, meta=self.job.meta, facts=self.facts)) is not None:
            return reason
        if entry.unless and holds(entry.unless, meta=self.job.meta, facts=self.facts) is None:
            return ", ".join(f"{key.replace('_', ' ')} is {value}" for key, value in entry.unless.items())
        return None

    def _unimplemented(self, bare: PlannedStep, entry: Step) -> PlannedStep:
        """A stage without implementation is fine if it is for others, or if the exposure does without it by default."""
        others = dict.fromkeys(where_text(one.info.where) for one in self.plugins.implementations(entry.stage))
        if others and self.exposure_type:  # its instrument is known, and needs no such step
            return replace(bare, action=SKIP, reason=f"{entry.stage} is for {' or '.join(others)}")
        text = f"no implementation of {entry.stage}"
        skips = ["", *(str(values["skip"]).lower() for values in self._values(entry) if "skip" in values)]
        if self.plugins.stages[entry.stage].off_by_default and skips[-1] not in ("false", "no", "0"):
            return replace(bare, action=SKIP, reason=f"off by default, {text}")
        instrument = str(self.job.meta.keyword("INSTRUME")).lower()
        cure = f"install a plugin that implements {entry.stage} for {instrument}, or --skip {entry.label}"
        self.problems.append(Problem(self.job.id, entry.label, text, cure, PluginError.exit_code))
        return replace(bare, action=REFUSED, reason=text)

    def _values(self, entry: Step) -> list[dict[str, Any]]:
        """Values of every layer above the recipe; what is set for a stage holds for all its labels that say nothing else."""
        named = dict.fromkeys((entry.stage, entry.label))
        return [
            {name: value for key in named for name, value in layer.values.get(key, {}).items()}
            for layer in self._layers
        ]

    def _implemented(self, bare: PlannedStep, entry: Step, implementation: Implementation) -> PlannedStep:
        info = implementation.info
        switched = {name: True for option, (label, name) in self.job.recipe.switches.items()
                    if label == entry.label and getattr(self.own, option, False)}  # fmt: skip
        layers = [Layer(f"recipe {self.job.recipe.name}", {entry.label: {**entry.params, **switched}})]
        given = zip(self._layers, self._values(entry), strict=True)
        layers += [replace(layer, values={entry.label: values}) for layer, values in given]
        try:
            values, origins = resolve(info.params, label=entry.label, layers=layers)
        except UsageError as error:
            raise self._owner_named(error, entry, implementation) from None
        planned = replace(
            bare, implementation=implementation.key, version=implementation.plugin.version,
            source_hash=implementation.plugin.source_hash, params=values.model_dump(), origins=origins, state=info.state,
            chunk=info.chunk_for(values), halo=info.halo_for(values), undoes=bool(info.undoes and getattr(values, info.undoes)),
            scratch=float(info.scratch_for(values, exposures=len(self.job.sizes))),
        )  # fmt: skip
        if values.skip:
            why = "off by default" if origins["skip"] == "default" else f"skip is set by {origins['skip']}"
            return replace(planned, action=SKIP, reason=why)
        references, reason = self._references(entry, implementation, values)
        if reason is None and info.applies is not None:
            reason = self._asked(info.applies, params=values, references=References(references, self.job.meta))
        if reason is not None:
            attempted = not entry.only_if_applies
            return replace(planned, references=references, action=SKIP, reason=reason, attempted=attempted)
        try:
            models.require(self.job.meta, info.needs, where=self.job.origin, cure="or --skip what needs it")
        except BadInput as error:
            self._problem(entry.label, error)
        around = self.plugins.wrappers(entry.stage, self.metas)
        calls = tuple(
            self._step(Step(stage, label=f"{entry.label}.{stage}")) for stage in self._wanted(info, info.calls, values)
        )
        saves, may_save = self._side_products(info, values)
        return replace(
            planned, references=references, calls=calls, saves=saves, may_save=may_save, action=RUN,
            wrappers=tuple(w.key for w in around), wrapper_hashes=tuple(w.plugin.source_hash for w in around),
        )  # fmt: skip

    def _side_products(self, info: StepInfo, values: Params) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What a step writes besides its result: what is switched on, and what it decides about when it runs."""
        stage = self.plugins.stages[info.stage]
        saves = info.saved_for(values)
        if values.save_results:
            saves += stage.gives or (values.suffix or stage.suffix,)
        return tuple(saves), tuple(product for product in info.products if product not in info.switches)

    def _owner_named(self, error: UsageError, entry: Step, chosen: Implementation) -> UsageError:
        """Say whose parameter it is, when a mistyped one belongs to an implementation that was not chosen."""
        self.plugins.load_rest()
        given = {name for values in self._values(entry) for name in values} - set(chosen.info.params.model_fields)
        for other in self.plugins.implementations(entry.stage):
            where = other.info.where  # a general one does not fit where a special one takes its place
            fits = matches(where, self.job.meta) and specificity(where) >= specificity(chosen.info.where)
            if fits and (mine := given & set(other.info.params.model_fields)):
                return UsageError(
                    f"{entry.label}.{min(mine)} is a parameter of {other.key}, but {chosen.key} runs",
                    where=error.where, cure=f"choose it with --use {entry.stage}={other.key}",
                )  # fmt: skip
        if given and error.cure:
            error.cure += "; if it is a plugin's, name that with -p"
        return error

    def _asked(self, question: Callable[..., Any], **offered: Any) -> Any:
        """Ask an implementation, for example whether it applies, with the arguments that it takes."""
        offered |= {"meta": self.job.meta, "members": self.job.inputs, "exposure_type": self.exposure_type}
        return question(**{name: offered[name] for name in inspect.signature(question).parameters})

    def _wanted(self, info: StepInfo, names: Sequence[str], values: Params) -> tuple[str, ...]:
        """Pick those of the optional references, or of the called stages, that an implementation needs this time."""
        if info.wants is None:
            return tuple(names)
        wanted = self._asked(info.wants, params=values)
        return tuple(name for name in names if name in wanted)

    def _references(
        self, entry: Step, implementation: Implementation, values: Params
    ) -> tuple[dict[str, Any], str | None]:
        """Resolve the references of a step; return them with a reason to skip, if their absence is one."""
        info = implementation.info
        kinds = (*info.references, *self._wanted(info, info.optional_references, values))
        named = OverrideProvider(replacements(values)).find(kinds, self.parameters)
        self._look_up([kind for kind in kinds if kind not in named])
        found: dict[str, Any] = {}
        reason = None
        dispensable = self.plugins.stages[entry.stage].dispensable and not self.job.recipe.is_single
        for kind in kinds:
            outcome = named[kind] if kind in named else self._outcomes[kind]
            needed = kind in info.references
            if isinstance(outcome, Found):
                found[kind] = as_image(outcome, self.parameters) if kind in info.images else outcome
            elif isinstance(outcome, Missing) and needed and dispensable and outcome.provider != OverrideProvider.name:
                reason = f"reference {kind}: {outcome.reason} — {outcome.cure}"
            elif isinstance(outcome, Missing) and (needed or outcome.name):
                cure = outcome.cure or f"--override {kind}=FILE, or --skip {entry.label}"
                self.problems.append(Problem(self.job.id, entry.label, f"reference {kind}: {outcome.reason}", cure, 3))
            elif isinstance(outcome, NotApplicable):
                found[kind] = outcome
            if isinstance(outcome, NotApplicable) and needed:
                reason = f"no {kind} reference applies: {outcome.reason}"
                if self.plugins.stages[entry.stage].essential:
                    cure = f"--override {kind}=FILE"
                    self.problems.append(Problem(self.job.id, entry.label, reason, cure, 3))
        return found, reason

    def _look_up(self, kinds: Sequence[str]) -> None:
        new = [kind for kind in kinds if kind not in self._outcomes]
        if new:
            self._outcomes.update(self.chain.find(new, self.parameters))

    def _problem(self, label: str, error: JwcalError) -> None:
        self.problems.append(Problem(self.job.id, label, error.message, error.cure or "", error.exit_code))


def _context(nodes: Iterable[Node]) -> str:
    """Name the rules that selected references; simulated exposures bring their own."""
    outcomes = (found for node in nodes for step in node.steps() for found in step.references.values())
    return next((found.context for found in outcomes if getattr(found, "context", "")), "")


def _in_memory(entry: PlannedEntry) -> bool:
    """Tell whether a step leaves all exposures of a set in memory."""
    return not (isinstance(entry, PlannedStep) and entry.runs) or entry.params.get("in_memory", True)


def _facts(job: Job, exposure_type: ExposureType | None) -> dict[str, Any]:
    """What recipe conditions may ask about an exposure."""
    meta = job.meta
    return {
        "tso": models.is_tso(meta, always=bool(exposure_type and exposure_type.always_tso)),
        "moving_target": models.is_moving_target(meta),
        "direct_image": bool(exposure_type and exposure_type.direct_image),
        "members": frozenset(job.inputs),
        "dimensions": job.dimensions,
    }


def _user_layers(
    config: str | Path | None,
    params: Mapping[str, Mapping[str, Any]] | None,
    *,
    skip: Iterable[str],
    save: Iterable[str],
) -> tuple[Layer, ...]:
    layers = []
    if config is not None:
        layers.append(Layer(str(config), read_config(config)))
    given: dict[str, dict[str, Any]] = {label: dict(values) for label, values in (params or {}).items()}
    for label in skip:
        given.setdefault(label, {})["skip"] = True
    for label in save:
        given.setdefault(label, {})["save_results"] = True
    layers.append(Layer(COMMAND_LINE, given))
    return tuple(layers)


def read_config(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read a TOML file with one table of parameters per label."""
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", cure="check the path after -c") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{path} is not valid TOML: {error}", cure="write tables like [jump] with name = value"
        ) from None
    loose = [key for key, value in content.items() if not isinstance(value, dict)]
    if loose:
        raise UsageError(f"'{loose[0]}' stands outside a table", where=str(path), cure="put it under [step]")
    return content


def _check_names(plugins: Plugins, *, overrides: Iterable[str], executor: str) -> None:
    """Refuse stages, reference types and executors that do not exist."""
    for stage in plugins.selection.use:
        if stage not in plugins.stages:
            raise unknown_name(stage, stage, plugins.stages, where="--use")
    infos = [one.info for stage in plugins.stages for one in plugins.implementations(stage)]
    kinds = {kind for info in infos for kind in (*info.references, *info.optional_references)}
    for kind in overrides:
        if kind.lower() not in kinds and not kind.lower().startswith("pars-"):
            raise unknown_name(kind, kind, kinds, where="--override")
    find_executor(executor, extra=plugins.named("jwcal_executors"))


def _check_steps(nodes: Sequence[Node], given: Mapping[str, Iterable[str]]) -> None:
    """Refuse options that name no step of the plan."""
    known = {name for node in nodes for step in node.steps() for name in (step.label, step.stage)}
    for option, names in given.items():
        for name in names:
            if name not in known:
                raise unknown_name(name, name, known, where=option)


def _check_targets(nodes: Sequence[Node], output_dir: str | Path | None) -> None:
    """Refuse inputs from which the same product would be made twice, and products that would replace an input."""
    ids = [node.id for node in nodes]
    twice = [name for name in ids if ids.count(name) > 1]
    if twice:
        raise UsageError(f"{twice[0]} would run twice", cure="give each exposure once")
    for node in nodes if output_dir is not None else ():
        made = {suffix for saved in node.saves.values() for suffix in suffixes_of(saved)}
        for path in (Path(source.path) for sources in node.inputs.values() for source in sources if source.path):
            own = node.ensemble or models.strip_suffix(path.stem) == node.base
            if (
                own
                and models.suffix_of(path.stem) in made
                and path.parent.resolve() == Path(output_dir or "").resolve()
            ):
                raise UsageError(f"{node.recipe} would replace its own input {path.name}", cure="-o ANOTHER_FOLDER")


def _check_labels(nodes: Sequence[Node], layers: Sequence[Layer], plugins: Plugins) -> None:
    """Refuse parameters for labels that no recipe of the plan has."""
    known = {name for node in nodes for step in node.steps() for name in (step.label, step.stage)}
    known |= {node.recipe for node in nodes}
    elsewhere = {step.label for recipe in plugins.recipes() for step in recipe.steps()}
    for layer in layers:
        for label in layer.values:
            if label not in known and not (label in elsewhere and layer.origin != COMMAND_LINE):
                raise _unknown_label(label, known, plugins, where=layer.origin)


def _unknown_label(label: str, known: Iterable[str], plugins: Plugins, *, where: str) -> UsageError:
    """Build the error for a label that no recipe of the plan has: often a plugin's name, or a stage of an unnamed one."""
    error = unknown_name(label, label, known, where=where)
    plugins.load_rest()
    if label in plugins.plugins:
        stages = sorted({one.info.stage for one in plugins.brought_by(plugins.plugins[label])})
        error.cure = f"{label} is a plugin; parameters are set by stage: {', '.join(stages) or 'it has none'}"
    elif label in plugins.stages:
        owner = plugins.owner(plugins.stages[label])
        inert = owner is not None and not owner.active
        error.cure = f"name its plugin: -p {owner.name}" if owner and inert else "no recipe of this plan has this step"
    elif Path(f"{label}.py").is_file():
        error.cure = f"if it comes with a plugin, name that: -p {label}.py"
    return error


def _link_state(nodes: list[Node], metas: Mapping[str, Any]) -> None:
    """Chain the nodes of one detector in time order where a step hands state from exposure to exposure."""
    groups: dict[tuple[str, str], list[Node]] = {}
    for node in nodes:
        if any(step.state and step.runs for step in node.steps()):
            key = (node.recipe, str(metas[node.id].keyword("DETECTOR")))
            groups.setdefault(key, []).append(node)
    for group in groups.values():
        group.sort(key=lambda node: metas[node.id].keyword("EXPSTART") or 0.0)
        for earlier, later in pairwise(group):
            later.state_from = earlier.id
            later.after = (*later.after, earlier.id)
    order = {node.id: number for number, node in enumerate(nodes)}
    _sort_topologically(nodes, order)


def _sort_topologically(nodes: list[Node], order: Mapping[str, int]) -> None:
    done: set[str] = set()
    waiting = sorted(nodes, key=lambda node: order[node.id])
    nodes.clear()
    while waiting:
        ready = next(node for node in waiting if set(node.after) & set(order) <= done)
        waiting.remove(ready)
        done.add(ready.id)
        nodes.append(ready)


__all__ = ["SCIENCE", "NodeBuilder", "Source", "plan", "read_config"]
