"""Draft rates of an exposure, and which of its pixels hold nothing but background: what the 1/f corrections need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jwcore.api import BadInput, Cube, Ramp, SkipStep

if TYPE_CHECKING:
    import numpy as np

    from jwcore.api import Context, Exposure


def draft_rate(exposure: Exposure, context: Context, *, cube: bool) -> Exposure:
    """Give the rates of an exposure as an image, or one for each integration.

    A ramp is fitted, with default parameters, on its own arrays: the fit makes new ones and leaves those alone.

    Raises
    ------
    SkipStep
        When there is nothing to fit.
    """
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
    if "rate" not in rates:
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


def read_mask(path: str, exposure: Exposure) -> np.ndarray:
    """Read the pixels that a user calls background, bool (n, ny, nx) with n = 1 or the number of integrations.

    Raises
    ------
    BadInput
        When the file cannot be read or does not fit.
    """
    mask = _first_image(path)
    shape = exposure.shape[-2:]
    planes = ((), (1,), exposure.shape[:1]) if len(exposure.shape) > 2 else ((), (1,))
    if mask is None or mask.shape not in [(*leading, *shape) for leading in planes]:
        found = "nothing" if mask is None else mask.shape
        raise BadInput(f"user_mask holds {found}, the images are {shape}", where=path, cure="give a mask of that shape")
    return (mask != 0).reshape(-1, *shape)


def _first_image(path: str) -> Any:
    """Read the extension SCI of a FITS file, or the first one that holds an image."""
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            images = [hdus["SCI"]] if "SCI" in hdus else [hdu for hdu in hdus if getattr(hdu, "is_image", False)]
            return next((hdu.data for hdu in images if hdu.data is not None), None)
    except OSError as error:
        raise BadInput(f"cannot read user_mask: {error}", where=path, cure="give a FITS file") from error
