"""Promises of what a plugin tells the framework: hooks that exist, and recipes that can be planned."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from jwcore.declare import Detector, ExposureType
from jwcore.errors import JwcalError, PluginError
from jwcore.hookspecs import framework
from jwcore.params import Layer, nearest, resolve
from jwcore.plugin_modules import KEYWORD_NAMES
from jwcore.plugins import Plugin, Plugins
from jwcore.recipes import SCIENCE, ForEach, Recipe, Save, Split, Step, suffixes_of
from jwcore.testing.declarations import check_values
from jwcore.testing.promise import Check, NotChecked, broken

HOOKS = tuple(name for name in vars(framework) if name.startswith("jwcal_"))
LISTS: dict[str, type] = {
    "jwcal_recipes": Recipe, "jwcal_exposure_types": ExposureType, "jwcal_detectors": Detector,
}  # fmt: skip
"""What the lists hold that hooks return."""
MAPPINGS = ("jwcal_reference_providers", "jwcal_executors")
FACTS = ("tso", "moving_target", "members", "dimensions", "direct_image")
"""What conditions of a recipe may ask besides keywords."""


def checks_of_hooks(plugin: Plugin, loaded: Plugins) -> Iterator[Check]:
    """Make the checks of what a plugin tells the framework, those of them that it does tell."""
    own = _hooks_of(plugin)
    if own:
        yield Check("implements hooks that exist", plugin.name, lambda: _hooks_exist(own))
    if "jwcal_recipes" in own:
        yield Check(
            "brings recipes that can be planned", plugin.name, lambda: _recipes_work(own["jwcal_recipes"], loaded)
        )
    stages = [stage for stage in loaded.stages.values() if loaded.owner(stage) is plugin]
    if stages:
        yield Check("puts its stages beside others", plugin.name, lambda: _stages_have_a_place(stages))


def _hooks_of(plugin: Plugin) -> dict[str, Callable]:
    """Functions that are hooks by their name or by their decorator."""
    content = {name: thing for name, thing in vars(plugin.module).items() if inspect.isfunction(thing)}
    return {name: f for name, f in content.items() if name.startswith("jwcal_") or hasattr(f, "jwcal_impl")}


def _hooks_exist(own: dict[str, Callable]) -> None:
    for name, function in own.items():
        if name not in HOOKS:
            broken(f"there is no hook {name}, so that nobody calls it; {nearest(name, HOOKS)}")
        if not hasattr(function, "jwcal_impl"):
            broken(f"nobody calls {name}: it lacks its decorator @api.hookimpl")
        if name != "jwcal_run_finished":
            _look_at(name, _answer(name, function))


def _answer(name: str, function: Callable) -> Any:
    try:
        return function()
    except JwcalError as error:
        broken(f"{name} fails: {error}")
    except Exception as error:
        broken(f"{name} fails: {type(error).__name__}: {error}")


def _look_at(name: str, answer: Any) -> None:
    """Refuse answers of another kind than the hook's."""
    if name in MAPPINGS:
        if not isinstance(answer, dict):
            broken(f"{name} returned a {type(answer).__name__}; return a mapping of name to class")
        return
    kind = LISTS.get(name)
    if not isinstance(answer, list | tuple):
        broken(f"{name} returned a {type(answer).__name__}; return a list")
    for item in answer:
        if kind is not None and not isinstance(item, kind):
            broken(f"{name} lists a {type(item).__name__}; it takes {kind.__name__} alone")


def _stages_have_a_place(stages: list[Any]) -> None:
    for stage in stages:
        if stage.name in (stage.after, stage.before, stage.instead_of):
            broken(f"stage {stage.name} stands beside itself; name another one, or write @api.stage() alone")


# ---------------------------------------------------------------- recipes
def _recipes_work(hook: Callable, loaded: Plugins) -> None:
    try:
        recipes = list(hook())
    except Exception as error:
        raise NotChecked("jwcal_recipes gives no list") from error
    for recipe in recipes:
        if not isinstance(recipe, Recipe):
            raise NotChecked("jwcal_recipes lists other things, too")
        _RecipeTrial(recipe, loaded).check()


