"""Toy steps that do to a run what the world does: kill, interrupt, crash."""

import os
import signal

from jwcore import api


@api.stage()
def toy_killed(exposure):
    """Kill the process, as the system does when memory runs out."""


@api.stage()
def toy_interrupted(exposure):
    """Press Ctrl-C."""


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
