"""One small check for every promise that a plugin makes.

Static checks read what a plugin declares; dynamic checks run each of its steps on a tiny exposure with neutral references.
A check that cannot run, because the step needs a reference that is not known here, passes with a note.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jwcore import models
from jwcore.context import Context
from jwcore.declare import Stage, StepInfo
from jwcore.errors import JwcalError, SkipStep, StepFailed
from jwcore.models import ExposureSet
from jwcore.models.keywords import named
from jwcore.params import Params, describe
from jwcore.plugins import Implementation, Plugin, Plugins, Selection
from jwcore.testing.exposures import tiny_image, tiny_ramp, tiny_references, tiny_set

HEAVY = ("numba", "gwcs", "photutils", "asdf", "scipy", "matplotlib", "tweakwcs", "astropy.modeling", "astropy.table")
OPEN_ROOMS = ("jwcore.api", "jwcore.algorithms")


class ConformanceError(AssertionError):
    """A plugin breaks a promise of the contract."""


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
        Reference type -> Reference, for types beyond those that are known here.
    """
    try:
        loaded = Plugins(Selection.parse((plugin,)))
    except JwcalError as error:
        text = str(error)
        return [Check("loads", plugin, lambda: _fail(text))]
    found = next(p for p in loaded.plugins.values() if p.named)
    made = [
        Check("loads", found.name, lambda: None),
        Check("imports only the open rooms", found.name, lambda: _open_rooms(found)),
        Check("imports nothing heavy", found.name, lambda: _light(found)),
    ]
    for stage in loaded.stages:
        for one in loaded.implementations(stage):
            if one.plugin is found:
                made += _step_checks(one, loaded, dict(references or {}))
    return made


