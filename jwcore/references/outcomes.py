"""The three answers to "which reference file of this type applies to this exposure?"."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

__all__ = ["Found", "Missing", "NotApplicable", "Outcome"]


@dataclass(frozen=True)
class Found:
    """A file was selected and is there.

    Attributes
    ----------
    type : str
        Reference type, lower case (``flat``).
    path : pathlib.Path
        The file.
    name : str
        Its base name.
    provider : str
        Who selected it: ``override``, ``directory``, ``crds``, ``synthetic`` or a plugin's name.
    context : str
        The set of rules that selected it (``jwst_1364.pmap``); empty for an override.
    """

    type: str
    path: Path
    name: str
    provider: str
    context: str = ""

    @property
    def record(self) -> str:
        """What the ``R_`` keyword of a product says: ``crds://NAME``, or the path of an override."""
        return f"crds://{self.name}" if self.context else str(self.path)

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self.path.stat().st_size


@dataclass(frozen=True)
class NotApplicable:
    """The rules say that this type is not used for this exposure.

    Attributes
    ----------
    type, reason, provider, context : str
        As for `Found`; `reason` is one clause, to be printed after "skipped:".
    """

    type: str
    reason: str
    provider: str = ""
    context: str = ""

    @property
    def record(self) -> str:
        """What the ``R_`` keyword of a product says."""
        return "N/A"


@dataclass(frozen=True)
class Missing:
    """A file is needed but there is none: selected and absent, or selected by no rule.

    Attributes
    ----------
    type, reason, cure : str
        What is missing, why, and what to do about it.
    name : str or None
        Base name of the file that the rules select, when they select one.
    size : int or None
        Its size in bytes, when known.
    provider, context : str
        As for `Found`.
    """

    type: str
    reason: str
    cure: str
    name: str | None = None
    size: int | None = None
    provider: str = ""
    context: str = ""


Outcome: TypeAlias = Found | NotApplicable | Missing
