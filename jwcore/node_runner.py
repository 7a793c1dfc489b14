"""Running one plan node: streams of products through the planned steps, and out to files."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jwcore import memory, models, provenance, returned, streaming
from jwcore.context import Context
from jwcore.declare import StepInfo
from jwcore.errors import JwcalError, PluginError, RunFailed, SkipStep, StepFailed
from jwcore.models import history
from jwcore.models.mapped import Scratch
from jwcore.plan_model import (
    COMPLETE,
    FAILED,
    SKIPPED,
    Node,
    Plan,
    PlannedEntry,
    PlannedForEach,
    PlannedSave,
    PlannedSplit,
    PlannedStep,
    Source,
)  # fmt: skip
from jwcore.plugins import Plugins
from jwcore.recipes import SCIENCE
from jwcore.references import ReadAhead, References
from jwcore.report.plan_text import log_line

WRITERS = 2
"""Products written side by side: it is the system that needs the time, for fresh pages of memory."""

log = logging.getLogger("jwcal")


@dataclass(frozen=True)
class ProductRef:
    """A product on disk; this, never an array, crosses process borders."""

    path: str

    def open(self) -> Any:
        """Read the product."""
        return models.read(self.path)


@dataclass
class NodeOutcome:
    """What a node leaves behind: products by stream, state for the next exposure, and one line per step."""

    node: str
    products: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    reused: bool = False


class NodeRunner:
    """Executes the planned entries of one node.

    Parameters
    ----------
    plan, node : Plan, Node
        What to do.
    plugins : Plugins
        The loaded plugins, rebuilt from the plan's selection.
    upstream : mapping
        (node id, stream) -> product of an earlier node.
    state : mapping
        What the previous exposure of the same detector handed on.
    progress : callable, optional
        Wraps an iterable with a progress bar.
    """

    def __init__(
        self, plan: Plan, node: Node, plugins: Plugins, *, upstream: Mapping[tuple[str, str], Any],
        state: Mapping[str, Any] | None = None, progress: Callable | None = None,
    ):  # fmt: skip
        self.plan = plan
        self.node = node
        self.plugins = plugins
        self.upstream = upstream
        self.state = dict(state or {})
        self.progress = progress
        self.streams: dict[str, Any] = {}
        self.members: dict[str, Any] = {}
        self.outcome = NodeOutcome(node.id)
        self.histories: list[list[dict[str, Any]]] = []
        self.digests: dict[str, list[dict[str, Any]]] = {}
        self.settings = provenance.configuration(plan, node, plugins)
        self._digesting: list[tuple[dict[str, Any], Future]] = []
        self.piece: streaming.Pass | None = None

    # ---------------------------------------------------------------- the run
    def run(self) -> NodeOutcome:
        """Run all entries, write the products and return what is left."""
        started = time.perf_counter()
        with ThreadPoolExecutor(1) as pool:
            self.ahead = ReadAhead(pool)
            self._open_inputs(pool)
            self._read_ahead()
            with tempfile.TemporaryDirectory(prefix="jwcal-ramp-") as scratch:
                self._run_entries(scratch)
                self._collect_digests()
                self._finish()
        self.outcome.state = self.state
        self.outcome.seconds = time.perf_counter() - started
        return self.outcome

    def _open_inputs(self, pool: ThreadPoolExecutor) -> None:
        for role, sources in self.node.inputs.items():
            items = [self._item(source) for source in sources]
            if role == SCIENCE and not self.node.ensemble:
                self.streams[role] = self._loaded(items[0])
                if not self._in_pieces():
                    self.streams[role].begin_reading(pool)
            for source in sources:
                self._note_input(role, source, pool)
            if role in self.streams:
                continue
            cap = self.plan.options.max_memory
            exposures = models.ExposureSet(
                items, name=self.node.base, asn=self.node.association or None,
                in_memory=self.node.in_memory and not memory.exceeds(self.node.peak_bytes, cap),
                members_info=[source.extra for source in sources],
            )  # fmt: skip
            self.streams[role] = self.members[role] = exposures
        science = self.streams[SCIENCE]
        inputs = science.each() if isinstance(science, models.ExposureSet) else [science]
        for exposure in inputs:
            self.histories.append(list(exposure.provenance))
            self._name_association(exposure.meta)

    def _read_ahead(self) -> None:
        """Begin to read the references of images; the steps of a ramp keep all cores busy themselves."""
        science = self.streams[SCIENCE]
        if isinstance(science, models.Exposure) and not isinstance(science, models.Ramp):
            for entry in self.node.entries:
                if isinstance(entry, PlannedStep) and entry.runs and entry.references and SCIENCE in entry.on:
                    self.ahead.begin(entry.label, References.of(science, entry.references))

    def _item(self, source: Source) -> Any:
        """A loaded product that may be edited, or the path of one."""
        if source.object is not None:
            return source.object.copy()
        if source.path:
            return source.path
        made = self.upstream[source.node, source.stream]
        return made.path if isinstance(made, ProductRef) else made.copy()

    def _loaded(self, item: Any) -> Any:
        """Read a file, a raw one into the container of its exposure type."""
        if not isinstance(item, (str, Path)):
            return item
        product = models.read(item)
        traits = self.plugins.exposure_type(product.meta.keyword("EXP_TYPE"))
        if isinstance(product, models.Ramp) and traits is not None and traits.raw != "Ramp":
            return models.read(item, kind=getattr(models, traits.raw))
        return product

    def _note_input(self, role: str, source: Source, pool: ThreadPoolExecutor) -> None:
        made = self.upstream.get((source.node, source.stream)) if source.node else None
        path = source.path or (made.path if isinstance(made, ProductRef) else "")
        entry = {"name": Path(path).name if path else source.label, "path": str(Path(path).absolute()) if path else ""}
        self.digests.setdefault(role, []).append(entry)
        if path:
            self._digesting.append((entry, pool.submit(models.fingerprint, path)))

    def _collect_digests(self) -> None:
        for entry, future in self._digesting:
            entry["sha256"] = future.result()

    # ---------------------------------------------------------------- entries
    def _run_entries(self, scratch: str) -> None:
        cap = self.plan.options.max_memory
        if cap is None or not self._in_pieces():
            for entry in self.node.entries:
                self._run_entry(entry)
            return
        room = Scratch(scratch)
        streaming.to_scratch(self.streams[SCIENCE], room)
        for group in streaming.passes(self.node.entries, lambda planned: self._info(planned).survey):
            if streaming.chunked(group) and SCIENCE in self.streams:
                self._run_pass(group, cap, room)
            else:
                for entry in group:
                    self._run_entry(entry)

    def _in_pieces(self) -> bool:
        """Tell whether the exposure is too large to be worked on as a whole."""
        cap, science = self.plan.options.max_memory, self.streams[SCIENCE]
        pieces = isinstance(science, models.Ramp) and models.has_detector_rows(science.meta)
        return cap is not None and pieces and streaming.needed(self.node, cap)

    def _run_pass(self, group: list[Any], cap: int, scratch: Scratch) -> None:
        """Run a group of steps piece by piece, and record each of them once."""
        before = len(self.outcome.steps)
        whole = self.streams[SCIENCE]
        joined = self.piece = streaming.Pass(group, whole, cap, scratch)
        result = joined.run(self.run_step)
        self.piece = None
        if result is not whole:
            _inherit(result, whole)
        pieces = self.outcome.steps[before:]
        del self.outcome.steps[before:]
        for planned in group:
            record = history.summed([piece for piece in pieces if piece["label"] == planned.label])
            self.outcome.steps.append(record)
            self._stamp(whole, planned, record["status"])
            self._tell(planned, record)
        self._route(group[-1], SCIENCE, result)
        for name, side in joined.sides.items():
            self._write(name, side, name)
        self._save_result(group[-1], result)

    def _run_entry(self, entry: PlannedEntry) -> None:
        if isinstance(entry, PlannedStep):
            for stream in entry.on:
                if stream in self.streams:
                    self._route(entry, stream, self.run_step(entry, self.streams[stream]))
        elif isinstance(entry, PlannedSplit):
            self._run_split(entry)
        elif isinstance(entry, PlannedForEach):
            self._run_for_each(entry)
        elif isinstance(entry, PlannedSave) and entry.stream in self.streams:
            self._write(entry.suffix, self.streams[entry.stream], entry.suffix)

    def _route(self, planned: PlannedStep, stream: str, result: Any) -> None:
        """Put a result where the recipe wants it."""
        if result is self.streams[stream] and planned.gives is not None:
            return  # skipped: there is nothing to give
        given = self.plugins.stages[planned.stage].gives
        if result is not self.streams[stream] and planned.gives is None:
            returned.check_kind(result, self.streams[stream], given=given, planned=planned)
        if isinstance(result, Mapping) and given:
            if stream == SCIENCE:
                del self.streams[stream]
            self.streams.update({name: product for name, product in result.items() if product is not None})
        else:
            self.streams[planned.gives or stream] = result

    def _run_split(self, entry: PlannedSplit) -> None:
        parts = self.run_step(entry.by, self.streams[entry.on])
        returned.require_mapping(parts, entry.by)
        for name, steps in entry.branches.items():
            if name in parts:
                for planned in steps:
                    parts[name] = self.run_step(planned, parts[name])
        self.streams[entry.on] = self.run_step(entry.merge, self.streams[entry.on], members=parts)

    def _run_for_each(self, entry: PlannedForEach) -> None:
        items = self.run_step(entry.source, self.streams[entry.on])
        returned.require_mapping(items, entry.source)
        results: dict[str, Any] = {}
        for name, item in self._progress(items.items(), entry.source.label):
            product = item
            for planned in entry.steps:
                product = self.run_step(planned, product)
            results[name] = product
        self.streams[entry.gives] = results

    def _progress(self, items: Any, label: str) -> Any:
        return items if self.progress is None else self.progress(list(items), label)

    # ---------------------------------------------------------------- one step
    def run_step(self, planned: PlannedStep, product: Any, *, members: Mapping[str, Any] | None = None) -> Any:
        """Run one planned step on one product and record what happened."""
        stage = self.plugins.stages.get(planned.stage)
        if stage is not None and not stage.ensemble and isinstance(product, models.ExposureSet):
            return self._map(planned, product)
        record: dict[str, Any] = {"label": planned.label, "stage": planned.stage}
        if not planned.runs:
            return self._skipped(planned, product, record, planned.reason)
        started = time.perf_counter()
        try:
            offered = self._offered(planned, product)
            offered["context"] = context = self._context(planned, product, record, offered)
            offered["members"] = self.members if members is None else members
            result = self._call(planned, product, offered)
        except SkipStep as skip:
            return self._skipped(planned, product, record, str(skip))
        except StepFailed as failure:
            return self._skipped(planned, product, record, str(failure), status=FAILED)
        except JwcalError as error:
            error.where = error.where or planned.implementation
            raise
        except (Exception, SystemExit) as error:  # libraries, too, call sys.exit
            log.debug("%s", planned.label, exc_info=True)
            raise self._failure(planned, error) from error
        self._complete(planned, product, result, record, context, time.perf_counter() - started)
        return result

    def _failure(self, planned: PlannedStep, error: BaseException) -> RunFailed:
        """Name the step or wrapper that raised an exception, and the line."""
        culprit, place = self.plugins.blame(error, planned.stage, (planned.implementation, *planned.wrappers))
        who = f"{'wrapper ' if culprit in planned.wrappers else ''}{culprit}{', ' if place else ''}{place}"
        text = f"{planned.label} ({who}) failed: {type(error).__name__}: {error}"
        return RunFailed(text, where=self.node.base, cure=self._resume_hint())

    def _map(self, planned: PlannedStep, exposures: Any) -> Any:
        """Run a per-exposure step on every exposure of a set, editing the set."""
        for index in range(len(exposures)):
            exposures[index] = self.run_step(planned, exposures[index])
        return exposures

    def _call(self, planned: PlannedStep, product: Any, offered: Mapping[str, Any]) -> Any:
        stage = self.plugins.stages[planned.stage]
        target = product
        if stage.ensemble and not isinstance(product, models.ExposureSet):
            target = models.ExposureSet([product], name=self.node.base)
        arguments = {
            **offered, "exposure": target, "exposures": target,
            "state": {name: self.state.get(name) for name in planned.state},
        }  # fmt: skip
        before = target.shapes() if isinstance(target, models.Exposure) else {}
        result = self.plugins.call(planned.stage, planned.implementation, planned.wrappers, arguments)
        self.state.update(arguments["state"])
        culprits = " or ".join((planned.implementation, *planned.wrappers))
        returned.check(result, target, shapes=before, planned=planned, culprits=culprits, where=self.node.base)
        if result is not target:
            _inherit(result, product)
        return product if result is target else result

    def _info(self, planned: PlannedStep) -> StepInfo:
        return self.plugins.implementation(planned.stage, planned.implementation).info

    def _offered(self, planned: PlannedStep, target: Any) -> dict[str, Any]:
        """Offer a product with its references and the parameters."""
        one = _first(target)
        references = self.ahead.take(planned.label, one) or References.of(one, planned.references)
        return {"exposure": target, "references": references, "params": self._info(planned).params(**planned.params)}

    def _context(
        self, planned: PlannedStep, product: Any, record: dict[str, Any], offered: Mapping[str, Any]
    ) -> Context:
        meta = getattr(_first(product), "meta", None)

        return Context(
            planned.label,
            detector=self.plugins.detector(meta.keyword("DETECTOR")) if meta is not None else None,
            exposure_type=self.plugins.exposure_type(meta.keyword("EXP_TYPE")) if meta is not None else None,
            products=self._info(planned).products,
            rows=self.piece.own_rows if self.piece else slice(None),
            survey=self._survey(planned, offered),
            saver=self.piece.keep if self.piece else lambda name, side: self._write(name, side, name),
            namer=lambda name, extension: f"{self.node.base}_{self.node.saves.get(name, name)}.{extension}",
            nested=lambda stage, inner, **how: self._nested(planned, record, stage, inner, **how),
            progress=self.progress,
            record=record,
        )  # fmt: skip

    def _survey(self, planned: PlannedStep, offered: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the questions that a step has about the whole exposure."""
        answers = self._info(planned).answers
        if self.piece is None:
            return answers(offered)
        return self.piece.surveyed(lambda whole: answers(self._offered(planned, whole)))

    def _nested(
        self,
        caller: PlannedStep,
        record: dict[str, Any],
        stage: str,
        product: Any,
        *,
        consume: bool,
        params: dict[str, Any],
    ) -> Any:
        """Run a callee that the caller declared; its record goes inside the caller's."""
        planned = next((callee for callee in caller.calls if callee.stage == stage), None)
        if planned is None:
            raise PluginError(f"{caller.implementation} calls {stage} undeclared", cure=f"@step(calls=({stage!r},))")
        planned = replace(planned, params={**planned.params, **params})
        before = len(self.outcome.steps)
        result = self.run_step(planned, product if consume else product.copy())
        record.setdefault("calls", []).extend(self.outcome.steps[before:])
        del self.outcome.steps[before:]
        return result

    # ---------------------------------------------------------------- records
    def _complete(
        self, planned: PlannedStep, product: Any, result: Any, record: dict[str, Any], context: Context, seconds: float
    ) -> None:
        record |= {"status": COMPLETE, "seconds": round(seconds, 3)}
        if context.counts:
            record["counts"] = dict(context.counts)
        self.outcome.steps.append(record)
        stays = isinstance(result, Mapping) and SCIENCE not in planned.on
        own = [p for p in (*_each(result), *([product] if stays else ())) if isinstance(p, models.Exposure)]
        for index, exposure in enumerate(own):
            self._stamp(exposure, planned, SKIPPED if index in context.unchanged else COMPLETE)
        if self.piece is None:
            self._save_result(planned, result)
        self._tell(planned, record)

    def _save_result(self, planned: PlannedStep, result: Any) -> None:
        """Write the result of a step that shall be saved."""
        if not planned.runs or not planned.params.get("save_results"):
            return
        suffix = planned.params.get("suffix")
        if not suffix:
            suffix = self.plugins.stages[planned.stage].suffix
        for name, part in result.items() if isinstance(result, Mapping) else ((suffix, result),):
            self._write(f"{planned.label}:{name}", part, name)

    def _tell(self, planned: PlannedStep, record: Mapping[str, Any]) -> None:
        """Write the one log line of a step."""
        if self.piece is not None:
            return
        if record["status"] == COMPLETE:
            log.info("%s", log_line(planned, record["seconds"], record.get("counts", {})))
        else:
            what = "not done" if record["status"] == FAILED else "skipped"
            level = logging.WARNING if record["status"] == FAILED else logging.INFO
            log.log(level, "%-20s %s: %s", planned.label, what, record["reason"])

    def _skipped(
        self, planned: PlannedStep, product: Any, record: dict[str, Any], reason: str, *, status: str = SKIPPED
    ) -> Any:
        record |= {"status": status, "reason": reason}
        self.outcome.steps.append(record)
        for exposure in _each(product):
            if isinstance(exposure, models.Exposure) and planned.gives is None:
                self._stamp(exposure, planned, status)
        self._tell(planned, record)
        return product

    def _stamp(self, exposure: Any, planned: PlannedStep, status: str) -> None:
        """Write status and reference keywords."""
        stage = self.plugins.stages.get(planned.stage)
        if stage is None or not planned.attempted:
            return
        if stage.status:
            exposure.meta.set(f"cal_step.{stage.status}", None if planned.undoes and status == COMPLETE else status)
        for kind, outcome in planned.references.items():
            exposure.meta.set(f"ref_file.{kind}.name", outcome.record)

    def _resume_hint(self) -> str:
        return (
            f"mend the cause, then: {self.plan.options.command} --resume"
            if self.plan.options.command
            else "see the log"
        )

    # ---------------------------------------------------------------- products
    def _finish(self) -> None:
        """Attach the provenance and write what the recipe saves."""
        saves = {stream: suffix for stream, suffix in self.node.saves.items() if stream in self.streams}
        before = {name: made for name, made in self.outcome.products.items() if name in self.node.saves}
        products = {name: len(made) if isinstance(made, list) else 1 for name, made in before.items()}
        record = provenance.run_record(
            self.node, inputs=self.digests, steps=self.outcome.steps, settings=self.settings,
            products=products | {stream: _number(self.streams[stream]) for stream in saves},
        )  # fmt: skip
        own = (self.settings, record)
        self.outcome.products |= dict.fromkeys(saves)  # in the order of the recipe, whichever is written first
        with ThreadPoolExecutor(WRITERS) as pool:
            jobs = [pool.submit(self._save, stream, suffix, own) for stream, suffix in saves.items()]
            for job in jobs:  # inside the block: an interruption here still waits for the files to become complete
                job.result()

    def _save(self, stream: str, suffix: Any, own: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Write one product at the end of the run."""
        product = self.streams[stream]
        if isinstance(product, models.ExposureSet) and len(product) == len(self.histories):
            histories = [history.merged([one], own=own) for one in self.histories]
        else:
            histories = [history.merged(self.histories, own=own)] * _number(product)
        self._write(stream, product, suffix, histories=histories)

    def _write(self, stream: str, product: Any, suffix: Any, *, histories: list[Any] | None = None) -> None:
        """Write a product, or keep it when the plan has no output folder."""
        kept: list[tuple[str, Any]] = []
        for number, (name, item) in enumerate(self._named(product)):
            meta = item.meta if isinstance(item, models.Exposure) else models.Meta()
            filename = meta.filename
            tail = suffix.get(type(item).__name__) if isinstance(suffix, Mapping) else suffix
            tail = models.of_integrations(tail) if isinstance(item, models.Cube) and tail else tail
            if isinstance(item, models.Exposure | models.Catalog):
                item.provenance = histories[number] if histories is not None else self._so_far()
            last_use = histories is not None and self._is_alone(item)
            kept.append((name, self._write_one(name, item, tail, last_use=last_use)))
            if histories is None:
                meta.filename = filename  # which names the products that follow
        if isinstance(product, Mapping):
            self.outcome.products[stream] = dict(kept)
        elif isinstance(product, models.ExposureSet):
            self.outcome.products[stream] = [one for _, one in kept]
        else:
            self.outcome.products[stream] = kept[0][1]

    def _is_alone(self, item: Any) -> bool:
        """Tell whether a product is in one stream only, so that its memory can go when that is written."""
        return sum(other is item for product in self.streams.values() for other in _in_memory(product)) <= 1

    def _named(self, product: Any) -> Iterator[tuple[str, Any]]:
        """Products with the base name that each one's file gets."""
        if isinstance(product, models.ExposureSet):
            association = self.node.association.get("id", "")
            for exposure in product.each(edit=False):
                base = models.strip_suffix(Path(exposure.meta.filename or self.node.base).stem)
                yield (f"{base}_{association}" if association else base), exposure
        elif isinstance(product, Mapping):
            for name, item in product.items():
                yield getattr(item, "base", None) or f"{self.node.base}_{name}", item
        else:
            yield self.node.base, product

    def _so_far(self) -> list[dict[str, Any]]:
        """History of a side product or of an intermediate result: that of the inputs, and the steps until now."""
        record = provenance.run_record(
            self.node, inputs=self.digests, steps=list(self.outcome.steps), settings=self.settings
        )
        return history.merged(self.histories, own=(self.settings, record))

    def _write_one(self, base: str, product: Any, suffix: Any, *, last_use: bool = False) -> Any:
        folder = self.plan.options.output_dir
        extension = product.extension if isinstance(product, (models.Catalog, models.Tree)) else "fits"
        name = f"{base}_{suffix}.{extension}"
        if isinstance(product, models.Exposure):
            provenance.sign(product, name, settings=self.settings)
            self._name_association(product.meta)
        if folder is None or isinstance(product, dict):
            return product
        path = models.write(product, Path(folder) / name, last_use=last_use)
        log.info("%-20s -> %s", "saved", path)
        return ProductRef(str(path))

    def _name_association(self, meta: Any) -> None:
        for key, leaf in (("table", "table_name"), ("pool", "pool_name")):
            if self.node.association.get(key):
                meta.set(f"asn.{leaf}", self.node.association[key])


def _number(product: Any) -> int:
    """Count the files that a stream becomes."""
    return len(product) if isinstance(product, (Mapping, models.ExposureSet)) else 1


def _inherit(result: Any, product: Any) -> None:
    """Hand what nobody knows on to the products that a step makes from one exposure."""
    for made in _each(result) if isinstance(product, models.Exposure) else ():
        if isinstance(made, models.Exposure):
            made.inherit(product)


def _first(product: Any) -> Any:
    if isinstance(product, models.ExposureSet):
        return product[0] if len(product) else None
    return product


def _each(product: Any) -> Iterator[Any]:
    if isinstance(product, Mapping):
        yield from product.values()
    elif isinstance(product, models.ExposureSet):
        yield from product.each()
    else:
        yield product


def _in_memory(product: Any) -> Iterator[Any]:
    """Iterate over the parts of a product that are loaded."""
    return iter(product.loaded()) if isinstance(product, models.ExposureSet) else _each(product)
