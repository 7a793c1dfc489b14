"""``jwcal plugins``: what is installed; reads package metadata only, unless asked to check."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command("plugins")
@click.option("--check", is_flag=True, help="Import every plugin and report the broken ones.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(*, check: bool, as_json: bool) -> None:
    """List the installed plugins: name, package, version, and whether they act without being named."""
    rows = _rows()
    if check:
        _add_checks(rows)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        for row in rows:
            acts = "acts when installed" if row["first_party"] else "acts when named with -p"
            state = f"  {row['state']}" if check else ""
            click.echo(f"{row['name']:<12} {row['distribution']:<20} {row['version']:<10} {acts}{state}")
    if any(str(row.get("state", "ok")).startswith("broken") for row in rows):
        raise click.exceptions.Exit(5)


def _rows() -> list[dict[str, Any]]:
    from importlib import metadata

    from jwcore.distributions import FIRST_PARTY, GROUP

    found = {}
    for entry in metadata.entry_points(group=GROUP):
        name = entry.dist.name.lower() if entry.dist else ""
        found[entry.name] = {
            "name": entry.name, "distribution": name, "version": entry.dist.version if entry.dist else "",
            "module": entry.value, "first_party": name in FIRST_PARTY,
        }  # fmt: skip
    return sorted(found.values(), key=lambda row: (not row["first_party"], row["name"]))


def _add_checks(rows: list[dict[str, Any]]) -> None:
    from jwcore.plugins import Plugins

    loaded = Plugins()
    loaded.load_rest()
    for row in rows:
        plugin = loaded.plugins.get(row["name"])
        row["state"] = "blocked" if plugin is None else f"broken: {plugin.error}" if plugin.error else "ok"
