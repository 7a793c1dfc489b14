"""One small check for every promise that a plugin makes.

Static checks read what a plugin declares; dynamic checks run each of its steps on a tiny exposure with neutral references,
and each of its wrappers around a step that does nothing. A promise that cannot be checked, because the step does not get
that far, raises `NotChecked`, which test runners take for a skipped test.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from traceback import extract_tb
from typing import Any, NoReturn
from unittest import SkipTest

import numpy as np

from jwcore import models
from jwcore.context import Context
from jwcore.declare import Stage, StepInfo
from jwcore.errors import JwcalError, PluginError, SkipStep, StepFailed
from jwcore.models import ExposureSet
from jwcore.models.keywords import named
from jwcore.params import describe, unknown_name
from jwcore.plugin_modules import place, source_files
from jwcore.plugins import Implementation, Plugin, Plugins, Selection, Wrapping
from jwcore.references.collection import undeclared
from jwcore.testing.exposures import KNOWN_TYPES, tiny, tiny_cube, tiny_image, tiny_references, tiny_set

HEAVY = ("numba", "gwcs", "photutils", "asdf", "scipy", "matplotlib", "tweakwcs", "astropy.modeling", "astropy.table")
OPEN_ROOMS = ("jwcore.api", "jwcore.algorithms")


class ConformanceError(AssertionError):
    """A plugin breaks a promise of the contract."""


class NotChecked(SkipTest):
    """A promise could not be checked; the text says why."""


@dataclass(frozen=True)
class Check:
    """One promise, checked by calling it.

    Attributes
    ----------
    promise : str
        Short name of the promise.
    subject : str
        Plugin or step that is checked.
    """

    promise: str
    subject: str
    function: Callable[[], None] = field(repr=False)

    def __call__(self) -> None:
        """Run the check.

        Raises
        ------
        ConformanceError
            When the promise is broken.
        NotChecked
            When that cannot be told.
        """
        self.function()

    def __str__(self) -> str:
        return f"{self.subject}-{self.promise}"


def checks(plugin: str, *, references: Mapping[str, Any] | None = None) -> list[Check]:
    """List the checks of a plugin.

    Parameters
    ----------
    plugin : str
        Entry-point name, module, or path of a one-file plugin.
    references : mapping, optional
        Reference type -> array, file or Reference, for types beyond those that are known here; see `tiny_references`.

    Raises
    ------
    UsageError
        When there is no such plugin, or when none of its steps uses a type.
    """
    try:
        loaded = Plugins(Selection.parse((plugin,)))
    except PluginError as error:
        text = str(error)
        return [Check("loads", plugin, lambda: _fail(text))]
    found = next(p for p in loaded.plugins.values() if p.named)
    made = [
        Check("loads", found.name, lambda: None),
        Check("imports only the open rooms", found.name, lambda: _open_rooms(found)),
        Check("imports nothing heavy", found.name, lambda: _light(found)),
    ]
    brought = loaded.brought_by(found)
    used = {kind for one in brought if isinstance(one, Implementation) for kind in _kinds(one.info)}
    for kind in references or {}:
        if kind not in used:
            raise unknown_name(kind, kind, used, where=f"references of {found.name}")
    given = tiny_references(**(references or {}))
    for one in brought:
        made += _checks_of(one, loaded, given)
    return made


def _kinds(info: StepInfo) -> tuple[str, ...]:
    """Reference types that a step declares."""
    return (*info.references, *info.optional_references)


def _checks_of(one: Implementation | Wrapping, loaded: Plugins, references: dict[str, Any]) -> Iterator[Check]:
    """Make the checks of one step or wrapper."""
    info = one.info if isinstance(one, Implementation) else _as_step(one, loaded)
    kind = Trial if isinstance(one, Implementation) else WrapperTrial
    trial = kind(info, _kind_of(loaded, info.stage), references)
    promises = {
        "documents its parameters": lambda: _documented(info),
        "runs": trial.runs,
        "returns a product": trial.returns_a_product,
        "keeps shapes and types": trial.keeps_shapes,
        "lets DQ bits only grow": trial.dq_only_grows,
        "skips before it edits": trial.skips_before_edit,
        "gives the same answer twice": trial.repeats,
        "is honest about chunks": trial.honest_chunks,
        "saves only declared products": trial.declared_products,
        "writes only declared keywords": trial.declared_keywords,
        "leaves references alone": trial.leaves_references,
    }
    for promise, function in promises.items():
        yield Check(promise, one.key, function)


def _kind_of(loaded: Plugins, stage: str) -> Stage:
    """The stage that says what kind of product a step gets; a plugin's own one is like the one beside which it goes."""
    declared = loaded.stages[stage]
    anchor = declared.after or declared.before or declared.instead_of
    return loaded.stages[anchor] if anchor else declared


