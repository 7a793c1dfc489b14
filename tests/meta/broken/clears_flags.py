"""Clears flags that an earlier step set."""

from jwcore import api


@api.step(stage="photom")
def photom(exposure):
    exposure.dq[:] = 0
    return exposure
