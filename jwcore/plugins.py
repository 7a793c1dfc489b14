"""Finding plugins, choosing one implementation per stage, and calling it through pluggy.

Plugins of the first party (the distributions of this project) act as soon as they are installed. Those of a third party
are inert until they are named, except where nothing of the first party applies. One broken plugin is reported and the
rest load.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import pluggy

from jwcore import hookspecs, plugin_modules
from jwcore.declare import (
    STAGE_MARK,
    STEP_MARK,
    WRAPPER_MARK,
    Detector,
    ExposureType,
    Stage,
    StepInfo,
    WrapperInfo,
    matches,
    specificity,
    where_text,
)  # fmt: skip
from jwcore.distributions import FIRST_PARTY, GROUP
from jwcore.errors import PluginError, UsageError
from jwcore.params import nearest, unknown_name
from jwcore.recipes import Recipe


@dataclass(frozen=True)
class Selection:
    """What a user asked for; small and picklable, so that worker processes rebuild the same plugins.

    Attributes
    ----------
    named : tuple of str
        Plugins by entry-point name, module, or path of one ``.py`` file.
    blocked : frozenset of str
        Plugins that must not load.
    use : mapping
        Stage -> ``plugin`` or ``plugin:name``.
    only : frozenset of str
        When not empty, the only entry points that load (``JWCAL_PLUGINS``).
    files : mapping
        Path of a one-file plugin -> its source text as it was when the selection was made.
    """

    named: tuple[str, ...] = ()
    blocked: frozenset[str] = frozenset()
    use: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[str] = frozenset()
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, plugins: tuple[str, ...] = (), *, use: Mapping[str, str] | None = None) -> Selection:
        """Build a selection from ``-p`` words (``no:x`` blocks), ``--use`` pairs and the environment.

        A ``.py`` file after ``--use`` is named as if it stood after ``-p``, too.
        """
        chosen = {stage: Path(word).stem if word.endswith(".py") else word for stage, word in (use or {}).items()}
        files_used = [word for word in (use or {}).values() if word.endswith(".py")]
        named = tuple(dict.fromkeys(p for p in (*plugins, *files_used) if not p.startswith("no:")))
        files = {name: plugin_modules.read_source(name) for name in named if name.endswith(".py")}
        only = frozenset(filter(None, re.split(r"[,\s]+", os.environ.get("JWCAL_PLUGINS", ""))))
        return cls(named, frozenset(p[3:] for p in plugins if p.startswith("no:")), chosen, only, files)


@dataclass
class Plugin:
    """One loaded plugin and what it brings."""

    name: str
    distribution: str = ""
    version: str = ""
    first_party: bool = False
    named: bool = False
    path: str = ""
    source: str = ""
    error: str = ""
    module: types.ModuleType | None = None

    @cached_property
    def source_hash(self) -> str:
        """Digest of the plugin's own code, of which its version does not tell while somebody works on it."""
        return (
            hashlib.sha256(self.source.encode()).hexdigest() if self.source else plugin_modules.code_digest(self.module)
        )

    @property
    def active(self) -> bool:
        """Whether the plugin acts without being the only one that applies."""
        return self.first_party or self.named

    @property
    def hooks(self) -> set[str]:
        """Names of the framework hooks that the plugin implements."""
        content = vars(self.module) if self.module else {}
        return {name for name, value in content.items() if name.startswith("jwcal_") and callable(value)}


@dataclass(frozen=True)
class Implementation:
    """A step of a plugin, ready to be chosen."""

    plugin: Plugin
    info: StepInfo

    @property
    def key(self) -> str:
        """The name under which users know the implementation: ``plugin:name``."""
        return f"{self.plugin.name}:{self.info.name}"


@dataclass(frozen=True)
class Wrapping:
    """A wrapper of a plugin."""

    plugin: Plugin
    info: WrapperInfo

    @property
    def key(self) -> str:
        """The name under which users know the wrapper: ``plugin:name``."""
        return f"{self.plugin.name}:{self.info.name}"


