"""``jwcal check``: hold a plugin against the promises of the contract."""

from __future__ import annotations

import click


@click.command("check")
@click.argument("plugin")
@click.option("-v", "--verbose", is_flag=True, help="List every promise, and show what steps log.")
def command(plugin: str, *, verbose: bool) -> None:
    """Check PLUGIN (installed, a module, or a .py file): one line for every promise that it breaks."""
    import logging

    from jwcore.testing import ConformanceError, NotChecked, checks

    if not verbose:
        logging.getLogger("jwcal").addHandler(logging.NullHandler())  # what steps say about tiny exposures is no news
    found = checks(plugin)
    broken = 0
    open_questions: dict[tuple[str, str], list[str]] = {}
    for check in found:
        try:
            check()
        except NotChecked as reason:
            open_questions.setdefault((check.subject, str(reason)), []).append(check.promise)
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
    for (subject, why), promises in open_questions.items():
        which = ", ".join(promises) if verbose or len(promises) < 3 else f"{len(promises)} promises"
        click.echo(f"not checked {subject}: {which} ({why})")
    unknown = sum(len(promises) for promises in open_questions.values())
    asides = f", {unknown} not checked" if unknown else ""
    click.echo(f"{len(found) - broken - unknown} promises kept, {broken} broken{asides}")
    if broken:
        raise click.exceptions.Exit(5)
