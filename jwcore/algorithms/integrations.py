"""Integrations of an exposure and the references that differ between them."""

from collections.abc import Iterator

__all__ = ["matching_integrations"]


def matching_integrations(*, nints: int, first: int, available: int) -> Iterator[tuple[int, slice]]:
    """Share the integrations of an exposure out among those of a reference.

    Detectors settle during the first integrations after a change of state, so references hold one ramp for each of the
    first few integrations of an exposure; the last one stands for all later ones.

    Parameters
    ----------
    nints : int
        Integrations in the file.
    first : int
        Zero-based number, within the exposure, of the first one; an exposure may be cut into several files.
    available : int
        Integrations in the reference.

    Yields
    ------
    index : int
        Integration of the reference that at least one of the file needs.
    members : slice
        Integrations of the file that it belongs to.
    """
    for index in range(available):
        start = max(0, index - first)
        stop = nints if index == available - 1 else min(nints, index - first + 1)
        if start < stop:
            yield index, slice(start, stop)
