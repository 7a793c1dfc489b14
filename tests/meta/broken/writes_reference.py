"""Edits a reference that others share."""

from jwcore import api


@api.step(stage="flat_field", references=("flat",))
def flat_field(exposure, references):
    flat = references["flat"].array("SCI")
    flat[flat == 0] = 1
    exposure.data /= flat
    return exposure
