"""Synthetic exposures with known truth, and the reference files that match them.

`simulate` writes a dithered programme of any of the `INSTRUMENTS` with everything needed to calibrate it;
`tiny_exposure` gives a small exposure in memory, for tests of single steps; `compare_catalog` tells how well injected
sources were recovered.
"""

from jwcore.synth.compare import compare_catalog, footprint_of
from jwcore.synth.effects import Effects
from jwcore.synth.simulate import Simulation, simulate
from jwcore.synth.tables import INSTRUMENTS
from jwcore.synth.tiny import TinyExposure, tiny_exposure, tiny_subarray

__all__ = [
    "INSTRUMENTS",
    "Effects",
    "Simulation",
    "TinyExposure",
    "compare_catalog",
    "footprint_of",
    "simulate",
    "tiny_exposure",
    "tiny_subarray",
]
