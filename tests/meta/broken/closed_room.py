"""Reaches into the framework."""

from jwcore import api, planner


@api.step(stage="photom")
def photom(exposure):
    assert planner
    return exposure
