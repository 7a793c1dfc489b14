"""dark_current: subtract the dark ramp and hand its mean rate on to the noise model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import BadInput, Params, SkipStep, param, step
from jwcore.builtin.detector1._exposure import check_size, detector_flags, frame_averaging

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np

    from jwcore.api import Context, Ramp, Reference


class DarkCurrentParams(Params):
    """Parameters of dark_current."""

    dark_output: bool | None = param(None, "Save the dark as it was subtracted, as the product 'dark'; no file name")
    average_dark_current: float | None = param(
        None, "Mean dark rate for the noise model, instead of the reference's", unit="e-/s", ge=0
    )


@step(
    stage="dark_current", needs=("NFRAMES", "GROUPGAP"), references=("dark",), params=DarkCurrentParams,
    products={"dark": "dark_output"},
    chunk="rows",
)  # fmt: skip
def dark_current(
    exposure: Ramp, references: Mapping[str, Reference], params: DarkCurrentParams, context: Context
) -> Ramp:
    """Subtract the dark, brought to the frame averaging of the exposure, group by group; zero frames stay.

    The reference is read one group at a time. It is one ramp, or one for each of the first integrations after a change of
    state, of which the last stands for all later ones.
    """
    import numpy as np

    from jwcore.algorithms import dark, planes

    reference = references["dark"]
    weights = _group_weights(exposure, reference)
    flags = np.bitwise_or.reduce(detector_flags(reference, exposure).reshape(-1, *exposure.shape[-2:]), axis=0)
    average = _average_dark_current(reference, params, exposure.shape[-2:])
    ramps = _ramps(exposure, reference)
    subtracted = np.zeros((len(ramps), *exposure.shape[1:]), np.float32) if params.dark_output else None
    for number, (ramp, members) in enumerate(ramps):
        for group, plane in dark.regrouped(ramp, weights):
            planes.subtract_plane(exposure.data[members], plane, group, group + 1)
            if subtracted is not None:
                subtracted[number, group] = np.nan_to_num(plane)
    exposure.average_dark_current = average
    exposure.pixeldq |= flags
    if subtracted is not None:
        context.save("dark", _as_ramp(exposure, subtracted))
    return exposure


def _ramps(exposure: Ramp, reference: Reference) -> list[tuple[Iterable[np.ndarray], slice]]:
    """List the dark ramps that are needed, plane by plane, with the integrations of the file that each is for."""
    from jwcore.algorithms.integrations import matching_integrations

    shape = reference.shape("SCI") or ()
    if len(shape) == 3:
        return [(reference.planes("SCI"), slice(None))]
    shared = matching_integrations(
        nints=exposure.shape[0], first=(exposure.meta.exposure.integration_start or 1) - 1, available=shape[0]
    )
    return [(_planes(reference, index), members) for index, members in shared]


def _planes(reference: Reference, index: int) -> Iterator[np.ndarray]:
    """Iterate over the groups of one of several dark ramps."""
    _, ngroups, ny, _ = reference.shape("SCI") or ()
    for group in range(ngroups):
        plane = reference.rows("SCI", 0, ny, index=(index, group))
        assert plane is not None
        yield plane


def _group_weights(exposure: Ramp, reference: Reference) -> np.ndarray:
    """Relate the groups of the exposure to those of the dark, or say why they do not fit."""
    from jwcore.algorithms import dark

    shape = reference.shape("SCI") or ()
    if len(shape) not in (3, 4):
        what = f"SCI of the dark reference has {len(shape)} dimensions"
        raise BadInput(
            what, where=reference.name, cure="3 (a ramp) or 4 (one for each of the first integrations) are known"
        )
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
        dark_ngroups=shape[-3],
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
        return np.where(np.isfinite(image), image, np.float32(0))
    return np.full(shape, reference.keyword("AVDRKCUR", 0.0), np.float32)


def _as_ramp(exposure: Ramp, data: np.ndarray) -> Ramp:
    """Make a product of the dark that was subtracted."""
    from jwcore.api import Ramp

    return Ramp(data=data, meta=exposure.meta.copy())
