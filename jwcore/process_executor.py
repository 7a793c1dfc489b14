"""The executor of worker processes; a module of its own, because most runs do without what it imports."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from jwcore.stopping import listening, settle

PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class ProcessesExecutor(ProcessPoolExecutor):
    """Runs tasks in worker processes that are started afresh, never forked under a threaded kernel."""

    in_process = False

    def __init__(self, workers: int = 1):
        self.workers = workers
        spawn = multiprocessing.get_context("spawn")
        super().__init__(workers, mp_context=spawn, initializer=_begin)

    def submit(self, function: Callable, /, *args: Any, **kwargs: Any) -> Future:
        """Hand a task to a worker; workers inherit that Ctrl-C is not for them: this process tells them to end."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(_until_told_to_end, function, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for running tasks; an interruption (which is no ordinary error) lets them clean up and end instead."""
        if not isinstance(sys.exception(), Exception | None):
            for worker in list((self._processes or {}).values()):
                worker.terminate()
        super().shutdown(wait, cancel_futures=cancel_futures)


def _begin() -> None:
    """Prepare a worker: it is told to end, which an idle one does at once, when the process that started it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _until_told_to_end(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """Run a task; a worker that is told to end must not live on, for the pool would hand it the next one."""
    with listening(SystemExit):
        try:
            return function(*args, **kwargs)
        except SystemExit as request:
            settle()
            os._exit(int(request.code or 0))
