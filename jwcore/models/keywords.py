"""The one table that maps meta attributes to FITS keywords.

The rows live as text in `jwcore.models.dictionary`, one keyword a line::

    # HDU Title of the section
    KEYWORD  path  type  [rule] [-] [@ENUMERATION]  ; comment of the card

Types are ``s`` (str), ``i`` (int), ``f`` (float), ``b`` (bool). ``rule`` says how the values of several exposures
become one (``first`` unless given; see `BLEND_RULES`), ``-`` keeps the keyword out of the HDRTAB table of combined
products.
"""

import difflib
from collections.abc import Iterator
from typing import Any, NamedTuple

from jwcore.models.dictionary import TABLE
from jwcore.models.dictionary.enumerations import ENUMERATIONS

BLEND_RULES = frozenset({"first", "min", "max", "mean", "sum", "multi", "wheeltol"})
"""How the values of the inputs of a combined product become one value.

``multi`` is the common value or ``MULTIPLE``; ``wheeltol`` is the out-of-tolerance text if any input has it.
"""

MANY = 12
"""A message lists so many allowed values, not more."""

TYPES: dict[str, type] = {"s": str, "i": int, "f": float, "b": bool}
"""Python type of each type letter."""


class Keyword(NamedTuple):
    """One row of the dictionary: a meta attribute and its header card."""

    name: str
    path: str
    hdu: str
    type: type
    comment: str
    section: str
    blend: str = "first"
    in_hdrtab: bool = True
    values: frozenset | None = None

    def coerce(self, value: Any) -> Any:
        """Return `value` as the declared type; ValueError when it does not fit or is not one of `values`.

        Whole numbers are accepted for real keywords and real numbers without a fraction for whole ones, nothing else.
        """
        value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
        value = str(value) if isinstance(value, str) else value
        boolean = isinstance(value, bool)
        if self.type is float and isinstance(value, int) and not boolean:
            value = float(value)
        elif self.type is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not self.type:
            raise ValueError(f"{value!r} is not of type {self.type.__name__}")
        if isinstance(value, str) and not (value.isascii() and value.isprintable()):
            raise ValueError(f"{value!r} is not plain ASCII")
        if self.values is not None and value not in self.values:
            raise ValueError(f"{value!r} is not one of {_choices(value, self.values)}")
        return value


def _choices(value: Any, allowed: frozenset) -> str:
    """Return the allowed values for a message, of many their number alone, and the nearest one."""
    known = sorted(map(str, allowed))
    near = difflib.get_close_matches(str(value).upper(), known, n=1)
    listed = ", ".join(known) if len(known) <= MANY else f"the {len(known)} allowed values"
    return listed + (f"; did you mean {near[0]}?" if near else "")


def _rows(text: str) -> Iterator[Keyword]:
    """Parse the text table."""
    hdu = section = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("#"):
            _, hdu, section = line.split(maxsplit=2)
            continue
        columns, _, comment = line.partition(";")
        name, path, letter, *marks = columns.split()
        rules = [mark for mark in marks if mark in BLEND_RULES]
        enumerations = [ENUMERATIONS[mark[1:]] for mark in marks if mark.startswith("@")]
        yield Keyword(
            name=name,
            path=path,
            hdu=hdu,
            type=TYPES[letter],
            comment=comment.strip(),
            section=section,
            blend=rules[0] if rules else "first",
            in_hdrtab="-" not in marks,
            values=enumerations[0] if enumerations else None,
        )


KEYWORDS: tuple[Keyword, ...] = tuple(_rows(TABLE))
"""All keywords, in header order."""

BY_PATH: dict[str, Keyword] = {keyword.path: keyword for keyword in KEYWORDS}
"""Keyword of each meta attribute."""

BY_CARD: dict[tuple[str, str], Keyword] = {(keyword.hdu, keyword.name): keyword for keyword in KEYWORDS}
"""Keyword of each (HDU, card name)."""

BRANCHES: frozenset[str] = frozenset(
    path.rsplit(".", depth)[0] for path in BY_PATH for depth in range(1, path.count(".") + 1)
)
"""Inner nodes of the meta tree: ``exposure``, ``ref_file``, ``ref_file.flat``, ..."""


def named(name: str) -> list[Keyword]:
    """Return the keywords called `name`, the PRIMARY one first (V2_REF exists in PRIMARY and SCI)."""
    found = [keyword for keyword in KEYWORDS if keyword.name == name.upper()]
    return sorted(found, key=lambda keyword: keyword.hdu != "PRIMARY")
