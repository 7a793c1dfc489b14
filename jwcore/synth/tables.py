"""The instruments that can be simulated, by name."""

from jwcore.synth.fgs import FGS
from jwcore.synth.instruments import Instrument
from jwcore.synth.miri import MIRI
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.niriss import NIRISS
from jwcore.synth.nirspec import NIRSPEC

__all__ = ["INSTRUMENTS", "find_instrument"]

INSTRUMENTS = {instrument.name: instrument for instrument in (NIRCAM, MIRI, NIRSPEC, NIRISS, FGS)}
"""Instruments in their first mode."""


def find_instrument(name: str, mode: str | None = None) -> Instrument:
    """Give an instrument, in one of its modes.

    Raises
    ------
    ValueError
        For an unknown name; the message lists the valid ones.
    """
    if name.upper() not in INSTRUMENTS:
        raise ValueError(f"no instrument {name!r}; there are {', '.join(INSTRUMENTS)}")
    instrument = INSTRUMENTS[name.upper()]
    return instrument if mode is None else instrument.in_mode(mode)