def _step_checks(one: Implementation, loaded: Plugins, references: dict[str, Any]) -> Iterator[Check]:
    stage = loaded.stages[one.info.stage]
    anchor = stage.after or stage.before or stage.instead_of
    trial = Trial(one.info, loaded.stages[anchor] if anchor else stage, references)
    static = {
        "declares known keywords": lambda: _known_keywords(one.info),
        "documents its parameters": lambda: _documented(one.info),
        "has valid defaults": lambda: _valid_defaults(one.info),
    }
    dynamic = {
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
    for promise, function in {**static, **dynamic}.items():
        yield Check(promise, one.key, function)


class Trial:
    """Runs one step on tiny exposures and watches what it does."""

    def __init__(self, info: StepInfo, stage: Stage, references: dict[str, Any]):
        self.info = info
        self.stage = stage
        self.extra = references

    @property
    def makers(self) -> list[Callable[[], Any]]:
        """Exposures that the stage may meet."""
        if self.stage.ensemble:
            return [tiny_set]
        accepted = inspect.signature(self.stage.function).parameters["exposure"].annotation
        return [tiny_ramp] if accepted == "Ramp" else [tiny_image]

    def subjects(self) -> Iterator[Any]:
        """Make the exposures on which the step accepts to run."""
        for make in self.makers:
            yield make()

    def references(self, shape: tuple[int, int] = (32, 32)) -> dict[str, Any] | None:
        """Collect the references of the step; None when a needed one is not known."""
        wanted = (*self.info.references, *self.info.optional_references)
        found = {**tiny_references(wanted, shape=shape), **{k: v for k, v in self.extra.items() if k in wanted}}
        return None if set(self.info.references) - set(found) else found

    def call(self, product: Any, *, references: Any = None, context: Context | None = None) -> Any:
        """Call the step as the runner would; give back the product where a needed reference is not known here."""
        offered = {
            "exposure": product, "exposures": product, "params": self.info.params(), "members": {}, "state": {},
            "references": self.references() if references is None else references, "context": context or Context(self.info.stage),
        }  # fmt: skip
        if offered["references"] is None:
            return product
        return self.info.function(**{name: offered[name] for name in inspect.signature(self.info.function).parameters})

    def run(self, product: Any, **how: Any) -> Any:
        """Call the step; one that cannot run gives back what it got, since that is another promise's business."""
        try:
            return self.call(product, **how)
        except Exception:
            return product

    # ---------------------------------------------------------------- promises
    def runs(self) -> None:
        """A step runs on an ordinary exposure, or says in the contract's own way why not."""
        for product in self.subjects():
            try:
                self.call(product)
            except (SkipStep, StepFailed, JwcalError):
                continue
            except Exception as error:
                if not _is_read_only(error):
                    _fail(f"{self.info.name} fails on a tiny exposure: {type(error).__name__}: {error}")

    def returns_a_product(self) -> None:
        """A step returns what it made, never None."""
        for product in self.subjects():
            result = self.run(product)
            allowed = (models.Exposure, ExposureSet, models.Catalog, Mapping)
            if not isinstance(result, allowed):
                _fail(
                    f"{self.info.name} returned {type(result).__name__}; return the product, also when edited in place"
                )

    def keeps_shapes(self) -> None:
        """A step that edits in place leaves shape and type of the arrays."""
        for product in self.subjects():
            before = _facts(product)
            result = self.run(product)
            if result is product and (
                changed := [n for n, f in _facts(product).items() if n in before and before[n] != f]
            ):
                _fail(f"{self.info.name} changed shape or type of {', '.join(changed)}")

    def dq_only_grows(self) -> None:
        """No step clears pixel flags that an earlier one set."""
        for product in self.subjects():
            before = {
                name: array.copy() for name, array in _arrays(product).items() if name.endswith(("pixeldq", "dq"))
            }
            result = self.run(product)
            if result is not product:
                continue
            after = _arrays(product)
            kept = [
                n for n, a in before.items() if not n.endswith("groupdq") and n in after and after[n].shape == a.shape
            ]
            lost = [name for name in kept if np.any(before[name] & ~after[name])]
            if lost:
                _fail(f"{self.info.name} cleared flags in {', '.join(lost)}")

    def skips_before_edit(self) -> None:
        """SkipStep and StepFailed come before the first edit."""
        for product in self.subjects():
            before = _digest(product)
            try:
                self.call(product)
            except JwcalError:
                continue
            except (SkipStep, StepFailed):
                if _digest(product) != before:
                    _fail(f"{self.info.name} edited arrays and then gave up; raise before the first edit")
            except Exception:
                return  # the promise to run says so

    def repeats(self) -> None:
        """Equal input gives equal output."""
        for make in self.makers:
            first, second = self.run(make()), self.run(make())
            if _digest(first) != _digest(second):
                _fail(f"{self.info.name} gives another answer the second time")

    def honest_chunks(self) -> None:
        """The declared chunk is small enough to hold, and large enough to be right."""
        if self.info.chunk == "exposure":
            return
        for product in self.subjects():
            if not isinstance(product, models.Ramp):
                continue
            pieces = product.copy()
            whole = self.run(product)
            if whole is product and not _same(product, self._in_pieces(pieces)):
                _fail(f"{self.info.name} declares chunk='{self.info.chunk}', but its answer depends on the pieces")

    def _in_pieces(self, exposure: Any) -> Any:
        rows = self.info.chunk == "rows"
        length = exposure.shape[-2] if rows else exposure.shape[0]
        cut = length // 2
        parts = []
        for lo, hi in ((0, cut), (cut, length)):
            first, last = (max(0, lo - self.info.halo), min(length, hi + self.info.halo)) if rows else (lo, hi)
            part = _part(exposure, first, last, rows=rows)
            shape = (last - first, exposure.shape[-1]) if rows else exposure.shape[-2:]
            parts.append((self.run(part, references=self.references(shape)), lo - first, hi - first))
        if rows:
            return {
                name: np.concatenate([_arrays(p)[name][..., a:b, :] for p, a, b in parts], axis=-2)
                for name in _arrays(parts[0][0])
            }
        return {name: np.concatenate([_arrays(p)[name] for p, _, _ in parts]) for name in ("data", "groupdq")}

    def declared_products(self) -> None:
        """Side products are declared, so that the plan can name them."""
        for product in self.subjects():
            context = Context(self.info.stage)
            self.run(product, context=context)
            undeclared = set(context.saved) - set(self.info.products)
            if undeclared:
                _fail(f"{self.info.name} saves {', '.join(sorted(undeclared))} undeclared; add @step(products=...)")

    def declared_keywords(self) -> None:
        """A step that declares the keywords it writes writes no others."""
        if not self.info.sets:
            return
        for product in self.subjects():
            if isinstance(product, ExposureSet):
                continue
            before = dict(product.meta.items())
            if self.run(product) is not product:
                continue
            allowed = {row.path for keyword in self.info.sets for row in named(keyword)}
            changed = {path for path, value in product.meta.items() if before.get(path) != value} - allowed
            if changed:
                _fail(f"{self.info.name} writes {', '.join(sorted(changed))}, which @step(sets=...) does not name")

    def leaves_references(self) -> None:
        """References are read-only; a step that writes into one fails here and in every run."""
        for product in self.subjects():
            try:
                self.call(product)
            except (SkipStep, StepFailed, JwcalError):
                continue
            except Exception as error:
                if _is_read_only(error):
                    _fail(f"{self.info.name} writes into a reference array; work on a copy")


def _fail(text: str) -> None:
    raise ConformanceError(text)


def _is_read_only(error: Exception) -> bool:
    """Tell whether an exception is numpy's refusal to write into a shared array."""
    return isinstance(error, ValueError) and "read-only" in str(error)


def _open_rooms(plugin: Plugin) -> None:
    """Plugins import only the plugin interface and the algorithms, and never one another."""
    module = plugin.module
    assert module is not None
    if plugin.name == "builtin":
        return
    source = plugin.source or inspect.getsource(module)
    for name in _imports(source):
        root = name.split(".")[0]
        if root == "jwcore" and not name.startswith(OPEN_ROOMS) and name != "jwcore":
            _fail(f"{plugin.name} imports {name}; import jwcore.api or jwcore.algorithms")
        if root.startswith("jwcal_") and root != module.__name__.split(".")[0]:
            _fail(f"{plugin.name} imports the plugin {root}; plugins never import each other")


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
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=False)
    heavy = done.stdout.rsplit("loaded:", 1)[-1].strip() if "loaded:" in done.stdout else ""
    if heavy:
        _fail(f"importing {plugin.name} loads {heavy}; import it inside the function that needs it")


