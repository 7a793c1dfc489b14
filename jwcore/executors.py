"""Where plan nodes run: in this process, or side by side in worker processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
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


class ProcessesExecutor(ProcessPoolExecutor):
    """Runs tasks in worker processes that are started afresh, never forked under a threaded kernel."""

    in_process = False

    def __init__(self, workers: int = 1):
        self.workers = workers
        super().__init__(workers, mp_context=multiprocessing.get_context("spawn"))


EXECUTORS: dict[str, Callable[[int], Executor]] = {"serial": SerialExecutor, "processes": ProcessesExecutor}
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