class _Hooks(pluggy.PluginManager):
    """Pluggy manager that recognises our decorators."""

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        declared = getattr(getattr(module_or_class, name), STAGE_MARK, None)
        if declared is not None:
            return {"firstresult": True, "historic": False, "warn_on_impl": None, "warn_on_impl_args": None}
        return super().parse_hookspec_opts(module_or_class, name)

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        function = getattr(plugin, name, None)
        step, wrapper = getattr(function, STEP_MARK, None), getattr(function, WRAPPER_MARK, None)
        if step is None and wrapper is None:
            return super().parse_hookimpl_opts(plugin, name)
        return {
            "wrapper": wrapper is not None, "hookwrapper": False, "optionalhook": False,
            "tryfirst": False, "trylast": False, "specname": (step or wrapper).stage,  # type: ignore[union-attr]
        }  # fmt: skip


class Plugins:
    """All plugins of one run: the stages, steps, wrappers, recipes and traits that they brought.

    Parameters
    ----------
    selection : Selection
        What the user asked for.
    """

    def __init__(self, selection: Selection | None = None):
        self.selection = selection or Selection()
        self.plugins: dict[str, Plugin] = {}
        self.stages: dict[str, Stage] = {}
        self._implementations: dict[str, list[Implementation]] = {}
        self._wrappers: dict[str, list[Wrapping]] = {}
        self._hooks = _Hooks("jwcal")
        self._rest_loaded = False
        self._load_contract()
        self._load_active()

    # ---------------------------------------------------------------- loading
    def _load_contract(self) -> None:
        framework = importlib.import_module("jwcore.hookspecs.framework")
        self._hooks.add_hookspecs(framework)
        for name in hookspecs.MODULES:
            self._add_stages(importlib.import_module(f"jwcore.hookspecs.{name}"))

    def _add_stages(self, module: types.ModuleType) -> list[Stage]:
        own = {
            name: value for name, value in vars(module).items()
            if hasattr(value, STAGE_MARK) and value.__module__ == module.__name__
        }  # fmt: skip
        stages = [getattr(function, STAGE_MARK) for function in own.values()]
        for declared in stages:
            if declared.name in self.stages:
                raise PluginError(
                    f"stage {declared.name} exists already", where=module.__name__, cure="rename the stage"
                )
        if own:
            self._hooks.add_hookspecs(type("Stages", (), own))
        self.stages.update({declared.name: declared for declared in stages})
        return stages

    def _load_active(self) -> None:
        wanted = set(self.selection.named)
        for name in sorted(self.selection.only - {entry.name for entry in entry_points()}):
            raise unknown_name(name, name, [entry.name for entry in entry_points()], where="JWCAL_PLUGINS")
        for entry in entry_points():
            first_party = _distribution(entry) in FIRST_PARTY
            if entry.name in self.selection.blocked or (self.selection.only and entry.name not in self.selection.only):
                continue
            if first_party or entry.name in wanted:
                self._load_entry(entry, first_party=first_party, named=entry.name in wanted)
        for name in self.selection.named:
            if name not in self.plugins and name not in self.selection.blocked:
                self._load_named(name)
        for plugin in self.plugins.values():
            if plugin.named and plugin.error:
                cure = None if "—" in plugin.error else "mend the plugin, or leave it out"
                raise PluginError(f"plugin {plugin.name} {plugin.version} is broken: {plugin.error}", cure=cure)

    def load_rest(self) -> None:
        """Load the installed third-party plugins that nobody named, for the stages where nothing else applies."""
        if self._rest_loaded:
            return
        self._rest_loaded = True
        for entry in entry_points():
            if entry.name in self.plugins or entry.name in self.selection.blocked or self.selection.only:
                continue
            self._load_entry(entry, first_party=False, named=False)

    def _load_entry(self, entry: metadata.EntryPoint, *, first_party: bool, named: bool) -> None:
        version = entry.dist.version if entry.dist else ""
        plugin = Plugin(entry.name, _distribution(entry), version, first_party, named)
        self._load(plugin, lambda: (entry.load(), "")[0])

    def _load_named(self, name: str) -> None:
        if name.endswith(".py"):
            source = self.selection.files.get(name) or plugin_modules.read_source(name)
            plugin = Plugin(Path(name).stem, named=True, path=name, source=source)
            plugin.version = plugin.source_hash[:12]
            self._load(plugin, lambda: plugin_modules.module_from_source(name, source, plugin.source_hash))
        elif (package := name.split(".", maxsplit=1)[0]).isidentifier() and importlib.util.find_spec(package):
            plugin = Plugin(name.rsplit(".", 1)[-1], distribution=name, named=True)
            self._load(plugin, lambda: importlib.import_module(name))
        else:
            raise _no_such_plugin(name)

    def _load(self, plugin: Plugin, importer: Callable[[], types.ModuleType]) -> None:
        """Import and register one plugin; whatever goes wrong is recorded with it and stops nobody else."""
        if plugin.name in self.plugins:
            other = self.plugins[plugin.name]
            places = f"{other.distribution or other.path}, {plugin.distribution or plugin.path}"
            cure = "rename the file" if plugin.source else f"rename one, or block it with -p no:{plugin.name}"
            raise PluginError(f"two plugins are called '{plugin.name}' ({places})", cure=cure)
        self.plugins[plugin.name] = plugin
        registered: list[str] = []
        try:
            plugin.module = importer()
            plugin_modules.check_api(plugin.module)
            self._register(plugin, registered)
        except (Exception, SystemExit) as error:
            plugin.error = plugin_modules.one_line(error, plugin=plugin.name)
            for name in registered:
                self._hooks.unregister(name=name)
            self._forget(plugin)

    def _register(self, plugin: Plugin, registered: list[str]) -> None:
        """Register the module's framework hooks, and every step and wrapper under a name of its own."""
        module = plugin.module
        assert module is not None
        for declared in self._add_stages(module):
            anchor = declared.after or declared.before or declared.instead_of
            if anchor is not None and anchor not in self.stages:
                raise PluginError(
                    f"stage {declared.name} goes beside the unknown stage '{anchor}'", cure=nearest(anchor, self.stages)
                )
        self._hooks.register(_FrameworkHooks(plugin), name=plugin.name)
        registered.append(plugin.name)
        for attribute, function in plugin_modules.marked(module):
            info = getattr(function, STEP_MARK, None) or getattr(function, WRAPPER_MARK)
            plugin_modules.check_stage(attribute, function, info.stage, stages=self.stages)
            plugin_modules.check_keywords(attribute, info)
            key = f"{plugin.name}:{info.name}"
            if self._hooks.has_plugin(key):
                raise PluginError(f"{attribute}: the name '{key}' is taken", cure="give @step(name=...) another name")
            self._hooks.register(_Holder(attribute, function), name=key)
            registered.append(key)
            if isinstance(info, StepInfo):
                self._implementations.setdefault(info.stage, []).append(Implementation(plugin, info))
            else:
                self._wrappers.setdefault(info.stage, []).append(Wrapping(plugin, info))
        if plugin.named and len(registered) == 1 and not plugin.hooks and not self._stages_of(module):
            raise PluginError(
                f"{module.__name__ if not plugin.source else 'the file'} brings no step, wrapper, stage or hook",
                cure='decorate a function with @api.step(stage="..."), or check the name',
            )

    def _stages_of(self, module: types.ModuleType) -> list[str]:
        return [name for name, stage in self.stages.items() if stage.function.__module__ == module.__name__]

    def _forget(self, plugin: Plugin) -> None:
        self._implementations = {
            s: [i for i in found if i.plugin is not plugin] for s, found in self._implementations.items()
        }
        self._wrappers = {s: [w for w in found if w.plugin is not plugin] for s, found in self._wrappers.items()}
        for name in self._stages_of(plugin.module) if plugin.module is not None else ():
            del self.stages[name]

    # ---------------------------------------------------------------- choosing
    def implementations(self, stage: str) -> list[Implementation]:
        """All loaded implementations of a stage."""
        return list(self._implementations.get(stage, ()))

    def resolve(self, stage: str, meta: Any) -> Implementation | None:
        """Choose the implementation of a stage for an exposure.

        Returns
        -------
        Implementation or None
            None when no plugin implements the stage for this exposure.

        Raises
        ------
        PluginError
            When two implementations have equal rank.
        UsageError
            When ``--use`` names something that does not exist.
        """
        if stage in self.selection.use:
            return self._resolve_used(stage, self.selection.use[stage], meta)
        found = [i for i in self.implementations(stage) if not i.info.alternative and matches(i.info.where, meta)]
        active = [i for i in found if i.plugin.active]
        if not active:
            self.load_rest()
            active = [i for i in self.implementations(stage) if not i.info.alternative and matches(i.info.where, meta)]
        if not active:
            return None
        ranks = {i.key: (i.plugin.named and not i.plugin.first_party, *specificity(i.info.where)) for i in active}
        best = [i for i in active if ranks[i.key] == max(ranks.values())]
        if len(best) > 1:
            keys = sorted(i.key for i in best)
            raise PluginError(
                f"{' and '.join(keys)} both implement {stage} for this exposure",
                cure=f"choose one: --use {stage}={keys[0]}",
            )
        return best[0]

    def _resolve_used(self, stage: str, wanted: str, meta: Any) -> Implementation:
        known = {i.key: i for i in self.implementations(stage)}
        if not any(_is_called(i, wanted) for i in known.values()):
            self.load_rest()
            known = {i.key: i for i in self.implementations(stage)}
        named = [i for i in known.values() if _is_called(i, wanted)]
        if not named:
            cure = nearest(wanted, known) if known else "nothing implements this stage"
            raise UsageError(f"no '{wanted}' implements {stage}", where=f"--use {stage}={wanted}", cure=cure)
        fitting = [i for i in named if matches(i.info.where, meta)]
        if not fitting:
            raise UsageError(
                f"{wanted} does not apply to this exposure",
                where=f"--use {stage}",
                cure=f"it is for {where_text(named[0].info.where)}",
            )
        ranked = sorted(fitting, key=lambda i: (i.info.name == stage, *specificity(i.info.where)), reverse=True)
        return ranked[0]

    def eligible(self, stage: str) -> list[Implementation]:
        """Implementations that may be chosen for some exposure: used, or of named third parties, or acting unnamed."""
        found = self.implementations(stage)
        if wanted := self.selection.use.get(stage):
            return [i for i in found if _is_called(i, wanted)]
        ordinary = [i for i in found if i.plugin.active and not i.info.alternative]
        return [i for i in ordinary if i.plugin.named and not i.plugin.first_party] or ordinary

    def brought_by(self, plugin: Plugin) -> list[Implementation | Wrapping]:
        """All steps and wrappers of one plugin."""
        known: list[Any] = [one for found in (self._implementations, self._wrappers) for s in found for one in found[s]]
        return [one for one in known if one.plugin is plugin]

    def wrappers(self, stage: str, meta: Any | None = None) -> list[Wrapping]:
        """Wrappers of active plugins that surround a stage, for an exposure or for any."""
        active = [w for w in self._wrappers.get(stage, ()) if w.plugin.active]
        return [w for w in active if meta is None or matches(w.info.where, meta)]

    def implementation(self, stage: str, key: str) -> Implementation:
        """Look an implementation up by its ``plugin:name``."""
        if all(known.key != key for known in self.implementations(stage)):
            self.load_rest()
        for candidate in self.implementations(stage):
            if candidate.key == key:
                return candidate
        raise PluginError(f"{key} does not implement {stage} any more", cure="plan again")

    def call(self, stage: str, key: str, wrappers: tuple[str, ...], arguments: Mapping[str, Any]) -> Any:
        """Call one implementation, surrounded by the given wrappers, through pluggy."""
        keep = {key, *wrappers}
        others = [plugin for name, plugin in self._hooks.list_name_plugin() if plugin is not None and name not in keep]
        caller = self._hooks.subset_hook_caller(stage, others)
        return caller(**{name: arguments[name] for name in self.stages[stage].arguments})

    def blame(self, error: BaseException, stage: str, keys: tuple[str, ...]) -> tuple[str, str]:
        """Find out in whose code an exception came up: the step's (the first key) or one of its wrappers'.

        Returns
        -------
        key, place : str
            The culprit as ``plugin:name``, and ``file:line`` of the last place in its file; empty when unknown.
        """
        known: list[Any] = [*self.implementations(stage), *self.wrappers(stage)]
        codes = {inspect.unwrap(one.info.function).__code__: one.key for one in known if one.key in keys}
        frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
        own = [number for number, (code, _) in enumerate(frames) if code in codes]
        if not own:
            return " or ".join(keys), ""
        culprit = frames[own[-1]][0]
        line = [line for code, line in frames[own[-1] :] if code.co_filename == culprit.co_filename][-1]
        return codes[culprit], plugin_modules.place(culprit.co_filename, line)

    # ---------------------------------------------------------------- what plugins know
    def recipe(self, name: str, meta: Any | None = None) -> Recipe:
        """Find a recipe by name or alias; of several the one whose ``where`` matches most specifically."""
        named = [r for r in self.recipes() if r.has(name)]
        if not named:
            raise unknown_name(name, name, sorted({n for r in self.recipes() for n in (r.name, *r.aliases)}))
        if meta is None:
            return self._with_own_stages(named[0])
        fitting = sorted((r for r in named if matches(r.where, meta)), key=lambda r: specificity(r.where))
        if not fitting:
            instrument, kind = meta.keyword("INSTRUME"), meta.keyword("EXP_TYPE")
            raise PluginError(
                f"no plugin brings a recipe {name} for {instrument} {kind}",
                cure=f"install jwcal-{str(instrument).lower()}, or name a plugin with -p",
            )
        return self._with_own_stages(fitting[-1])

    def _with_own_stages(self, recipe: Recipe) -> Recipe:
        for declared in self.stages.values():
            if declared.after or declared.before or declared.instead_of:
                owner = self.owner(declared)
                if owner is None or owner.active:
                    recipe = recipe.with_stage(declared)
        return recipe

    def owner(self, stage: Stage) -> Plugin | None:
        """Find the plugin that brought a stage; None for the stages of the contract."""
        home = stage.function.__module__
        return next((p for p in self.plugins.values() if p.module and p.module.__name__ == home), None)

    def recipes(self) -> list[Recipe]:
        """All recipes of all active plugins."""
        return self._collect("jwcal_recipes")

    def exposure_type(self, name: str | None) -> ExposureType | None:
        """Traits of an exposure type, or None when no plugin knows it."""
        return next((t for t in self.exposure_types() if t.name == name), None)

    def exposure_types(self) -> list[ExposureType]:
        """Traits of all exposure types that plugins know."""
        return self._collect("jwcal_exposure_types")

    def detector(self, name: str | None) -> Detector | None:
        """Traits of a detector, or None when no plugin knows it."""
        return next((d for d in self._collect("jwcal_detectors") if d.name == name), None)

    def named(self, hook: str) -> dict[str, Any]:
        """Merge the mappings that plugins return from a framework hook (providers, executors)."""
        return {k: v for answer in getattr(self._hooks.hook, hook)() for k, v in answer.items()}

    def commands(self) -> list[Any]:
        """Commands that plugins add to the command line."""
        return self._collect("jwcal_commands")

    def _collect(self, hook: str) -> list[Any]:
        # pluggy answers last registered first; plugins are listed in the order in which they were found
        return [item for answer in reversed(getattr(self._hooks.hook, hook)()) for item in answer]

    def finished(self, result: Any) -> None:
        """Tell the plugins that a run is done."""
        self._hooks.hook.jwcal_run_finished(result=result)

    def broken(self) -> Iterator[Plugin]:
        """Plugins that could not be loaded."""
        return (p for p in self.plugins.values() if p.error)


