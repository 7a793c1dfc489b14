"""The ``jwcal`` command: one module per verb, imported when the verb is used."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import warnings
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
    "report": "Write a page with pictures and figures of a product",
    "rerun": "Make a product again from its own record",
    "asn": "Write and show association files",
    "check": "Check a plugin against the promises of the contract",
    "new-plugin": "Start a plugin from the template",
    "simulate": "Make synthetic exposures with references and truth",
    "demo": "Simulate, reduce and compare with the truth",
    "doctor": "Look for what is wrong with the set-up",
}

PATIENCE = {"OPENBLAS_THREAD_TIMEOUT": "4", "OMP_WAIT_POLICY": "PASSIVE"}
"""Environment in which idle threads of the libraries sleep, rather than keep a core from the others."""


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


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 reference, 4 input, 5 plugin, 130 Ctrl-C, 143 TERM",
)
@click.version_option(package_name="jwcal", prog_name="jwcal")
def root() -> None:
    """Calibrate JWST data with steps that can be taken apart: jwcal VERB --help tells more."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a user's mistake ends with one line and an exit code, never a traceback."""
    from jwcore.errors import JwcalError, UsageError
    from jwcore.stopping import Stopped, leave, listen

    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    gc.set_threshold(1_000_000, 20, 20)  # looking for garbage among all that is imported, and stays, takes 0.2 s
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"  # the line of the source is for programmers
    listen()
    code = 0
    try:
        code = root.main(arguments, prog_name="jwcal", standalone_mode=False) or 0
    except click.exceptions.Exit as request:
        code = request.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        code = _tell(UsageError(error.format_message().rstrip("."), cure=_see_help(error)))
    except JwcalError as error:
        code = _tell(error)
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    except OSError as error:
        cure = "check path, permissions and free space"
        code = _tell(JwcalError(error.strerror or str(error), where=error.filename, cure=cure))
    except Stopped as signal:
        click.echo("stopped; finished products are complete, nothing half-written is left", err=True)
        code = signal.args[0]
    leave(code)


def _tell(error: Any) -> int:
    """Write what is wrong, where, and the cure, in one line; return the exit code."""
    click.secho("error: ", fg="red", nl=False, err=True)
    click.echo(str(error), err=True)
    return error.exit_code


def _see_help(error: click.ClickException) -> str | None:
    """Word the cure of a mistake that the option parser found."""
    context = getattr(error, "ctx", None)
    return f"see {context.command_path} --help" if context else None
