"""Starting a plugin from the template."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from jwcore.distributions import FIRST_PARTY
from jwcore.errors import UsageError
from jwcore.plugins import entry_points

TEMPLATE = Path(__file__).parent / "template"
TEMPLATE_NAME = "acme"


def start_plugin(name: str, folder: str | Path) -> Path:
    """Make the folder jwcal-NAME: a working plugin with one stage, one step, its tests and packaging.

    Parameters
    ----------
    name : str
        Name of the plugin.
    folder : path
        Where its folder is made.

    Returns
    -------
    Path
        The folder of the plugin.

    Raises
    ------
    UsageError
        For a name that cannot be one or that is taken: its package would replace the one that is installed.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(f"'{name}' cannot name a plugin", cure="use lower-case letters, digits and _, a letter first")
    distribution = f"jwcal-{name.replace('_', '-')}"
    if distribution in FIRST_PARTY or name in {entry.name for entry in entry_points()}:
        raise UsageError(f"there is a plugin {name} already", cure="choose another name")
    target = Path(folder) / f"jwcal-{name}"
    if target.exists():
        raise UsageError(f"{target} exists already", cure="choose another name or folder")
    for path in sorted(TEMPLATE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            _copy(path, target / _renamed(str(path.relative_to(TEMPLATE)), name), name)
    return target


def _copy(source: Path, target: Path, name: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_renamed(source.read_text(encoding="utf-8"), name), encoding="utf-8")
    shutil.copymode(source, target)


def _renamed(text: str, name: str) -> str:
    return text.replace(TEMPLATE_NAME, name).removesuffix(".in")