def _known_keywords(info: StepInfo) -> None:
    """Keywords in ``where`` and ``sets`` exist."""
    for keyword in (*info.where, *info.sets):
        if not named(keyword):
            _fail(f"{info.name} names the keyword {keyword}, which does not exist")


def _documented(info: StepInfo) -> None:
    """Every parameter says what it does."""
    silent = [row["name"] for row in describe(info.params) if not row["doc"]]
    if silent:
        _fail(
            f"{info.params.__name__}.{silent[0]} has no documentation; declare it with param(default, 'what it does')"
        )


def _valid_defaults(info: StepInfo) -> None:
    """The defaults satisfy the limits that are declared for them."""
    try:
        values: Params = info.params()
        info.params.model_validate(values.model_dump())
    except ValueError as error:
        _fail(f"{info.params.__name__} has an invalid default: {' '.join(str(error).split())}")


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
    for name, array in _arrays(exposure).items():
        if rows:
            setattr(part, name, array[..., first:last, :].copy())
        else:
            setattr(part, name, array[first:last].copy() if array.ndim == 4 else array.copy())
    return part


def _same(whole: Any, pieces: Any) -> bool:
    joined = pieces if isinstance(pieces, dict) else _arrays(pieces)
    arrays = _arrays(whole)
    return all(np.array_equal(arrays[name], joined[name], equal_nan=array_is_float(joined[name])) for name in joined)


def array_is_float(array: np.ndarray) -> bool:
    """Tell whether an array can hold NaN."""
    return array.dtype.kind == "f"
