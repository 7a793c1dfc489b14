"""outlier_detection: flag pixels that disagree with the median of the exposures, or of the integrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import SkipStep, param, step
from jwcore.builtin.image3._outliers import DITHERED, REPEATED, ResampledParams, in_series, working_memory
from jwcore.builtin.image3._outliers_dithers import flag_dithers
from jwcore.builtin.image3._outliers_integrations import flag_integrations

if TYPE_CHECKING:
    from jwcore.api import Context, ExposureSet, ExposureType, Meta


class OutlierDetectionParams(ResampledParams):
    """Parameters of outlier_detection."""

    kernel_size: str = param("7 7", "Integral field units: size of the median filter", unit="px")
    threshold_percent: float = param(99.8, "Integral field units: percentile that is flagged", ge=0.0, le=100.0)
    rolling_window_width: int = param(
        25, "Time series: integrations in the rolling median; 1, or no fewer than there are: one median of all", ge=1
    )
    ifu_second_check: bool = param(False, "Integral field units: flag NaN minima too")
    resample_data: bool = param(True, "Images: compare on a common grid; False compares pixel by pixel")
    search_output_file: bool = param(False, "No effect: file names follow the naming rule")


def _declined(meta: Meta, exposure_type: ExposureType | None) -> str | None:
    if exposure_type is None or exposure_type.family in (DITHERED, REPEATED) or in_series(meta, exposure_type):
        return None
    return f"outlier detection of {exposure_type.family} exposures is not available yet"


@step(
    stage="outlier_detection",
    params=OutlierDetectionParams,
    products=dict.fromkeys(("outlier_i2d", "median", "blot"), "save_intermediate_results"),
    applies=_declined,
    scratch=working_memory,
)
def outlier_detection(exposures: ExposureSet, params: OutlierDetectionParams, context: Context) -> ExposureSet:
    """Flag outliers as OUTLIER and DO_NOT_USE, and set them to NaN.

    Dithered images are compared with the median of all, on a common grid. Coronagraphic exposures and time series are cubes,
    each judged alone: every integration is compared with the median of all integrations, in a time series with that of
    a window that moves along. Nothing is flagged, and the step fails, where an exposure has no errors.
    """
    kind, meta = context.exposure_type, exposures.metas()[0]
    if reason := _declined(meta, kind):
        raise SkipStep(reason)
    if in_series(meta, kind):
        flag_integrations(exposures, params, context, window=params.rolling_window_width)
    elif kind.family == REPEATED:
        flag_integrations(exposures, params, context)
    else:
        flag_dithers(exposures, params, context, resample=params.resample_data)
    return exposures
