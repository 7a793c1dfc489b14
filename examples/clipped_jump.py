"""A jump detector of your own, for one instrument only.

    jwcal run detector1 jw..._mirimage_uncal.fits -p ./clipped_jump.py

Differences between groups that lie further than ``nsigma`` robust standard deviations above the pixel's own median are
taken for cosmic rays. It needs neither gain nor read noise, but many groups.
"""

import numpy as np

from jwcore import api

JUMP, UNUSABLE = 4, 1 | 2  # bits of the quality arrays: JUMP_DET; DO_NOT_USE and SATURATED


class ClippedJumpParams(api.Params):
    """Parameters of the clipped search."""

    nsigma: float = api.param(6.0, "Height of a jump above the median difference", unit="sigma", gt=0)
    min_groups: int = api.param(6, "Groups that an integration needs", ge=4)


@api.step(stage="jump", where={"INSTRUME": "MIRI"}, params=ClippedJumpParams, chunk="rows")
def clipped_jump(exposure, params, context):
    """Flag jumps by the scatter of each pixel's own differences."""
    if exposure.data.shape[1] < params.min_groups:
        raise api.SkipStep(f"{exposure.data.shape[1]} groups are fewer than min_groups={params.min_groups}")
    found = 0
    for data, groupdq in zip(exposure.data, exposure.groupdq, strict=True):
        usable = np.where(groupdq & UNUSABLE, np.nan, data)
        differences = np.diff(usable, axis=0)
        centre = np.nanmedian(differences, axis=0)
        sigma = 1.4826 * np.nanmedian(np.abs(differences - centre), axis=0)
        jumps = differences - centre > params.nsigma * sigma  # False where unusable: NaN compares as False
        groupdq[1:] |= np.where(jumps, JUMP, 0).astype(np.uint8)
        found += int(jumps.sum())
    context.count(jumps=found)
    return exposure
