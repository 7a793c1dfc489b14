"""Reading the references of steps to come while the steps before them work."""

from concurrent.futures import Executor, Future
from typing import Any

from jwcore.references.collection import References

__all__ = ["ReadAhead"]


class ReadAhead:
    """References whose images of the detector another thread reads before their step begins.

    That pays where a step before it keeps one core busy, as the opening of a WCS does, which first loads its libraries.

    Parameters
    ----------
    pool : concurrent.futures.Executor
        The thread that reads.
    """

    def __init__(self, pool: Executor):
        self._pool = pool
        self._coming: dict[str, Future[References]] = {}

    def begin(self, label: str, references: References) -> None:
        """Read the images that the step of this label will want; their files are opened here and now."""
        references.open_all()
        self._coming[label] = self._pool.submit(references.read_images)

    def take(self, label: str, exposure: Any) -> References | None:
        """Hand over the references of a step; None when they were not read, or for another exposure."""
        coming = self._coming.pop(label, None)
        if coming is None or coming.cancel() or coming.exception():
            return None
        references = coming.result()
        return references if references.fit(exposure) else None
