"""linearity: from measured to linear counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import step
from jwcore.builtin.detector1._exposure import detector_flags, detector_image, frame_averaging

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwcore.api import Context, Ramp, Reference


@step(stage="linearity", needs=("NFRAMES", "GROUPGAP"), references=("linearity",), chunk="rows")
def linearity(exposure: Ramp, references: Mapping[str, Reference], context: Context) -> Ramp:
    """Apply each pixel's polynomial; with inverse coefficients, to the single frames inside averaged groups."""
    from jwcore.algorithms import dq
    from jwcore.algorithms import linearity as kernels

    reference = references["linearity"]
    coefficients = detector_image(reference, "COEFFS", exposure)
    invertible = reference.shape("INV_COEFFS") is not None
    flags = detector_flags(reference, exposure).copy()
    nframes, groupgap = frame_averaging(exposure)
    if invertible and nframes > 1 and exposure.meta.get("exposure.read_times") is None:
        kernels.correct_reads(
            exposure.data,
            exposure.groupdq,
            coefficients=coefficients,
            inverse=detector_image(reference, "INV_COEFFS", exposure),
            flags=flags,
            nframes=nframes,
            groupgap=groupgap,
        )
    else:
        kernels.correct_groups(exposure.data, exposure.groupdq, coefficients=coefficients, flags=flags)
    if exposure.zeroframe is not None:
        kernels.correct_frames(exposure.zeroframe, coefficients=coefficients, flags=flags)
    exposure.pixeldq |= flags
    context.count(uncorrected_pixels=flags & dq.NO_LIN_CORR != 0)
    return exposure
