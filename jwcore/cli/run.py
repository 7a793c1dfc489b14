"""``jwcal run``: plan, show what will happen, do it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from jwcore.cli.options import plan_options, plan_request
from jwcore.plan_model import FAILED


@click.command("run")
@click.argument("what")
@click.argument("inputs", nargs=-1, required=True)
@plan_options
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print the whole plan and tracebacks of failed steps.")
def command(what: str, inputs: tuple[str, ...], *, quiet: bool, verbose: bool, **options: Any) -> None:
    """Run WHAT on INPUTS (files, a folder, or an association).

    WHAT is a recipe (detector1, image2, image3, or its calwebb_ name), a single step (flat_field), or auto: the whole chain
    for the exposures, up to --to.
    """
    from jwcore.cli.terminal import hanging, progress, start_logging
    from jwcore.planner import plan
    from jwcore.runner import run_plan

    start_logging(quiet=quiet, verbose=verbose)
    started = time.perf_counter()
    planned = plan(list(inputs), what, **plan_request(options))
    if not quiet:
        click.echo(hanging(str(planned)) if verbose else _summary(planned))
    result = run_plan(planned, progress=None if quiet else progress)
    if not quiet:
        _report(result, time.perf_counter() - started)


def _summary(planned: Any) -> str:
    nodes = len(planned.nodes)
    lines = [f"{planned.recipe}: {nodes} node{'s' * (nodes != 1)}, references {planned.context or 'without context'}"]
    lines += [f"plugin {name} is broken and was left out: {error}" for name, error in planned.broken_plugins.items()]
    return "\n".join(lines)


def _report(result: Any, seconds: float) -> None:
    for path in result.paths():
        click.echo(f"  {path}")
    number = len(result.paths())
    reused = sum(outcome.reused for outcome in result.outcomes.values())
    kept = f", {reused} up to date" if reused else ""
    for text in dict.fromkeys(_left_undone(result)):
        click.echo(text)
    click.echo(f"done in {seconds:.1f} s: {number} product{'s' * (number != 1)}{kept}")


def _left_undone(result: Any) -> Iterator[str]:
    """What steps could not do, so that the products are made without it, and what they noted as ``warnings``."""
    for outcome in result.outcomes.values():
        for step in outcome.steps:
            if step["status"] == FAILED:
                yield f"not done: {step['label']}: {step['reason']}"
            yield from (f"warning: {step['label']}: {row.get('text')}" for row in step.get("warnings", ()))
