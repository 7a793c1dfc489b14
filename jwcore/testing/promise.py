"""What a check is, and the three ways in which it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn
from unittest import SkipTest


class ConformanceError(AssertionError):
    """A plugin breaks a promise of the contract."""


class NotChecked(SkipTest):
    """A promise could not be checked; the text says why."""


@dataclass(frozen=True)
class Check:
    """One promise, checked by calling it.

    Attributes
    ----------
    promise : str
        Short name of the promise.
    subject : str
        Plugin or step that is checked.
    """

    promise: str
    subject: str
    function: Callable[[], None] = field(repr=False)

    def __call__(self) -> None:
        """Run the check.

        Raises
        ------
        ConformanceError
            When the promise is broken.
        NotChecked
            When that cannot be told.
        """
        self.function()

    def __str__(self) -> str:
        return f"{self.subject}-{self.promise}"


def broken(text: str) -> NoReturn:
    """Say that a promise is broken, and how."""
    raise ConformanceError(text)
