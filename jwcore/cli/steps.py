"""``jwcal steps``: the stages and who implements them."""

from __future__ import annotations

import inspect
from typing import Any

import click


@click.command("steps")
@click.argument("stage", required=False)
@click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN", help="Name a plugin (or .py file).")
def command(stage: str | None, *, plugins: tuple[str, ...]) -> None:
    """List all stages, or show one: what it must do, and every implementation with where it applies."""
    from jwcore.cli.terminal import hanging
    from jwcore.params import unknown_name
    from jwcore.plugins import Plugins, Selection

    loaded = Plugins(Selection.parse(plugins))
    loaded.load_rest()
    if stage is None:
        for declared in loaded.stages.values():
            keys = [one.key.removesuffix(f":{declared.name}") for one in loaded.implementations(declared.name)]
            line = f"{declared.name:<20} {', '.join(keys) or '-':<22} {declared.summary}"
            click.echo(hanging(line, indent=44))
            for one in loaded.wrappers(declared.name):
                click.echo(f"{'':<20} wrapped by {one.key}")
        return
    if stage not in loaded.stages:
        raise unknown_name(stage, stage, loaded.stages)
    _show(loaded, stage)


def _show(loaded: Any, stage: str) -> None:
    from jwcore.declare import where_text

    declared = loaded.stages[stage]
    click.echo(f"{stage}({', '.join(declared.arguments)})\n")
    click.echo(inspect.getdoc(declared.function))
    click.echo("\nimplementations:")
    for one in loaded.implementations(stage):
        extra = " (only when named with --use)" if one.info.alternative else ""
        needs = ", ".join((*one.info.references, *(f"[{kind}]" for kind in one.info.optional_references))) or "none"
        click.echo(f"  {one.key} {one.plugin.version}: {where_text(one.info.where)}{extra}; references: {needs}")
    for one in loaded.wrappers(stage):
        click.echo(f"  wrapped by {one.key} {one.plugin.version}: {where_text(one.info.where)}")
