"""The ``jwcal`` command: one module per verb, imported when the verb is used."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import Any

import click

VERBS = {
    "run": "Run a recipe, a step, or everything up to a product",
    "plan": "Show what run would do, and whether it can",
    "steps": "List the stages and who implements them",
    "params": "Show a step's parameters, with their values for an exposure",
    "recipe": "Show the order of steps of a recipe",
    "plugins": "List the installed plugins",
    "explain": "Tell how a product was made",
    "rerun": "Make a product again from its own record",
    "asn": "Write and show association files",
    "check": "Check a plugin against the promises of the contract",
    "new-plugin": "Start a plugin from the template",
    "simulate": "Make synthetic exposures with references and truth",
    "demo": "Simulate, reduce and compare with the truth",
    "doctor": "Look for what is wrong with the set-up",
}


class Verbs(click.Group):
    """Commands by name; a verb's module is imported only when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all verbs, in the order in which people need them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the module of a verb, or ask the plugins for it."""
        if name in VERBS:
            module = importlib.import_module(f"jwcore.cli.{name.replace('-', '_')}")
            return module.command
        return _plugin_commands().get(name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Name the nearest verb when one is mistyped."""
        if self.get_command(ctx, args[0]) is None:
            from jwcore.params import unknown_name

            raise unknown_name(args[0], args[0], VERBS, where="jwcal")
        return super().resolve_command(ctx, args)


def _plugin_commands() -> dict[str, click.Command]:
    from jwcore.plugins import Plugins

    return {command.name or "": command for command in Plugins().commands()}


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="jwcal", prog_name="jwcal")
def root() -> None:
    """Calibrate JWST data with steps that can be taken apart: jwcal VERB --help tells more."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a user's mistake ends with one line and an exit code, never a traceback.

    Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 missing reference, 4 bad input data, 5 plugin.
    """
    from jwcore.errors import JwcalError

    gc.set_threshold(50_000, 20, 20)  # imports make many objects that stay: looking for garbage among them takes 0.1 s
    code = 0
    try:
        code = root.main(arguments, standalone_mode=False) or 0
    except click.exceptions.Exit as request:
        code = request.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except JwcalError as error:
        click.secho("error: ", fg="red", nl=False, err=True)
        click.echo(str(error), err=True)
        code = error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    except OSError as error:
        click.secho("error: ", fg="red", nl=False, err=True)
        place = f" [{error.filename}]" if error.filename else ""
        click.echo(f"{error.strerror or error}{place} — check path, permissions and free space", err=True)
        code = 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; finished products are complete, nothing half-written is left", err=True)
        code = 1
    leave(code)


def leave(code: int) -> None:
    """End the process at once after flushing: tearing down compiled code would cost 0.2 s and do nothing useful."""
    import logging

    logging.shutdown()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (BrokenPipeError, ValueError):
        pass
    if "multiprocessing.resource_tracker" in sys.modules:
        sys.exit(code)  # worker pools have semaphores to give back
    os._exit(code)
