"""``jwcal explain``: tell how a product was made, from the record inside it."""

from __future__ import annotations

import json

import click


@click.command("explain")
@click.argument("products", metavar="PRODUCT...", nargs=-1, required=True, type=click.Path(dir_okay=False))
@click.option(
    "--json", "as_json", is_flag=True, help="Print the whole record as JSON, keyed by file when there are several."
)
@click.option("--source", is_flag=True, help="Print the source of the one-file plugins that took part.")
def command(products: tuple[str, ...], *, as_json: bool, source: bool) -> None:
    """Tell how each PRODUCT was made: code, parameters that differ from the defaults, references, figures, inputs."""
    from jwcore import models
    from jwcore.report.story import story

    histories = {product: models.read(product).provenance for product in products}
    if as_json:
        click.echo(json.dumps(histories if len(products) > 1 else histories[products[0]], indent=1))
        return
    if source:
        plugins = [item for runs in histories.values() for one in runs for item in one.get("plugins", {}).items()]
        for text in dict.fromkeys(f"# {name}\n{plugin['source']}" for name, plugin in plugins if "source" in plugin):
            click.echo(text)
        return
    shown: set[str] = set()
    for product, history in histories.items():
        if len(products) > 1 or not history:
            click.secho(product, bold=True)
        for line in story(history, shown=shown):
            click.echo(line)
