"""The guider pipeline's own steps: guiding data have reads in place of ramps and one quality image for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import BadInput, GuiderCal, GuiderRaw, Params, SkipStep, param, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.api import Context, Reference

STACK = ("FGS_ID-STACK",)
IDENTIFICATION = ("FGS_ID-IMAGE", *STACK)
GUIDER = (*IDENTIFICATION, "FGS_ACQ1", "FGS_ACQ2", "FGS_TRACK", "FGS_FINEGUIDE")
WHERE = {"INSTRUME": "FGS", "EXP_TYPE": GUIDER}
READS = 4
"""Reads averaged at either end of a fine-guiding integration."""


class GuiderFlatParams(Params):
    """Parameters of flat_field for guiding data."""

    user_supplied_flat: str | None = param(
        None, "File of a flat field to use instead of the reference", replaces="flat"
    )
    inverse: bool = param(False, "Multiply instead of divide, to undo the correction")


@step(stage="guider_cds", where=WHERE, references=("gain", "readnoise"), sets=("BUNIT",))
def guider_cds(exposure: GuiderRaw, references: Mapping[str, Reference], context: Context) -> GuiderCal:
    """Make rates ``D / t`` of the difference D of reads, DN, over the group time t.

    Variances in (DN/s)^2: ``2 (r / t)^2`` of the read noise r, given for correlated double sampling, and ``D / (g t^2)``
    of the photons, with the gain g.
    """
    import numpy as np

    seconds = exposure.meta.get("exposure.group_time")
    if not seconds or seconds <= 0:
        raise BadInput("no positive group time", where=str(exposure.meta.filename), cure="add TGROUP to the header")
    gain, noise = (_plane(references[kind], exposure) for kind in ("gain", "readnoise"))
    counts = _difference(exposure)
    rate = counts / np.float32(seconds)
    variance = np.maximum(rate, 0) / (gain * np.float32(seconds)) + 2 * (noise / np.float32(seconds)) ** 2
    made = GuiderCal(meta=exposure.meta.copy(), data=rate, err=np.sqrt(variance), dq=exposure.dq)
    for name in exposure.arrays():
        if name.endswith("_table"):
            setattr(made, name, getattr(exposure, name))
    made.meta.set("bunit_data", "DN/s")
    made.meta.set("bunit_err", "DN/s")
    context.count(images=len(rate))
    return made


@step(stage="flat_field", where=WHERE, references=("flat",), params=GuiderFlatParams, undoes="inverse")
def flat_field(
    exposure: GuiderCal, references: Mapping[str, Reference], params: GuiderFlatParams, context: Context
) -> GuiderCal:
    """Divide the rates S by the flat F with error s: ``S' = S / F``, ``ERR' = sqrt((ERR / F)^2 + (S' s / F)^2)``.

    Pixels without a usable flat are flagged and keep their rates: a guide star is not to have a hole.
    """
    import numpy as np

    from jwcore.algorithms import dq

    reference = references["flat"]
    flat, error, flags = reference.array("SCI"), reference.array("ERR"), reference.dq()
    if flat is None or flat.shape != exposure.shape[-2:]:
        raise SkipStep(f"{reference.name} has no flat of the shape {exposure.shape[-2:]}")
    flags = np.zeros(flat.shape, np.uint32) if flags is None else flags.copy()
    flags[~np.isfinite(flat) | (flat == 0)] |= dq.NO_FLAT_FIELD
    flags[flags & dq.NO_FLAT_FIELD != 0] |= dq.DO_NOT_USE
    usable = flags & dq.DO_NOT_USE == 0
    factor = np.where(usable, flat, np.float32(1))
    factor = 1 / factor if params.inverse else factor
    relative = 0.0 if error is None or params.inverse else np.where(usable, error / factor, 0)
    exposure.data /= factor
    exposure.err = np.hypot(exposure.err / factor, exposure.data * relative)
    exposure.dq |= flags
    context.count(pixels_without_flat=int(np.count_nonzero(~usable)))
    return exposure


def _difference(exposure: GuiderRaw) -> np.ndarray:
    """Combine the reads of every integration [nints, ny, nx]; identification gives a single image."""
    import numpy as np

    reads, kind = exposure.data, exposure.meta.exposure.type
    if reads.shape[1] < 2:
        raise SkipStep(f"{reads.shape[1]} read is no difference")
    if kind == "FGS_FINEGUIDE":
        return reads[:, -READS:].mean(axis=1) - reads[:, :READS].mean(axis=1)
    counts = reads[:, 1] - reads[:, 0]
    # a cosmic ray hits one of the two integrations, a star is in both
    return np.min(counts[:2], axis=0, keepdims=True) if kind in IDENTIFICATION else counts


def _plane(reference: Reference, exposure: GuiderRaw) -> np.ndarray:
    """Give the image of a reference; strips of a stack lie all over the detector, so that its mean stands for them."""
    import numpy as np

    plane, shape = reference.array("SCI"), exposure.shape[-2:]
    if plane is not None and plane.shape == shape:
        return plane
    if plane is None or exposure.meta.exposure.type not in STACK:
        found = "no SCI" if plane is None else plane.shape
        raise BadInput(f"{reference.type} has {found}, the exposure {shape}", where=reference.name)
    return np.full(shape, np.nanmean(plane, dtype=np.float64), np.float32)
