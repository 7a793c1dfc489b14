"""One small check for every promise that a plugin makes.

Static checks read what a plugin declares and brings; dynamic checks run each of its steps on a tiny exposure with neutral
references, and each of its wrappers around a step that does nothing.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jwcore.declare import StepInfo
from jwcore.errors import PluginError
from jwcore.params import unknown_name
from jwcore.plugin_modules import source_files
from jwcore.plugins import Implementation, Plugin, Plugins, Selection, Wrapping
from jwcore.testing.declarations import Questions, documents_parameters, names_what_exists
from jwcore.testing.exposures import tiny_references
from jwcore.testing.hooks import checks_of_hooks
from jwcore.testing.promise import Check, ConformanceError, NotChecked, broken
from jwcore.testing.trials import Trial, WrapperTrial, reference_types

__all__ = ["Check", "ConformanceError", "NotChecked", "checks"]

HEAVY = ("numba", "gwcs", "photutils", "asdf", "scipy", "matplotlib", "tweakwcs", "astropy.modeling", "astropy.table")
OPEN_ROOMS = ("jwcore.api", "jwcore.algorithms")


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
        return [Check("loads", plugin, lambda: broken(text))]
    found = next(p for p in loaded.plugins.values() if p.named)
    made = [
        Check("loads", found.name, lambda: None),
        Check("imports only the open rooms", found.name, lambda: _open_rooms(found)),
        Check("imports nothing heavy", found.name, lambda: _light(found)),
        *checks_of_hooks(found, loaded),
    ]
    brought = loaded.brought_by(found)
    used = {kind for one in brought if isinstance(one, Implementation) for kind in reference_types(one.info)}
    for kind in references or {}:
        if kind not in used:
            raise unknown_name(kind, kind, used, where=f"references of {found.name}")
    given = tiny_references(**(references or {}))
    for one in brought:
        promises = _of_step(one, loaded, given) if isinstance(one, Implementation) else _of_wrapper(one, loaded, given)
        made += [Check(promise, one.key, function) for promise, function in promises]
    return made


Promises = Iterator[tuple[str, Callable[[], None]]]


def _of_step(one: Implementation, loaded: Plugins, references: dict[str, Any]) -> Promises:
    """Promises of a step: what it declares, what it tells the planner, and what it does."""
    info = one.info
    trial = Trial(info, loaded, references)
    yield "documents its parameters", lambda: documents_parameters(info)
    yield "names what exists", lambda: names_what_exists(info, loaded, references)
    yield "answers the planner", Questions(info, trial, loaded).ask
    yield from _of_trial(trial)
    yield "saves only declared products", trial.declared_products
    yield "writes only declared keywords", trial.declared_keywords


def _of_wrapper(one: Wrapping, loaded: Plugins, references: dict[str, Any]) -> Promises:
    """Promises of a wrapper, which declares little."""
    info = _as_step(one, loaded)
    yield "names what exists", lambda: names_what_exists(info, loaded, references)
    yield from _of_trial(WrapperTrial(info, loaded, references))


def _of_trial(trial: Trial) -> Promises:
    """Promises that are held against what a step or wrapper does."""
    yield "runs", trial.runs
    yield "returns a product", trial.returns_a_product
    yield "keeps shapes and types", trial.keeps_shapes
    yield "lets DQ bits only grow", trial.dq_only_grows
    yield "flags what has no value", trial.flags_gaps
    yield "skips before it edits", trial.skips_before_edit
    yield "gives the same answer twice", trial.repeats
    if trial.stage.ensemble:
        yield "gives the same answer on disk", trial.same_on_disk
    yield "is honest about chunks", trial.honest_chunks
    yield "leaves references alone", trial.leaves_references


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
        optional_references=(),
        survey={},
    )


def _open_rooms(plugin: Plugin) -> None:
    """Plugins import only the plugin interface and the algorithms, and never one another."""
    module = plugin.module
    assert module is not None
    if plugin.name == "builtin":
        return
    for file, name in ((file, name) for file, source in _sources(plugin).items() for name in _imports(source)):
        root = name.split(".")[0]
        if root == "jwcore" and not name.startswith(OPEN_ROOMS) and name != "jwcore":
            broken(f"{file} of {plugin.name} imports {name}; import jwcore.api or jwcore.algorithms")
        if root.startswith("jwcal_") and root != module.__name__.split(".")[0]:
            broken(f"{file} of {plugin.name} imports the plugin {root}; plugins never import each other")


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
        broken(f"importing {plugin.name} loads {heavy}; import it inside the function that needs it")
