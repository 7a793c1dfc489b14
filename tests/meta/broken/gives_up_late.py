"""Edits the data before it finds that it has nothing to do."""

from jwcore import api


@api.step(stage="photom")
def photom(exposure):
    exposure.data *= 2
    raise api.SkipStep("nothing to do")
