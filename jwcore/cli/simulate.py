"""``jwcal simulate``: synthetic exposures with their references, association and truth."""

from __future__ import annotations

from typing import Any

import click

FROM_MODE = "default: the mode's"


@click.command("simulate")
@click.option("-o", "--output-dir", metavar="DIR", default="simulated", show_default=True, help="Folder to write to.")
@click.option("--instrument", default="NIRCAM", show_default=True, help="Instrument.")
@click.option("--mode", help="Its mode, such as imaging, soss, mrs (default: its first one).")
@click.option("-n", "--dithers", type=click.IntRange(1, 36), default=4, show_default=True, help="Number of pointings.")
@click.option("--detector", "detectors", multiple=True, help=f"Detector; repeat for more ({FROM_MODE}).")
@click.option("--filter", "filter_name", help=f"Filter ({FROM_MODE}).")
@click.option("--readpatt", help=f"Read pattern ({FROM_MODE}).")
@click.option("--ngroups", type=click.IntRange(1), default=10, show_default=True, help="Groups per integration.")
@click.option("--nints", type=click.IntRange(1), default=1, show_default=True, help="Integrations.")
@click.option("--segments", type=click.IntRange(1), default=1, show_default=True, help="Files per exposure.")
@click.option("--subarray", help=f"Sub-array ({FROM_MODE}).")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of sky, pointing errors and noise.")
@click.option(
    "--pointing-error", type=float, default=0.0, metavar="MAS", help="Pointing error that headers do not know."
)
@click.option("--with", "on", multiple=True, metavar="EFFECT", help="Switch a detector effect on; repeat for more.")
@click.option("--without", "off", multiple=True, metavar="EFFECT", help="Switch one off; repeat for more.")
def command(
    output_dir: str, *, instrument: str, mode: str | None, dithers: int, detectors: tuple[str, ...], filter_name: str | None,
    readpatt: str | None, ngroups: int, nints: int, segments: int, subarray: str | None, seed: int, pointing_error: float,
    on: tuple[str, ...], off: tuple[str, ...],
) -> None:  # fmt: skip
    """Simulate a dithered programme: raw files, truth, references in a CRDS cache, association."""
    from jwcore.cli.terminal import start_logging
    from jwcore.errors import UsageError
    from jwcore.synth import simulate
    from jwcore.synth.tables import find_instrument

    start_logging()
    named = {"detectors": detectors, "filter": filter_name, "readpatt": readpatt, "subarray": subarray}
    chosen: dict[str, Any] = {name: _upper(value) for name, value in named.items() if value}
    try:
        usual = find_instrument(instrument.upper(), mode).effects
        made = simulate(
            output_dir, instrument=instrument.upper(), mode=mode, n_dithers=dithers, ngroups=ngroups, nints=nints,
            segments=segments, **chosen, seed=seed, pointing_error_mas=pointing_error, effects=usual.switched(on=on, off=off),
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(str(error), cure="see jwcal simulate --help") from None
    for path in made.uncals:
        click.echo(f"  {path}")
    if made.truth_catalog:
        click.echo(f"  {made.truth_catalog}  (truth)")
    to = "" if made.to_mosaics else "--to rate "
    click.echo(f"reduce them: jwcal run auto {output_dir} {to}-o {output_dir}")
    if made.cache:
        click.echo(f"their references, for other folders: export CRDS_PATH={made.cache} CRDS_CONTEXT={made.context}")


def _upper(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return value.upper() if isinstance(value, str) else tuple(name.upper() for name in value)
