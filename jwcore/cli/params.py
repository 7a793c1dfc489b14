"""``jwcal params``: the parameters of a step, and where their values for an exposure come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from jwcore.cli.options import parse_pairs, plan_options, plan_request


@click.command("params")
@click.argument("step")
@click.argument("inputs", nargs=-1)
@plan_options
def command(step: str, inputs: tuple[str, ...], **options: Any) -> None:
    """Show the parameters of STEP; with INPUTS the values that apply to them and the origin of each."""
    for heading, rows in _for_inputs(step, inputs, options) if inputs else _defaults(step, options):
        click.secho(heading, bold=True)
        for row in rows:
            unit = f" {row['unit']}" if row["unit"] else ""
            limits = f" ({row['limits']})" if row["limits"] else ""
            click.echo(f"{row['name']:<34} {row['value']!s:<12}{unit}  [{row['origin']}]")
            click.echo(f"    {row['type']}{limits}: {row['doc']}")


def _defaults(step: str, options: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Parameters of every implementation that may be chosen: those of named plugins, or else those that act unnamed."""
    from jwcore.declare import where_text
    from jwcore.params import describe, unknown_name
    from jwcore.plugins import Plugins, Selection

    loaded = Plugins(Selection.parse(options["plugins"], use=parse_pairs(options["use"], "--use", "STAGE=PLUGIN")))
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
        click.echo(f"no plugin implements {step} yet")


def _for_inputs(
    step: str, inputs: tuple[str, ...], options: dict[str, Any]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    from jwcore.errors import UsageError
    from jwcore.params import describe, unknown_name
    from jwcore.planner import plan
    from jwcore.plugins import Plugins

    planned = plan(list(inputs), "auto", **plan_request(options))
    labels = {one.label: one for node in planned.nodes for one in node.steps()}
    if step not in labels:
        raise unknown_name(step, step, labels, where="steps planned for this exposure")
    chosen = labels[step]
    if not chosen.implementation:
        raise UsageError(f"{step} does not run for this exposure: {chosen.reason}", cure=f"jwcal params {step}")
    info = Plugins(planned.selection).implementation(chosen.stage, chosen.implementation).info
    rows = describe(info.params)
    yield (
        chosen.implementation,
        [row | {"value": chosen.params[row["name"]], "origin": chosen.origins[row["name"]]} for row in rows],
    )
