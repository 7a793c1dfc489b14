"""Running the checks of a plugin for people: one line for every promise that is broken, and a count at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from jwcore.testing.promise import Check, ConformanceError, NotChecked

BROKEN, ERROR, KEPT, OPEN, UNPROVEN = "broken", "error", "kept", "not checked", "UNPROVEN"


def run_checks(
    found: Iterable[Check], *, say: Callable[[str, str], None], verbose: bool = False, strict: bool = False
) -> int:
    """Run checks and report on them.

    Parameters
    ----------
    found : iterable of Check
        The checks.
    say : callable
        Takes a verdict and the rest of its line; the verdict of the last line is empty.
    verbose : bool
        Report the promises that are kept, too, and list those that cannot be checked one by one.
    strict : bool
        Count promises that cannot be checked as broken.

    Returns
    -------
    int
        Number of broken promises.
    """
    counts = dict.fromkeys((BROKEN, ERROR, KEPT, OPEN), 0)
    unknown: dict[tuple[str, str], list[str]] = {}
    total: Counter[str] = Counter()
    for check in found:
        verdict, text = _verdict(check)
        counts[verdict] += 1
        total[check.subject] += 1
        if verdict == OPEN:
            unknown.setdefault((check.subject, text), []).append(check.promise)
        elif verdict != KEPT or verbose:
            say(verdict, f"{check}{': ' * bool(text)}{text}")
    for (subject, why), promises in unknown.items():
        which = ", ".join(promises) if verbose or len(promises) < 3 else f"{len(promises)} promises"
        say(OPEN, f"{subject}: {which} ({why})")
    for subject, number in _unproven(unknown, total).items():
        text = (
            f"{subject}: {number} of its {total[subject]} promises could not be checked, so that little is known of it"
        )
        say(UNPROVEN, text)
    broken = counts[BROKEN] + counts[ERROR]
    asides = f", {counts[OPEN]} not checked" if counts[OPEN] else ""
    say("", f"{counts[KEPT]} promises kept, {broken} broken{asides}")
    return broken + counts[OPEN] * strict


def _unproven(unknown: dict[tuple[str, str], list[str]], total: Counter[str]) -> Counter[str]:
    """Count what could not be checked, of those steps of which that is half or more."""
    number: Counter[str] = Counter()
    for (subject, _), promises in unknown.items():
        number[subject] += len(promises)
    return Counter({subject: count for subject, count in number.items() if 2 * count >= total[subject]})


def _verdict(check: Check) -> tuple[str, str]:
    """Run one check; return what became of it, and why."""
    try:
        check()
    except NotChecked as reason:
        return OPEN, str(reason)
    except ConformanceError as error:
        return BROKEN, str(error)
    except Exception as error:
        return ERROR, f"{type(error).__name__}: {error}"
    return KEPT, ""
