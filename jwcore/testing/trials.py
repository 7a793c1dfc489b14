"""Trying a step, or a wrapper, on tiny exposures with neutral references, and watching what it does.

A promise that cannot be checked, because the step does not get that far, raises `NotChecked`.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

import numpy as np

from jwcore import models
from jwcore.context import Context
from jwcore.declare import Stage, StepInfo
from jwcore.errors import JwcalError, PluginError, SkipStep, StepFailed
from jwcore.models import ExposureSet
from jwcore.models.keywords import named
from jwcore.params import Params
from jwcore.plugin_modules import place
from jwcore.plugins import Plugins
from jwcore.references.collection import undeclared
from jwcore.testing.exposures import KNOWN_TYPES, tiny, tiny_cube, tiny_image, tiny_references, tiny_set
from jwcore.testing.looking import (
    Snapshot,
    arrays_of,
    differences,
    digest,
    equal_to_pieces,
    exposures_of,
    headers_of,
    mark_flags,
    part_of,
    unflagged_gaps,
)
from jwcore.testing.promise import NotChecked, broken


def reference_types(info: StepInfo) -> tuple[str, ...]:
    """Reference types that a step declares."""
    return (*info.references, *info.optional_references)


def unknown_value(keyword: str, value: str) -> set[str]:
    """Return the values that a keyword may have where this is none of them; empty where it is, or any will do."""
    allowed = {str(one).upper() for row in named(keyword) for one in row.values or ()}
    return set() if str(value).upper() in allowed else allowed


class Declared(dict):
    """References of a step, which may ask for those alone that it declared."""

    def __init__(self, found: Mapping[str, Any], declared: Iterable[str]):
        super().__init__(found)
        self.declared = frozenset(declared)

    def __missing__(self, kind: str) -> Any:
        raise KeyError(kind) if kind in self.declared else undeclared(kind)


@dataclass
class Attempt:
    """One run of a step: what it was given, what became of that, what it returned, or why it returned nothing."""

    before: Snapshot
    product: Any
    context: Context | None = None
    result: Any = None
    reason: NotChecked | None = None


class Trial:
    """Runs one step on tiny exposures and watches what it does.

    Parameters
    ----------
    info : StepInfo
        The step.
    loaded : Plugins
        Where its stage, and the stages that it calls, are found.
    references : mapping
        References of types of its own.
    params : Params, optional
        Its parameters; the defaults when left out.
    """

    def __init__(self, info: StepInfo, loaded: Plugins, references: Mapping[str, Any], *, params: Params | None = None):
        self.info = info
        self.loaded = loaded
        self.stage = loaded.stages[info.stage]
        self.extra = references
        self.params = info.params() if params is None else params
        self._first: Attempt | None = None

    # ---------------------------------------------------------------- what the step is given
    def subject(self) -> Any:
        """Make an exposure, or a set, of the kind that the stage works on."""
        return tiny_set(**self._keywords()) if self.stage.ensemble else self._exposure()

    def _exposure(self, **keywords: Any) -> Any:
        kind = self._annotated().split(" |")[0]
        kind = kind if kind not in ("", "Exposure") else _beside(self.loaded, self.stage).takes
        return tiny(kind, **self._keywords(), **keywords)

    def _annotated(self) -> str:
        """Kinds of exposures that the step itself says it takes; empty when it does not say."""
        given = inspect.signature(self.info.function).parameters.get("exposure")
        return "" if given is None or given.annotation is given.empty else _name_of(given.annotation)

    def _keywords(self) -> dict[str, Any]:
        """Keywords of an exposure to which the step applies, as far as a file can have them."""
        first = {keyword: values[0] for keyword, values in self.info.where.items()}
        return {keyword: value for keyword, value in first.items() if not unknown_value(keyword, value)}

    def members(self) -> dict[str, ExposureSet]:
        """Make two exposures for every role of members that the step reads."""
        return {role: ExposureSet([self._exposure(seed=n) for n in (11, 12)]) for role in self.info.members}

    def references(self) -> Declared:
        """Collect the references of the step."""
        wanted = reference_types(self.info)
        given = {kind: reference for kind, reference in self.extra.items() if kind in wanted}
        found = tiny_references(KNOWN_TYPES.intersection(wanted) - set(given), **given)
        missing = set(self.info.references) - set(found)
        if missing and "references" in self.arguments:
            kind = min(missing)
            cure = f"give one: --override {kind}=FILE, or checks(references={{'{kind}': ARRAY}})"
            raise NotChecked(f"no {kind} reference is known here; {cure}")
        return Declared(found, wanted)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments that the step asks for."""
        return tuple(inspect.signature(self.info.function).parameters)

    def call(self, product: Any, *, references: Any = None, context: Context | None = None) -> Any:
        """Call the step as the runner would."""
        offered: dict[str, Callable[[], Any]] = {
            "exposure": lambda: product, "exposures": lambda: product, "params": lambda: self.params,
            "members": self.members, "state": lambda: dict.fromkeys(self.info.state),
            "references": lambda: self.references() if references is None else references,
            "context": lambda: context or self.context(product),
        }  # fmt: skip
        return self.invoke({name: offered[name]() for name in self.arguments}, product)

    def context(self, product: Any) -> Context:
        """Make the context of a product, with the answers to the step's questions about it."""
        offered = {"exposure": product, "references": self.references(), "params": self.params}
        return Context(self.info.stage, survey=self.info.answers(offered), nested=self._nested)

    def _nested(self, stage: str, product: Any, *, consume: bool, params: Mapping[str, Any]) -> Any:
        """Run a stage that the step calls, as the runner would; what that one refuses leaves the product as it is."""
        if stage not in self.info.calls:
            raise PluginError(f"{self.info.name} calls {stage} undeclared", cure=f"@step(calls=({stage!r},))")
        chosen = self.loaded.resolve(stage, exposures_of(product)[0].meta)
        if chosen is None:
            raise NotChecked(f"it calls {stage}, which nothing implements here")
        callee = Trial(chosen.info, self.loaded, self.extra, params=chosen.info.params(**params))
        try:
            return callee.call(product if consume else product.copy())
        except (SkipStep, StepFailed):
            return product

    def invoke(self, arguments: dict[str, Any], product: Any) -> Any:
        """Run the function itself."""
        return self.info.function(**arguments)

    def run(self, product: Any, **how: Any) -> Any:
        """Call the step; where it does not come to its end, the promise at hand cannot be checked."""
        return self._guarded(lambda: self.call(product, **how))

    @staticmethod
    def _guarded(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except NotChecked:
            raise
        except (SkipStep, StepFailed) as error:
            raise NotChecked(f"it gives up on the tiny exposure: {error}") from error
        except JwcalError as error:
            raise NotChecked(f"it refuses the tiny exposure: {error}") from error
        except (Exception, SystemExit) as error:
            raise NotChecked(f"it fails on the tiny exposure: {type(error).__name__}") from error

    def first(self) -> Attempt:
        """Run the step once for all promises that look at what it did."""
        if self._first is None:
            product = self._flagged()
            self._first = done = Attempt(Snapshot(product), product)
            try:
                done.context = self._started(product)
                done.result = self.run(product, context=done.context)
            except NotChecked as reason:
                done.reason = reason
        return self._first

    def _flagged(self) -> Any:
        product = self.subject()
        mark_flags(product)
        return product

    def _started(self, product: Any) -> Context:
        """Make a context; a question of the step's that fails is a failure of the step."""
        return self._guarded(lambda: self.context(product))

    def watched(self) -> tuple[Snapshot, Any, Any]:
        """Return what the step was given, the product, and the result; where there is none nothing can be checked."""
        done = self.first()
        if done.reason is not None:
            raise done.reason
        return done.before, done.product, done.result

    def _is_alike(self, product: Any, result: Any) -> bool:
        """Tell whether a result is what was given, edited, or something of its kind."""
        return result is product or (
            type(result) is type(product) and len(exposures_of(result)) == len(exposures_of(product))
        )

    # ---------------------------------------------------------------- promises
    def runs(self) -> None:
        """A step runs on an ordinary exposure, or says in the contract's own way why not."""
        reason = self.first().reason
        if reason is None:
            return
        error = reason.__cause__
        if isinstance(error, PluginError):
            broken(str(error))
        if isinstance(error, (SkipStep, StepFailed, JwcalError)):
            return
        if error is None or is_read_only(error):
            raise reason
        broken(f"{self.info.name} fails on a tiny exposure: {type(error).__name__}: {error}{self._place(error)}")

    def _place(self, error: BaseException) -> str:
        """Name the last line of the step's own file that an exception went through, as a run does."""
        file = inspect.unwrap(self.info.function).__code__.co_filename
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == file]
        return f" ({place(file, lines[-1])})" if lines else ""

    def returns_a_product(self) -> None:
        """A step returns what its stage returns: what was given, one product of a kind, or a mapping of names."""
        _, product, result = self.watched()
        wanted = _wanted(self.stage, product, result)
        if wanted:
            made = "None" if result is None else _a(type(result).__name__)
            broken(f"{self.info.name} returned {made} for {self.stage.name}; return {wanted}")

    def keeps_shapes(self) -> None:
        """What is edited keeps its arrays, their shape and type, and its WCS; what is new fits together."""
        before, product, result = self.watched()
        if result is product or (self._is_alike(product, result) and self.stage.takes):
            facts = {name: (array.shape, array.dtype) for name, array in arrays_of(result).items()}
            gone = [name for name in before.arrays if name not in facts]
            if gone:
                broken(f"{self.info.name} left out {', '.join(gone)}")
            changed = [n for n, a in before.arrays.items() if n in facts and facts[n] != (a.shape, a.dtype)]
            if changed:
                broken(f"{self.info.name} changed shape or type of {', '.join(changed)}")
            pairs = zip(before.had_wcs, exposures_of(result), strict=True)
            if any(had and not exposure.has_wcs for had, exposure in pairs):
                broken(f"{self.info.name} lost the WCS; hand exposure.wcs on")
        for exposure in exposures_of(result):
            try:
                exposure.validate()
            except JwcalError as error:
                broken(f"{self.info.name} returns arrays that do not fit together: {error.message}")

    def dq_only_grows(self) -> None:
        """No step clears pixel flags that an earlier one set, nor loses some on the way through another type."""
        before, product, result = self.watched()
        if not self._is_alike(product, result):
            return
        after = arrays_of(result)
        flags = {n: a for n, a in before.arrays.items() if n.endswith("dq") and not n.endswith("groupdq")}
        for name, array in flags.items():
            if after[name].shape == array.shape if name in after else self.stage.takes:
                lost = array & ~after[name] if name in after else array
                numbers = [bit for bit in range(32) if np.any(lost >> np.uint32(bit) & 1)]
                if numbers:
                    which = f"bit {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} of 32 bits"
                    broken(
                        f"{self.info.name} cleared flags in {name}: {which}; edit with |=, which keeps the type, too"
                    )

    def flags_gaps(self) -> None:
        """Whatever has no value any more is flagged, so that nobody uses it."""
        *_, result = self.watched()
        if self.stage.ensemble and not isinstance(result, ExposureSet):
            return  # a mosaic has empty corners, and tells of them by its weights
        for exposure in exposures_of(result):
            number = unflagged_gaps(exposure) if "data" in exposure.arrays() else 0
            if number:
                broken(f"{self.info.name} leaves {number} values NaN that are not flagged DO_NOT_USE")

    def skips_before_edit(self) -> None:
        """SkipStep and StepFailed come before the first edit."""
        done = self.first()
        if done.reason is None:
            return
        if not isinstance(done.reason.__cause__, (SkipStep, StepFailed)):
            raise done.reason
        if digest(done.before.arrays) != digest(arrays_of(done.product)):
            broken(f"{self.info.name} edited arrays and then gave up; raise before the first edit")

    def repeats(self) -> None:
        """Equal input gives equal output."""
        *_, result = self.watched()
        if digest(arrays_of(result)) != digest(arrays_of(self.run(self._flagged()))):
            broken(f"{self.info.name} gives another answer the second time")

    def same_on_disk(self) -> None:
        """A set whose members are read one at a time, and written again after the loop, comes out the same."""
        with tempfile.TemporaryDirectory(prefix="jwcal-check-") as folder:
            paths = [models.write(one, Path(folder) / f"tiny_{n}_cal.fits") for n, one in enumerate(self.subject())]
            loaded = ExposureSet(paths, name="tiny")
            spilled = ExposureSet(paths, name="tiny", in_memory=False, scratch=folder)
            differing = differences(self.run(loaded), self.run(spilled))
            spilled.close()
        if differing:
            broken(
                f"{self.info.name} makes another {differing[0]} of a set on disk (in_memory=False) than of one in memory;"
                " edit in `for exposure in exposures.each()`, which alone keeps what the loop changes"
            )

    def honest_chunks(self) -> None:
        """The declared chunk is small enough to hold, and large enough to be right."""
        try:
            chunk, halo = self.info.chunk_for(self.params), int(self.info.halo_for(self.params))
        except Exception as error:
            raise NotChecked("chunk= or halo= gives no answer") from error
        if halo < 0:
            raise NotChecked(f"there is no halo of {halo} rows")
        for rows in {"exposure": (), "rows": (True,), "integrations": (False,), "pixels": (True, False)}[chunk]:
            product = self.subject() if rows else self._of_integrations()
            if isinstance(product, ExposureSet):
                raise NotChecked("a set of exposures is never cut into pieces")
            pieces = product.copy()
            whole, joined = self.run(product), self._in_pieces(pieces, rows=rows, halo=halo)
            if not joined:
                raise NotChecked("what it gives cannot be joined of pieces")
            if not equal_to_pieces(whole, joined):
                broken(f"{self.info.name} declares chunk='{chunk}', but its answer depends on the pieces")

    def _of_integrations(self) -> Any:
        """Make a product with two integrations: the usual one, or a cube where that has none."""
        product = self.subject()
        if not isinstance(product, models.Image):
            return product
        if self._annotated() == "Image":
            raise NotChecked("an image has no integrations to cut it into")
        return tiny_cube(**self._keywords())

    def _in_pieces(self, exposure: Any, *, rows: bool, halo: int) -> Any:
        length = exposure.shape[-2] if rows else exposure.shape[0]
        cut = length // 2
        survey = self.context(exposure).survey
        parts = []
        for lo, hi in ((0, cut), (cut, length)):
            first, last = (max(0, lo - halo), min(length, hi + halo)) if rows else (lo, hi)
            part = part_of(exposure, first, last, rows=rows)
            cut_out = {kind: reference.cut_to(part) for kind, reference in self.references().items()}
            context = Context(self.info.stage, survey=survey, nested=self._nested)
            done = self.run(part, references=Declared(cut_out, reference_types(self.info)), context=context)
            parts.append((arrays_of(done), lo - first, hi - first))
        if rows:
            return {name: np.concatenate([p[name][..., a:b, :] for p, a, b in parts], axis=-2) for name in parts[0][0]}
        split = [name for name, array in parts[0][0].items() if array.ndim == exposure.data.ndim]
        return {name: np.concatenate([p[name] for p, _, _ in parts]) for name in split}

    def declared_products(self) -> None:
        """Side products are declared, so that the plan can name them."""
        self.watched()
        context = self.first().context
        saved = set(context.saved) if context else set()
        if strange := saved - set(self.info.products):
            broken(f"{self.info.name} saves {', '.join(sorted(strange))} undeclared; add @step(products=...)")

    def declared_keywords(self) -> None:
        """A step writes, and removes, only the keywords that it declares; one that declares none leaves all."""
        before, _, result = self.watched()
        if self.stage.ensemble and isinstance(result, models.Exposure):
            raise NotChecked("a product of several exposures has a header of its own")
        allowed = {row.path for keyword in self.info.sets for row in named(keyword)}
        made = headers_of(result)
        given = before.headers if len(before.headers) == len(made) else before.headers[:1] * len(made)
        for old, new in zip(given, made, strict=True):
            changed = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)} - allowed
            if changed:
                path = min(changed)
                did = "writes" if path in new else "removes"
                others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
                broken(f"{self.info.name} {did} {path}{others}, which @step(sets=...) does not name")

    def leaves_references(self) -> None:
        """References are read-only; a step that writes into one fails here and in every run."""
        reason = self.first().reason
        if reason is not None and is_read_only(reason.__cause__):
            broken(f"{self.info.name} writes into a reference array; work on a copy")
        self.watched()


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
        kind = _returned(self.stage)
        if "object" in kind:
            raise NotChecked(f"nothing stands in for what {self.stage.name} gives")
        if self.stage.gives:
            return {name: tiny_cube() if name.endswith("ints") else tiny_image() for name in self.stage.gives}
        return tiny_image() if self.stage.ensemble and kind == "Image" else product


