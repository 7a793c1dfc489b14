"""``jwcal demo``: simulate, reduce, compare with the truth, and leave a page to look at."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo")
@click.option("-o", "--output-dir", metavar="DIR", default="demo", show_default=True, help="Folder to write to.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the simulation.")
def command(output_dir: str, *, seed: int) -> None:
    """Simulate four dithered NIRCam exposures, reduce them to a mosaic and a catalogue, compare with the truth.

    Takes two minutes, or four where the kernels are not compiled yet, and 3.2 GB of disk.
    """
    from jwcore.cli.terminal import hanging, progress, start_logging
    from jwcore.report.demo import demonstrate

    start_logging()
    demonstrate(Path(output_dir), seed=seed, say=lambda text: click.echo(hanging(text)), progress=progress)
