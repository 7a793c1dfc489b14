"""Images that users bring along."""

from __future__ import annotations

from typing import Any

from jwcore.api import BadInput


def first_image(path: str, *, parameter: str) -> Any:
    """Read the extension SCI of a FITS file, or else its first image; None when it has none.

    Raises
    ------
    BadInput
        When the file that the parameter names cannot be read.
    """
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            images = [hdus["SCI"]] if "SCI" in hdus else [hdu for hdu in hdus if getattr(hdu, "is_image", False)]
            return next((hdu.data for hdu in images if hdu.data is not None), None)
    except OSError as error:
        raise BadInput(f"cannot read {parameter}: {error}", where=path, cure="give a FITS file") from error
