"""assign_mtwcs: bring the exposures of a moving target into the frame of the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import Params, SkipStep, step
from jwcore.builtin.sky_keywords import refresh_footprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwcore.api import Context, ExposureSet, Meta, Reference


class AssignMtwcsParams(Params):
    """Parameters of assign_mtwcs: it has none of its own."""


def _not_moving(meta: Meta, params: AssignMtwcsParams, references: Mapping[str, Reference]) -> str | None:
    """Say why an exposure needs no frame of its target."""
    moving = str(meta.get("target.type") or "").strip().lower() == "moving"
    return None if moving else "the target does not move"


@step(stage="assign_mtwcs", params=AssignMtwcsParams, applies=_not_moving, sets=("MT_AVRA", "MT_AVDEC", "S_REGION"))
def assign_mtwcs(exposures: ExposureSet, params: AssignMtwcsParams, context: Context) -> ExposureSet:
    """Turn the sky of every exposure so that the target lies at its mean position.

    The WCSes get a last frame ``moving_target``; in a mosaic in this frame the target is sharp and the stars trail.
    """
    from jwcore.algorithms.moving_target import follow_target, mean_position

    positions = [(meta.wcsinfo.mt_ra, meta.wcsinfo.mt_dec) for meta in exposures.metas()]
    lacking = sum(None in position for position in positions)
    if lacking:
        raise SkipStep(f"{lacking} of {len(positions)} exposures do not know where the target is (MT_RA, MT_DEC)")
    without = sum(not exposure.has_wcs for exposure in exposures)
    if without:
        raise SkipStep(f"{without} of {len(positions)} exposures have no WCS")
    mean = mean_position(*zip(*positions, strict=True))
    context.log.info("mean position of the target: RA %.6f, Dec %.6f", *mean)
    for exposure, position in zip(exposures.each(), positions, strict=True):
        exposure.wcs = follow_target(exposure.wcs, target=position, mean=mean)
        exposure.meta.wcsinfo.mt_avra, exposure.meta.wcsinfo.mt_avdec = mean
        refresh_footprint(exposure)
    return exposures