class _Holder:
    """One step or wrapper as a plugin of its own for pluggy, so that it can be chosen alone."""

    def __init__(self, attribute: str, function: Callable):
        setattr(self, attribute, function)


class _FrameworkHooks:
    """Shows pluggy only the ``jwcal_*`` hooks of a module, not its steps."""

    def __init__(self, plugin: Plugin):
        for name in plugin.hooks:
            setattr(self, name, getattr(plugin.module, name))


def entry_points() -> list[metadata.EntryPoint]:
    """List the installed plugins from package metadata alone, the first party first, by name."""
    found = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    return sorted(found.values(), key=lambda e: (_distribution(e) not in FIRST_PARTY, e.name))


def _distribution(entry: metadata.EntryPoint) -> str:
    return entry.dist.name.lower().replace("_", "-") if entry.dist else ""


def _is_called(implementation: Implementation, wanted: str) -> bool:
    return wanted in (implementation.key, implementation.plugin.name)


def _no_such_plugin(name: str) -> UsageError:
    """Build the error for an unknown ``-p``, with the spelling that was meant, as far as one can guess."""
    if Path(f"{name}.py").is_file():
        return UsageError(f"no plugin named '{name}'", cure=f"a file needs its ending: {name}.py")
    if name and Path(name).is_dir():
        return UsageError(
            f"{name} is a folder", cure="install the package and give the plugin's name, or give a .py file"
        )
    cure = nearest(name, [entry.name for entry in entry_points()]).replace("known:", "installed:")
    return UsageError(f"no plugin named '{name}'", cure=f"{cure}; or give a module or a .py file")
