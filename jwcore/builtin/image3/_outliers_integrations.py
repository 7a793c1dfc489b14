"""outlier_detection of coronagraphic exposures and time series: each integration against the median of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import Cube, ExposureSet, Image, StepFailed
from jwcore.builtin.image3._outliers import flags_of, match_nans, require_error

if TYPE_CHECKING:
    from jwcore.algorithms.integration_outliers import IntegrationOutliers
    from jwcore.api import Context, Exposure
    from jwcore.builtin.image3._outliers import ResampledParams


def flag_integrations(
    exposures: ExposureSet, params: ResampledParams, context: Context, *, window: int | None = None
) -> None:
    """Flag outliers among the integrations of every exposure, each for itself.

    Parameters
    ----------
    window : int, optional
        Integrations of a median that moves with time; None takes one median of all.
    """
    import numpy as np

    from jwcore.algorithms import dq
    from jwcore.algorithms import integration_outliers as integrations
    from jwcore.algorithms.outliers import source_level

    for exposure in exposures:
        if not isinstance(exposure, Cube):
            raise StepFailed(f"{exposure.meta.filename} is no cube of integrations: give calints")
        require_error(exposure)
    for exposure in exposures.each():
        found = integrations.flag_integrations(
            exposure.data,
            exposure.err,
            flags_of(exposure),
            snr=params.thresholds[0],
            flags=dq.DO_NOT_USE | dq.OUTLIER,
            bad_bits=params.bad_bits,
            window=window,
            keep_medians=params.save_intermediate_results and window is not None,
        )
        if params.save_intermediate_results:
            _save_medians(exposure, found, context)
        match_nans(exposure)
        inside = found.scene > source_level(found.scene)
        context.count(outliers=int(found.number.sum()), outliers_in_sources=int(np.sum(found.number, where=inside)))


def _save_medians(exposure: Exposure, found: IntegrationOutliers, context: Context) -> None:
    """Hand out the median, a cube where it moves with time."""
    meta = exposure.meta.copy()
    median = Image(data=found.scene, meta=meta) if found.medians is None else Cube(data=found.medians, meta=meta)
    median.wcs = exposure.wcs
    context.save("median", ExposureSet([median]))
