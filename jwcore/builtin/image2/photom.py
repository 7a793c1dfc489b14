"""photom: convert count rates to surface brightness, and attach the pixel area."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from jwcore.api import BadInput, Params, SkipStep, StepFailed, param, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwcore.api import Context, Cube, Image, Meta, Reference

PLANES = ("data", "err", "var_poisson", "var_rnoise", "var_flat")


class PhotomParams(Params):
    """Parameters of photom."""

    inverse: bool = param(False, "Divide instead of multiply, to undo the conversion")
    source_type: Literal["POINT", "EXTENDED"] | None = param(None, "Kind of source that is assumed (spectra only)")
    apply_time_correction: bool = param(True, "Correct for the change of sensitivity with time")


@step(
    stage="photom",
    references=("photom",),
    optional_references=("area",),
    params=PhotomParams,
    undoes="inverse",
    sets=("BUNIT", "PHOTMJSR", "PHOTUJA2", "PIXAR_SR", "PIXAR_A2"),
    chunk="integrations",
)
def photom(
    exposure: Image | Cube, references: Mapping[str, Reference], params: PhotomParams, context: Context
) -> Image | Cube:
    """Convert DN/s to MJy/sr with the factor for this filter, pupil and sub-array, at the time of the exposure."""
    from jwcore.algorithms.nan_dq import match_nans_and_flags
    from jwcore.algorithms.photom import MICROJANSKY_PER_ARCSEC2, scale

    if len(exposure.shape) == 3 and not context.exposure_type.photom_cubes:
        raise SkipStep(f"integrations of {context.exposure_type.name} stay in DN/s: photom has no rule for them")
    meta = exposure.meta
    factor = _recorded_factor(meta) if params.inverse else _factor(meta, references["photom"], params)
    planes = {name: getattr(exposure, name) for name in PLANES}
    scale(planes, factor=1.0 / factor if params.inverse else factor)
    if exposure.dq is not None:
        variances = [planes[name] for name in PLANES[2:]]
        match_nans_and_flags(planes["data"], exposure.dq, err=planes["err"], variances=variances)
    meta.bunit_data = meta.bunit_err = "DN/s" if params.inverse else "MJy/sr"
    meta.photometry.conversion_megajanskys = None if params.inverse else factor
    meta.photometry.conversion_microjanskys = None if params.inverse else factor * MICROJANSKY_PER_ARCSEC2
    _attach_area(exposure, references)
    return exposure


def _recorded_factor(meta: Meta) -> float:
    """Return the conversion factor that was applied."""
    factor = meta.photometry.conversion_megajanskys
    if factor is None or meta.bunit_data != "MJy/sr":
        raise SkipStep(f"there is nothing to undo: the data are in {meta.bunit_data}, PHOTMJSR is {factor}")
    return factor


def _factor(meta: Meta, reference: Reference, params: PhotomParams) -> float:
    """Find the conversion factor in MJy/sr per DN/s."""
    from jwcore.algorithms.photom import is_image_table, select_row

    table = reference.table("PHOTOM")
    if table is None or not is_image_table(table):
        raise SkipStep(f"not available yet for spectra: {reference.name} holds no conversion factors of images")
    settings = {
        "filter": meta.instrument.filter,
        "pupil": meta.instrument.pupil,
        "subarray": meta.subarray.name,
    }
    row = select_row(table, settings=settings)
    if row is None:
        raise StepFailed(f"{reference.name} has no row for {settings}; the data stay in DN/s")
    factor = row["photmjsr"] / _sensitivity(meta, reference, row, params)
    if not math.isfinite(factor) or factor <= 0:
        raise StepFailed(f"{reference.name} gives the factor {factor} for {settings}; the data stay in DN/s")
    return factor


def _sensitivity(meta: Meta, reference: Reference, row: Mapping[str, str], params: PhotomParams) -> float:
    """Find the sensitivity relative to the table in the middle of the exposure, by the keys of the row taken."""
    from jwcore.algorithms.photom import TIME_TABLES, sensitivity

    tables = {name: table for name in TIME_TABLES if (table := reference.table(name)) is not None}
    if not tables or not params.apply_time_correction:
        return 1.0
    if meta.exposure.mid_time is None:
        raise BadInput(
            "no EXPMID in the header, which the time-dependent flux calibration needs",
            where=str(meta.get("filename")),
            cure="add it, or set photom.apply_time_correction=false",
        )
    return sensitivity(tables, time=meta.exposure.mid_time, settings=row)


def _attach_area(exposure: Image | Cube, references: Mapping[str, Reference]) -> None:
    """Attach the relative pixel areas and the nominal area, the latter from the flux calibration if there is no map."""
    photometry = exposure.meta.photometry
    area = references.get("area")
    image = None if area is None else area.array("SCI")
    if image is not None and image.shape == exposure.shape[-2:]:
        exposure.area = image.copy()
    for path, keyword in (("pixelarea_steradians", "PIXAR_SR"), ("pixelarea_arcsecsq", "PIXAR_A2")):
        nominal = None if area is None else area.keyword(keyword)
        setattr(photometry, path, references["photom"].keyword(keyword) if nominal is None else nominal)
