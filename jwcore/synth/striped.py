"""Read-outs in stripes, made of simulated read-outs of all lines around them."""

from typing import Any

import numpy as np

from jwcore import models

__all__ = ["read_in_stripes"]


def read_in_stripes(exposure: models.Ramp, *, name: str, lines: int, **keywords: int) -> models.Ramp:
    """Keep of every frame of a ramp only the lines that a read-out in stripes would have read.

    Pixels keep the times at which they were read in the whole frame, and so do the keywords of the timing. Reads of the same
    lines within a frame are therefore copies of each other.

    Parameters
    ----------
    exposure : Ramp
        A sub-array that holds all stripes, from `TinyExposure.ramp`.
    name : str
        Name of the sub-array (SUBARRAY).
    lines : int
        Lines of a frame.
    **keywords
        MSTR_RD1, MSTR_SK1, MSTR_RD2, MSTR_SK2, MSTR_RPT, MSTR_ILV, and for superstripes SSTR_STP and SSTR_NST: integrations
        then read one stripe after the other.

    Returns
    -------
    Ramp or SuperstripeRamp
    """
    meta: Any = exposure.meta.copy()
    for keyword, value in keywords.items():
        meta.set_keyword(keyword, value)
    along_x = abs(meta.subarray.slowaxis) == 1
    axis, letter = (-1, "x") if along_x else (-2, "y")
    origin = getattr(meta.subarray, f"{letter}start") - 1
    meta.subarray.name = name
    setattr(meta.subarray, f"{letter}start", 1)
    setattr(meta.subarray, f"{letter}size", lines)
    nstripes = meta.subarray.num_superstripe or 0
    singles = [models.of_one_stripe(meta, number) for number in range(nstripes)] or [meta]
    places = [models.StripeReadout.of(single).lines - origin for single in singles]

    def read(frames: np.ndarray | None) -> np.ndarray | None:
        if frames is None:
            return None
        return np.stack([np.take(frame, places[i % len(places)], axis) for i, frame in enumerate(frames)])

    kind = models.SuperstripeRamp if nstripes else models.Ramp
    striped = kind(
        meta=meta, data=read(exposure.data), zeroframe=read(exposure.zeroframe), int_times=exposure.int_times
    )  # fmt: skip
    striped.header_cards = exposure.header_cards
    return striped
