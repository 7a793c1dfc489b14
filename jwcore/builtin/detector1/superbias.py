"""superbias: subtract the bias frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import step
from jwcore.builtin.detector1._exposure import detector_flags, detector_image
from jwcore.builtin.detector1._superstripes import by_stripe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwcore.api import Ramp, Reference


@step(stage="superbias", references=("superbias",), chunk="pixels")
@by_stripe
def superbias(exposure: Ramp, references: Mapping[str, Reference]) -> Ramp:
    """Subtract the superbias from all groups and from zero frames that have a value; merge its flags."""
    from jwcore.algorithms import planes

    reference = references["superbias"]
    bias, flags = detector_image(reference, "SCI", exposure), detector_flags(reference, exposure)
    planes.subtract_plane(exposure.data, bias, 0, exposure.data.shape[1])
    if exposure.zeroframe is not None:
        planes.subtract_from_nonzero(exposure.zeroframe, bias)
    exposure.pixeldq |= flags
    return exposure
