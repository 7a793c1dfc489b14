"""``jwcal steps``: the stages and who implements them."""

from __future__ import annotations

import click


@click.command("steps")
@click.argument("stage", required=False)
@click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN", help="Name a plugin (or .py file).")
def command(stage: str | None, *, plugins: tuple[str, ...]) -> None:
    """List all stages, or show one: what it must do, and every implementation with where it applies."""
    from jwcore.cli.terminal import hanging
    from jwcore.plugins import Plugins, Selection
    from jwcore.report.listings import all_stages, one_stage

    loaded = Plugins(Selection.parse(plugins))
    loaded.load_rest()
    for line in one_stage(loaded, stage) if stage else all_stages(loaded):
        click.echo(line if stage else hanging(line, indent=44))
