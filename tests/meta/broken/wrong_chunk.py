"""Claims to work on rows, but looks at the whole frame."""

import numpy as np

from jwcore import api


@api.step(stage="superbias", chunk="rows")
def superbias(exposure):
    exposure.data -= np.median(exposure.data, axis=(2, 3), keepdims=True)
    return exposure
