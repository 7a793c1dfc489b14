"""Declares integrations for cubes whose mean over all of them it subtracts."""

from jwcore import api


@api.step(stage="flat_field", chunk="integrations")
def flat_field(exposure):
    exposure.data -= exposure.data.mean(axis=0)
    return exposure
