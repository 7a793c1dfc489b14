"""Remarks on a plan: what the user named and what will have no effect, or not the one hoped for, with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jwcore import models
from jwcore.declare import StepInfo, matches, where_text
from jwcore.inputs import Job
from jwcore.params import IN_PLACE_OF
from jwcore.plan_model import Node, PlannedStep
from jwcore.plugins import Implementation, Plugin, Plugins, Wrapping
from jwcore.references import Found, SyntheticProvider
from jwcore.report.plan_text import human_size


def remarks(
    nodes: Sequence[Node],
    plugins: Plugins,
    *,
    metas: Mapping[str, Any],
    overrides: Mapping[str, Any],
    references: Any = None,
) -> list[str]:
    """List what does nothing in a plan (``-p``, ``--use``, ``--override``, delivered values), and recipes of other modes.

    Parameters
    ----------
    nodes : sequence of Node
        The plan.
    plugins : Plugins
        What was loaded for it.
    metas : mapping of str to Meta
        Headers of the exposures, by node.
    overrides : mapping
        Reference type -> file, as the user gave them.
    references : str or Provider, optional
        Where references were to come from.
    """
    steps = [step for node in nodes for step in node.steps()]
    recipes = {node.recipe for node in nodes}
    headers = list(metas.values())
    return [
        *_idle_plugins(plugins, steps, recipes, headers),
        *_idle_choices(plugins.selection.use, steps),
        *_idle_overrides(overrides, steps),
        *_other_sources(steps, references),
        *(f"{node.id} saves nothing" for node in nodes if not node.saves and not any(s.saves for s in node.steps())),
        *dict.fromkeys(_unavailable(steps, plugins)),
        *dict.fromkeys(_recipes_of_others(nodes, plugins, metas)),
    ]


def _idle_plugins(plugins: Plugins, steps: list[PlannedStep], recipes: set[str], headers: list[Any]) -> Iterator[str]:
    acting = {key.split(":")[0] for step in steps if step.runs for key in (step.implementation, *step.wrappers)}
    for plugin in plugins.plugins.values():
        if not plugin.named or plugin.first_party or plugin.name in acting or _acts_otherwise(plugin, recipes):
            continue
        brought = plugins.brought_by(plugin)
        reasons = dict.fromkeys(_why_idle(one, steps, headers) for one in brought)
        yield f"plugin {plugin.name} is named but does nothing here: {'; '.join(reasons) or 'it brings no step'}"


def _acts_otherwise(plugin: Plugin, recipes: set[str]) -> bool:
    """Tell whether a plugin takes part through framework hooks: any but recipes, or a recipe of the plan."""
    if plugin.hooks != {"jwcal_recipes"}:
        return bool(plugin.hooks)
    return any(recipe.name in recipes for recipe in plugin.module.jwcal_recipes())  # type: ignore[union-attr]


def _why_idle(one: Implementation | Wrapping, steps: list[PlannedStep], headers: list[Any]) -> str:
    info = one.info
    places = [step for step in steps if step.stage == info.stage]
    if not places:
        return f"{info.stage} is no step of this plan"
    if not any(matches(info.where, header) for header in headers):
        others = {k: (str(headers[0].keyword(k)),) for k, v in info.where.items() if not matches({k: v}, headers[0])}
        return f"{one.key} is for {where_text(info.where)}; here {where_text(others)}"
    place = next((step for step in places if step.implementation == one.key), places[0])
    if isinstance(info, StepInfo) and place.implementation not in ("", one.key):
        cure = f", choose it with --use {info.stage}={one.key}" if info.alternative else ""
        alone = f" ({one.key} is for {where_text(info.where)} alone)" if info.where else ""
        return f"{place.implementation} implements {place.label}{cure}{alone}"
    return f"{place.label} does not run ({place.reason})"


def _idle_choices(use: Mapping[str, str], steps: list[PlannedStep]) -> Iterator[str]:
    for stage, wanted in use.items():
        places = [step for step in steps if step.stage == stage]
        if not any(step.runs for step in places):
            why = f"does not run ({places[0].reason})" if places else "is no step of this plan"
            yield f"--use {stage}={wanted} has no effect: {stage} {why}"


def _idle_overrides(overrides: Mapping[str, Any], steps: list[PlannedStep]) -> Iterator[str]:
    used = {kind for step in steps if step.runs for one in (step, *step.calls) for kind in one.references}
    for kind in overrides:
        if kind.lower() not in used and not kind.lower().startswith("pars-"):
            yield f"--override {kind} has no effect: no step that runs uses it"


def _other_sources(steps: list[PlannedStep], references: Any) -> Iterator[str]:
    """Say when references do not come from where the user may think."""
    found = [one for step in steps if step.runs for one in step.references.values() if isinstance(one, Found)]
    brought = next((one.path for one in found if one.provider == SyntheticProvider.name), None)
    named = os.environ.get("CRDS_PATH")
    if brought and named and not brought.resolve().is_relative_to(Path(named).resolve()):
        yield f"simulated exposures bring their references along ({brought.parent}); CRDS_PATH is taken with --references crds"
    if isinstance(references, str | Path) and Path(references).is_dir():
        folder = Path(references).resolve()
        if found and not any(one.path.resolve().is_relative_to(folder) for one in found):
            yield f"no reference is taken from {references}: what it does not have comes from the usual places"


def _unavailable(steps: list[PlannedStep], plugins: Plugins) -> Iterator[str]:
    """Name the parameters whose delivered value cannot be honoured, and what may be given."""
    for step in (step for step in steps if step.runs):
        for name in (name for name, origin in step.origins.items() if origin.startswith(IN_PLACE_OF)):
            field = plugins.implementation(step.stage, step.implementation).info.params.model_fields[name]
            wanted = step.origins[name].removeprefix(IN_PLACE_OF)
            yield (
                f"{step.label}.{name} = {step.params[name]}: {wanted} is not available here;"
                f" to give one, -s {step.label}.{name}=... ({field.description})"
            )


def _recipes_of_others(nodes: Sequence[Node], plugins: Plugins, metas: Mapping[str, Any]) -> Iterator[str]:
    """Name the recipes that follow for other exposure types, but not for that of the exposure."""
    types = {one.name: one for one in plugins.exposure_types()}
    followed = {recipe for one in types.values() for recipe in one.recipes}
    for node in nodes:
        own = types.get(metas[node.id].keyword("EXP_TYPE"))
        if own is not None and node.recipe in followed - {*own.recipes}:
            yield f"{node.recipe} is no recipe of {own.name} exposures; theirs: {', '.join(own.recipes) or 'none'}"


def too_large(nodes: Sequence[Node], jobs: Sequence[Job], cap: int | None) -> Iterator[str]:
    """Name what will exceed the memory cap: neither a ramp, which is worked on in pieces, nor a set, which is kept on disk.

    A ramp whose rows are not those of the detector, as in stripes, has no pieces that are rectangles of it.
    """
    single = [job for job in jobs if job.recipe.takes == "exposure"]
    images = {job.id for job in single if job.dimensions < 4 or not models.has_detector_rows(job.meta)}
    for node in nodes:
        if cap is not None and node.id in images and node.peak_bytes > cap:
            yield f"{node.id} cannot be cut into pieces and needs about {human_size(node.peak_bytes)}, more than --max-memory"
