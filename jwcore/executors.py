"""Where plan nodes run: in this process, or side by side in worker processes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from jwcore.errors import JwcalError, UsageError


class SerialExecutor(Executor):
    """Runs every task at once in the calling process; products may stay in memory."""

    in_process = True

    def __init__(self, workers: int = 1):
        self.workers = 1

    def submit(self, function: Callable, /, *args: Any, **kwargs: Any) -> Future:
        """Run the task and return a future that is already done."""
        future: Future = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except JwcalError as error:
            future.set_exception(error)
        return future


def processes(workers: int = 1) -> Executor:
    """Start worker processes."""
    from jwcore.process_executor import ProcessesExecutor

    return ProcessesExecutor(workers)


EXECUTORS: dict[str, Callable[[int], Executor]] = {"serial": SerialExecutor, "processes": processes}
"""The executors that come with the program; plugins may add more."""


def find_executor(name: str, *, extra: dict[str, Callable[[int], Executor]] | None = None) -> Callable[[int], Any]:
    """Find what starts an executor, by name.

    Raises
    ------
    UsageError
        When nothing of that name exists.
    """
    known = {**EXECUTORS, **(extra or {})}
    if name not in known:
        raise UsageError(f"no executor '{name}'", where="--executor", cure=f"use one of {', '.join(sorted(known))}")
    return known[name]
