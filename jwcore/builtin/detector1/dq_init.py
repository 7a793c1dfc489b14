"""dq_init: start the quality arrays from the bad-pixel mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import field_validator

from jwcore.api import BadInput, GuiderRaw, Params, param, step
from jwcore.builtin.detector1._exposure import detector_flags
from jwcore.builtin.detector1._superstripes import by_stripe
from jwcore.builtin.detector1._user_images import first_image
from jwcore.builtin.named_files import existing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.api import Context, Ramp, Reference


class DQInitParams(Params):
    """Parameters of dq_init."""

    user_supplied_dq: str | None = param(None, "FITS file whose first image holds further flags, in standard bits")

    _files = field_validator("user_supplied_dq")(existing)


@step(stage="dq_init", references=("mask",), params=DQInitParams, chunk="integrations")
@by_stripe
def dq_init(
    exposure: Ramp | GuiderRaw, references: Mapping[str, Reference], params: DQInitParams, context: Context
) -> Ramp | GuiderRaw:
    """Combine the mask into the pixel flags and its DO_NOT_USE bit into the flags of every group.

    Guiding data have pixel flags alone.
    """
    from jwcore.algorithms import dq

    mask = detector_flags(references["mask"], exposure)
    if params.user_supplied_dq is not None:
        mask = mask | _read_flags(params.user_supplied_dq, mask.shape)
    if isinstance(exposure, GuiderRaw):
        exposure.dq |= mask
    else:
        _flag_ramp(exposure, mask)
    context.count(bad_pixels=mask & dq.DO_NOT_USE != 0)
    return exposure


def _flag_ramp(exposure: Ramp, mask: np.ndarray) -> None:
    """Combine flags into those of a ramp, which start from zero where the file has none that fit."""
    import numpy as np

    from jwcore.algorithms import dq

    if exposure.pixeldq.shape != mask.shape:
        exposure.pixeldq = np.zeros_like(mask)
    if exposure.groupdq.shape != exposure.shape:  # the data may still be on their way from the file
        exposure.groupdq = np.zeros(exposure.shape, np.uint8)
    exposure.pixeldq |= mask
    exposure.groupdq |= (mask & dq.DO_NOT_USE).astype(np.uint8)


def _read_flags(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """Read an image of a FITS file as flags of the given shape."""
    import numpy as np

    flags = first_image(path, parameter="user_supplied_dq")
    if flags is None or flags.shape != shape:
        found = "nothing" if flags is None else flags.shape
        raise BadInput(
            f"user_supplied_dq holds {found}, the exposure's mask {shape}", where=path, cure="cut it to the sub-array"
        )
    return flags.astype(np.uint32)
