"""Declares rows for an image whose median it subtracts."""

import numpy as np

from jwcore import api


@api.step(stage="flat_field", chunk="rows")
def flat_field(exposure):
    exposure.data -= np.nanmedian(exposure.data)
    return exposure
