"""The EMICORR reference: the clocking of every sub-array, and the waves that are seen in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jwcore.api import BadInput, SkipStep

if TYPE_CHECKING:
    import numpy as np

    from jwcore.api import Meta, Reference

FAST, SLOW = ("FAST", "FASTR1"), ("SLOW", "SLOWR1")
RESET_FRAME = ("FASTR1", "SLOWR1")
"""Read patterns that spend a frame on resetting the detector between integrations."""
SAME_SUBARRAY = {"SUBPRISM": "SLITLESSPRISM"}
CLOCKS = {
    "SLITLESSPRISM": (28, 15904),
    "MASKLYOT": (90, 32400),
    "SUB64": (28, 8512),
    "SUB128": (44, 11904),
    "MASK1140": (82, 23968),
    "MASK1550": (82, 23968),
    "MASK1065": (82, 23968),
    "FULL_FAST": (271, 277504),
    "FULL_SLOW": (2333, 2388992),
    "BRIGHTSKY": (162, 86528),
    "SUB256": (96, 29952),
}
"""Ticks of a row and of a frame in each sub-array, for exposures that are corrected without a reference."""


@dataclass(frozen=True)
class Wave:
    """One interfering signal.

    Attributes
    ----------
    name : str
        Name in the reference.
    frequency : float
        Frequency in Hz.
    amplitudes : ndarray or None
        Its shape, samples of one period; None where it is to be measured.
    """

    name: str
    frequency: float
    amplitudes: np.ndarray | None = None


@dataclass(frozen=True)
class Case:
    """What holds for one sub-array and read pattern: ticks of a row and of a frame, and the waves to take off."""

    rowclocks: int
    frameclocks: int
    waves: tuple[Wave, ...]


def case_name(meta: Meta) -> str:
    """Name the sub-array as the reference does; full frames are clocked differently in fast and slow patterns."""
    name = SAME_SUBARRAY.get(meta.subarray.name, meta.subarray.name)
    return f"FULL_{speed(meta)}" if name == "FULL" else name


def speed(meta: Meta) -> str:
    """Tell the fast from the slow read patterns."""
    return "FAST" if meta.exposure.readpatt in FAST else "SLOW"


def measured_case(meta: Meta, frequencies: Sequence[float]) -> Case:
    """Describe an exposure from which waves of given frequencies, in Hz, are to be measured.

    Raises
    ------
    SkipStep
        When the clocking of the sub-array is not known.
    """
    name = case_name(meta)
    if name not in CLOCKS:
        raise SkipStep(f"the clocking of sub-array {name} is not known")
    return Case(*CLOCKS[name], tuple(Wave(str(one), one) for one in frequencies))


def delivered_case(meta: Meta, reference: Reference) -> Case:
    """Look an exposure up in the reference.

    Raises
    ------
    SkipStep
        When the reference knows no waves for it.
    BadInput
        When the reference lacks a wave that it names, or values of it.
    """
    import numpy as np

    content: Mapping[str, Any] = reference.tree
    content = content.get("data", content)
    name = case_name(meta)
    case = content.get("subarray_cases", {}).get(name)
    if case is None:
        raise SkipStep(f"the reference knows no interference in sub-array {name}")
    names = case["freqs"].get(speed(meta), ())
    if isinstance(names, Mapping):
        names = names.get(meta.instrument.detector, ())
    if not names:
        raise SkipStep(f"the reference names no frequencies for read pattern {meta.exposure.readpatt}")
    try:
        found = {one: content["frequencies"][one] for one in names}
    except KeyError as missing:
        raise BadInput(f"there is no wave {missing}", where=reference.name, cure="name another file") from None
    waves = []
    for one, wave in found.items():
        frequency, shape = float(wave["frequency"]), np.asarray(wave["phase_amplitudes"], np.float64)
        if not np.all(np.isfinite([frequency, *shape])):
            raise BadInput(f"wave {one} lacks values", where=reference.name, cure="name another file")
        waves.append(Wave(one, frequency, shape))
    return Case(int(case["rowclocks"]), int(case["frameclocks"]), tuple(waves))


def as_reference(meta: Meta, case: Case, measured: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Arrange measured waves, by name, as the content of an EMICORR reference."""
    names: Any = list(measured)
    frequencies = {
        wave.name: {"frequency": wave.frequency, "phase_amplitudes": measured[wave.name]}
        for wave in case.waves
        if wave.name in measured
    }
    by_speed = {"FAST": names} if speed(meta) == "FAST" else {"SLOW": {meta.instrument.detector: names}}
    return {
        "meta": {
            "model_type": "EmiModel",
            "reftype": "emicorr",
            "telescope": "JWST",
            "instrument": {"name": meta.instrument.name},
            "author": "jwcal",
            "description": f"Waves measured in {meta.filename}",
            "pedigree": "INFLIGHT",
            "useafter": f"{meta.observation.date or '2022-01-01'}T00:00:00",
        },
        "frequencies": frequencies,
        "subarray_cases": {
            case_name(meta): {"rowclocks": case.rowclocks, "frameclocks": case.frameclocks, "freqs": by_speed}
        },
    }
