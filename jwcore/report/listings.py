"""What plugins bring, in words: stages with their implementations, the steps of a recipe, parameters with their origin."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jwcore.declare import where_text
from jwcore.models import Meta
from jwcore.params import describe, unknown_name
from jwcore.plugins import Plugins


def all_stages(loaded: Plugins) -> Iterator[str]:
    """List the stages, one line each, with those who implement and wrap them."""
    for declared in loaded.stages.values():
        keys = [one.key.removesuffix(f":{declared.name}") for one in loaded.implementations(declared.name)]
        yield f"{declared.name:<20} {', '.join(keys) or '-':<22} {declared.summary}"
        for one in loaded.wrappers(declared.name):
            yield f"{'':<20} wrapped by {one.key}"


def one_stage(loaded: Plugins, stage: str) -> Iterator[str]:
    """Tell what a stage must do, and list every implementation with where it applies."""
    if stage not in loaded.stages:
        raise unknown_name(stage, stage, loaded.stages)
    declared = loaded.stages[stage]
    yield f"{stage}({', '.join(declared.arguments)})\n"
    yield inspect.getdoc(declared.function) or ""
    yield "\nimplementations:"
    for one in loaded.implementations(stage):
        extra = " (only when named with --use)" if one.info.alternative else ""
        needs = ", ".join((*one.info.references, *(f"[{kind}]" for kind in one.info.optional_references))) or "none"
        yield f"  {one.key} {one.plugin.version}: {where_text(one.info.where)}{extra}; references: {needs}"
    for wrapping in loaded.wrappers(stage):
        yield f"  wrapped by {wrapping.key} {wrapping.plugin.version}: {where_text(wrapping.info.where)}"


def all_recipes(loaded: Plugins) -> Iterator[str]:
    """List the recipes with where they apply."""
    return (f"{recipe.name:<12} {where_text(recipe.where)}" for recipe in loaded.recipes())


def one_recipe(loaded: Plugins, name: str, exp_type: str | None) -> Iterator[str]:
    """List the steps of a recipe, of an exposure type if one is given, with their conditions."""
    meta = None if exp_type is None else _meta_of(loaded, exp_type)
    for step in loaded.recipe(name, meta).steps():
        conditions = [f"{k} = {v}" for k, v in step.when.items()] + [f"{k} is not {v}" for k, v in step.unless.items()]
        on = "" if step.on == ("science",) else f" on {', '.join(step.on)}"
        when = f"  when {', '.join(conditions)}" if conditions else ""
        yield f"{step.label:<22}{on}{when}".rstrip()


def _meta_of(loaded: Plugins, exp_type: str) -> Meta:
    """Make the header of an exposure of a type."""
    traits = loaded.exposure_type(exp_type.upper())
    if traits is None:
        raise unknown_name(exp_type, exp_type.upper(), [one.name for one in loaded.exposure_types()], where="--for")
    meta = Meta()
    meta.set_keyword("EXP_TYPE", traits.name)
    meta.set_keyword("INSTRUME", traits.instrument)
    return meta


def defaults(loaded: Plugins, step: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Parameters of a recipe, or of all steps that may be chosen: of named plugins, or else those that act unnamed.

    Yields
    ------
    heading, rows
        What it is, and one row for each parameter as `parameter_lines` takes it.
    """
    recipes = {recipe.name: recipe for recipe in loaded.recipes()}
    if step in recipes:
        models = {f"recipe {step}": recipes[step].params}
    elif step in loaded.stages:
        models = {f"{one.key}, {where_text(one.info.where)}": one.info.params for one in loaded.eligible(step)}
    else:
        raise unknown_name(step, step, {*recipes, *loaded.stages})
    for heading, model in models.items():
        yield heading, [row | {"value": row["default"], "origin": "default"} for row in describe(model)]
    if not models:
        yield f"no plugin implements {step} yet", []


def parameter_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Describe parameters, two lines each."""
    for row in rows:
        unit = f" {row['unit']}" if row["unit"] else ""
        limits = f" ({row['limits']})" if row["limits"] else ""
        yield f"{row['name']:<34} {row['value']!s:<12}{unit}  [{row['origin']}]"
        yield f"    {row['type']}{limits}: {row['doc']}"
