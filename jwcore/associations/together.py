"""Which exposures belong on one mosaic, as far as their headers tell, and what such a mosaic is called."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jwcore.errors import BadInput, UsageError

ALIKE = ("INSTRUME", "TARGPROP", "FILTER", "PUPIL")
"""Keywords that nobody combines unless an association says so."""


def mosaic_key(meta: Any) -> tuple[str, ...]:
    """What exposures must have in common to be combined: program, target, instrument and optical elements."""
    keys = ("PROGRAM", "TARGPROP", "INSTRUME", "FILTER", "PUPIL")
    values = [str(meta.keyword(key) or "").strip().lower().replace(" ", "-") for key in keys]
    return (f"jw{values[0]}" if values[0] else "", *values[1:])


def mosaic_name(meta: Any) -> str:
    """Base name of the mosaic to which an exposure belongs."""
    return "_".join(part for part in mosaic_key(meta) if part)


def check_together(name: str, paths: Sequence[str | Path], metas: Sequence[Any]) -> None:
    """Refuse to combine what nobody has said belongs together.

    Parameters
    ----------
    name : str
        The recipe that would combine.
    paths : sequence of path-like
        Files of all members.
    metas : sequence of Meta
        Headers of the science exposures.

    Raises
    ------
    UsageError
        When a file is named twice.
    BadInput
        When the exposures differ in what `ALIKE` names.
    """
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"{name} would take {path} twice", cure="give each exposure once")
    for keyword in ALIKE:
        found = dict.fromkeys(str(meta.keyword(keyword) or "no value") for meta in metas)
        if len(found) > 1:
            raise BadInput(
                f"{name} would combine exposures of different {keyword}: {', '.join(found)}",
                cure="run auto, which sorts them, or say what belongs together in an association (jwcal asn from-list)",
            )
