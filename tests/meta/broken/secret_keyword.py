"""Writes a keyword besides the one that it declares."""

from jwcore import api


@api.step(stage="photom", sets=("PHOTMJSR",))
def photom(exposure):
    exposure.meta.set_keyword("PHOTMJSR", 1.0)
    exposure.meta.set_keyword("TARGNAME", "mine")
    return exposure
