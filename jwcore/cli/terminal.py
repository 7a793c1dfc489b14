"""What people see while a run goes on: log lines and progress bars."""

from __future__ import annotations

import logging
import shutil
import sys
import textwrap
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


def hanging(text: str, *, indent: int = 25) -> str:
    """Wrap lines at the width of the terminal so that columns stay readable; what no terminal reads stays as it is."""
    if not sys.stdout.isatty():
        return text
    wrap = textwrap.TextWrapper(
        width=shutil.get_terminal_size().columns, subsequent_indent=" " * indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return "\n".join(wrap.fill(line) for line in text.split("\n"))
