"""Selection rules: how a pattern meets a value, how matches are weighed, and which date wins.

These are the rules of the JWST reference data system, so that a plain folder of files selects as an official context.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from jwcore.references.parameters import condition

__all__ = ["Rule", "compare", "select", "weigh"]

_RELATION = re.compile(r"(>=|<=|>|<)\s*(\S+)")
_BETWEEN = re.compile(r"BETWEEN\s+(\S+)\s+(\S+)")


@dataclass(frozen=True)
class Rule:
    """One file and the exposures it is meant for.

    Attributes
    ----------
    name : str
        The file.
    patterns : mapping of str
        Parameter name (``META.INSTRUMENT.DETECTOR``) -> pattern.
    useafter : str
        First date of validity, ``YYYY-MM-DD hh:mm:ss``.
    """

    name: str
    patterns: Mapping[str, str]
    useafter: str = ""


def compare(pattern: str, value: str) -> int:
    """Compare one pattern with one conditioned value.

    Parameters
    ----------
    pattern : str
        ``N/A``, ``*``, a literal, ``A|B|C`` (parts may be globs), ``(regular expression)``, ``{literal}``, ``NOT x``,
        ``BETWEEN a b`` (a <= value < b), ``>= n``, or ``# a AND b #``, ``# a OR b #``.
    value : str
        Value as `jwcore.references.parameters.condition` gives it.

    Returns
    -------
    int
        1 for a match, 0 for "does not matter", -1 for an elimination.
    """
    if pattern == "N/A" or value == "N/A":
        return 0
    if pattern == "*" or value == "*":
        return 1
    return 1 if _matches(pattern, value) else -1


def _matches(pattern: str, value: str) -> bool:
    match (pattern[:1], pattern[-1:]):
        case ("#", "#"):
            return _combination(pattern.strip("# "), value)
        case ("{", "}"):
            return pattern[1:-1] == value
        case ("(", ")"):
            return re.fullmatch(pattern[1:-1], value) is not None
    if pattern.startswith("NOT "):
        return not _matches(pattern[4:].strip(), value)
    if limits := _BETWEEN.fullmatch(pattern) or _RELATION.fullmatch(pattern):
        return _within(value, limits)
    return any(fnmatchcase(value, condition(part)) for part in pattern.split("|") if part)


def _combination(text: str, value: str) -> bool:
    if " OR " in text:
        return any(_matches(part.strip(), value) for part in text.split(" OR "))
    return all(_matches(part.strip(), value) for part in text.split(" AND "))


def _within(value: str, limits: re.Match) -> bool:
    """Compare a number with ``BETWEEN a b`` or ``>= n``; text never fits."""
    try:
        number, last = float(value), float(limits[2])
        if limits.re is _BETWEEN:
            return float(limits[1]) <= number < last
    except ValueError:
        return False
    return {">": number > last, ">=": number >= last, "<": number < last, "<=": number <= last}[limits[1]]


def weigh(patterns: Mapping[str, str], parameters: Mapping[str, str]) -> int | None:
    """Return how many parameters a rule matches, or None when one of them eliminates it."""
    results = [compare(pattern, parameters.get(name, "UNDEFINED")) for name, pattern in patterns.items()]
    return None if -1 in results else sum(results)


def select(rules: Iterable[Rule], parameters: Mapping[str, str]) -> Rule | None:
    """Choose the rule that applies to an exposure.

    Groups of equal weight are tried in order of falling weight. Within a group the latest USEAFTER not after the
    exposure wins, among equal dates the lexically last name.

    Parameters
    ----------
    rules : iterable of Rule
        Candidates of one reference type.
    parameters : mapping of str
        Parameters of the exposure.

    Returns
    -------
    Rule or None
        None when nothing matches, or everything that matches begins later.
    """
    date = f"{parameters.get('META.OBSERVATION.DATE', '')} {parameters.get('META.OBSERVATION.TIME', '')}".strip()
    weighed = [
        (weight, normalised_date(rule.useafter), rule.name, rule)
        for rule in rules
        if (weight := weigh(rule.patterns, parameters)) is not None
    ]
    valid = [entry for entry in weighed if entry[1] <= date]
    return max(valid, key=lambda entry: entry[:3])[3] if valid else None


def normalised_date(text: str) -> str:
    """Return a date in the form ``YYYY-MM-DD hh:mm:ss``, which sorts as text."""
    return " ".join(text.replace("T", " ").split())
