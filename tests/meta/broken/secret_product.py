"""Hands out a side product that no plan can announce."""

from jwcore import api


@api.step(stage="photom")
def photom(exposure, context):
    context.save("model", exposure.copy())
    return exposure
