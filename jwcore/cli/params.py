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
    from jwcore.plugins import Plugins, Selection
    from jwcore.report.listings import defaults, parameter_lines

    selection = Selection.parse(options["plugins"], use=parse_pairs(options["use"], "--use", "STAGE=PLUGIN"))
    for heading, rows in _for_inputs(step, inputs, options) if inputs else defaults(Plugins(selection), step):
        click.secho(heading, bold=True)
        for line in parameter_lines(rows):
            click.echo(line)


def _for_inputs(
    step: str, inputs: tuple[str, ...], options: dict[str, Any]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    from jwcore.errors import UsageError
    from jwcore.params import describe, unknown_name
    from jwcore.planner import plan

    planned = plan(list(inputs), "auto", **plan_request(options))
    labels = {one.label: one for node in planned.nodes for one in node.steps()}
    if step not in labels:
        raise unknown_name(step, step, labels, where="steps planned for this exposure")
    chosen = labels[step]
    if not chosen.implementation:
        raise UsageError(f"{step} does not run for this exposure: {chosen.reason}", cure=f"jwcal params {step}")
    info = planned.load_plugins().implementation(chosen.stage, chosen.implementation).info
    rows = describe(info.params)
    yield (
        chosen.implementation,
        [row | {"value": chosen.params[row["name"]], "origin": chosen.origins[row["name"]]} for row in rows],
    )
