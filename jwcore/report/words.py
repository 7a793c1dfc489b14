"""Figures in words that stay true when they are rounded."""

from __future__ import annotations

from typing import SupportsInt


def share(part: SupportsInt, whole: SupportsInt, *, digits: int = 1) -> str:
    """Write a share in percent; what is not all is never called 100%, and what is something never 0%.

    Parameters
    ----------
    part, whole : int
        How many of how many.
    digits : int
        Digits after the point.
    """
    least = 10.0**-digits
    percent = 100 * int(part) / int(whole)
    if 0 < percent < least:
        return f"<{least:.{digits}f}%"
    if 100 - least < percent < 100:
        return f">{100 - least:.{digits}f}%"
    return f"{percent:.{digits}f}%"
