"""Promises of what a step declares: names that exist, and functions that the planner can ask."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from traceback import extract_tb
from typing import Any

from jwcore.declare import STEP_ARGUMENTS, ExposureType, StepInfo
from jwcore.errors import JwcalError
from jwcore.models.keywords import KEYWORDS
from jwcore.params import describe, nearest
from jwcore.plugin_modules import place
from jwcore.plugins import Plugins
from jwcore.testing.exposures import KNOWN_TYPES
from jwcore.testing.looking import exposures_of
from jwcore.testing.promise import NotChecked, broken
from jwcore.testing.trials import Trial, reference_types, unknown_value

OFFICIAL_TYPES = frozenset(keyword.path.split(".")[1] for keyword in KEYWORDS if keyword.path.startswith("ref_file."))
"""Reference types that have keywords."""


def documents_parameters(info: StepInfo) -> None:
    """Every parameter says what it does."""
    silent = [row["name"] for row in describe(info.params) if not row["doc"]]
    if silent:
        broken(
            f"{info.params.__name__}.{silent[0]} has no documentation; declare it with param(default, 'what it does')"
        )


def names_what_exists(info: StepInfo, loaded: Plugins, given: Mapping[str, Any]) -> None:
    """Called stages, values of keywords and reference types exist; with a misspelt one a step would never act."""
    for stage in info.calls:
        if stage not in loaded.stages:
            broken(f"calls= of {info.name} names the unknown stage '{stage}'; {nearest(stage, loaded.stages)}")
    check_values(info.where, owner=info.name)
    known = OFFICIAL_TYPES | KNOWN_TYPES | set(given) | set(info.images)
    for kind in info.optional_references:
        if kind not in known:
            near = get_close_matches(kind, sorted(OFFICIAL_TYPES | KNOWN_TYPES), n=1)
            meant = f"did you mean '{near[0]}'? if not, " if near else ""
            raise NotChecked(f"no {kind} reference is known here; {meant}give one: --override {kind}=FILE")


def check_values(where: Mapping[str, Collection[str]], *, owner: str) -> None:
    """Refuse values that a keyword never has."""
    for keyword, values in where.items():
        for value in values:
            if allowed := unknown_value(keyword, value):
                broken(f"where= of {owner} says {keyword}={value}, which no file has; {nearest(str(value), allowed)}")


class Questions:
    """Asks a step what the planner asks it, about the tiny exposure.

    Parameters
    ----------
    info : StepInfo
        The step.
    trial : Trial
        Makes the exposure and the references.
    loaded : Plugins
        Knows the exposure type.
    """

    def __init__(self, info: StepInfo, trial: Trial, loaded: Plugins):
        self.info = info
        self.trial = trial
        self.loaded = loaded

    def ask(self) -> None:
        """Ask all questions, and look at the answers."""
        self._pieces()
        self._memory()
        self._side_products()
        self._wanted()
        self._applies()

    def _pieces(self) -> None:
        self._answer("chunk", lambda: self.info.chunk_for(self.trial.params))
        halo = self._answer("halo", lambda: self.info.halo_for(self.trial.params))
        if not isinstance(halo, int) or isinstance(halo, bool) or halo < 0:
            broken(f"halo= of {self.info.name} gives {halo!r}; give the number of rows, 0 or more")

    def _memory(self) -> None:
        scratch = self.info.scratch
        if callable(scratch):
            names = list(inspect.signature(scratch).parameters)
            if not 1 <= len(names) <= 2 or names[0] in {*STEP_ARGUMENTS, "number"} - {"params"}:
                broken(
                    f"scratch= of {self.info.name} takes ({', '.join(names)}); it is called by position with the parameters"
                    " and, if it has a second argument, the number of exposures"
                )
        need = self._answer("scratch", lambda: self.info.scratch_for(self.trial.params, exposures=3))
        if not isinstance(need, int | float) or not math.isfinite(need) or need < 0:
            broken(
                f"scratch= of {self.info.name} gives {need!r}; give the memory in units of the science array, 0 or more"
            )

    def _side_products(self) -> None:
        self._answer("products", lambda: self.info.saved_for(self.trial.params))

    def _wanted(self) -> None:
        if self.info.wants is None:
            return
        wanted = self._asked("wants", self.info.wants, references=False)
        if not isinstance(wanted, Collection) or isinstance(wanted, str):
            broken(f"wants= of {self.info.name} gives {wanted!r}; give the names in a tuple")
        known = (*reference_types(self.info), *self.info.calls)
        for name in wanted:
            if name not in known:
                broken(
                    f"wants= of {self.info.name} names '{name}', which the step does not declare; {_near(name, known)}"
                )

    def _applies(self) -> None:
        if self.info.applies is None:
            return
        reason = self._asked("applies", self.info.applies, references=True)
        if not isinstance(reason, str | None):
            broken(f"applies= of {self.info.name} gives {reason!r}; give the reason to skip, or None")

    def _asked(self, what: str, question: Callable[..., Any], *, references: bool) -> Any:
        """Ask a function that takes by name what is offered."""
        exposure = exposures_of(self.trial.subject())[0]
        offered: dict[str, Callable[[], Any]] = {
            "meta": lambda: exposure.meta,
            "params": lambda: self.trial.params,
            "members": lambda: {"science": [exposure], **self.trial.members()},
            "exposure_type": lambda: self._exposure_type(exposure),
        }
        if references:
            offered["references"] = self.trial.references
        names = list(inspect.signature(question).parameters)
        for name in names:
            if name not in offered:
                broken(f"{what}= of {self.info.name} asks for '{name}'; it may ask for {', '.join(offered)}")
        arguments = {name: offered[name]() for name in names}
        return self._answer(what, lambda: question(**arguments))

    def _exposure_type(self, exposure: Any) -> ExposureType | None:
        return self.loaded.exposure_type(exposure.meta.keyword("EXP_TYPE"))

    def _answer(self, what: str, question: Callable[[], Any]) -> Any:
        """Take an answer; a question that fails would end the plan, except where it refuses the exposure in so many words."""
        try:
            return question()
        except JwcalError as error:
            if what == "applies":
                return None
            broken(f"{what}= of {self.info.name}: {error}")
        except Exception as error:
            frame = extract_tb(error.__traceback__)[-1]
            where = place(frame.filename, frame.lineno)
            broken(f"{what}= of {self.info.name} fails while planning: {type(error).__name__}: {error} ({where})")


def _near(name: str, known: Collection[str]) -> str:
    return nearest(name, known) if known else "it declares none"
