"""firstframe, lastframe, rscd: leave out groups at the ends of an integration, where the detector is not linear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcal_miri._exposure import WHERE, check_groups, first_integration, needs_groups
from jwcore.api import Params, SkipStep, param, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwcore.algorithms.rscd import Shortened
    from jwcore.api import Context, Ramp, Reference

FEWEST_FOR_FIRSTFRAME = 4
FEWEST_FOR_LASTFRAME = 3
FEWEST_FOR_RSCD = 3
SAME_SUBARRAY = {"SUBPRISM": "SLITLESSPRISM"}
"""Names in headers that references know by another one."""


class FirstFrameParams(Params):
    """Parameters of firstframe."""

    skip: bool = param(True, "Do not run this step; rscd does its work")
    bright_use_group1: bool = param(True, "Keep the first group of pixels that are saturated in the third")


@step(
    stage="firstframe", where=WHERE, params=FirstFrameParams, chunk="integrations", applies=needs_groups(FEWEST_FOR_FIRSTFRAME)
)  # fmt: skip
def firstframe(exposure: Ramp, params: FirstFrameParams, context: Context) -> Ramp:
    """Flag the first group DO_NOT_USE, except where a bright source would be left with a single good group."""
    import numpy as np

    from jwcore.algorithms import dq

    check_groups(exposure, FEWEST_FOR_FIRSTFRAME)
    groupdq = exposure.groupdq
    if not params.bright_use_group1:
        groupdq[:, 0] |= np.uint8(dq.DO_NOT_USE)
        return exposure
    bright = groupdq[:, 2] & dq.SATURATED != 0
    groupdq[:, 0] |= ~bright * np.uint8(dq.DO_NOT_USE)
    exposure.pixeldq |= bright.any(axis=0) * np.uint32(dq.FLUX_ESTIMATED)
    context.count(first_groups_kept=int(bright.sum()))
    return exposure


@step(stage="lastframe", where=WHERE, chunk="rows", applies=needs_groups(FEWEST_FOR_LASTFRAME))
def lastframe(exposure: Ramp) -> Ramp:
    """Flag the last group of every integration DO_NOT_USE; it is disturbed by the reset of the row above."""
    import numpy as np

    from jwcore.algorithms import dq

    check_groups(exposure, FEWEST_FOR_LASTFRAME)
    exposure.groupdq[:, -1] |= np.uint8(dq.DO_NOT_USE)
    return exposure


@step(
    stage="rscd", where=WHERE, references=("rscd",), applies=needs_groups(FEWEST_FOR_RSCD),
    sets=("INT1SKIP", "INT2SKIP", "INT1BORS", "INT2BORS", "INT1UGP1", "INT2UGP1"),
)  # fmt: skip
def rscd(exposure: Ramp, references: Mapping[str, Reference], context: Context) -> Ramp:
    """Flag the groups at the start of an integration, in which the charge decay after the reset is seen, DO_NOT_USE.

    The reference gives their number for the first integration of an exposure and for the later ones. Pixels that saturate
    early keep two groups, if they have them, and get FLUX_ESTIMATED.
    """
    from jwcore.algorithms import rscd as kernels

    check_groups(exposure, FEWEST_FOR_RSCD)
    first, later = (kernels.groups_to_skip(exposure.shape[1], n) for n in _wanted(exposure, references["rscd"]))
    number_first = 1 if first_integration(exposure) == 0 else 0
    parts = (("int1", first, slice(0, number_first)), ("int2p", later, slice(number_first, None)))
    for name, skip, members in parts:
        groupdq = exposure.groupdq[members]
        if len(groupdq):
            result = kernels.flag_first_groups(groupdq, skip)
            _record(exposure, name, skip, result)
            context.count(**{f"shortened_pixels_{name}": int(result.pixels.sum())})
    return exposure


def _wanted(exposure: Ramp, reference: Reference) -> tuple[int, int]:
    """Look the numbers of groups to leave out up, for the first and for later integrations."""
    meta = exposure.meta
    name = meta.subarray.name
    subarray, readpatt = SAME_SUBARRAY.get(name, name), meta.exposure.readpatt
    table = reference.table("RSCD_GROUP_SKIP")
    if table is not None:
        names = {name.lower(): name for name in table.dtype.names or ()}
        fits = [
            _text(row[names["subarray"]]) == subarray and _text(row[names["readpatt"]]) == readpatt for row in table
        ]
        for row in table[fits]:
            first = int(row[names["group_skip1"]])
            return (first if first >= 0 else 1), int(row[names["group_skip"]])
    raise SkipStep(f"the reference has no numbers for sub-array {subarray}, read pattern {readpatt}")


def _text(value: str | bytes) -> str:
    """Decode a table entry and strip it of padding."""
    return (value.decode() if isinstance(value, bytes) else str(value)).strip()


def _record(exposure: Ramp, name: str, skip: int, result: Shortened) -> None:
    """Write flags and keywords."""
    import numpy as np

    from jwcore.algorithms import dq

    exposure.pixeldq |= result.pixels * np.uint32(dq.FLUX_ESTIMATED)
    exposure.meta.set(f"rscd.ngroups_skip_{name}", skip)
    exposure.meta.set(f"rscd.keep_groups_saturation_{name}", int(result.pixels.sum()))
    exposure.meta.set(f"rscd.keep_bright_firstgroup_{name}", int(result.to_none.sum()))
