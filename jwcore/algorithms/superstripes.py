"""Superstripes: integrations that read one stripe of the detector after the other, joined into integrations of all of them."""

from collections.abc import Sequence

import numpy as np

__all__ = ["join", "read_times"]

CLOCK = 1e-5
"""Clock of the pixels, s."""
ROW_OVERHEAD = 12
"""Clocks at the end of a row."""

Piece = tuple[int, int, int]
"""Lines of a stripe, in the order of the read-out: the first one in the frame, the first one in the result, their number."""


def join(
    frames: np.ndarray, stripes: Sequence[Sequence[Piece]], *, size: int, along_x: bool, backwards: bool, fill: float
) -> np.ndarray:
    """Put the stripes of every cycle of integrations where they belong.

    Parameters
    ----------
    frames : ndarray, shape (nints * nstripes, ngroups, ny, nx)
        Integrations of one stripe each, in turn.
    stripes : sequence of sequence of tuple
        The pieces of each stripe; several of one stripe are reads of the same lines, one after the other in a frame.
    size : int
        Lines of the result.
    along_x : bool
        Whether lines are columns.
    backwards : bool
        Whether the last line that is stored is the first one that is read.
    fill : float
        What lines hold that no stripe reads.

    Returns
    -------
    ndarray, shape (nints, ngroups * nrepeats, ny, nx)
        Groups in the order of time: the repeats of the first group, those of the second ...
    """
    nstripes, nrepeats = len(stripes), len(stripes[0])
    nints, ngroups, ny, nx = frames.shape
    shape = (nints // nstripes, ngroups * nrepeats, *((ny, size) if along_x else (size, nx)))
    joined = np.full(shape, fill, frames.dtype)
    source, target = (_in_order(array, along_x, backwards) for array in (frames, joined))
    for number, pieces in enumerate(stripes):
        for repeat, (first, line, length) in enumerate(pieces):
            lines = source[number::nstripes, :, first : first + length]
            target[:, repeat::nrepeats, line : line + length] = lines
    return joined


def _in_order(array: np.ndarray, along_x: bool, backwards: bool) -> np.ndarray:
    """View an array (..., ny, nx) with its lines on the last axis but one, in the order of the read-out."""
    turned = array.swapaxes(-1, -2) if along_x else array
    return turned[..., ::-1, :] if backwards else turned


def read_times(
    *, ngroups: int, nframes: int, groupgap: int, pixels: int, noutputs: int, first: int, repeats: int
) -> list[list[float]]:
    """Times since the reset at which repeated reads of the same lines end, where a frame has several.

    Parameters
    ----------
    ngroups, nframes, groupgap : int
        Groups of an integration, frames that are averaged and dropped.
    pixels, noutputs : int
        Pixels of a row of the frame, and the outputs that share them.
    first : int
        Rows up to the end of the first read.
    repeats : int
        Reads in a frame, of the same number of rows each.

    Returns
    -------
    list of list of float
        For every group of the joined exposure the times of the reads that it averages, s.
    """
    row = pixels // noutputs + ROW_OVERHEAD
    rows, clocks = (1, 1) if noutputs > 1 else (2 if pixels > 8 else 3, 0)
    start = row * (first + rows) + clocks
    frame = row * (first * repeats + rows) + clocks
    return [
        [
            CLOCK * (start + repeat * row * first + frame * (group * (nframes + groupgap) + number))
            for number in range(nframes)
        ]
        for group in range(ngroups)
        for repeat in range(repeats)
    ]
