"""How much correlated noise an exposure holds before and after a step that removes some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import Ramp

if TYPE_CHECKING:
    from jwcore.api import Context, Exposure


def count_noise(exposure: Exposure, context: Context, *, when: str) -> None:
    """Report the scatter of rows and of columns as ``row_noise_<when>`` and ``column_noise_<when>``.

    It is that of the first integration, in the unit of the data. What cannot be measured is not reported.
    """
    import numpy as np

    from jwcore.algorithms import dq
    from jwcore.algorithms.noise_figures import noise_figures, noise_figures_of_image

    if isinstance(exposure, Ramp):
        found = noise_figures(exposure.data[0], exposure.groupdq[0], exposure.pixeldq)
    else:
        image = exposure.data.reshape(-1, *exposure.shape[-2:])[0]
        flags = getattr(exposure, "dq", None)
        bad = np.uint32(dq.DO_NOT_USE | dq.REFERENCE_PIXEL)
        usable = np.ones(image.shape, bool) if flags is None else flags.reshape(-1, *image.shape)[0] & bad == 0
        found = noise_figures_of_image(image, usable)
    context.count(**found.counts(when))
