"""reset: subtract the decay that follows a reset of the detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcal_miri._exposure import WHERE, check_size, detector_flags, first_integration
from jwcore.api import BadInput, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwcore.api import Ramp, Reference


@step(stage="reset", where=WHERE, references=("reset",), chunk="rows")
def reset(exposure: Ramp, references: Mapping[str, Reference]) -> Ramp:
    """Subtract the reference's ramp of the same integration, or of its last one, from as many groups as it has.

    The reference is read one group at a time; NaN in it counts as zero.
    """
    from jwcore.algorithms import integrations, planes

    reference = references["reset"]
    shape = reference.shape("SCI")
    if shape is None or len(shape) != 4:
        raise BadInput(f"SCI has the shape {shape}, not four axes", where=reference.name, cure="name another file")
    check_size(shape, "SCI", reference, exposure)
    flags = detector_flags(reference, exposure)
    first, ngroups = first_integration(exposure), min(shape[1], exposure.shape[1])
    shared = integrations.matching_integrations(nints=exposure.shape[0], first=first, available=shape[0])
    for index, members in shared:
        for group in range(ngroups):
            plane = reference.rows("SCI", 0, shape[-2], index=(index, group))
            planes.subtract_plane(exposure.data[members], plane, group, group + 1)
    exposure.pixeldq |= flags
    return exposure
