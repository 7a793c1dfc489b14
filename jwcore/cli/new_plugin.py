"""``jwcal new-plugin``: start a plugin from the template."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import click

TEMPLATE_NAME = "acme"


@click.command("new-plugin")
@click.argument("name")
@click.option("-o", "--output-dir", metavar="DIR", default=".", show_default=True, help="Where the folder is made.")
def command(name: str, *, output_dir: str) -> None:
    """Make the folder jwcal-NAME: a working plugin with one stage, one step, its tests and packaging."""
    from jwcore.errors import UsageError

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(f"'{name}' cannot name a plugin", cure="use lower-case letters, digits and _, a letter first")
    target = Path(output_dir) / f"jwcal-{name}"
    if target.exists():
        raise UsageError(f"{target} exists already", cure="choose another name or folder")
    source = Path(__file__).parents[1] / "testing" / "template"
    for path in sorted(source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            _copy(path, target / _renamed(str(path.relative_to(source)), name), name)
    click.echo(f"made {target}")
    click.echo(f"  try it:    pip install -e {target} && jwcal check {name}")
    click.echo(f"  use it:    jwcal run image2 X_rate.fits -p {name}")


def _copy(source: Path, target: Path, name: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_renamed(source.read_text(encoding="utf-8"), name), encoding="utf-8")
    shutil.copymode(source, target)


def _renamed(text: str, name: str) -> str:
    return text.replace(TEMPLATE_NAME, name).removesuffix(".in")