def _beside(loaded: Plugins, declared: Stage) -> Stage:
    """The stage that says what kind of product a step gets; a plugin's own one is like the one beside which it goes."""
    anchor = declared.after or declared.before or declared.instead_of
    return loaded.stages[anchor] if anchor else declared


def _name_of(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _returned(stage: Stage) -> str:
    """Kind of product that a stage returns, as its hook spec annotates it; empty when it does not say."""
    annotation = inspect.signature(stage.function).return_annotation
    return "" if annotation is inspect.Signature.empty else _name_of(annotation)


def _wanted(stage: Stage, product: Any, result: Any) -> str:
    """Say what a stage returns where a result is something else; empty where it is right."""
    if stage.gives:
        return "" if _is_mapping_of(stage.gives, result) else f"a mapping with the names {', '.join(stage.gives)}"
    kind = _returned(stage)
    if kind and kind != stage.takes:
        return "" if isinstance(result, getattr(models, kind)) else _a(kind)
    if not kind:  # a stage of a plugin's own that does not say
        known = isinstance(result, (models.Exposure, ExposureSet, models.Catalog, Mapping))
        return "" if known else "the product, also when edited in place"
    if type(result) is not type(product):
        return f"the {type(product).__name__} that it gets, also when edited in place"
    if isinstance(result, ExposureSet) and len(result) != len(product):
        return f"all {len(product)} exposures, not {len(result)}"
    return ""


def _is_mapping_of(names: Iterable[str], result: Any) -> bool:
    """Tell whether a result is a mapping of some of the names to products."""
    return (
        isinstance(result, Mapping)
        and bool(result)
        and set(result) <= set(names)
        and all(one is None or isinstance(one, (models.Exposure, models.Catalog)) for one in result.values())
    )


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "AEIOaeio" else f"a {kind}"


def is_read_only(error: BaseException | None) -> bool:
    """Tell whether an exception is numpy's refusal to write into a shared array."""
    return isinstance(error, ValueError) and "read-only" in str(error)
