"""Edits in place and forgets to return the product."""

from jwcore import api


@api.step(stage="photom")
def photom(exposure):
    exposure.data *= 2