def _as_step(one: Wrapping, loaded: Plugins) -> StepInfo:
    """Describe a wrapper like the step that it surrounds, so that it can be held against the same promises."""
    ordinary = (i.info for i in loaded.implementations(one.info.stage) if not i.info.alternative)
    inner = next(ordinary, StepInfo(one.info.stage, one.info.stage, one.info.function))
    return replace(
        inner,
        name=one.info.name,
        function=one.info.function,
        where=one.info.where,
        chunk=one.info.chunk,
        sets=(),
        survey={},
    )


class _Declared(dict):
    """References of a step, which may ask for those alone that it declared."""

    def __init__(self, found: Mapping[str, Any], declared: Iterable[str]):
        super().__init__(found)
        self.declared = frozenset(declared)

    def __missing__(self, kind: str) -> Any:
        raise KeyError(kind) if kind in self.declared else undeclared(kind)


class Trial:
    """Runs one step on tiny exposures and watches what it does."""

    def __init__(self, info: StepInfo, stage: Stage, references: dict[str, Any]):
        self.info = info
        self.stage = stage
        self.extra = references

    def subject(self) -> Any:
        """Make an exposure, or a set, of the kind that the stage works on."""
        if self.stage.ensemble:
            return tiny_set()
        kind = self._annotated().split(" |")[0]
        return tiny(kind if kind not in ("", "Exposure") else self.stage.takes, **self._keywords())

    def _annotated(self) -> str:
        """Kinds of exposures that the step itself says it takes; empty when it does not say."""
        given = inspect.signature(self.info.function).parameters.get("exposure")
        return "" if given is None or given.annotation is given.empty else str(given.annotation)

    def _keywords(self) -> dict[str, str]:
        """Keywords of an exposure to which the step applies."""
        return {keyword: values[0] for keyword, values in self.info.where.items()}

    def references(self) -> dict[str, Any]:
        """Collect the references of the step."""
        wanted = _kinds(self.info)
        given = {kind: reference for kind, reference in self.extra.items() if kind in wanted}
        found = tiny_references(KNOWN_TYPES.intersection(wanted) - set(given), **given)
        missing = set(self.info.references) - set(found)
        if missing and "references" in self.arguments:
            kind = min(missing)
            cure = f"give one: --override {kind}=FILE, or checks(references={{'{kind}': ARRAY}})"
            raise NotChecked(f"no {kind} reference is known here; {cure}")
        return _Declared(found, wanted)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments that the step asks for."""
        return tuple(inspect.signature(self.info.function).parameters)

    def call(self, product: Any, *, references: Any = None, context: Context | None = None) -> Any:
        """Call the step as the runner would."""
        offered = {
            "exposure": product, "exposures": product, "params": self.info.params(), "members": {}, "state": {},
            "references": self.references() if references is None else references,
        }  # fmt: skip
        offered["context"] = context or self.context(product)
        return self.invoke({name: offered[name] for name in self.arguments}, product)

    def context(self, product: Any) -> Context:
        """Make the context of a product, with the answers to the step's questions about it."""
        offered = {"exposure": product, "references": self.references(), "params": self.info.params()}
        return Context(self.info.stage, survey=self.info.answers(offered))

    def invoke(self, arguments: dict[str, Any], product: Any) -> Any:
        """Run the function itself."""
        return self.info.function(**arguments)

    @property
    def _chunk(self) -> str:
        return self.info.chunk_for(self.info.params())

    def run(self, product: Any, **how: Any) -> Any:
        """Call the step; where it does not come to its end, the promise at hand cannot be checked."""
        try:
            return self.call(product, **how)
        except NotChecked:
            raise
        except (SkipStep, StepFailed) as error:
            raise NotChecked(f"it gives up on the tiny exposure: {error}") from error
        except JwcalError as error:
            raise NotChecked(f"it refuses the tiny exposure: {error}") from error
        except (Exception, SystemExit) as error:
            raise NotChecked(f"it fails on the tiny exposure: {type(error).__name__}") from error

    # ---------------------------------------------------------------- promises
    def runs(self) -> None:
        """A step runs on an ordinary exposure, or says in the contract's own way why not."""
        try:
            self.run(self.subject())
        except NotChecked as reason:
            error = reason.__cause__
            if isinstance(error, PluginError) and not self.info.calls:  # stages that it calls need a plan
                _fail(str(error))
            if isinstance(error, (SkipStep, StepFailed, JwcalError)):
                return
            if error is None or _is_read_only(error):
                raise
            where = self._place(error)
            _fail(f"{self.info.name} fails on a tiny exposure: {type(error).__name__}: {error}{where}")

    def _place(self, error: BaseException) -> str:
        """Name the last line of the step's own file that an exception went through, as a run does."""
        file = inspect.unwrap(self.info.function).__code__.co_filename
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == file]
        return f" ({place(file, lines[-1])})" if lines else ""

    def returns_a_product(self) -> None:
        """A step returns what it made, never None."""
        result = self.run(self.subject())
        if not isinstance(result, (models.Exposure, ExposureSet, models.Catalog, Mapping)):
            _fail(f"{self.info.name} returned {type(result).__name__}; return the product, also when edited in place")

    def keeps_shapes(self) -> None:
        """A step that edits in place leaves shape and type of the arrays."""
        product = self.subject()
        before = _facts(product)
        result = self.run(product)
        changed = [n for n, f in _facts(product).items() if n in before and before[n] != f]
        if result is product and changed:
            _fail(f"{self.info.name} changed shape or type of {', '.join(changed)}")

    def dq_only_grows(self) -> None:
        """No step clears pixel flags that an earlier one set."""
        product = self.subject()
        before = {n: a.copy() for n, a in _arrays(product).items() if n.endswith("dq") and not n.endswith("groupdq")}
        if self.run(product) is not product:
            return
        after = _arrays(product)
        kept = [name for name, array in before.items() if name in after and after[name].shape == array.shape]
        lost = [name for name in kept if np.any(before[name] & ~after[name])]
        if lost:
            _fail(f"{self.info.name} cleared flags in {', '.join(lost)}")

    def skips_before_edit(self) -> None:
        """SkipStep and StepFailed come before the first edit."""
        product = self.subject()
        before = _digest(product)
        try:
            self.run(product)
        except NotChecked as reason:
            if not isinstance(reason.__cause__, (SkipStep, StepFailed)):
                raise
            if _digest(product) != before:
                _fail(f"{self.info.name} edited arrays and then gave up; raise before the first edit")

    def repeats(self) -> None:
        """Equal input gives equal output."""
        if _digest(self.run(self.subject())) != _digest(self.run(self.subject())):
            _fail(f"{self.info.name} gives another answer the second time")

    def honest_chunks(self) -> None:
        """The declared chunk is small enough to hold, and large enough to be right."""
        for rows in {"exposure": (), "rows": (True,), "integrations": (False,), "pixels": (True, False)}[self._chunk]:
            product = self.subject() if rows else self._of_integrations()
            if isinstance(product, ExposureSet):
                raise NotChecked("a set of exposures is never cut into pieces")
            pieces = product.copy()
            whole, joined = self.run(product), self._in_pieces(pieces, rows=rows)
            if not joined:
                raise NotChecked("what it gives cannot be joined of pieces")
            if not _same(whole, joined):
                _fail(f"{self.info.name} declares chunk='{self._chunk}', but its answer depends on the pieces")

    def _of_integrations(self) -> Any:
        """Make a product with two integrations: the usual one, or a cube where that has none."""
        product = self.subject()
        if not isinstance(product, models.Image):
            return product
        if self._annotated() == "Image":
            raise NotChecked("an image has no integrations to cut it into")
        return tiny_cube(**self._keywords())

    def _in_pieces(self, exposure: Any, *, rows: bool) -> Any:
        halo = self.info.halo_for(self.info.params())
        length = exposure.shape[-2] if rows else exposure.shape[0]
        cut = length // 2
        survey = self.context(exposure).survey
        parts = []
        for lo, hi in ((0, cut), (cut, length)):
            first, last = (max(0, lo - halo), min(length, hi + halo)) if rows else (lo, hi)
            part = _part(exposure, first, last, rows=rows)
            cut_out = {kind: reference.cut_to(part) for kind, reference in self.references().items()}
            context = Context(self.info.stage, survey=survey)
            done = self.run(part, references=_Declared(cut_out, _kinds(self.info)), context=context)
            parts.append((_arrays(done), lo - first, hi - first))
        if rows:
            return {name: np.concatenate([p[name][..., a:b, :] for p, a, b in parts], axis=-2) for name in parts[0][0]}
        split = [name for name, array in parts[0][0].items() if array.ndim == exposure.data.ndim]
        return {name: np.concatenate([p[name] for p, _, _ in parts]) for name in split}

    def declared_products(self) -> None:
        """Side products are declared, so that the plan can name them."""
        product = self.subject()
        context = self.context(product)
        self.run(product, context=context)
        undeclared = set(context.saved) - set(self.info.products)
        if undeclared:
            _fail(f"{self.info.name} saves {', '.join(sorted(undeclared))} undeclared; add @step(products=...)")

    def declared_keywords(self) -> None:
        """A step that declares the keywords it writes writes no others."""
        product = self.subject()
        if not self.info.sets or isinstance(product, ExposureSet):
            return
        before = dict(product.meta.items())
        if self.run(product) is not product:
            return
        allowed = {row.path for keyword in self.info.sets for row in named(keyword)}
        changed = {path for path, value in product.meta.items() if before.get(path) != value} - allowed
        if changed:
            _fail(f"{self.info.name} writes {', '.join(sorted(changed))}, which @step(sets=...) does not name")

    def leaves_references(self) -> None:
        """References are read-only; a step that writes into one fails here and in every run."""
        try:
            self.run(self.subject())
        except NotChecked as reason:
            if not _is_read_only(reason.__cause__):
                raise
            _fail(f"{self.info.name} writes into a reference array; work on a copy")


