"""The notation for sets of DQ flags that users write in parameters such as ``good_bits``."""

import re

from jwcore.algorithms.dq import PIXEL_FLAGS

__all__ = ["bad_bits"]

ALL_BITS = 0xFFFFFFFF


def bad_bits(good: str | int | None) -> int:
    """Translate a list of *good* bits into the mask of the bits that make a pixel bad.

    Parameters
    ----------
    good : str, int or None
        Flags that a good pixel may have: a number, or numbers and names of flags joined by ``+`` or ``,``. A leading ``~``
        means all but those. ``0`` allows no flag; None or an empty text ignores the data quality altogether.

    Returns
    -------
    int
        Mask of 32 bits: a pixel is bad when ``dq & mask`` is not zero.

    Raises
    ------
    ValueError
        For a name that is no flag.

    Examples
    --------
    >>> bad_bits("~DO_NOT_USE+NON_SCIENCE")
    513
    >>> hex(bad_bits("JUMP_DET"))
    '0xfffffffb'
    """
    if good is None or (isinstance(good, str) and good.strip().upper() in ("", "NONE")):
        return 0
    if isinstance(good, int):
        return ~good & ALL_BITS
    text = good.strip()
    listed = 0
    for word in re.split(r"[+,\s]+", text.lstrip("~ ").strip("() ")):
        if word.isdigit():
            listed |= int(word)
        elif word.upper() in PIXEL_FLAGS:
            listed |= PIXEL_FLAGS[word.upper()]
        else:
            raise ValueError(f"{word!r} in {good!r} is no DQ flag; known: {', '.join(PIXEL_FLAGS)}")
    return listed & ALL_BITS if text.startswith("~") else ~listed & ALL_BITS
