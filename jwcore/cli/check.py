"""``jwcal check``: hold a plugin against the promises of the contract."""

from __future__ import annotations

import click


@click.command("check")
@click.argument("plugin")
@click.option("-v", "--verbose", is_flag=True, help="List the promises that are kept, too.")
def command(plugin: str, *, verbose: bool) -> None:
    """Check PLUGIN (installed, a module, or a .py file): one line for every promise that it breaks."""
    from jwcore.testing import ConformanceError, checks

    found = checks(plugin)
    broken = 0
    for check in found:
        try:
            check()
        except ConformanceError as error:
            broken += 1
            click.secho("broken ", fg="red", nl=False)
            click.echo(f"{check}: {error}")
        except Exception as error:
            broken += 1
            click.secho("error  ", fg="red", nl=False)
            click.echo(f"{check}: {type(error).__name__}: {error}")
        else:
            if verbose:
                click.echo(f"kept   {check}")
    click.echo(f"{len(found) - broken} promises kept, {broken} broken")
    if broken:
        raise click.exceptions.Exit(5)
