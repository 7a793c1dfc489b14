"""``jwcal report``: one page with pictures and figures for each product."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("products", metavar="PRODUCT...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE|DIR", help="Page, or folder for pages (default: beside each product).")
@click.option("--open", "show", is_flag=True, help="Open the pages in a browser.")
@click.pass_context
def command(context: click.Context, products: tuple[str, ...], *, output: str | None, show: bool) -> None:
    """Write a page on each PRODUCT: images, flags, alignment, sky, sources, and how it was made.

    PRODUCT is a file, or a folder with products. The page is one HTML file with everything in it, X_report.html for
    X.fits or X.ecsv. It needs matplotlib (pip install 'jwcal[report]').
    """
    import webbrowser

    from jwcore.errors import JwcalError
    from jwcore.report.places import places_of
    from jwcore.report.product import report_page

    code = 0
    for path, place in places_of(map(Path, products), None if output is None else Path(output)).items():
        try:
            page = report_page(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            page.write(place)
        except JwcalError as error:
            error.where = error.where or str(path)
            click.echo(f"error: {error}", err=True)
            code = max(code, error.exit_code)
            continue
        click.echo(click.format_filename(place))
        if show:
            webbrowser.open(place.resolve().as_uri())
    context.exit(code)
