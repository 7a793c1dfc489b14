"""Draft rates of an exposure, and which of its pixels hold nothing but background: what the 1/f corrections need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jwcore.api import BadInput, Cube, Ramp, SkipStep, StepFailed
from jwcore.builtin.detector1._exposure import detector_start
from jwcore.builtin.detector1._user_images import first_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from jwcore.api import Context, Exposure, ExposureType, Reference

SLICED, SLITS, TRACES = ("ifu",), ("slit", "mos"), ("soss",)
"""Families of exposures by what light falls on."""
FIXED_SLITS = slice(922, 1116)
"""Rows of a full frame behind fixed slits, which are always open."""
TRACE_HALF_WIDTH = 16


def region_needs(exposure_type: ExposureType | None) -> set[str]:
    """Name the reference or the stage that tells where light falls in exposures of a type."""
    family = exposure_type.family if exposure_type else ""
    if family in TRACES:
        return {"pastasoss"}
    return {"assign_wcs"} if family in SLICED + SLITS else {"flat"}


def draft_rate(exposure: Exposure, context: Context, *, cube: bool = False) -> Exposure:
    """Give the rates of an exposure as an image, or one for each integration.

    A ramp is fitted, with default parameters, on its own arrays: the fit makes new ones and leaves those alone.

    Raises
    ------
    SkipStep
        When there is nothing to fit.
    """
    import numpy as np

    if not isinstance(exposure, Ramp):
        return exposure
    shared = Ramp(
        data=exposure.data,
        groupdq=exposure.groupdq,
        pixeldq=exposure.pixeldq,
        meta=exposure.meta.copy(),
        average_dark_current=exposure.average_dark_current,
    )
    rates = context.run("ramp_fit", shared, consume=True, algorithm="OLS_C", save_opt=False, save_results=False)
    if np.isnan(rates["rate"].data).all():
        raise SkipStep("not one ramp has a rate")
    return rates["rateints" if cube else "rate"]


def rates_of(exposure: Exposure) -> np.ndarray:
    """View the data of an image or of a cube as images, float32 (n, ny, nx)."""
    return exposure.data if isinstance(exposure, Cube) else exposure.data[None]


def usable_pixels(exposure: Exposure) -> np.ndarray:
    """Tell which pixels of an image or of a cube may be used at all, bool (n, ny, nx)."""
    import numpy as np

    from jwcore.algorithms import dq

    flags = getattr(exposure, "dq", None)
    usable = np.ones(exposure.shape, bool) if flags is None else flags & np.uint32(dq.DO_NOT_USE) == 0
    return usable.reshape(-1, *exposure.shape[-2:])


def lit_pixels(rate: Exposure, references: Mapping[str, Reference], context: Context) -> np.ndarray:
    """Find the pixels that the optics send light to, bool (ny, nx).

    In spectra these are the slices, slits or traces and what shines through stuck shutters. In mid-infrared images they
    are the pixels that are not open to the sky, where the background is another one. Other images have none.

    Raises
    ------
    StepFailed
        When that cannot be told.
    """
    import numpy as np

    from jwcore.algorithms import dq

    family = context.exposure_type.family
    if family in TRACES:
        return _near_traces(rate, references.get("pastasoss"))
    if family in SLICED + SLITS:
        rate = _with_wcs(rate, context)
        lit = _in_slices(rate) if family in SLICED else _in_slits(rate)
        if family != "slit" and rate.shape[-2:] == context.detector.shape:
            lit[FIXED_SLITS] = True
        flags = getattr(rate, "dq", None)
        if flags is not None:
            stuck = flags.reshape(-1, *lit.shape) & np.uint32(dq.MSA_FAILED_OPEN) != 0
            lit |= np.any(stuck, axis=0)
        return lit
    if context.detector.readout == "mid-infrared":
        return _closed_to_the_sky(rate, references.get("flat"))
    return np.zeros(rate.shape[-2:], bool)


def read_mask(path: str, exposure: Exposure) -> np.ndarray:
    """Read the pixels that a user calls background, bool (n, ny, nx) with n = 1 or the number of integrations.

    Raises
    ------
    BadInput
        When the file cannot be read.
    StepFailed
        When the mask has another shape: one is given for a whole run, whose exposures may differ.
    """
    mask = first_image(path, parameter="user_mask")
    shape = exposure.shape[-2:]
    planes = ((), (1,), exposure.shape[:1]) if len(exposure.shape) > 2 else ((), (1,))
    if mask is None or mask.shape not in [(*leading, *shape) for leading in planes]:
        found = "nothing" if mask is None else mask.shape
        raise StepFailed(f"user_mask {path} holds {found}, the images are {shape}")
    return (mask != 0).reshape(-1, *shape)


def _with_wcs(rate: Exposure, context: Context) -> Exposure:
    """Give an image that knows its WCS."""
    if rate.wcs is None:
        try:
            rate = context.run("assign_wcs", rate)
        except BadInput as error:
            raise StepFailed(f"mask_science_regions: {error}") from error
    if rate.wcs is None:
        raise StepFailed("mask_science_regions needs a WCS of the spectra, and assign_wcs gives none")
    return rate


def _in_slices(rate: Exposure) -> np.ndarray:
    """Pixels of the slices of an integral field unit."""
    import numpy as np

    labels = getattr(rate, "regions", None)
    if labels is not None:
        return labels > 0
    y, x = np.mgrid[: rate.shape[-2], : rate.shape[-1]]
    return np.isfinite(rate.wcs(x, y)[-1])


def _in_slits(rate: Exposure) -> np.ndarray:
    """Pixels in the boxes around the spectra of slits."""
    import numpy as np

    lit = np.zeros(rate.shape[-2:], bool)
    for (left, right), (bottom, top) in _boxes(rate.wcs.bounding_box):
        lit[_inside(bottom, top), _inside(left, right)] = True
    return lit


def _boxes(bounding_box: Any) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """Limits in x and y of a bounding box, or of all those of a compound one."""
    parts = getattr(bounding_box, "bounding_boxes", None)
    if parts is None:
        parts = {} if bounding_box is None else {"": bounding_box}
    for box in parts.values():
        x, y = box.intervals[0], box.intervals[1]
        yield (float(x.lower), float(x.upper)), (float(y.lower), float(y.upper))


def _inside(low: float, high: float) -> slice:
    """Pixels whose centres lie between two edges."""
    import math

    return slice(max(math.ceil(low), 0), max(math.floor(high) + 1, 0))


def _near_traces(rate: Exposure, reference: Reference | None) -> np.ndarray:
    """Pixels near the traces of a slitless spectrum."""
    from jwcore.algorithms.soss_trace import near_traces

    position = rate.meta.instrument.pupil_position
    if reference is None or position is None:
        missing = "a pastasoss reference" if reference is None else "PWCPOS in the header"
        raise StepFailed(f"mask_science_regions needs {missing}")
    tree = reference.tree
    return near_traces(
        rate.shape[-2:],
        tree["traces"],
        angle=position - tree["meta"]["pwcpos_cmd"],
        start=detector_start(rate),
        half_width=TRACE_HALF_WIDTH,
    )


def _closed_to_the_sky(rate: Exposure, reference: Reference | None) -> np.ndarray:
    """Pixels that the flat calls unusable, or not meant for science."""
    import numpy as np

    from jwcore.algorithms import dq

    flags = None if reference is None else reference.dq()
    if flags is None or flags.shape != rate.shape[-2:]:
        raise StepFailed("mask_science_regions needs the flags of a flat reference that fits the exposure")
    return flags & np.uint32(dq.DO_NOT_USE | dq.NON_SCIENCE) != 0
