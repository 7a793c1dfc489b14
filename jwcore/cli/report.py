"""``jwcal report``: one page with pictures and figures for each product."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("products", metavar="PRODUCT...", nargs=-1, required=True, type=click.Path(dir_okay=False))
@click.option("-o", "--output", metavar="FILE|DIR", help="Page, or folder for pages (default: beside each product).")
@click.option("--open", "show", is_flag=True, help="Open the pages in a browser.")
def command(products: tuple[str, ...], *, output: str | None, show: bool) -> None:
    """Write a page on each PRODUCT: images, flags, alignment, sky, sources, and how it was made.

    The page is one HTML file with everything in it, X_report.html for X.fits or X.ecsv. It needs matplotlib
    (pip install 'jwcal[report]').
    """
    import webbrowser

    from jwcore.report.product import report_page, report_path

    target = None if output is None else Path(output)
    for path in map(Path, products):
        place = report_path(path, target, alone=len(products) == 1)
        page = report_page(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        page.write(place)
        click.echo(place)
        if show:
            webbrowser.open(place.resolve().as_uri())
