"""``jwcal recipe``: the order of steps of a recipe."""

from __future__ import annotations

import click


@click.command("recipe")
@click.argument("name", required=False)
@click.option("--for", "exp_type", metavar="EXP_TYPE", help="Show the recipe of this exposure type.")
def command(name: str | None, *, exp_type: str | None) -> None:
    """List the recipes, or show the steps of one with their conditions."""
    from jwcore.declare import where_text
    from jwcore.models import Meta
    from jwcore.params import unknown_name
    from jwcore.plugins import Plugins

    loaded = Plugins()
    if name is None:
        for recipe in loaded.recipes():
            click.echo(f"{recipe.name:<12} {where_text(recipe.where)}")
        return
    meta = None
    if exp_type is not None:
        traits = loaded.exposure_type(exp_type.upper())
        if traits is None:
            raise unknown_name(
                exp_type, exp_type.upper(), [traits.name for traits in loaded.exposure_types()], where="--for"
            )
        meta = Meta()
        meta.set_keyword("EXP_TYPE", traits.name)
        meta.set_keyword("INSTRUME", traits.instrument)
    for step in loaded.recipe(name, meta).steps():
        conditions = [f"{k} = {v}" for k, v in step.when.items()] + [f"{k} is not {v}" for k, v in step.unless.items()]
        on = "" if step.on == ("science",) else f" on {', '.join(step.on)}"
        when = f"  when {', '.join(conditions)}" if conditions else ""
        click.echo(f"{step.label:<22}{on}{when}".rstrip())
