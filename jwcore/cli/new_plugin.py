"""``jwcal new-plugin``: start a plugin from the template."""

from __future__ import annotations

import click


@click.command("new-plugin")
@click.argument("name")
@click.option("-o", "--output-dir", metavar="DIR", default=".", show_default=True, help="Where the folder is made.")
def command(name: str, *, output_dir: str) -> None:
    """Make the folder jwcal-NAME: a working plugin with one stage, one step, its tests and packaging."""
    from jwcore.testing.starting import start_plugin

    target = start_plugin(name, output_dir)
    click.echo(f"made {target}")
    click.echo(f"  try it:    pip install -e {target} && jwcal check {name}")
    click.echo("             (offline: pip install --no-build-isolation --no-deps -e ..., with setuptools installed)")
    click.echo(f"  use it:    jwcal run image2 X_rate.fits -p {name}")
