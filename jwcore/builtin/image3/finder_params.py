"""Parameters of the source finders, shared by tweakreg and source_catalog, which differ in a few defaults."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from jwcore.api import Params, param

if TYPE_CHECKING:
    from jwcore.algorithms.source_finding import FinderSettings

KRON_PARAMETERS = (2.5, 1.4, 0.0)


class FinderParams(Params):
    """How sources are found in an image."""

    starfinder: Literal["dao", "iraf", "segmentation"] = param("iraf", "Finder: of stars, or of any source")
    snr_threshold: float = param(10.0, "Detection threshold above the background", unit="sigma", gt=0)
    bkg_boxsize: int = param(400, "Side of the boxes in which the background is measured", unit="pixel", ge=1)
    kernel_fwhm: float = param(2.5, "FWHM of the Gaussian kernel", unit="pixel", gt=0)
    minsep_fwhm: float = param(0.0, "Smallest separation of two stars, at least 2 pixels", unit="FWHM", ge=0)
    sigma_radius: float = param(
        1.5, "Radius at which the kernel ends; 2.5 gives far better centroids", unit="sigma", gt=0
    )
    sharplo: float = param(0.5, "Lowest sharpness of a star")
    sharphi: float = param(2.0, "Highest sharpness of a star")
    roundlo: float = param(0.0, "Lowest roundness of a star; that of dao has a sign, so give it a negative limit")
    roundhi: float = param(0.2, "Highest roundness of a star")
    brightest: int | None = param(200, "Keep so many of the brightest stars", ge=1)
    peakmax: float | None = param(None, "Drop stars with a brighter pixel", unit="data")
    npixels: int = param(10, "Fewest connected pixels of a segment", unit="pixel", ge=1)
    connectivity: Literal[4, 8] = param(8, "Neighbours that count as connected")
    nlevels: int = param(32, "Levels of the deblending", ge=1)
    contrast: float = param(0.001, "Smallest part of the flux of a blend that makes a source", ge=0, le=1)
    multithresh_mode: Literal["exponential", "linear", "sinh"] = param(
        "exponential", "Spacing of the deblending levels"
    )
    localbkg_width: int = param(0, "Width of the annulus of the local background of segments", unit="pixel", ge=0)
    apermask_method: Literal["correct", "mask", "none"] = param("correct", "Treatment of neighbours within a segment")
    kron_params: tuple[float, ...] | None = param(
        None, "Kron scale, least Kron radius and least circular radius; None: 2.5, 1.4, 0.0", min_length=2, max_length=3
    )
    deblend: bool = param(True, "Separate sources whose segments touch")

    @field_validator("connectivity", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        """Take the text that the command line and parameter files hold."""
        return int(value) if isinstance(value, str) and value.isdigit() else value


def finder_settings(params: FinderParams) -> FinderSettings:
    """Hand the parameters to the algorithms."""
    from jwcore.algorithms.source_finding import FinderSettings

    values = {item.name: getattr(params, item.name) for item in fields(FinderSettings)}
    return FinderSettings(**{**values, "kron_params": params.kron_params or KRON_PARAMETERS})
