"""``jwcal params``: the parameters of a step, and where their values for an exposure come from."""

from __future__ import annotations

from typing import Any

import click

from jwcore.cli.options import plan_options, plan_request


@click.command("params")
@click.argument("step")
@click.argument("inputs", nargs=-1)
@plan_options
def command(step: str, inputs: tuple[str, ...], **options: Any) -> None:
    """Show the parameters of STEP; with INPUTS the values that apply to them and the origin of each."""
    rows = _for_inputs(step, inputs, options) if inputs else _defaults(step, options["plugins"])
    for row in rows:
        unit = f" {row['unit']}" if row["unit"] else ""
        limits = f" ({row['limits']})" if row["limits"] else ""
        click.echo(f"{row['name']:<34} {row['value']!s:<12}{unit}  [{row['origin']}]")
        click.echo(f"    {row['type']}{limits}: {row['doc']}")


def _defaults(step: str, plugins: tuple[str, ...]) -> list[dict[str, Any]]:
    from jwcore.params import describe, unknown_name
    from jwcore.plugins import Plugins, Selection

    loaded = Plugins(Selection.parse(plugins))
    models = {recipe.name: recipe.params for recipe in loaded.recipes()}
    for stage in loaded.stages:
        for one in loaded.implementations(stage):
            if not one.info.alternative:
                models.setdefault(stage, one.info.params)
    if step not in models:
        raise unknown_name(step, step, models)
    return [row | {"value": row["default"], "origin": "default"} for row in describe(models[step])]


def _for_inputs(step: str, inputs: tuple[str, ...], options: dict[str, Any]) -> list[dict[str, Any]]:
    from jwcore.params import describe, unknown_name
    from jwcore.planner import plan
    from jwcore.plugins import Plugins

    planned = plan(list(inputs), "auto", **plan_request(options))
    labels = {one.label: one for node in planned.nodes for one in node.steps() if one.implementation}
    if step not in labels:
        raise unknown_name(step, step, labels, where="steps planned for this exposure")
    chosen = labels[step]
    implementation = Plugins(planned.selection).implementation(chosen.stage, chosen.implementation)
    return [
        row | {"value": chosen.params[row["name"]], "origin": chosen.origins[row["name"]]}
        for row in describe(implementation.info.params)
    ]
