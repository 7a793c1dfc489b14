"""What people see while a run goes on: log lines and progress bars."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any


def start_logging(*, quiet: bool = False, verbose: bool = False) -> None:
    """Send the program's log to the terminal, one plain line per event."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("jwcal")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


def progress(items: Iterable[Any], label: str) -> Iterator[Any]:
    """Iterate with a bar on a terminal, and silently elsewhere."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(list(items), description=f"{label:<20}", console=Console(stderr=True), transient=True)
