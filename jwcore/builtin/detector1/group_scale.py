"""group_scale: undo an on-board average that divided by another number than that of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import Params, step

if TYPE_CHECKING:
    from jwcore.api import Meta, Ramp


def already_scaled(meta: Meta, params: Params, references: object) -> str | None:
    """Say why there is nothing to rescale."""
    nframes, divisor = meta.exposure.nframes, meta.exposure.frame_divisor
    if nframes is None:
        return "NFRAMES is not known"
    if divisor is None:
        return "FRMDIVSR is not known"
    if divisor == nframes:
        return f"the on-board average of {nframes} frames used the right divisor"
    return None


@step(stage="group_scale", chunk="rows", applies=already_scaled)
def group_scale(exposure: Ramp) -> Ramp:
    """Multiply all groups by FRMDIVSR / NFRAMES.

    The on-board average shifts bits, so it divides by a power of two. Zero frames are single frames and stay.
    """
    exposure.data *= exposure.meta.exposure.frame_divisor / exposure.meta.exposure.nframes
    return exposure
