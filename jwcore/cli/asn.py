"""``jwcal asn``: write and show association files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.group("asn")
def command() -> None:
    """Write and show association files."""


@command.command("from-list")
@click.argument("files", nargs=-1, required=True)
@click.option("-o", "--output", required=True, metavar="FILE", help="Association file to write (.json).")
@click.option("--product-name", metavar="NAME", help="Base name of the product (stage 3; in stage 2 files name it).")
@click.option(
    "--rule", "level", type=click.Choice(["2", "3"]), default="3", show_default=True, help="Stage that will use it."
)
@click.option("--background", multiple=True, metavar="FILE", help="Background exposure (stage 2).")
def from_list(
    files: tuple[str, ...], *, output: str, product_name: str | None, level: str, background: tuple[str, ...]
) -> None:
    """Write an association of FILES."""
    from jwcore import associations
    from jwcore.associations import lists
    from jwcore.errors import BadInput

    missing = [name for name in (*files, *background) if not Path(name).is_file()]
    if missing:
        raise BadInput(f"there is no file {missing[0]}", cure="check the path")
    items: list[Any] = [*files, *((name, "background") for name in background)]
    rule = lists.LEVEL3 if level == "3" else lists.LEVEL2
    made = associations.from_list(items, rule=rule, product_name=product_name)
    path = associations.write_association(made, Path(output))
    number = sum(len(product.members) for product in made.products)
    click.echo(f"{path}: {number} member{'s' * (number != 1)}")


@command.command("show")
@click.argument("file")
def show(file: str) -> None:
    """Show the products and members of an association."""
    from jwcore import associations

    association = associations.open_association(file)
    for product in association.products:
        click.echo(product.name)
        for member in product.members:
            click.echo(f"  {member.exptype:<20} {member.expname}")
