"""dark_current: subtract the dark ramp and hand its mean rate on to the noise model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import Params, SkipStep, param, step
from jwcore.builtin.detector1._exposure import check_size, detector_flags, frame_averaging

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.api import Context, Ramp, Reference


class DarkCurrentParams(Params):
    """Parameters of dark_current."""

    dark_output: str | None = param(None, "Any name: save the dark as it was subtracted, as the product 'dark'")
    average_dark_current: float | None = param(
        None, "Mean dark rate for the noise model, instead of the reference's", unit="e-/s", ge=0
    )


@step(
    stage="dark_current", references=("dark",), params=DarkCurrentParams, products={"dark": "dark_output"},
    chunk="rows",
)  # fmt: skip
def dark_current(
    exposure: Ramp, references: Mapping[str, Reference], params: DarkCurrentParams, context: Context
) -> Ramp:
    """Subtract the dark, brought to the frame averaging of the exposure, group by group; zero frames stay.

    The reference is read one group at a time.
    """
    from jwcore.algorithms import dark, planes

    reference = references["dark"]
    weights = _group_weights(exposure, reference)
    flags = detector_flags(reference, exposure)
    average = _average_dark_current(reference, params, exposure.shape[-2:])
    subtracted = []
    for group, plane in dark.regrouped(reference.planes("SCI"), weights):
        planes.subtract_plane(exposure.data, plane, group, group + 1)
        if params.dark_output:
            subtracted.append((group, plane))
    exposure.average_dark_current = average
    exposure.pixeldq |= flags
    if params.dark_output:
        context.save("dark", _as_ramp(exposure, [plane for _, plane in sorted(subtracted, key=lambda item: item[0])]))
    return exposure


def _group_weights(exposure: Ramp, reference: Reference) -> np.ndarray:
    """Relate the groups of the exposure to those of the dark, or say why they do not fit."""
    from jwcore.algorithms import dark

    shape = reference.shape("SCI") or ()
    if len(shape) != 3:
        raise SkipStep(f"not available yet for darks of {len(shape)} dimensions (a ramp for each integration)")
    check_size(shape, "SCI", reference, exposure)
    nframes, groupgap = frame_averaging(exposure)
    dark_nframes, dark_groupgap = reference.keyword("NFRAMES", 1), reference.keyword("GROUPGAP", 0)
    if dark_nframes > nframes:
        raise SkipStep(f"groups of the dark average {dark_nframes} frames, those of the exposure only {nframes}")
    if dark_groupgap > groupgap:
        raise SkipStep(f"the dark drops {dark_groupgap} frames between groups, the exposure only {groupgap}")
    return dark.group_weights(
        ngroups=exposure.shape[1],
        nframes=nframes,
        groupgap=groupgap,
        dark_ngroups=shape[0],
        dark_nframes=dark_nframes,
        dark_groupgap=dark_groupgap,
    )


def _average_dark_current(reference: Reference, params: DarkCurrentParams, shape: tuple[int, ...]) -> np.ndarray:
    """Find the mean dark rate in e-/s (ny, nx): the parameter, else the reference's image, else its keyword."""
    import numpy as np

    if params.average_dark_current is not None:
        return np.full(shape, params.average_dark_current, np.float32)
    image = reference.array("AVDRKCUR")
    if image is not None and image.shape == shape and np.any(image):
        return np.nan_to_num(image)
    return np.full(shape, reference.keyword("AVDRKCUR", 0.0), np.float32)


def _as_ramp(exposure: Ramp, planes: list[np.ndarray]) -> Ramp:
    """Make a product of the dark that was subtracted."""
    import numpy as np

    from jwcore.api import Ramp

    return Ramp(data=np.nan_to_num(np.stack(planes))[None], meta=exposure.meta.copy())
