"""The table of a comparison, for the terminal and for ``results.md``."""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.parity.compare import Comparison

COLUMNS = (
    "case",
    "step",
    "fed by",
    "array",
    "tolerance",
    "worst",
    "outside",
    "flags (ours only/peer only/either)",
    "",
)


@dataclass(frozen=True)
class Row:
    """One compared array of one case; ``mode`` says whether the step ran on the peer's product or in our own chain."""

    case: str
    mode: str
    result: Comparison
    deviations: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the arrays agree."""
        return self.result.passed

    def cells(self) -> tuple[str, ...]:
        """Return the row as text."""
        result = self.result
        flags = ", ".join(
            f"{name} {f'{ours}/{peer}/' if ours or peer else ''}{either}"
            for name, (ours, peer, either) in result.flags.items()
        )
        remarks = "; ".join(filter(None, [result.note, *self.deviations]))
        fed = {"step": "peer", "chain": "ours"}.get(self.mode, self.mode)
        mark = "ok" if result.passed else "DIFFERS"
        figures = (f"{result.worst:.3g}", f"{result.outside:.2g}")
        return (
            self.case,
            result.step,
            fed,
            result.array,
            result.tolerance,
            *figures,
            flags,
            f"{mark} {remarks}".strip(),
        )


def print_table(rows: Iterable[Row]) -> None:
    """Print the rows to the terminal."""
    table = Table(*COLUMNS, title="Parity with the official pipeline")
    for row in rows:
        table.add_row(*map(escape, row.cells()), style=None if row.passed else "bold red")
    Console(width=200).print(table)


def condensed(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """Return the cells of all rows; the arrays of a product that agree share one line, with the worst of their figures."""
    lines: list[tuple[str, ...]] = []
    for _, group in groupby(rows, key=lambda row: (row.case, row.mode, row.result.step)):
        arrays = list(group)
        agreeing = [row for row in arrays if row.passed and not row.result.note]
        if agreeing:
            lines.append(_together(agreeing))
        lines += [row.cells() for row in arrays if row not in agreeing]
    return lines


def _together(rows: list[Row]) -> tuple[str, ...]:
    """Return the cells of several arrays of one product."""
    names = ", ".join(row.result.array for row in rows)
    rules = "; ".join(dict.fromkeys(row.result.tolerance for row in rows))
    worst, outside = (max(getattr(row.result, name) for row in rows) for name in ("worst", "outside"))
    flags = "; ".join(f"{row.result.array}: {row.cells()[7]}" for row in rows if row.result.flags)
    remarks = "; ".join(dict.fromkeys(name for row in rows for name in row.deviations))
    first = rows[0].cells()
    return (*first[:3], names, rules, f"{worst:.3g}", f"{outside:.2g}", flags, f"ok {remarks}".strip())


def markdown(rows: Iterable[Row], *, peer: str, before: str = "", order: Sequence[str] = ()) -> str:
    """Return ``results.md``.

    Parameters
    ----------
    rows : iterable of Row
        What was compared now.
    peer : str
        Version of the peer.
    before : str
        The page as it was; its lines about other cases are kept.
    order : sequence of str
        Names of all cases in the order of the page; a case that is not named is not kept.
    """
    new = [_line(cells) for cells in condensed(rows)]
    renewed = {_case(line) for line in new}
    lines = new + [line for line in before.splitlines() if line.startswith("| ") and _case(line) not in renewed]
    place = {name: number for number, name in enumerate(order)}
    lines = sorted(
        (line for line in lines if not order or _case(line) in place), key=lambda line: place.get(_case(line), 0)
    )
    agree = sum(line.rpartition(" | ")[2].startswith("ok") for line in lines)
    head = [
        "# Parity with the official pipeline",
        "",
        f"`jwst` {peer} against jwcal {version('jwcal')} on simulated exposures; Python {platform.python_version()},",
        f"numpy {version('numpy')}, {platform.machine()}. Every step is compared twice: on the peer's previous product, and",
        "in our own chain. *Worst* is in units of the tolerance (for flags: the part of the pixels with a flag that only one",
        "side has). *Outside* is the part of the pixels outside the tolerance: 0.001 is allowed, 0.0001 as far as the rates.",
        "Declared deviations (`docs/deviations.md`) are applied first and named in the last column. Arrays of a product that",
        "agree share a line. Rates of our own chain are compared where both ramps have the same flags.",
        "Lines are renewed case by case (`python -m tests.parity --record --case NAME`) when a change concerns them.",
        "",
        f"{agree} of {len(lines)} lines agree.",
        "",
        _line(COLUMNS),
        "|" + "---|" * len(COLUMNS),
    ]
    return "\n".join([*head, *lines]) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _case(line: str) -> str:
    """Return the case that a line of the page is about."""
    return line[2:].partition(" | ")[0]
