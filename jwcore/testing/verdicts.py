"""Running the checks of a plugin for people: one line for every promise that is broken, and a count at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jwcore.testing.conformance import Check, ConformanceError, NotChecked

BROKEN, ERROR, KEPT, OPEN = "broken", "error", "kept", "not checked"


def run_checks(found: Iterable[Check], *, say: Callable[[str, str], None], verbose: bool = False) -> int:
    """Run checks and report on them.

    Parameters
    ----------
    found : iterable of Check
        The checks.
    say : callable
        Takes a verdict and the rest of its line; the verdict of the last line is empty.
    verbose : bool
        Report the promises that are kept, too, and list those that cannot be checked one by one.

    Returns
    -------
    int
        Number of broken promises.
    """
    counts = dict.fromkeys((BROKEN, ERROR, KEPT, OPEN), 0)
    unknown: dict[tuple[str, str], list[str]] = {}
    for check in found:
        verdict, text = _verdict(check)
        counts[verdict] += 1
        if verdict == OPEN:
            unknown.setdefault((check.subject, text), []).append(check.promise)
        elif verdict != KEPT or verbose:
            say(verdict, f"{check}{': ' * bool(text)}{text}")
    for (subject, why), promises in unknown.items():
        which = ", ".join(promises) if verbose or len(promises) < 3 else f"{len(promises)} promises"
        say(OPEN, f"{subject}: {which} ({why})")
    broken = counts[BROKEN] + counts[ERROR]
    asides = f", {counts[OPEN]} not checked" if counts[OPEN] else ""
    say("", f"{counts[KEPT]} promises kept, {broken} broken{asides}")
    return broken


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
