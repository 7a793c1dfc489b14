"""Whether a reference file belongs to an exposure: type, instrument, detector and pixels, from headers alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jwcore.errors import BadInput
from jwcore.references.headers import identify
from jwcore.references.outcomes import Found
from jwcore.references.storage import FitsStorage
from jwcore.references.subarray import Window, cut_out, reference_window, shows_detector

__all__ = ["as_image", "check_fit", "check_owner"]

_ANY = {"", "N/A", "ANY", "MULTIPLE", "GENERIC"}
_OWNERS = {"name": ("INSTRUME", "INSTRUME"), "detector": ("DETECTOR", "P_DETECT")}
"""Leaf of the metadata -> keyword, and keyword of the list of all values that a reference is for."""
_WINDOW = ("XSTART", "YSTART", "XSIZE", "YSIZE")


def check_fit(found: Found, parameters: Mapping[str, str]) -> None:
    """Refuse a file that the user named and that cannot be a reference of its type for an exposure.

    Parameters
    ----------
    found : Found
        The file and the type that it is to serve as.
    parameters : mapping of str
        Conditioned parameters of the exposure; what they do not tell is not checked.

    Raises
    ------
    BadInput
        For a damaged file, one of another type, instrument or detector, or one that does not hold the exposure's pixels.
    """
    facts = identify(found.path)
    if "REFTYPE" not in facts and found.path.suffix == ".fits" and FitsStorage(found.path).keyword("OBSERVTN"):
        cure = f"name a {found.type} reference, or write REFTYPE into its header if it is one"
        raise BadInput(f"this is an exposure, not a {found.type} reference", where=str(found.path), cure=cure)
    stated = str(facts.get("REFTYPE") or found.type).lower()
    if stated != found.type:
        cure = f"name a {found.type} reference"
        raise BadInput(f"this is a {stated} reference, not {found.type}", where=str(found.path), cure=cure)
    check_owner(found, facts, **{name: parameters.get(f"META.INSTRUMENT.{name.upper()}") for name in _OWNERS})
    _check_pixels(found, facts, parameters)


def as_image(found: Found, parameters: Mapping[str, str]) -> Found:
    """Take the arrays of a file for images of the detector, as a step declares them.

    Parameters
    ----------
    found : Found
        The file.
    parameters : mapping of str
        Conditioned parameters of the exposure; what they do not tell is not checked.

    Returns
    -------
    Found

    Raises
    ------
    BadInput
        For a damaged file, or one that does not hold the exposure's pixels.
    """
    image = replace(found, image=True)
    _check_pixels(image, identify(found.path), parameters)
    return image


def check_owner(found: Found, facts: Mapping[str, Any], *, name: str | None, detector: str | None) -> None:
    """Refuse a reference of another instrument or detector; what neither file nor exposure says is not checked.

    Parameters
    ----------
    found : Found
        The file.
    facts : mapping
        Its keywords.
    name, detector : str or None
        Instrument and detector of the exposure.
    """
    for own, (keyword, pattern) in zip((name, detector), _OWNERS.values(), strict=True):
        stated = str(facts.get(pattern) or facts.get(keyword, "")).upper().strip("|")
        choices = {choice.strip() for choice in stated.split("|")} - {""}
        if own is None or not choices or choices & _ANY or str(own).upper() in choices | _ANY:
            continue
        message = f"{found.type} reference is for {keyword} {stated}, the exposure is of {own}"
        raise BadInput(message, where=str(found.path), cure=f"name a {found.type} reference for {own}")


def _check_pixels(found: Found, facts: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
    """Refuse a reference one of whose images does not hold the exposure's pixels."""
    stated = [parameters.get(f"META.SUBARRAY.{name}") for name in _WINDOW]
    if found.path.suffix != ".fits" or None in stated:
        return
    target = Window(*(int(float(str(value))) for value in stated))
    for shape in FitsStorage(found.path).shapes():
        if shows_detector(found.type, shape, facts.get, declared=found.image):
            cut_out(shape, reference_window(facts.get, shape, found.name), target, str(found.path))
