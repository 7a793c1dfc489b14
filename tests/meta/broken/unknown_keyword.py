"""Is meant for an exposure with a keyword that does not exist."""

from jwcore import api


@api.step(stage="photom", where={"FILTR": "F200W"})
def photom(exposure):
    return exposure
