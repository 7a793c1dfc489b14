"""Translation of the quality bits of a reference file to the standard pixel flags."""

import logging
from collections.abc import Sequence

import numpy as np

from jwcore.algorithms.dq import PIXEL_FLAGS

__all__ = ["translate"]

log = logging.getLogger(__name__)

PIECE = 1 << 16
"""Pixels translated at a time."""


def translate(dq: np.ndarray, definitions: Sequence[tuple[str, int]] | None, *, name: str = "reference") -> np.ndarray:
    """Return a quality array with standard bits.

    A pixel gets a standard flag when it has any bit of the value that the file's DQ_DEF table gives to the flag's name.

    Parameters
    ----------
    dq : ndarray of unsigned int
        Quality array as stored, any shape.
    definitions : sequence of (str, int) or None
        Rows of DQ_DEF: flag name and value. None: the stored bits are the standard ones.
    name : str
        File name for messages.

    Returns
    -------
    ndarray of uint32
        New array, or the input itself when nothing had to change.
    """
    dq = np.ascontiguousarray(dq, dtype=np.uint32)
    if definitions is None:
        return dq
    unknown = sorted({flag for flag, value in definitions if value and flag not in PIXEL_FLAGS})
    if unknown:
        log.warning("%s: DQ_DEF names no standard flag by %s; these bits are dropped", name, ", ".join(unknown))
    meaning = [0] * 32
    for flag, value in definitions:
        for bit in range(32):
            if value >> bit & 1:
                meaning[bit] |= PIXEL_FLAGS.get(flag, 0)
    used = int(np.bitwise_or.reduce(dq, axis=None)) if dq.size else 0
    if all(meaning[bit] == 1 << bit for bit in range(32) if used >> bit & 1):
        return dq
    return _apply(dq, meaning, used)


def _apply(dq: np.ndarray, meaning: Sequence[int], used: int) -> np.ndarray:
    """Translate byte by byte: bits act independently, so four tables of 256 entries say everything."""
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    flags = np.array(meaning, dtype=np.uint32).reshape(4, 8)
    tables = {
        np.uint32(8 * byte): np.bitwise_or.reduce(bits * flags[byte], axis=1, dtype=np.uint32)
        for byte in range(4)
        if used >> 8 * byte & 0xFF
    }
    out = np.zeros_like(dq)
    flat, result = dq.reshape(-1), out.reshape(-1)
    for start in range(0, dq.size, PIECE):  # in pieces, since each temporary of the size of a detector costs new memory
        piece = flat[start : start + PIECE]
        for shift, table in tables.items():
            result[start : start + PIECE] |= table[piece >> shift & np.uint32(0xFF)]
    return out
