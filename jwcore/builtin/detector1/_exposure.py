"""Questions about a ramp exposure, and about references for it, that several of the detector steps ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import BadInput, copied

if TYPE_CHECKING:
    import numpy as np

    from jwcore.api import Detector, Exposure, Ramp, Reference

_CURE = "check the file, or name another one with --override"


def detector_start(exposure: Exposure) -> tuple[int, int]:
    """Give the zero-based position (y, x) of the first pixel on the detector."""
    subarray = exposure.meta.subarray
    return (subarray.ystart or 1) - 1, (subarray.xstart or 1) - 1


def frame_averaging(exposure: Ramp) -> tuple[int, int]:
    """Give the numbers of frames averaged into a group and dropped between groups."""
    meta = exposure.meta.exposure
    return meta.nframes or 1, meta.groupgap or 0


def read_time(exposure: Ramp, name: str) -> float:
    """Give ``frame_time`` or ``group_time``, in seconds.

    Raises
    ------
    BadInput
        When the header does not say.
    """
    seconds = exposure.meta.get(f"exposure.{name}")
    if not seconds or seconds <= 0:
        where = str(exposure.path or exposure.meta.get("filename") or "exposure in memory")
        raise BadInput(f"no positive {name} in the header", where=where, cure="check TFRAME and TGROUP")
    return float(seconds)


def usable_groups(exposure: Ramp) -> np.ndarray:
    """Tell which groups have usable pixels, bool (nints, ngroups); to be asked of whole exposures."""
    from jwcore.algorithms import groups

    return groups.usable_groups(exposure.groupdq, read=copied)


def normal_lines(exposure: Ramp, detector: Detector) -> np.ndarray | None:
    """Give the stored rows of the pixels of the detector where reference pixels are interleaved with them; else None.

    Such read-outs exceed the size of the detector. References of the detector's pixels have no interleaved ones.

    Raises
    ------
    BadInput
        When the axes are not those of such a read-out.
    """
    if exposure.shape[-2] <= detector.shape[0]:
        return None
    from jwcore.algorithms.irs2 import Irs2Layout

    try:
        return Irs2Layout(exposure.meta.subarray.fastaxis, exposure.meta.subarray.slowaxis).normal_lines
    except (TypeError, ValueError) as error:
        what = f"an image of {exposure.shape[-2]} rows has interleaved reference pixels, but {error}"
        raise BadInput(what, cure="check FASTAXIS and SLOWAXIS in the header") from error


def detector_image(reference: Reference, key: str, exposure: Exposure, lines: np.ndarray | None = None) -> np.ndarray:
    """Give an array of a reference that covers the exposure's pixels in its last two axes.

    With `lines`, from `normal_lines`, it may cover these rows alone; if it covers all, these are given.

    Raises
    ------
    BadInput
        When the reference lacks the array, or it has another size: a kernel would read beyond its end.
    """
    image = reference.array(key)
    if image is None:
        raise BadInput(f"the {reference.type} reference has no extension {key}", where=reference.name, cure=_CURE)
    return _covering(image, key, reference, exposure, lines)


def detector_flags(reference: Reference, exposure: Exposure, lines: np.ndarray | None = None) -> np.ndarray:
    """Give the pixel flags of a reference in standard bits, zeros where it has none; `lines` as in `detector_image`.

    Raises
    ------
    BadInput
        When the size is not that of the exposure.
    """
    import numpy as np

    flags = reference.dq()
    if flags is None:
        return np.zeros((exposure.shape[-2] if lines is None else lines.size, exposure.shape[-1]), np.uint32)
    return _covering(flags, "DQ", reference, exposure, lines)


def _covering(
    image: np.ndarray, key: str, reference: Reference, exposure: Exposure, lines: np.ndarray | None
) -> np.ndarray:
    """Check that an array covers the exposure, or its normal pixels, and give the rows that are wanted."""
    if lines is not None and image.shape[-2:] == (lines.size, exposure.shape[-1]):
        return image
    check_size(image.shape, key, reference, exposure)
    return image if lines is None else image[..., lines, :]


def check_size(shape: tuple[int, ...], key: str, reference: Reference, exposure: Exposure) -> None:
    """Refuse an array of a reference that does not cover the exposure's pixels in its last two axes."""
    if shape[-2:] != exposure.shape[-2:]:
        found = (
            f"{key} of the {reference.type} reference covers {shape[-2:]} pixels, the exposure {exposure.shape[-2:]}"
        )
        raise BadInput(found, where=reference.name, cure=_CURE)
