"""persistence: flag pixels that still release the charge that traps caught when they were saturated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from jwcore.api import BadInput, Params, StepFailed, Tree, param, step
from jwcore.builtin.detector1._exposure import detector_start, read_time
from jwcore.builtin.named_files import existing

if TYPE_CHECKING:
    import numpy as np

    from jwcore.algorithms.persistence import Windows
    from jwcore.api import Context, Ramp

_UNIX_EPOCH = 40587.0  # MJD
_DAY = 86400.0
_DETECTOR_FRAME = "detector"


class PersistenceParams(Params):
    """Parameters of persistence."""

    skip: bool = param(True, "Do not run this step")
    persistence_time: int | None = param(None, "For how long pixels are flagged after saturation", unit="s")
    dn_threshold: float | None = param(None, "Signal from which pixels count as if they were saturated", unit="DN")
    persistence_array_file: str | None = param(
        None, "ASDF file with the times until which pixels are to be flagged, from an exposure before"
    )
    save_persistence: bool | None = param(
        None, "Save such a file for the next exposure, as the product 'persistence_times'; no file name"
    )
    persistence_dnu: bool = param(False, "Flag them DO_NOT_USE, too")

    _files = field_validator("persistence_array_file")(existing)


def smallest_piece(params: PersistenceParams) -> str:
    """Say what must be seen at once: any row, or all of them where the times are saved."""
    return "exposure" if params.save_persistence else "rows"


@step(
    stage="persistence", needs=("TGROUP",), params=PersistenceParams, state=("windows",), chunk=smallest_piece,
    products={"persistence_times": "save_persistence"},
)  # fmt: skip
def persistence(exposure: Ramp, params: PersistenceParams, state: dict[str, Any], context: Context) -> Ramp:
    """Flag groups PERSISTENCE for a time after their pixel was saturated, in this or an earlier exposure.

    ``state`` hands the times at which pixels are usable again to the next exposure of the same detector, whatever its
    sub-array. For the first exposure they may come from a file.
    """
    from jwcore.algorithms.persistence import Windows, flag_persistence

    duration = params.persistence_time
    if duration is None or duration <= 0:
        raise StepFailed("persistence_time is not set: for how long pixels are to be flagged is not known")
    times = _times_of_groups(exposure)
    start, shape = detector_start(exposure), exposure.shape[-2:]
    before = state.get("windows")
    if before is None and params.persistence_array_file:
        before = _read(params.persistence_array_file, exposure, context, duration)
    before = Windows.none() if before is None else Windows(*before)
    windows = before.image(start, shape)
    flagged = flag_persistence(
        data=exposure.data,
        groupdq=exposure.groupdq,
        windows=windows,
        times=times,
        duration=duration,
        threshold=params.dn_threshold,
        unusable=params.persistence_dnu,
    )
    own = windows[context.rows]
    first = (start[0] + (context.rows.start or 0), start[1])
    state["windows"] = before.replaced(own, first)
    if params.save_persistence:
        context.save("persistence_times", Tree(_as_tree(exposure, state["windows"], duration)))
    context.count(persistent_pixels=flagged)
    return exposure


def _times_of_groups(exposure: Ramp) -> np.ndarray:
    """Give the Unix times (s) at which the groups end, float64 (nints, ngroups)."""
    import numpy as np

    nints, ngroups = exposure.shape[:2]
    begin = (_starts(exposure, nints) - _UNIX_EPOCH) * _DAY
    return begin[:, None] + read_time(exposure, "group_time") * np.arange(1, ngroups + 1)


def _starts(exposure: Ramp, nints: int) -> np.ndarray:
    """Give the starts of the integrations, MJD: those of the table INT_TIMES, else counted from that of the exposure.

    Raises
    ------
    BadInput
        When the exposure has neither.
    """
    import numpy as np

    meta = exposure.meta.exposure
    numbers = (meta.integration_start or 1) + np.arange(nints)
    table = exposure.int_times
    if table is not None and len(table):
        known = dict(zip(table["integration_number"].tolist(), table["int_start_MJD_UTC"].tolist(), strict=True))
        starts = np.array([known.get(number, np.nan) for number in numbers.tolist()])
        if np.all(starts > 0):
            return starts
    if not meta.start_time:
        raise BadInput("the exposure has no start time", cure="check EXPSTART in its header, and its INT_TIMES table")
    period = meta.integration_time or read_time(exposure, "group_time") * exposure.shape[1]
    return meta.start_time + (numbers - 1) * period / _DAY


def _read(path: str, exposure: Ramp, context: Context, duration: int) -> Windows | None:
    """Read windows of this detector; None if there are none in the file, or if they have another length.

    Raises
    ------
    BadInput
        For a file of another kind.
    """
    import numpy as np

    from jwcore.algorithms.persistence import Windows

    detector = str(exposure.meta.instrument.detector).upper()
    entry = Tree.read(Path(path)).content.get(detector)
    if entry is None:
        context.log.warning("%s has no persistence of %s", path, detector)
        return None
    try:
        rows, columns = (np.asarray(entry[name], np.int64) for name in ("rows", "cols"))
        ends, length = np.asarray(entry["vals"], float), entry["pers_time"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"not a file of persistence: {error}", where=path, cure="give one that this step saved"
        ) from None
    if length != duration:
        context.log.warning("%s: persistence of %s s is not that of %s s, and is ignored", path, length, duration)
        return None
    y, x = (0, 0) if entry.get("frame") == _DETECTOR_FRAME else detector_start(exposure)
    return Windows(rows + y, columns + x, ends)


def _as_tree(exposure: Ramp, windows: Windows, duration: int) -> dict[str, Any]:
    """Lay out the content of a file; positions are those on the detector, whatever the sub-array."""
    return {
        str(exposure.meta.instrument.detector).upper(): {
            "filename": exposure.meta.filename,
            "frame": _DETECTOR_FRAME,
            "rows": windows.rows.tolist(),
            "cols": windows.columns.tolist(),
            "vals": windows.ends.tolist(),
            "pers_time": duration,
        }
    }
