"""Errors a user can act on: what went wrong, where, and the cure.

Each class carries the exit code of the command line. Names say what happened, so none ends in Error but the base.
"""


class JwcalError(Exception):
    """Failure that is reported in one line, never as a traceback.

    Parameters
    ----------
    message : str
        What is wrong.
    where : str, optional
        The thing it is about: a file, a step, a parameter.
    cure : str, optional
        What the user can do about it.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, cure: str | None = None):
        super().__init__(message)
        self.message = message
        self.where = where
        self.cure = cure

    def __str__(self) -> str:
        """One line: message, place and cure."""
        place = f" [{self.where}]" if self.where else ""
        remedy = f" — {self.cure}" if self.cure else ""
        return " ".join(f"{self.message}{place}{remedy}".split())

    def __reduce__(self):
        """Pickle with the keyword-only parts, so that workers can report it."""
        return _rebuild, (type(self), self.message, self.where, self.cure)


def _rebuild(kind: type[JwcalError], message: str, where: str | None, cure: str | None) -> JwcalError:
    return kind(message, where=where, cure=cure)


class RunFailed(JwcalError):  # noqa: N818
    """A step or a run failed."""

    exit_code = 1


class UsageError(JwcalError):
    """The request itself is wrong: unknown name, bad parameter, contradictory options."""

    exit_code = 2


class MissingReference(JwcalError):  # noqa: N818
    """A reference file that the run needs is selected but absent, or no rule selects one."""

    exit_code = 3


class BadInput(JwcalError):  # noqa: N818
    """An input file is damaged, incomplete, or not of the kind that was asked for."""

    exit_code = 4


class PluginError(JwcalError):
    """A plugin is broken or breaks its contract."""

    exit_code = 5


class SkipStep(Exception):  # noqa: N818
    """Raised by a step, before its first edit, when it finds that it has nothing to do; the text says why."""


class StepFailed(Exception):  # noqa: N818
    """Raised by a step, before its first edit, when it cannot do its work; the run goes on without it."""
