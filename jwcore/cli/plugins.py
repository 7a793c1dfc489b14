"""``jwcal plugins``: what is installed; reads package metadata only, unless asked to check."""

from __future__ import annotations

import json

import click


@click.command("plugins")
@click.option("--check", is_flag=True, help="Import every plugin and report the broken ones.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(*, check: bool, as_json: bool) -> None:
    """List the installed plugins: name, package, version, and whether they act without being named."""
    from jwcore.report.health import installed_plugins

    rows = installed_plugins(check=check)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        for row in rows:
            acts = "acts when installed" if row["first_party"] else "acts when named with -p"
            state = f"  {row['state']}" if check else ""
            click.echo(f"{row['name']:<12} {row['distribution']:<20} {row['version']:<10} {acts}{state}")
    if any(str(row.get("state", "ok")).startswith("broken") for row in rows):
        raise click.exceptions.Exit(5)
