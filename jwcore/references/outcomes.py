"""The three answers to "which reference file of this type applies to this exposure?"."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from jwcore.models.reader import fingerprint

__all__ = ["Found", "Missing", "NotApplicable", "Outcome", "content_digest"]


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
    image : bool
        Whether a step declares that the arrays of its type are images of the detector.
    """

    type: str
    path: Path
    name: str
    provider: str
    context: str = ""
    image: bool = False

    @property
    def record(self) -> str:
        """What the ``R_`` keyword of a product says: ``crds://NAME``, or the path of a file that is in no archive."""
        return f"crds://{self.name}" if self.archived else str(self.path)

    @property
    def archived(self) -> bool:
        """Whether the rules of an archive selected the file; such files never change under their name."""
        return self.context.endswith((".pmap", ".imap"))

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self.path.stat().st_size

    def described(self) -> dict[str, str]:
        """Return what the record of a product keeps, enough to find the same file again and to know it."""
        facts = {"name": self.name, "provider": self.provider, "context": self.context}
        facts |= {"record": self.record, "path": str(self.path)}
        if not self.archived:
            facts["sha256"] = content_digest(self.path)
        return facts


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

    def described(self) -> str:
        """Return what the record of a product keeps."""
        return self.record


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


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a reference file, computed again only when its size or time changes."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@cache
def _digest(path: Path, size: int, time: int) -> str:
    return fingerprint(path)