class WrapperTrial(Trial):
    """Runs one wrapper around a step that does nothing."""

    def invoke(self, arguments: dict[str, Any], product: Any) -> Any:
        """Run the wrapper up to its yield, hand it what the step would give, and take what it returns."""
        generator = self.info.function(**arguments)
        if next(generator, self) is self:
            raise RuntimeError("it ends before its yield")
        try:
            generator.send(self._given(product))
        except StopIteration as end:
            return end.value
        raise RuntimeError("it yields more than once")

    def _given(self, product: Any) -> Any:
        """What the surrounded step would give."""
        kind = str(inspect.signature(self.stage.function).return_annotation)
        if "object" in kind:
            raise NotChecked(f"nothing stands in for what {self.stage.name} gives")
        if self.stage.gives:
            return {name: tiny_cube() if name.endswith("ints") else tiny_image() for name in self.stage.gives}
        return tiny_image() if self.stage.ensemble and kind == "Image" else product


def _fail(text: str) -> NoReturn:
    raise ConformanceError(text)


def _is_read_only(error: BaseException | None) -> bool:
    """Tell whether an exception is numpy's refusal to write into a shared array."""
    return isinstance(error, ValueError) and "read-only" in str(error)


def _open_rooms(plugin: Plugin) -> None:
    """Plugins import only the plugin interface and the algorithms, and never one another."""
    module = plugin.module
    assert module is not None
    if plugin.name == "builtin":
        return
    for file, name in ((file, name) for file, source in _sources(plugin).items() for name in _imports(source)):
        root = name.split(".")[0]
        if root == "jwcore" and not name.startswith(OPEN_ROOMS) and name != "jwcore":
            _fail(f"{file} of {plugin.name} imports {name}; import jwcore.api or jwcore.algorithms")
        if root.startswith("jwcal_") and root != module.__name__.split(".")[0]:
            _fail(f"{file} of {plugin.name} imports the plugin {root}; plugins never import each other")


