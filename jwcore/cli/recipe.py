"""``jwcal recipe``: the order of steps of a recipe."""

from __future__ import annotations

import click


@click.command("recipe")
@click.argument("name", required=False)
@click.option("--for", "exp_type", metavar="EXP_TYPE", help="Show the recipe of this exposure type.")
@click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN", help="Name a plugin (or .py file).")
def command(name: str | None, *, exp_type: str | None, plugins: tuple[str, ...]) -> None:
    """List the recipes, or show the steps of one with their conditions."""
    from jwcore.plugins import Plugins, Selection
    from jwcore.report.listings import all_recipes, one_recipe

    loaded = Plugins(Selection.parse(plugins))
    for line in one_recipe(loaded, name, exp_type) if name else all_recipes(loaded):
        click.echo(line)
