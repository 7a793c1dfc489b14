"""tweakreg: align exposures with one another, and with a reference catalogue, by their sources."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator, model_validator

from jwcore.api import BadInput, StepFailed, UsageError, param, step
from jwcore.builtin.image3.finder_params import FinderParams, finder_settings
from jwcore.builtin.image3.tweakreg_catalogs import (
    check_reference,
    custom_catalogs,
    numbers,
    read_sources,
    reference_catalog,
)
from jwcore.builtin.named_files import existing
from jwcore.builtin.sky_keywords import SipParams, refresh_approximation, refresh_footprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astropy.table import Table

    from jwcore.algorithms.alignment import AlignImage, AlignSettings, Positions
    from jwcore.api import Context, ExposureSet

GAIA_SERVICES = ("GAIAREFCAT", "GAIADR3", "GAIADR2", "GAIADR1", "GAIADR3_S3")
POINTING = {"v2_ref": "V2_REF", "v3_ref": "V3_REF", "roll_ref": "ROLL_REF"}
Geometry = Literal["shift", "rshift", "rscale", "general"]


class TweakregParams(FinderParams, SipParams):
    """Parameters of tweakreg; those that begin with ``abs_`` belong to the alignment with a reference catalogue."""

    save_catalogs: bool = param(False, "Write the sources of each exposure, and a table of the fits")
    use_custom_catalogs: bool = param(False, "Take sources from catalogues where there are some")
    catalog_format: Literal["ecsv", "fits"] = param("ecsv", "Format of the catalogues that save_catalogs writes")
    catfile: str | None = param(None, "Text file with the name of an exposure and of its catalogue in each line")
    enforce_user_order: bool = param(False, "Align in the order of the input, whatever the overlaps")
    expand_refcat: bool = param(False, "Add new sources of each aligned exposure to the reference")
    minobj: int = param(15, "Fewest matches for a fit", ge=1)
    fitgeometry: Geometry = param("rshift", "What is fitted: shift; and rotation; and scale; anything linear")
    nclip: int = param(3, "Clipping iterations", ge=0)
    sigma: float = param(3.0, "Clipping limit", unit="sigma", gt=0)
    searchrad: float = param(2.0, "Largest offset that is searched", unit="arcsec", gt=0)
    use2dhist: bool = param(True, "Find the initial offset in a histogram of all differences")
    separation: float = param(1.0, "Sources closer to each other are not matched", unit="arcsec", gt=0)
    tolerance: float = param(0.7, "Largest distance of matched sources", unit="arcsec", gt=0)
    xoffset: float = param(0.0, "Initial offset when there is no histogram, x", unit="arcsec")
    yoffset: float = param(0.0, "Initial offset when there is no histogram, y", unit="arcsec")
    abs_refcat: str | None = param(
        None, "Reference catalogue: a file with columns RA and DEC, or sky_centroid", unavailable=GAIA_SERVICES
    )
    save_abs_catalog: bool = param(False, "Write the reference catalogue")
    abs_minobj: int = param(15, "Fewest matches for a fit", ge=1)
    abs_fitgeometry: Geometry = param("rshift", "What is fitted")
    abs_nclip: int = param(3, "Clipping iterations", ge=0)
    abs_sigma: float = param(3.0, "Clipping limit", unit="sigma", gt=0)
    abs_searchrad: float = param(6.0, "Largest offset that is searched", unit="arcsec", gt=0)
    abs_use2dhist: bool = param(True, "Find the initial offset in a histogram of all differences; else it is zero")
    abs_separation: float = param(1.0, "Sources closer to each other are not matched", unit="arcsec", gt=0)
    abs_tolerance: float = param(0.7, "Largest distance of matched sources", unit="arcsec", gt=0)
    accept_doubtful: bool = param(
        False, "Apply, with a warning, also fits that are not to be believed: refused for rotation, scale or residuals"
    )
    robust: bool = param(True, "Fit again, clipping by the median residual, where residuals betray false matches")
    in_memory: bool = param(True, "False keeps one exposure at a time in memory, the others in scratch files")

    _files = field_validator("catfile")(existing)

    @field_validator("abs_refcat")
    @classmethod
    def _check_reference(cls, name: str | None) -> str | None:
        """Refuse catalogue services, and files that are not there or are no reference catalogues."""
        if (name or "").strip().upper() in GAIA_SERVICES:
            raise UsageError(
                f"tweakreg.abs_refcat = {name}: no catalogue is fetched from the network",
                cure="save the stars of the field, columns RA and DEC (deg), with pmra, pmdec and ref_epoch as Gaia gives them,"
                " and name that file; None aligns the exposures with one another only",
            )
        existing(name)
        if name:
            check_reference(name)
        return name

    @model_validator(mode="after")
    def _check(self) -> TweakregParams:
        """Refuse what could not work, before anything runs."""
        for prefix in ("", "abs_"):
            separation, tolerance = getattr(self, prefix + "separation"), getattr(self, prefix + "tolerance")
            if separation <= 2**0.5 * tolerance:
                raise UsageError(
                    f"tweakreg.{prefix}separation = {separation} lets a source match two others",
                    cure=f"give more than 1.414 x {prefix}tolerance = {2**0.5 * tolerance:.3f} arcsec",
                )
        return self


CARRIED, UNDONE = "carried", "undone"
"""Beginnings of the status of exposures that move with others, and of those whose alignment was taken back."""
STARS_ONLY = ("minsep_fwhm", "sigma_radius", "sharplo", "sharphi", "roundlo", "roundhi", "brightest", "peakmax")
SEGMENTS_ONLY = ("npixels", "connectivity", "nlevels", "contrast", "multithresh_mode", "localbkg_width", "deblend")
FLUXES_ONLY = ("apermask_method", "kron_params")
"""Parameters that only some of the finders look at, and those that change no position at all."""


@step(
    stage="tweakreg",
    params=TweakregParams,
    products={"cat": "save_catalogs", "alignment": "save_catalogs", "abscat": "save_abs_catalog"},
    sets=("S_REGION", "CRVAL1", "CRVAL2", "CTYPE1", "CTYPE2"),
    scratch=5.0,
)
def tweakreg(exposures: ExposureSet, params: TweakregParams, context: Context) -> ExposureSet:
    """Align the exposures by their sources and correct their WCSes, footprints and FITS-SIP approximations.

    All detectors of one exposure move together. The first group is the reference, unless a catalogue is named.
    Exposures that could not be fitted, or whose fit is not to be believed, keep their WCS, but all move with those that fit a
    catalogue. When no exposure could be fitted all keep their WCSes.
    """
    groups = list(exposures.groups().values())
    alone = len(groups) < 2
    if alone and not params.abs_refcat and not params.save_catalogs:
        raise StepFailed("there is one group of exposures and no abs_refcat: nothing to align with")
    _remark_idle(params, context)
    catalog = _catalog(exposures, params, context) if params.abs_refcat else None
    images = _images(exposures, params, context)
    if alone and catalog is None:
        raise StepFailed("there is one group of exposures and no abs_refcat; its catalogues are saved")
    of_groups = [[images[i] for i in group] for group in groups]
    try:
        _align(of_groups, catalog, params, context)
    finally:
        _report(exposures, images, params, context)
    _warn(of_groups, params, context)
    _correct(exposures, images, params, context)
    return exposures


def _remark_idle(params: TweakregParams, context: Context) -> None:
    """Say which settings will have no effect."""
    stars = params.starfinder != "segmentation"
    names = [*(SEGMENTS_ONLY if stars else STARS_ONLY), *FLUXES_ONLY]
    idle = [f"{name} (starfinder {params.starfinder})" for name in names]
    idle += [f"{axis}offset (use2dhist finds the offset)" for axis in "xy" if params.use2dhist]
    idle += ["catfile (use_custom_catalogs is off)"] if not params.use_custom_catalogs else []
    default = TweakregParams()
    idle = [text for text in idle if getattr(params, text.split()[0]) != getattr(default, text.split()[0])]
    if idle:
        context.log.info("without effect: %s", ", ".join(idle))


def _align(
    groups: Sequence[Sequence[AlignImage]], catalog: Positions | None, params: TweakregParams, context: Context
) -> None:
    """Align the groups with one another and then, as one, with the catalogue.

    A group that did not fit the others is aligned with the catalogue on its own, and moves with them if that fails too.
    """
    from jwcore.algorithms.alignment import AlignmentError, align_relative, align_to_catalog

    together: list[AlignImage] = []
    others = groups
    if len(groups) > 1:
        expand = params.expand_refcat or catalog is not None
        try:
            align_relative(groups, _settings(params), expand=expand, keep_order=params.enforce_user_order)
        except AlignmentError as error:
            if catalog is None:
                text = f"{error}; all keep the WCS of their pointing: {_cure(str(error), params)}"
                raise StepFailed(text) from None
            context.log.warning("%s; each group is aligned with the catalogue alone", error)
        together = [image for group in groups for image in group if image.status in ("aligned", "reference")]
        others = [group for group in groups if group[0] not in together]
    if catalog is not None:
        try:
            align_to_catalog(others, catalog, _settings(params, prefix="abs_"), whole=together)
        except AlignmentError as error:
            undone = ", and the alignment of the exposures with one another is not applied either" if together else ""
            raise StepFailed(
                f"the exposures do not fit the catalogue {params.abs_refcat}: {error}; all keep the WCS of their pointing"
                f"{undone}: see that the file has stars of this field, in ICRS degrees; else"
                f" {_cure(str(error), params, prefix='abs_')}; without abs_refcat exposures are aligned with one another only"
            ) from None
        for image in (image for group in groups for image in group):
            image.wcs.name = f"FIT-LVL3-{Path(params.abs_refcat or '').name}"


def _cure(problem: str, params: TweakregParams, *, prefix: str = "") -> str:
    """Say what may help where sources did not fit, with the prefix ``abs_`` in the alignment with a catalogue."""
    names = (
        f"{prefix}searchrad (now {getattr(params, prefix + 'searchrad'):g} arcsec), {prefix}tolerance, {prefix}minobj"
    )
    cure = f"look at the sources (save_catalogs) and change {names}, {prefix}fitgeometry, snr_threshold or kernel_fwhm"
    if "refused: " in problem:
        cure += "; accept_doubtful=true applies a refused fit all the same"
    return cure


def _settings(params: TweakregParams, *, prefix: str = "") -> AlignSettings:
    """Collect the settings of the relative alignment, or with the prefix ``abs_`` of the absolute one."""
    from jwcore.algorithms.alignment import AlignSettings

    names = ("searchrad", "use2dhist", "tolerance", "separation", "minobj", "nclip", "sigma")
    values: dict[str, Any] = {name: getattr(params, prefix + name) for name in names}
    values |= {"robust": params.robust, "fwhm": params.kernel_fwhm, "accept_doubtful": params.accept_doubtful}
    if not prefix:
        values |= {"xoffset": params.xoffset, "yoffset": params.yoffset}
    return AlignSettings(**values, fitgeom=getattr(params, prefix + "fitgeometry"))


def _images(exposures: ExposureSet, params: TweakregParams, context: Context) -> list[AlignImage]:
    """Collect the sources and the WCS of every exposure."""
    from jwcore.algorithms.alignment import AlignImage

    use_custom = params.use_custom_catalogs
    custom = custom_catalogs(exposures, params.catfile) if use_custom else [None] * len(exposures)
    images, tables, groups = [], {}, exposures.group_ids
    for index, exposure in enumerate(context.progress(exposures.each(edit=False), "sources")):
        catalog = custom[index]
        name = Path(exposure.meta.filename or f"exposure {index + 1}").stem
        if exposure.wcs is None:
            raise StepFailed(f"{name} has no WCS: run assign_wcs first")
        missing = [word for leaf, word in POINTING.items() if exposure.meta.get(f"wcsinfo.{leaf}") is None]
        if missing:
            raise BadInput(f"no {', '.join(missing)} in the header", where=name, cure="add the pointing keywords")
        if len(exposure.shape) != 2:
            raise BadInput(
                "sources are sought in images, and this is a cube", where=name, cure="give rate or cal files"
            )
        if exposure.wcs.bounding_box is None:
            raise BadInput("the WCS has no bounding box", where=name, cure="run assign_wcs again")
        table = _find(exposure, params) if catalog is None else read_sources(catalog)
        (x0, x1), (y0, y1) = exposure.wcs.bounding_box.bounding_box(order="F")
        table = table[(table["x"] >= x0) & (table["x"] <= x1) & (table["y"] >= y0) & (table["y"] <= y1)]
        if not len(table):
            context.log.warning("no sources in %s", name)
        tables[name] = table
        pointing = {leaf: exposure.meta.get(f"wcsinfo.{leaf}") for leaf in POINTING}
        columns: dict[str, Any] = {
            column: numbers(table, column) for column in ("x", "y", "weight") if column in table.colnames
        }
        images.append(AlignImage(exposure.wcs, name=name, group=groups[index], **columns, **pointing))
    context.count(sources=sum(len(table) for table in tables.values()))
    if params.save_catalogs:
        _save("cat", tables, params.catalog_format, context)
    _drop_fixed(images, exposures, context)
    return images


def _drop_fixed(images: Sequence[AlignImage], exposures: ExposureSet, context: Context) -> None:
    """Leave out the sources that are fixed on the detector: their matches would undo the dither."""
    from jwcore.algorithms.fixed_sources import fixed_on_detector

    metas = exposures.metas()
    for detector in dict.fromkeys(meta.instrument.detector for meta in metas):
        own = [(image, meta) for image, meta in zip(images, metas, strict=True) if meta.instrument.detector == detector]
        origins = [(meta.subarray.xstart or 1, meta.subarray.ystart or 1) for _, meta in own]
        fixed = fixed_on_detector([image for image, _ in own], origins=origins)
        for (image, _), lost in zip(own, fixed, strict=True):
            image.keep(~lost)
        number, total = sum(int(lost.sum()) for lost in fixed), sum(len(lost) for lost in fixed)
        if number:
            context.count(fixed_on_detector=number)
            level = logging.WARNING if 2 * number > total else logging.INFO
            text = "%d of %d sources keep their place on detector %s though the sky has moved, by the WCSes: left out"
            context.log.log(level, text, number, total, detector or "")


def _find(exposure: Any, params: TweakregParams) -> Table:
    """Find the sources of one exposure."""
    import numpy as np
    from astropy.table import Table

    from jwcore.algorithms import dq
    from jwcore.algorithms.source_finding import find_sources

    mask = np.zeros(exposure.shape, dtype=bool)
    if exposure.dq is not None:
        mask |= (exposure.dq & (dq.DO_NOT_USE | dq.NON_SCIENCE)) != 0
    if not np.isfinite(exposure.data[~mask]).any():
        return Table(names=("id", "x", "y", "flux"))
    found = find_sources(exposure.data, mask, settings=finder_settings(params))
    return Table({"id": found.label, "x": found.x, "y": found.y, "flux": found.flux})


def _save(name: str, tables: dict[str, Table], extension: str, context: Context) -> None:
    """Hand out one catalogue for each exposure."""
    from jwcore.api import Catalog

    context.save(name, {base: Catalog(table, extension=extension, base=base) for base, table in tables.items()})


# ---- the reference catalogue
def _catalog(exposures: ExposureSet, params: TweakregParams, context: Context) -> Positions:
    """Read the reference catalogue, at the epoch of the exposures, and hand it out on demand."""
    from astropy.table import Table

    from jwcore.algorithms.proper_motion import year_of
    from jwcore.api import Catalog

    times = [meta.exposure.mid_time for meta in exposures.metas() if meta.exposure.mid_time is not None]
    year = year_of(sum(times) / len(times)) if times else None
    catalog, moved = reference_catalog(params.abs_refcat or "", year=year)
    if moved:
        context.log.info("%d stars of the reference catalogue moved to the epoch %.3f", moved, year)
    if params.save_abs_catalog:
        table = Table({"RA": catalog.ra, "DEC": catalog.dec})
        if catalog.weight is not None:
            table["weight"] = catalog.weight
        context.save("abscat", Catalog(table))
    return catalog


# ---- results
def _correct(exposures: ExposureSet, images: Sequence[AlignImage], params: TweakregParams, context: Context) -> None:
    """Give the exposures their new WCSes; those that could not be aligned are marked as left out."""
    for index, (exposure, image) in enumerate(zip(exposures.each(), images, strict=True)):
        if image.status != "reference" and not image.corrected:
            context.leave_out(index)
        if not image.corrected:
            continue
        exposure.wcs = image.wcs
        refresh_footprint(exposure)
        if params.sip_approx:
            refresh_approximation(exposure, params, context)


def _report(exposures: ExposureSet, images: Sequence[AlignImage], params: TweakregParams, context: Context) -> None:
    """Log one line for each group, and leave the residuals of every detector in the provenance."""
    from jwcore.api import Catalog

    fits = [image.fit for image in images if image.fit is not None and image.status == "aligned"]
    carried = sum(image.status.startswith(CARRIED) for image in images)
    failed = sum(image.status not in ("reference", "aligned") for image in images) - carried
    context.count(groups=len(exposures.groups()), aligned=len(fits), unaligned=failed)
    if carried:
        context.count(carried=carried)
    if fits:
        context.count(largest_rmse_mas=round(1e3 * max(fit.rmse for fit in fits), 3))
    rows = list(_residuals(exposures, images))
    context.note("alignment", rows)
    for group, members in exposures.groups().items():
        first = images[members[0]]
        left = ", ".join(f"{rows[k]['detector']} {rows[k]['dx_mas']} {rows[k]['dy_mas']} mas" for k in members)
        _tell(group if len(members) > 1 else first.name, first, left, context)
    if params.save_catalogs:
        context.save("alignment", Catalog(_fit_table(images)))


def _warn(groups: Sequence[Sequence[AlignImage]], params: TweakregParams, context: Context) -> None:
    """Say, also at the end of the run, which groups have no fit of their own, and what may help."""
    from jwcore.algorithms.alignment import reasons

    carried = [group for group in groups if group[0].status.startswith(CARRIED)]
    unaligned = [group for group in groups if group not in carried and group[0].status not in ("reference", "aligned")]
    warnings = []
    for found, state, prefix in (
        (unaligned, "could not be aligned and keep the WCS of their pointing", ""),
        (carried, "have no fit of their own and were moved with the others", "abs_"),
    ):
        if found:
            told = reasons(found)
            warnings.append(
                f"{len(found)} of {len(groups)} groups of exposures {state}, which may double their stars in a mosaic: {told};"
                f" leave them out of the association, or {_cure(told, params, prefix=prefix)}"
            )
    for text in warnings:
        context.log.warning("%s", text)
    if warnings:
        context.note("warnings", [{"text": text} for text in warnings])


def _tell(name: str, image: AlignImage, left: str, context: Context) -> None:
    """Log what happened to one group, by its first image."""
    if image.status.startswith(CARRIED):
        context.log.warning("%s has no fit of its own and moves with the others (%s)", name, image.status)
    elif image.status.startswith(UNDONE):
        context.log.info("%s: %s", name, image.status)
    elif image.status not in ("reference", "aligned", "unaligned"):
        context.log.warning("%s is not aligned: %s", name, image.status)
    elif (fit := image.fit) is not None:
        context.log.info(
            "%s: shift %.4f %.4f arcsec, rotation %.5f deg, scale %.6f, rms %.1f mas, %d of %d matches;"
            " mean offsets left, east and north: %s",
            name, *fit.shift, fit.rotation, fit.scale, 1e3 * fit.rmse, fit.used, fit.matches, left,
        )  # fmt: skip
        if image.objections:
            context.log.warning("%s is aligned though %s", name, "; ".join(image.objections))


def _residuals(exposures: ExposureSet, images: Sequence[AlignImage]) -> Iterator[dict[str, Any]]:
    """List what the fits left of every exposure: mean offset from its counterparts to the east and north, and rms."""
    for image, meta in zip(images, exposures.metas(), strict=True):
        left = image.residuals
        figures = {"dx_mas": left.east, "dy_mas": left.north, "rms_mas": left.rms} if left else {}
        yield {
            "exposure": image.name,
            "group": image.group,
            "detector": meta.instrument.detector or "",
            "n_matches": left.matches if left else image.matched,
            **{name: round(1e3 * figures[name], 2) + 0.0 if left else None for name in ("dx_mas", "dy_mas", "rms_mas")},
            "status": " though ".join([image.status, *(["; ".join(image.objections)] if image.objections else [])]),
        }


def _fit_table(images: Sequence[AlignImage]) -> Table:
    """List the fit of every exposure: shift and residuals in arcsec, rotation in degrees."""
    from astropy.table import Table

    table = Table(
        {
            "exposure": [image.name for image in images],
            "status": [image.status for image in images],
            "sources": [len(image.x) for image in images],
        }
    )
    units = {"rotation": "deg", "rmse": "arcsec", "mae": "arcsec"}
    for name in ("matches", "used"):
        table[name] = [getattr(image.fit, name, 0) for image in images]
    for axis, name in enumerate(("shift_x", "shift_y")):
        table[name] = [image.fit.shift[axis] if image.fit else float("nan") for image in images]
        table[name].unit = "arcsec"
    for name in ("rotation", "scale", "rmse", "mae"):
        table[name] = [getattr(image.fit, name, float("nan")) for image in images]
        table[name].unit = units.get(name)
    return table
