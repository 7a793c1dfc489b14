"""assign_wcs: attach the world coordinate system of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jwcore.api import BadInput, SkipStep, param, step
from jwcore.builtin.sky_keywords import SipParams, refresh_approximation, refresh_footprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwcore.algorithms.wcs import Pointing
    from jwcore.api import Context, Cube, Image, Meta, Reference

IMAGE_FAMILIES = ("imaging", "coronagraphy", "ami", "calibration")
APPROXIMATION = ("CTYPE", "CUNIT", "CRPIX", "CRVAL", "CD1_", "CD2_")
"""Keywords of the FITS approximation, without the number of the axis."""
POINTING = ("v2_ref", "v3_ref", "ra_ref", "dec_ref", "roll_ref")


class AssignWcsParams(SipParams):
    """Parameters of assign_wcs."""

    slit_y_low: float = param(-0.55, "Lower limit of NIRSpec slits; images do not use it", unit="slit")
    slit_y_high: float = param(0.55, "Upper limit of NIRSpec slits; images do not use it", unit="slit")
    nrs_ifu_slice_wcs: bool = param(False, "One WCS for each NIRSpec IFU slice; images do not use it")


@step(
    stage="assign_wcs",
    needs=("RA_REF", "DEC_REF", "ROLL_REF", "V2_REF", "V3_REF", "SUBSTRT1", "SUBSTRT2"),
    references=("distortion",),
    optional_references=("filteroffset",),
    params=AssignWcsParams,
    sets=("S_REGION", "WCSAXES", *(f"{name}{axis}" for name in APPROXIMATION for axis in (1, 2))),
)
def assign_wcs(
    exposure: Image | Cube, references: Mapping[str, Reference], params: AssignWcsParams, context: Context
) -> Image | Cube:
    """Attach the gWCS of an image (detector, v2v3, v2v3vacorr, world), its footprint and its FITS-SIP approximation."""
    exposure.wcs = _image_wcs(exposure, references, context)
    refresh_footprint(exposure)
    if params.sip_approx:
        refresh_approximation(exposure, params, context)
    return exposure


def _image_wcs(exposure: Image | Cube, references: Mapping[str, Reference], context: Context) -> Any:
    """Build the WCS out of the distortion, the filter offset and the pointing."""
    from jwcore.algorithms import wcs

    if not context.exposure_type.wcs:
        raise SkipStep(f"exposures of type {context.exposure_type.name} have no sky coordinates")
    if context.exposure_type.family not in IMAGE_FAMILIES:
        raise SkipStep(f"not available yet for spectra ({context.exposure_type.family})")
    if len(exposure.shape) not in (2, 3):
        raise SkipStep(f"the product has {len(exposure.shape)} dimensions; an image (2) or integrations (3) are needed")
    meta, distortion = exposure.meta, references["distortion"].tree.get("model")
    if distortion is None:
        raise BadInput("no 'model' in the distortion reference", where=references["distortion"].name)
    origin = meta.subarray.xstart or 1, meta.subarray.ystart or 1
    pointing = _pointing(meta)
    shape = exposure.shape[-2], exposure.shape[-1]
    box = wcs.bounding_box(
        shape=shape,
        reference=wcs.reference_box(distortion),
        subarray=origin != (1, 1) or _smaller(shape, context.detector.shape),
        margins=context.detector.wcs_margins,
    )
    try:
        return wcs.imaging_wcs(
            to_v2v3=wcs.detector_to_v2v3(
                distortion, origin=origin, offset=_filter_offset(meta, references.get("filteroffset"), context)
            ),
            pointing=pointing,
            va_scale=meta.velocity_aberration.scale_factor,
            box=box,
        )
    except ValueError as error:
        raise BadInput(str(error), where=str(meta.get("filename")), cure="correct the header keyword") from None


def _smaller(shape: tuple[int, ...], full: tuple[int, int]) -> bool:
    return shape[0] < full[0] or shape[1] < full[1]


def _pointing(meta: Meta) -> Pointing:
    """Read the attitude keywords; all are needed."""
    from jwcore.algorithms.wcs import Pointing

    missing = [name.upper() for name in POINTING if meta.get(f"wcsinfo.{name}") is None]
    if missing:
        raise BadInput(
            f"no {', '.join(missing)} in the header: the pointing is unknown",
            where=str(meta.get("filename")),
            cure="add the pointing keywords, or skip assign_wcs",
        )
    return Pointing(**{name: meta.get(f"wcsinfo.{name}") for name in POINTING})


def _filter_offset(meta: Meta, reference: Reference | None, context: Context) -> tuple[float, float] | None:
    """Look up the displacement of the image by the filter of this exposure."""
    from jwcore.algorithms.wcs import filter_offset

    keys = context.exposure_type.filter_offset_keys
    if reference is None or not keys:
        return None
    settings = {key: meta.get(f"instrument.{key}") for key in keys}
    offset = filter_offset(reference.tree.get("filters") or (), settings=settings)
    if offset is None:
        context.log.warning("%s has no offset for %s; none is applied", reference.name, settings)
    return offset
