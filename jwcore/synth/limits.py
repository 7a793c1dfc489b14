"""Refusing what cannot be simulated here, before the first pixel is drawn."""

import math
import os
import shutil
from pathlib import Path

from jwcore.synth.programme import Programme

__all__ = ["LARGEST_POINTING_ERROR", "check_pointing_error", "check_size"]

LARGEST_POINTING_ERROR = 60_000.0
"""Milliarcseconds; a guide star that is lost by more than a minute of arc is no pointing error."""

_PLANES = 60
"""Planes of four bytes that live while one exposure is drawn: the properties of the detector, and work arrays."""
_COPIES = 3
"""The counts of an exposure, and what writing them takes."""
_REFERENCES = 110
"""Bytes of reference files per pixel of the detector."""


def check_pointing_error(mas: float) -> None:
    """Refuse pointing errors that are no number, negative, or beyond reason (ValueError)."""
    if not (math.isfinite(mas) and 0 <= mas <= LARGEST_POINTING_ERROR):
        raise ValueError(f"pointing error {mas:g} mas: give 0 to {LARGEST_POINTING_ERROR:g} mas")


def check_size(programme: Programme, *, dithers: int, directory: Path) -> None:
    """Refuse a programme that fits neither the memory of this machine nor the disk.

    Raises
    ------
    ValueError
        Tells what is needed, what there is, and how many groups would fit.
    """
    readout = programme.readout
    shapes = [one.aperture.subarray.shape for one in programme.maps]
    pixels = max(ny * nx for ny, nx in shapes)
    groups = readout.nints * readout.ngroups
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    room = memory - 4 * _PLANES * pixels
    what = f"{readout.nints} x {readout.ngroups} groups of {pixels:,} pixels"
    if 2 * _COPIES * groups * pixels > room:
        raise ValueError(_refusal(what, 2 * _COPIES * groups * pixels, "memory", memory, room / (2 * _COPIES * pixels)))
    files = dithers * sum(ny * nx for ny, nx in shapes)
    disk = shutil.disk_usage(directory).free
    room = disk - _REFERENCES * pixels * len(shapes) - 10 * files
    if 2 * groups * files > room:
        what = f"{dithers * len(shapes)} exposures of {what}"
        raise ValueError(_refusal(what, 2 * groups * files, f"disk in {directory}", disk, room / (2 * files)))


def _refusal(what: str, needed: float, kind: str, there_is: float, most: float) -> str:
    fit = (
        f"{int(most)} groups fit (ngroups times nints)"
        if most >= 1
        else "choose a smaller sub-array or fewer exposures"
    )
    return f"{what} need {needed / 1e9:.1f} GB of {kind}, and there are {there_is / 1e9:.1f} GB: {fit}"
