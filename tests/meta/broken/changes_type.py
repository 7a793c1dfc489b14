"""Changes the type of an array behind the container's back."""

from jwcore import api


@api.step(stage="photom")
def photom(exposure):
    exposure.data = exposure.data[:-1]
    exposure.dq = exposure.dq[:-1]
    return exposure
