"""Associations made by hand: from a list of files and their roles."""

import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from jwcore.associations.asn import SCIENCE, Association, Member, Product, check_name
from jwcore.errors import UsageError
from jwcore.models import strip_suffix

LEVEL2 = "DMSLevel2bBase"
"""Rule: one product for each science file; members with other roles belong to every product."""

LEVEL3 = "DMS_Level3_Base"
"""Rule: one product of all files."""

_PROGRAM = re.compile(r"jw(\d{5})")


def from_list(
    items: Iterable[str | Path | tuple[str | Path, str]],
    *,
    rule: str = LEVEL3,
    product_name: str | None = None,
    asn_id: str = "o999",
    asn_type: str | None = None,
) -> Association:
    """Make an association of files.

    Parameters
    ----------
    items : iterable of path-like or (path-like, role)
        The members in order; the role is ``science`` unless given.
    rule : str
        `LEVEL3` (one product of all files) or `LEVEL2` (one product for each science file).
    product_name : str, optional
        Base name of the product; level 3 needs one. Level 2 takes the names of the files.
    asn_id : str
        Association candidate.
    asn_type : str, optional
        Kind of association; it selects the pipeline.

    Raises
    ------
    UsageError
        For an unknown rule, no science file, or a level-3 association without product name.
    """
    members = tuple(_member(item) for item in items)
    science = [member for member in members if member.exptype == SCIENCE]
    if not science:
        raise UsageError("no science file", where="association", cure="name at least one file with the role science")
    if rule == LEVEL3:
        if not product_name:
            raise UsageError("the product has no name", where="association", cure="give --product-name")
        check_name(product_name, where="--product-name")
        products: tuple[Product, ...] = (Product(product_name, members),)
    elif rule == LEVEL2:
        others = tuple(member for member in members if member.exptype != SCIENCE)
        products = tuple(Product(strip_suffix(member.expname), (member, *others)) for member in science)
    else:
        raise UsageError(f"there is no rule {rule}", where="association", cure=f"choose {LEVEL3} or {LEVEL2}")
    return Association(
        products,
        type=asn_type,
        rule=rule,
        id=asn_id,
        program=_program(science),
        constraints="No constraints",
        code_version=version("jwcal"),
    )


def _member(item: str | Path | tuple[str | Path, str]) -> Member:
    name, role = item if isinstance(item, tuple) else (item, SCIENCE)
    path = Path(name)
    return Member(path.name, role.lower(), path)


def _program(members: list[Member]) -> str:
    """Return the program that all file names share, ``noprogram`` when there is none."""
    found = {match[1] if (match := _PROGRAM.match(member.expname)) else None for member in members}
    return program if len(found) == 1 and (program := found.pop()) else "noprogram"
