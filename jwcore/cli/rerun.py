"""``jwcal rerun``: make a product again from its own record."""

from __future__ import annotations

import click


@click.command("rerun")
@click.argument("product", type=click.Path(dir_okay=False))
@click.option("-o", "--output-dir", metavar="DIR", default=".", show_default=True, help="Folder for the new product.")
@click.option(
    "--input-dir", metavar="DIR", help="Where the inputs are now (default: where they were, or beside PRODUCT)."
)
@click.option("--references", metavar="DIR|crds|none", help="Where references come from (default: the same files).")
def command(product: str, *, output_dir: str, input_dir: str | None, references: str | None) -> None:
    """Run the last recipe of PRODUCT again with the same inputs, implementations, parameters and references."""
    from jwcore.cli.terminal import progress, start_logging
    from jwcore.replay import replay
    from jwcore.runner import run_plan

    start_logging()
    planned = replay(product, output_dir=output_dir, input_dir=input_dir, references=references)
    result = run_plan(planned, progress=progress)
    for path in result.paths():
        click.echo(f"  {path}")