def _sources(plugin: Plugin) -> dict[str, str]:
    """Read the source of a plugin by the names of its files: its one file, or all of its package but tests."""
    if plugin.source:
        return {Path(str(plugin.module.__file__)).name: plugin.source}  # type: ignore[union-attr]
    return {
        (path.name if name == "." else name): path.read_text(encoding="utf-8")
        for name, path in source_files(plugin.module).items()
        if not any(part.startswith("test") for part in Path(name).parts)
    }


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [alias.name for alias in node.names]
            yield from (f"jwcore.{name}" for name in names) if node.module == "jwcore" else (node.module,)


def _light(plugin: Plugin) -> None:
    """Importing a plugin loads no heavy library: people ask before they run."""
    code = plugin.source or f"import {plugin.module.__name__}"  # type: ignore[union-attr]
    report = f"\nimport sys; print('loaded:' + ','.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-P", "-c", code + report], capture_output=True, text=True, check=False)
    heavy = done.stdout.rsplit("loaded:", 1)[-1].strip() if "loaded:" in done.stdout else ""
    if heavy:
        _fail(f"importing {plugin.name} loads {heavy}; import it inside the function that needs it")


def _documented(info: StepInfo) -> None:
    """Every parameter says what it does."""
    silent = [row["name"] for row in describe(info.params) if not row["doc"]]
    if silent:
        _fail(
            f"{info.params.__name__}.{silent[0]} has no documentation; declare it with param(default, 'what it does')"
        )


