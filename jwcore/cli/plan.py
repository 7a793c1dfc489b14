"""``jwcal plan``: show what run would do, and run nothing."""

from __future__ import annotations

import json
from typing import Any

import click

from jwcore.cli.options import plan_options, plan_request


@click.command("plan")
@click.argument("what")
@click.argument("inputs", nargs=-1, required=True)
@plan_options
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(what: str, inputs: tuple[str, ...], *, as_json: bool, **options: Any) -> None:
    """Show what `jwcal run WHAT INPUTS` would do: steps, parameters with their origin, references, problems."""
    from jwcore.cli.terminal import hanging
    from jwcore.planner import plan

    planned = plan(list(inputs), what, **plan_request(options))
    click.echo(json.dumps(planned.to_dict(), indent=1, default=str) if as_json else hanging(str(planned)))
    if planned.problems:
        raise click.exceptions.Exit(max(problem.exit_code for problem in planned.problems))
