"""``jwcal rerun``: make a product again from its own record."""

from __future__ import annotations

import click

from jwcore.cli.options import parse_pairs


@click.command("rerun")
@click.argument("product", type=click.Path(dir_okay=False))
@click.option("-o", "--output-dir", metavar="DIR", default=".", show_default=True, help="Folder for the new product.")
@click.option(
    "--input-dir", metavar="DIR", help="Where the inputs are now (default: where they were, or beside PRODUCT)."
)
@click.option("--references", metavar="DIR|crds|none", help="Choose references anew (default: the recorded files).")
@click.option(
    "--override", "overrides", multiple=True, metavar="TYPE=FILE", help="Use this in place of a recorded one."
)
@click.option("--trust", is_flag=True, help="Run one-file plugins from the source that PRODUCT holds.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(
    product: str, *, output_dir: str, input_dir: str | None, references: str | None, overrides: tuple[str, ...], trust: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """Run the last recipe of PRODUCT again with the same inputs, implementations, parameters and reference files."""
    from jwcore.cli.terminal import progress, start_logging
    from jwcore.replay import replay
    from jwcore.runner import run_plan

    start_logging(quiet=quiet)
    named = parse_pairs(overrides, "--override", "TYPE=FILE")
    planned = replay(
        product, output_dir=output_dir, input_dir=input_dir, references=references, overrides=named, trust=trust
    )
    result = run_plan(planned, progress=None if quiet else progress)
    for path in () if quiet else result.paths():
        click.echo(f"  {path}")
