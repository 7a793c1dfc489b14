"""``jwcal simulate``: synthetic exposures with their references, association and truth."""

from __future__ import annotations

from typing import Any

import click


@click.command("simulate")
@click.option("-o", "--output-dir", metavar="DIR", default="simulated", show_default=True, help="Folder to write to.")
@click.option("-n", "--dithers", type=click.IntRange(1, 36), default=4, show_default=True, help="Number of pointings.")
@click.option("--detector", "detectors", multiple=True, help="Detector; repeat for more (default: one of module A).")
@click.option("--filter", "filter_name", default="F200W", show_default=True, help="Filter.")
@click.option("--readpatt", default="RAPID", show_default=True, help="Read pattern.")
@click.option("--ngroups", type=click.IntRange(1), default=10, show_default=True, help="Groups per integration.")
@click.option("--nints", type=click.IntRange(1), default=1, show_default=True, help="Integrations.")
@click.option("--subarray", default="FULL", show_default=True, help="Sub-array.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of sky, pointing errors and noise.")
@click.option(
    "--pointing-error", type=float, default=0.0, metavar="MAS", help="Pointing error that headers do not know."
)
@click.option(
    "--without", "off", multiple=True, metavar="EFFECT", help="Switch a detector effect off; repeat for more."
)
def command(
    output_dir: str, *, dithers: int, detectors: tuple[str, ...], filter_name: str, readpatt: str, ngroups: int,
    nints: int, subarray: str, seed: int, pointing_error: float, off: tuple[str, ...],
) -> None:  # fmt: skip
    """Simulate a dithered NIRCam imaging programme: raw files, truth, references in a CRDS cache, association."""
    from dataclasses import fields, replace

    from jwcore.errors import UsageError
    from jwcore.params import unknown_name
    from jwcore.synth import Effects, simulate

    known = {f.name for f in fields(Effects) if isinstance(getattr(Effects(), f.name), bool)}
    for name in off:
        if name not in known:
            raise unknown_name(name, name, known, where="--without")
    chosen: dict[str, Any] = {"detectors": tuple(name.upper() for name in detectors)} if detectors else {}
    try:
        made = simulate(
            output_dir, n_dithers=dithers, filter=filter_name.upper(), readpatt=readpatt.upper(), ngroups=ngroups, nints=nints,
            **chosen, subarray=subarray.upper(), seed=seed, pointing_error_mas=pointing_error,
            effects=replace(Effects(), **dict.fromkeys(off, False)),
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(str(error), cure="see jwcal simulate --help") from None
    for path in made.uncals:
        click.echo(f"  {path}")
    click.echo(f"  {made.truth_catalog}  (truth)")
    click.echo(f"reduce them: jwcal run auto {output_dir} -o {output_dir}")
