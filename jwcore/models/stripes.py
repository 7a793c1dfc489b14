"""Read-outs in stripes: which lines of the detector a frame holds, and in which order.

A frame of such a read-out skips lines of the slow axis between the blocks that it reads (substripes), may read some blocks
again, and may move on by a step from one integration to the next, so that several integrations together cover the detector
(superstripes). The first block usually holds reference pixels.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from jwcore.errors import BadInput
from jwcore.models.facts import NORMAL
from jwcore.models.meta import Meta

__all__ = ["StripeBlock", "StripeReadout", "has_detector_rows", "is_striped", "of_one_stripe"]

_SLOW = {1: ("xstart", "xsize"), 2: ("ystart", "ysize")}
_ROOT = "DHS"
"""Sub-arrays named so begin with the first line that is read, whatever their start is."""


def is_striped(meta: Meta) -> bool:
    """Tell whether an exposure is read in stripes."""
    return meta.get("subarray.multistripe_reads1") is not None or stripes_of(meta) > 0


def has_detector_rows(meta: Meta) -> bool:
    """Tell whether the rows of an exposure are rows of the detector: no stripes, and no reference pixels in between."""
    return not is_striped(meta) and "IRS2" not in (meta.exposure.readpatt or "")


def stripes_of(meta: Meta) -> int:
    """Return the number of integrations that together cover a superstripe, 0 for any other read-out."""
    return meta.get("subarray.num_superstripe") or 0


def of_one_stripe(meta: Meta, number: int) -> Meta:
    """Return the metadata of one stripe of a superstripe, as those of an exposure that reads no other."""
    single = meta.copy()
    subarray: Any = single.subarray
    step = subarray.superstripe_step or 0
    subarray.multistripe_reads2 = subarray.multistripe_reads2 or step
    subarray.multistripe_skips1 = (subarray.multistripe_skips1 or 0) + step * number
    subarray.multistripe_reads1 = subarray.multistripe_reads1 or 0
    subarray.superstripe_step = subarray.num_superstripe = None
    return single


@dataclass(frozen=True)
class StripeBlock:
    """Consecutive lines of a frame.

    Attributes
    ----------
    line : int
        First line on the detector, counted from 0 in the order of the read-out.
    place : int
        First line in the frame, likewise.
    size : int
        Number of lines.
    again : bool
        Whether this is the first block, which is read in every stripe.
    """

    line: int
    place: int
    size: int
    again: bool = False


@dataclass(frozen=True)
class StripeReadout:
    """Order in which a frame reads lines of the detector, from the keywords MSTR_* and SUBSIZE*.

    Attributes
    ----------
    reads1, skips1, reads2, skips2 : int
        Lines of the first block, lines skipped after it, lines of every other block, lines skipped between those.
    repeat, interleave : bool
        Whether the first block is read again before every other block, and whether these move on or stay.
    slowaxis : int
        SLOWAXIS: 1 for x, 2 for y; negative where it is read backwards.
    head : int
        First line, in the order of the read-out.
    size : int
        Lines of a frame.
    """

    reads1: int
    skips1: int
    reads2: int
    skips2: int
    repeat: bool
    interleave: bool
    slowaxis: int
    head: int
    size: int

    @classmethod
    def of(cls, meta: Meta) -> "StripeReadout":
        """Read the keywords of an exposure, or of one stripe from `of_one_stripe`.

        Raises
        ------
        BadInput
            When they are incomplete.
        """
        subarray: Any = meta.subarray
        slow = subarray.slowaxis
        if abs(slow or 0) not in _SLOW:
            raise BadInput(f"SLOWAXIS is {slow}", where=str(subarray.name), cure="a striped read-out needs 1 or 2")
        start, size = (getattr(subarray, name) for name in _SLOW[abs(slow)])
        return cls(
            reads1=subarray.multistripe_reads1 or 0,
            skips1=subarray.multistripe_skips1 or 0,
            reads2=subarray.multistripe_reads2 or 0,
            skips2=subarray.multistripe_skips2 or 0,
            repeat=bool(subarray.repeat_stripe),
            interleave=bool(subarray.interleave_reads1),
            slowaxis=slow,
            head=_head(str(subarray.name), slow, start or 1),
            size=size or 0,
        )

    @property
    def along_x(self) -> bool:
        """Whether the lines are columns of the stored image."""
        return abs(self.slowaxis) == 1

    @property
    def length(self) -> int:
        """Lines of the whole detector."""
        return NORMAL[1 if self.along_x else 0]

    @cached_property
    def blocks(self) -> tuple[StripeBlock, ...]:
        """Blocks of a frame, in the order of the read-out.

        Raises
        ------
        BadInput
            When they do not add up to the frame, or leave the detector.
        """
        if self.reads2 <= 0:
            raise self._impossible("MSTR_RD2 is not positive")
        first = StripeBlock(self.head, 0, self.reads1, again=True)
        skipped = self.reads1 + self.skips1
        blocks = [*[first] * (self.reads1 > 0), StripeBlock(self.head + skipped, self.reads1, self.reads2)]
        while (place := blocks[-1].place + self.reads2) < self.size:
            if self.repeat and self.reads1 > 0:
                blocks.append(StripeBlock(self.head, place, self.reads1, again=True))
                place += self.reads1
            if self.interleave or not self.repeat:
                skipped += self.reads2 + self.skips2
            blocks.append(StripeBlock(self.head + skipped, place, self.reads2))
        if place != self.size:
            raise self._impossible(f"the blocks have {place} lines together")
        if max(block.line + block.size for block in blocks) > self.length:
            raise self._impossible("a block ends beyond the detector")
        return tuple(blocks)

    @property
    def pieces(self) -> list[tuple[slice, int]]:
        """Place of every block in the stored image, and its first line on the detector, counted from 0 along its axis."""
        if self.slowaxis > 0:
            return [(slice(block.place, block.place + block.size), block.line) for block in self.blocks]
        return [
            (
                slice(self.size - block.place - block.size, self.size - block.place),
                self.length - block.line - block.size,
            )
            for block in self.blocks
        ]

    @property
    def repeats(self) -> list[StripeBlock]:
        """Blocks other than the first one that read the same lines, once or several times."""
        return [block for block in self.blocks if not block.again]

    @property
    def lines(self) -> np.ndarray:
        """Lines of the detector in the order of the stored image, counted from 0 along its axis."""
        lines = np.concatenate([np.arange(block.line, block.line + block.size) for block in self.blocks])
        return lines if self.slowaxis > 0 else self.length - 1 - lines[::-1]

    def _impossible(self, what: str) -> BadInput:
        numbers = (self.reads1, self.skips1, self.reads2, self.skips2)
        return BadInput(
            f"a read-out of {self.size} lines cannot have MSTR_RD1, SK1, RD2, SK2 = {numbers}: {what}",
            cure="correct these keywords, or SUBSIZE1 and SUBSIZE2",
        )


def _head(name: str, slowaxis: int, start: int) -> int:
    """Give the first line of a sub-array in the order of the read-out."""
    if _ROOT in name or start == 1:
        return 0
    return start - 1 if slowaxis > 0 else NORMAL[0] - start
