"""``jwcal check``: hold a plugin against the promises of the contract."""

from __future__ import annotations

import click

from jwcore.cli.options import parse_pairs

COLOURS = {"broken": "red", "error": "red", "UNPROVEN": "yellow"}


@click.command("check")
@click.argument("plugin")
@click.option("--override", "overrides", multiple=True, metavar="TYPE=FILE", help="Reference of a type of its own.")
@click.option("--strict", is_flag=True, help="Exit with 5, too, when a promise cannot be checked.")
@click.option("-v", "--verbose", is_flag=True, help="List every promise, and show what steps log.")
def command(plugin: str, *, overrides: tuple[str, ...], strict: bool, verbose: bool) -> None:
    """Check PLUGIN (installed, a module, or a .py file): one line for every promise that it breaks."""
    import logging

    from jwcore.testing import checks, run_checks

    if not verbose:
        logging.getLogger("jwcal").addHandler(logging.NullHandler())  # what steps say about tiny exposures is no news
    found = checks(plugin, references=parse_pairs(overrides, "--override", "TYPE=FILE"))
    if run_checks(found, say=_say, verbose=verbose, strict=strict):
        raise click.exceptions.Exit(5)


def _say(verdict: str, text: str) -> None:
    click.echo(f"{click.style(f'{verdict:<6}', fg=COLOURS.get(verdict))} {text}" if verdict else text)
