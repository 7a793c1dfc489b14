"""saturation: flag groups at the end of the range of pixel and converter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import Params, param, step
from jwcore.builtin.detector1._exposure import detector_flags, detector_image, frame_averaging, normal_lines
from jwcore.builtin.detector1._superstripes import by_stripe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwcore.api import Context, Ramp, Reference


class SaturationParams(Params):
    """Parameters of saturation."""

    n_pix_grow_sat: int = param(1, "Layers of neighbours flagged with a saturated pixel", unit="pixel", ge=0)
    use_readpatt: bool = param(True, "Flag averages whose last frames are saturated")


@step(
    stage="saturation", needs=("NFRAMES", "GROUPGAP"),
    references=("saturation",), optional_references=("superbias",), params=SaturationParams,
    chunk="rows", halo=lambda params: 2 * params.n_pix_grow_sat, scratch=0.05,
)  # fmt: skip
@by_stripe
def saturation(exposure: Ramp, references: Mapping[str, Reference], params: SaturationParams, context: Context) -> Ramp:
    """Flag saturated groups and their neighbours, the converter's floor, and averages that saturate part-way.

    Saturated zero frames are set to zero, which means "no value". Interleaved reference pixels are left alone.
    """
    import numpy as np

    from jwcore.algorithms import saturation as kernels

    reference, superbias = references["saturation"], references.get("superbias")
    nframes, groupgap = frame_averaging(exposure)
    lines = normal_lines(exposure, context.detector)
    level = detector_image(reference, "SCI", exposure, lines)
    level, flags = kernels.thresholds(level, detector_flags(reference, exposure, lines))
    saturated = kernels.flag_saturated_groups(
        exposure.data,
        exposure.groupdq,
        level=level,
        bias=detector_image(superbias, "SCI", exposure, lines) if superbias else None,
        grow=params.n_pix_grow_sat,
        nframes=nframes,
        groupgap=groupgap,
        use_readpatt=params.use_readpatt,
        lines=lines,
    )
    rows = slice(None) if lines is None else lines
    if exposure.zeroframe is not None:
        frames = np.ascontiguousarray(exposure.zeroframe[:, rows])
        kernels.zero_saturated_frames(frames, level=level, grow=params.n_pix_grow_sat)
        exposure.zeroframe[:, rows] = frames
    exposure.pixeldq[rows] |= flags
    context.count(saturated_pixels=saturated)
    return exposure