def _exposures(product: Any) -> list[Any]:
    if isinstance(product, ExposureSet):
        return list(product)
    if isinstance(product, Mapping):
        return [item for item in product.values() if isinstance(item, models.Exposure)]
    return [product] if isinstance(product, models.Exposure) else []


def _arrays(product: Any) -> dict[str, np.ndarray]:
    exposures = _exposures(product)
    prefix = len(exposures) > 1
    return {
        (f"{number}.{name}" if prefix else name): getattr(exposure, name)
        for number, exposure in enumerate(exposures)
        for name in exposure.arrays()
        if getattr(exposure, name).dtype.names is None
    }


def _facts(product: Any) -> dict[str, Any]:
    return {name: (array.shape, array.dtype) for name, array in _arrays(product).items()}


def _digest(product: Any) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(_arrays(product).items()):
        digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _part(exposure: Any, first: int, last: int, *, rows: bool) -> Any:
    part = type(exposure)(meta=exposure.meta.copy())
    if rows:
        part.meta.set("subarray.ystart", first + 1)
        part.meta.set("subarray.ysize", last - first)
    for name, array in _arrays(exposure).items():
        if rows:
            setattr(part, name, array[..., first:last, :].copy())
        else:
            split = array.ndim == exposure.data.ndim
            setattr(part, name, array[first:last].copy() if split else array.copy())
    return part


def _same(whole: Any, pieces: Any) -> bool:
    joined = pieces if isinstance(pieces, dict) else _arrays(pieces)
    arrays = _arrays(whole)
    return all(np.array_equal(arrays[name], joined[name], equal_nan=array_is_float(joined[name])) for name in joined)


def array_is_float(array: np.ndarray) -> bool:
    """Tell whether an array can hold NaN."""
    return array.dtype.kind == "f"
