"""``jwcal doctor``: look for what is wrong with the set-up, and compile the kernels ahead of the first run."""

from __future__ import annotations

import click


@click.command("doctor")
@click.option("--compile", "compile_kernels", is_flag=True, help="Compile the kernels now (once, 1-2 minutes).")
def command(*, compile_kernels: bool) -> None:
    """Check the installation, the plugins, the reference cache and the kernel cache; say how to mend what is wrong."""
    from jwcore.report.health import COLOURS, MEND, findings

    wrong = False
    for state, line in findings():
        wrong = wrong or state == MEND
        click.secho(f"{state:11}", fg=COLOURS[state], nl=False)
        click.echo(line)
    if compile_kernels:
        _compile()
    if wrong:
        raise click.exceptions.Exit(2)


def _compile() -> None:
    from jwcore.synth.warm_up import compile_kernels

    click.echo("compiling the kernels of imaging, one to two minutes ...")
    click.echo(f"compiled in {compile_kernels():.0f} s")
