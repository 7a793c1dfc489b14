"""Layout of read-outs with interleaved reference pixels, "improved reference sampling and subtraction" (IRS2).

In the frame of the detector every row has five sections of 640 samples: the reference output, and four outputs. In each, 4
reference pixels lie between 8 and 8 of every 16 normal ones. Neighbouring outputs are read in opposite directions. Reading
a row takes 712 clocks; 6 pass between blocks of 16 normal pixels, 4 of which read the references (Moseley et al. 2010,
Proc. SPIE 7742, 77421B; Rauscher et al. 2017, PASP 129, 105003).

As stored, in science orientation, the samples of a row run along y: the rows of the stored image are *lines* that hold
either normal pixels, or references.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["LENGTH", "NORMAL", "OUTPUTS", "REFERENCE", "ROW_CLOCKS", "SECTION", "Irs2Layout", "sample_clocks"]

OUTPUTS = 5
"""Sections of a row: the reference output first."""
SECTION = 640
"""Samples of a section."""
LENGTH = OUTPUTS * SECTION
"""Samples of a row."""
ROW_CLOCKS = 712
"""Clocks from one row to the next."""
BLOCK, BEFORE, BETWEEN = 20, 8, 4
"""Samples of a block; normal pixels before the references, and number of these."""
NORMAL = np.flatnonzero((np.arange(SECTION) % BLOCK < BEFORE) | (np.arange(SECTION) % BLOCK >= BEFORE + BETWEEN))
"""Normal pixels in a section."""
REFERENCE = np.setdiff1d(np.arange(SECTION), NORMAL)
"""Reference pixels in a section."""


def sample_clocks() -> np.ndarray:
    """Give the clocks within a row, int64 (640,), at which an output reads its samples, in the order of reading."""
    clocks = np.empty(SECTION, np.int64)
    normal, reference = np.arange(NORMAL.size), np.arange(REFERENCE.size)
    clocks[NORMAL] = normal + 6 * ((normal + BEFORE) // (BLOCK - BETWEEN))
    clocks[REFERENCE] = reference + 18 * (reference // BETWEEN) + BEFORE + 1
    return clocks


@dataclass(frozen=True)
class Irs2Layout:
    """Where the samples of the detector are stored.

    Parameters
    ----------
    fastaxis, slowaxis : int
        FASTAXIS and SLOWAXIS of the stored image: 2 and 1, both negative where it is turned by 180 degrees.
    """

    fastaxis: int
    slowaxis: int

    def __post_init__(self) -> None:
        if (abs(self.fastaxis), abs(self.slowaxis)) != (2, 1):
            raise ValueError(f"FASTAXIS={self.fastaxis} and SLOWAXIS={self.slowaxis} are not 2 and 1 up to the sign")

    @property
    def backwards(self) -> bool:
        """Whether columns are stored from the last row of the detector to the first one."""
        return self.slowaxis < 0

    def lines(self, samples: np.ndarray) -> np.ndarray:
        """Give the stored lines of samples of a row of the detector, counted from 0 to 3199."""
        return np.asarray(samples) if self.fastaxis > 0 else LENGTH - 1 - np.asarray(samples)

    @property
    def normal_lines(self) -> np.ndarray:
        """Stored lines of the normal pixels in ascending order, int64 (2048,)."""
        outputs = np.arange(1, OUTPUTS)[:, None] * SECTION
        return np.sort(self.lines((outputs + NORMAL).ravel()))

    @property
    def reference_lines(self) -> np.ndarray:
        """Stored lines of the reference pixels of all five sections, int64 (5, 128)."""
        return self.lines(np.arange(OUTPUTS)[:, None] * SECTION + REFERENCE)

    @property
    def lines_in_time(self) -> np.ndarray:
        """Stored lines of all sections in the order in which they are read, int64 (5, 640)."""
        samples = np.arange(LENGTH).reshape(OUTPUTS, SECTION)
        samples[::2] = samples[::2, ::-1].copy()
        return self.lines(samples)
