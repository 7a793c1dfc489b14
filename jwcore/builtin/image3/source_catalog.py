"""source_catalog: detect the sources of a mosaic and measure them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from jwcore.api import SkipStep, UsageError, param, step
from jwcore.builtin.image3.finder_params import KRON_PARAMETERS, FinderParams, finder_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from astropy.table import QTable

    from jwcore.algorithms.source_finding import Found
    from jwcore.algorithms.source_measurement import Apertures
    from jwcore.api import Catalog, Context, Image, Meta, Reference, Segmentation

JANSKY_PER_MJY = 1e6
CALIBRATED = "MJy/sr"
UNCORRECTED_RADII = (1.0, 2.0, 3.0)
UNCORRECTED_SKY = (5.0, 10.0)
"""Apertures in pixels where the reference has none for the instrument setting."""
SELECTORS = {
    "filter": "instrument.filter",
    "pupil": "instrument.pupil",
    "detector": "instrument.detector",
    "subarray": "subarray.name",
}
"""Columns that select rows of the references, where a reference has them."""
OF_BRIGHTNESS = ("bunit_", "photometry.", "exposure.exposure_time", "exposure.elapsed_exposure_time")
"""Metadata of the mosaic that say nothing about a map of labels."""


class SourceCatalogParams(FinderParams):
    """Parameters of source_catalog."""

    aperture_ee1: int = param(30, "Encircled energy of the first aperture", unit="percent", gt=0, lt=100)
    aperture_ee2: int = param(50, "Encircled energy of the second aperture", unit="percent", gt=0, lt=100)
    aperture_ee3: int = param(70, "Encircled energy of the third aperture", unit="percent", gt=0, lt=100)
    ci1_star_threshold: float = param(2.0, "Flux ratio of second to first aperture above which a source is extended")
    ci2_star_threshold: float = param(1.8, "Flux ratio of third to second aperture above which a source is extended")
    starfinder: Literal["dao", "iraf", "segmentation"] = param("segmentation", "Finder: of stars, or of any source")
    snr_threshold: float = param(3.0, "Detection threshold above the background", unit="sigma", gt=0)
    bkg_boxsize: int = param(1000, "Side of the boxes in which the background is measured", unit="pixel", ge=1)
    kernel_fwhm: float = param(2.0, "FWHM of the Gaussian kernel", unit="pixel", gt=0)
    npixels: int = param(25, "Fewest connected pixels of a segment", unit="pixel", ge=1)

    @property
    def percent(self) -> tuple[int, int, int]:
        """Encircled energies of the three apertures."""
        return self.aperture_ee1, self.aperture_ee2, self.aperture_ee3

    @model_validator(mode="after")
    def _check(self) -> SourceCatalogParams:
        """Refuse apertures that do not grow."""
        if not self.aperture_ee1 < self.aperture_ee2 < self.aperture_ee3:
            raise UsageError(
                f"source_catalog.aperture_ee1, 2, 3 = {self.percent} do not increase",
                cure="give three rising percentages",
            )
        return self


def _refuse_apertures(meta: Meta, params: SourceCatalogParams, references: Mapping[str, Reference]) -> None:
    """Refuse, while planning, encircled energies for which the selected reference has no aperture."""
    if reference := references.get("apcorr"):
        rows = _rows_by_percent(reference, meta)
        if reason := _lacking(rows, params, reference):
            known = ", ".join(map(str, sorted(rows)))
            raise UsageError(f"source_catalog: {reason}", cure=f"set aperture_ee1, 2, 3 to some of {known}")


@step(
    stage="source_catalog",
    references=("apcorr", "abvegaoffset"),
    params=SourceCatalogParams,
    applies=_refuse_apertures,
    sets=("SCATFILE", "SEGMFILE"),
    scratch=9.0,
)
def source_catalog(
    exposure: Image, references: Mapping[str, Reference], params: SourceCatalogParams, context: Context
) -> dict[str, Catalog | Segmentation]:
    """Make the source catalogue of a mosaic and, when sources are found by segmentation, the map of their labels.

    Positions are those of the finder; fluxes are summed in three apertures, corrected to the flux of a point source,
    and over each segment.
    """
    import numpy as np

    from jwcore.algorithms.source_finding import find_sources
    from jwcore.algorithms.source_measurement import measure_sources

    _check(exposure, references)
    to_jansky = np.float32(JANSKY_PER_MJY * exposure.meta.photometry.pixelarea_steradians)
    image, error = exposure.data * to_jansky, exposure.err * to_jansky
    uncovered = ~np.isfinite(error)
    if exposure.wht is not None:
        uncovered |= exposure.wht == 0
    if not np.isfinite(image[~uncovered]).any():
        raise SkipStep("no pixel of the image is usable")
    found = find_sources(image, uncovered, settings=finder_settings(params), error=error)
    if not len(found):
        raise SkipStep("no sources above the threshold")
    apertures = _apertures(references["apcorr"], exposure.meta, params, context)
    vega_offset = _vega_offset(references["abvegaoffset"], exposure.meta, context)
    columns = measure_sources(
        image,
        error,
        found,
        apertures=apertures,
        kernel_fwhm=params.kernel_fwhm,
        vega_offset=vega_offset,
        star_limits=(params.ci1_star_threshold, params.ci2_star_threshold),
    )
    context.count(sources=len(found), extended=int(columns["is_extended"].sum()))
    table = _table(columns, found, exposure.wcs, apertures)
    table.meta |= _metadata(apertures, vega_offset, params)
    return _products(exposure, table, found, context)


def _check(exposure: Image, references: Mapping[str, Reference]) -> None:
    """Say why there can be no catalogue."""
    for kind in ("apcorr", "abvegaoffset"):
        if references.get(kind) is None:
            raise SkipStep(f"there is no {kind} reference")
    if len(exposure.shape) != 2:
        raise SkipStep(f"the image has {len(exposure.shape)} dimensions")
    if exposure.err is None or exposure.wcs is None:
        raise SkipStep("the image has no error array or no WCS")
    units = {exposure.meta.bunit_data, exposure.meta.bunit_err or CALIBRATED}
    if units != {CALIBRATED}:
        raise SkipStep(f"the image is not flux calibrated: its unit (BUNIT) is {exposure.meta.bunit_data}")
    if exposure.meta.photometry.pixelarea_steradians is None:
        raise SkipStep("the pixel area (PIXAR_SR) is unknown")


def _apertures(reference: Reference, meta: Meta, params: SourceCatalogParams, context: Context) -> Apertures:
    """Take the apertures of the instrument setting from the reference, in pixels of the image."""
    from jwcore.algorithms.source_measurement import Apertures

    rows = _rows_by_percent(reference, meta)
    if not rows:
        context.log.warning("%s has no apertures for this instrument setting; none is corrected", reference.name)
        inner, outer = UNCORRECTED_SKY
        return Apertures(
            percent=params.percent, radii=UNCORRECTED_RADII, corrections=(1.0, 1.0, 1.0), inner=inner, outer=outer
        )
    if reason := _lacking(rows, params, reference):
        raise SkipStep(reason)
    scale = meta.resample.pixel_scale_ratio or 1.0  # the reference counts pixels of the detector
    small, middle, large = (rows[percent] for percent in params.percent)
    return Apertures(
        percent=params.percent,
        radii=(float(small["radius"]) / scale, float(middle["radius"]) / scale, float(large["radius"]) / scale),
        corrections=(float(small["apcorr"]), float(middle["apcorr"]), float(large["apcorr"])),
        inner=float(large["skyin"]) / scale,
        outer=float(large["skyout"]) / scale,
    )


def _rows_by_percent(reference: Reference, meta: Meta) -> dict[int, dict[str, Any]]:
    """Apertures for the instrument setting by their encircled energy; none where the reference has none."""
    table = reference.table("APCORR")
    if table is None:
        return {}
    rows = _selected(({name.lower(): row[name] for name in table.dtype.names or ()} for row in table), meta)
    return {round(100.0 * float(row["eefraction"])): row for row in rows}


def _lacking(rows: Mapping[int, Any], params: SourceCatalogParams, reference: Reference) -> str | None:
    """Say which aperture the rows for an instrument setting lack; a setting without rows has others."""
    missing = [percent for percent in params.percent if rows and percent not in rows]
    return f"{reference.name} has no aperture of {missing[0]}% encircled energy" if missing else None


def _vega_offset(reference: Reference, meta: Meta, context: Context) -> float:
    """Look up AB minus Vega magnitude; NaN where the reference has none for the instrument setting."""
    table = reference.tree["abvega_offset"]
    rows = _selected(({name.lower(): row[name] for name in table.colnames} for row in table), meta)
    if not rows:
        context.log.warning("%s has no offset for this instrument setting; Vega magnitudes are NaN", reference.name)
        return float("nan")
    offset = rows[0]["abvega_offset"]
    return float(getattr(offset, "value", offset))


def _selected(rows: Iterable[dict[str, Any]], meta: Meta) -> list[dict[str, Any]]:
    """Keep the rows whose selecting columns, as far as there are some, agree with the metadata."""

    def same(row: dict[str, Any], name: str, path: str) -> bool:
        wanted = str(meta.get(path) or "").strip().upper()
        value = row[name].decode() if isinstance(row[name], bytes) else str(row[name])
        return value.strip().upper() == wanted

    return [row for row in rows if all(same(row, n, path) for n, path in SELECTORS.items() if n in row)]


def _table(columns: dict[str, Any], found: Found, wcs: Any, apertures: Apertures) -> QTable:
    """Add the sky coordinates and build the table."""
    from jwcore.algorithms.catalog_table import catalog_table
    from jwcore.algorithms.source_measurement import sky_outline, sky_position_angle

    columns["sky_centroid"] = wcs(found.x, found.y, with_bounding_box=False)
    columns["sky_orientation"] = sky_position_angle(wcs, found.x, found.y, columns["orientation"])
    columns |= {f"sky_bbox_{corner}": position for corner, position in sky_outline(wcs, found).items()}
    return catalog_table(columns, percent=apertures.percent)


def _metadata(apertures: Apertures, vega_offset: float, params: SourceCatalogParams) -> dict[str, Any]:
    """Say in the catalogue how it was made."""
    from datetime import UTC, datetime
    from importlib.metadata import version

    segments = {
        "local_bkg_width": params.localbkg_width,
        "aperture_mask_method": params.apermask_method,
        "kron_params": list(params.kron_params or KRON_PARAMETERS),
    }
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "version": {name: version(name) for name in ("jwcal", "photutils", "astropy", "gwcs", "numpy", "scipy")},
        **(segments if params.starfinder == "segmentation" else {}),
        "aperture_params": {
            "aperture_ee": list(apertures.percent),
            "aperture_radii": list(apertures.radii),
            "aperture_corrections": list(apertures.corrections),
            "bkg_aperture_inner_radius": apertures.inner,
            "bkg_aperture_outer_radius": apertures.outer,
        },
        "abvega_offset": vega_offset,
    }


def _products(exposure: Image, table: QTable, found: Found, context: Context) -> dict[str, Catalog | Segmentation]:
    """Wrap the results, and name their files in the header of the mosaic."""
    from jwcore.api import Catalog, Segmentation

    products: dict[str, Catalog | Segmentation] = {"cat": Catalog(table)}
    exposure.meta.source_catalog = context.file_name("cat", "ecsv")
    exposure.meta.segmentation_map = None
    if found.segments is not None:
        segmentation = Segmentation(data=_labels(found), meta=_label_meta(exposure.meta))
        segmentation.wcs = exposure.wcs
        products["segm"] = segmentation
        exposure.meta.segmentation_map = context.file_name("segm")
    return products


def _label_meta(meta: Meta) -> Meta:
    """Metadata of the mosaic, as far as they hold for a map of labels."""
    kept = meta.copy()
    for path, _ in list(kept.items()):
        if path.startswith(OF_BRIGHTNESS):
            kept.set(path, None)
    return kept


def _labels(found: Found) -> np.ndarray:
    import numpy as np

    return found.segments.data.astype(np.uint32)
