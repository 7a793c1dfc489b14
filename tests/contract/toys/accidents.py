"""Toy steps that do to a run what the world does: kill, interrupt, crash."""

import multiprocessing
import os
import signal
import time

from jwcore import api


@api.stage()
def toy_killed(exposure):
    """Kill the process, as the system does when memory runs out."""


@api.stage()
def toy_interrupted(exposure):
    """Press Ctrl-C."""


@api.stage()
def toy_stopped(exposure, params):
    """Tell the whole run to end, as a batch system does, and go on working."""


@api.stage()
def toy_crash(exposure):
    """Raise an ordinary exception."""


@api.step(stage="toy_killed")
def killed(exposure):
    os.kill(os.getpid(), signal.SIGKILL)
    return exposure


@api.step(stage="toy_interrupted")
def interrupted(exposure):
    os.kill(os.getpid(), signal.SIGINT)
    return exposure


@api.step(stage="toy_crash")
def crash(exposure):
    return exposure.data / exposure.nothing


class StoppedParams(api.Params):
    signal: int = api.param(2, "Number of the signal")


@api.step(stage="toy_stopped", params=StoppedParams)
def stopped(exposure, params):
    parent = multiprocessing.parent_process()
    os.kill(parent.pid if parent else os.getpid(), params.signal)
    time.sleep(60)
    return exposure
