"""Metadata of products that combine several exposures."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jwcore.models.keywords import KEYWORDS, Keyword
from jwcore.models.meta import Meta

MULTIPLE = "MULTIPLE"
"""Value of a keyword on which the inputs differ."""

OUTSIDE = "outside calibration tolerance"
"""Wheel position check of a product of which any input failed it."""


def _multi(values: list) -> Any:
    return values[0] if len(set(values)) == 1 else MULTIPLE


def _wheeltol(values: list) -> Any:
    return OUTSIDE if OUTSIDE in values else values[0]


def _mean(values: list) -> float:
    return float(np.mean(values))


_RULES: dict[str, Callable[[list], Any]] = {
    "min": min,
    "max": max,
    "mean": _mean,
    "sum": sum,
    "multi": _multi,
    "wheeltol": _wheeltol,
}


def blend(metas: Sequence[Meta]) -> Meta:
    """Return the metadata of a product made from several inputs.

    Everything is that of the first input, except the keywords with a blend rule, which is applied to the inputs that
    have the keyword. Date and time are blended separately, so that they may come from two inputs.

    Parameters
    ----------
    metas : sequence of Meta
        At least one.
    """
    blended = metas[0].copy()
    for keyword in KEYWORDS:
        rule = _RULES.get(keyword.blend)
        values = [value for meta in metas if (value := meta.get(keyword.path)) is not None]
        if rule is not None and values:
            blended.set(keyword.path, rule(values))
    return blended


def header_table(metas: Sequence[Meta]) -> np.ndarray:
    """Return the HDRTAB table: one row for each input, one column for each keyword that any of them has.

    A value that is missing is NaN, ``nan`` in a text column.
    """
    columns: dict[str, np.ndarray] = {}
    for keyword in KEYWORDS:
        values = [meta.get(keyword.path) for meta in metas]
        if keyword.in_hdrtab and any(value is not None for value in values):
            columns[keyword.name] = _column(keyword, values)
    table = np.empty(len(metas), dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table


def _column(keyword: Keyword, values: list) -> np.ndarray:
    """Return one column of HDRTAB."""
    if keyword.type is str:
        return np.array(["nan" if value is None else value for value in values])
    if None in values:
        return np.array([np.nan if value is None else float(value) for value in values])
    return np.array(values)
