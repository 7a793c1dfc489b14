"""Ending a process in good order: signals become exceptions, so that half-written files go as the call stack unwinds."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 60.0
"""Seconds that a thread gets to complete the file that it is writing."""


class Stopped(BaseException):
    """Raised by a signal; no handler of ordinary errors catches it. Its argument is the exit code, 128 + the signal."""


def listen(kind: type[BaseException] = Stopped) -> None:
    """Let the signals that ask a process to end raise an exception; what the caller ignores (nohup) stays ignored."""

    def stop(number: int, _: object) -> None:
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)  # a second Ctrl-C must not disturb the cleaning up
        raise kind(128 + number)

    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)


@contextmanager
def listening(kind: type[BaseException] = Stopped) -> Iterator[None]:
    """`listen` for a while, and let signals do afterwards what they did before."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listen(kind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def settle() -> None:
    """Wait for files that other threads are still writing, and flush what was printed."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon and thread.is_alive():
            thread.join(PATIENCE)
    logging.shutdown()
    with suppress(BrokenPipeError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()


def leave(code: int) -> None:
    """End the process without tearing down compiled code, which would cost 0.2 s and do nothing useful."""
    settle()
    if "multiprocessing.resource_tracker" in sys.modules:
        sys.exit(code)  # worker pools have semaphores to give back
    os._exit(code)