class _RecipeTrial:
    """Goes through one recipe as the planner would, for no exposure in particular."""

    def __init__(self, recipe: Recipe, loaded: Plugins):
        self.recipe = recipe
        self.loaded = loaded
        self.streams = {SCIENCE} | {role for kind in loaded.exposure_types() for role in kind.member_roles}

    def check(self) -> None:
        """Check conditions, stages, parameters and streams, in the order in which they would be used."""
        self._where()
        for step in self.recipe.steps():
            self._stage(step)
            self._params(step.stage, dict(step.params), label=step.label)
            self._conditions(step)
        for entry in self.recipe.entries:
            self._follow(entry)
        self._ends()
        self._own_stages()

    def _fail(self, text: str) -> None:
        broken(f"recipe {self.recipe.name}: {text}")

    def _where(self) -> None:
        for keyword in self.recipe.where:
            if keyword not in KEYWORD_NAMES:
                self._fail(
                    f"where= names the keyword {keyword}, which does not exist; {nearest(keyword, KEYWORD_NAMES)}"
                )
        check_values(self.recipe.where, owner=f"recipe {self.recipe.name}")

    def _stage(self, step: Step) -> None:
        if step.stage not in self.loaded.stages:
            self._fail(f"there is no stage {step.stage}; {nearest(step.stage, self.loaded.stages)}")

    def _params(self, stage: str, values: dict[str, Any], *, label: str) -> None:
        """Values must suit one of the implementations of the stage."""
        found = self.loaded.implementations(stage)
        refusals = []
        for one in found:
            try:
                resolve(one.info.params, label=label, layers=[Layer(f"recipe {self.recipe.name}", {label: values})])
            except JwcalError as error:
                refusals.append(str(error))
        if found and len(refusals) == len(found):
            self._fail(refusals[0])

    def _conditions(self, step: Step) -> None:
        for key in (*step.when, *step.unless):
            if key not in (KEYWORD_NAMES if key.isupper() else FACTS):
                self._fail(f"{step.label} asks for '{key}'; {nearest(key, (*FACTS, *KEYWORD_NAMES))}")

    def _follow(self, entry: Any) -> None:
        """Keep account of the streams that there are, as the runner does."""
        if isinstance(entry, Save):
            self._stream(entry.stream, f"{entry.label}")
            if entry.option not in self.recipe.params.model_fields:
                self._fail(f"{entry.label} is switched by '{entry.option}', which is no parameter of the recipe")
            return
        on = (entry.on,) if isinstance(entry.on, str) else entry.on
        for stream in on:
            self._stream(stream, entry.label)
        if isinstance(entry, ForEach):
            self.streams.add(entry.gives)
        elif not isinstance(entry, Split):
            self.streams |= {*self.loaded.stages[entry.stage].gives, *([entry.gives] if entry.gives else [])}

    def _stream(self, stream: str, who: str) -> None:
        if stream not in self.streams:
            self._fail(f"{who} takes the stream '{stream}', which nothing makes; {nearest(stream, self.streams)}")

    def _ends(self) -> None:
        """What is saved and switched exists."""
        for stream, suffixes in self.recipe.saves.items():
            self._stream(stream, f"the product {' or '.join(suffixes_of(suffixes))}")
        steps = {step.label: step for step in self.recipe.steps()}
        for option, (label, name) in self.recipe.switches.items():
            if option not in self.recipe.params.model_fields:
                self._fail(f"the switch '{option}' is no parameter of the recipe")
            if label not in steps:
                self._fail(f"the switch '{option}' turns the step '{label}', which it has not; {nearest(label, steps)}")
            self._params(steps[label].stage, {name: True}, label=label)

    def _own_stages(self) -> None:
        """A stage that says where it goes is not named besides: it would run twice."""
        for stage in self.loaded.stages.values():
            anchor = stage.after or stage.before or stage.instead_of
            if anchor and stage.name in {step.stage for step in self.recipe.steps()}:
                try:
                    self.recipe.with_stage(stage)
                except (JwcalError, PluginError):
                    self._fail(
                        f"it names {stage.name}, which by its own declaration stands beside {anchor} in every recipe;"
                        " leave it out of the recipe, or declare it with @api.stage() alone"
                    )
