"""``jwcal demo``: simulate, reduce, compare with the truth, and leave a page to look at."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click


@click.command("demo")
@click.option("-o", "--output-dir", metavar="DIR", default="demo", show_default=True, help="Folder to write to.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the simulation.")
def command(output_dir: str, *, seed: int) -> None:
    """Simulate four dithered NIRCam exposures, reduce them to a mosaic and a catalogue, compare with the truth."""
    from jwcore.cli.terminal import progress, start_logging
    from jwcore.planner import plan
    from jwcore.report.demo import demo_page
    from jwcore.runner import run_plan
    from jwcore.synth import compare_catalog, footprint_of, simulate

    start_logging()
    folder = Path(output_dir)
    click.echo("simulating four exposures of 2048 x 2048 pixels, 10 groups each ...")
    started = time.perf_counter()
    made = simulate(folder / "raw", n_dithers=4, readpatt="RAPID", ngroups=10, seed=seed, pointing_error_mas=15.0)
    simulated = time.perf_counter() - started
    assert made.truth_catalog is not None
    planned = plan(made.uncals, "auto", output_dir=folder / "products", references=None)
    click.echo(str(planned))
    started = time.perf_counter()
    result = run_plan(planned, progress=progress)
    reduced = time.perf_counter() - started
    mosaic = _product(result, f"{planned.nodes[-1].base}_i2d.fits")
    catalog = Path(str(mosaic).replace("_i2d.fits", "_cat.ecsv"))
    comparison = compare_catalog(catalog, made.truth_catalog, footprint=footprint_of(mosaic))
    click.echo(f"\nrecovered against injected\n{comparison}")
    page = demo_page(
        folder, mosaic=mosaic, raw=made.uncals[0], calibrated=_product(result, "_cal.fits"), comparison=comparison,
        seconds={"simulate": simulated, "reduce": reduced}, plan=str(planned),
    )  # fmt: skip
    click.echo(f"\nsimulated in {simulated:.1f} s, reduced in {reduced:.1f} s; look at {page}")


def _product(result: Any, ending: str) -> Path:
    return next(path for path in result.paths() if path.name.endswith(ending))
