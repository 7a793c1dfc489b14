"""The part of a report that shows the pixels: pictures of the arrays, medians along the exposure, flags."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jwcore import models
from jwcore.algorithms import dq
from jwcore.report import pictures, plots
from jwcore.report.figures import svg
from jwcore.report.page import Page
from jwcore.report.pictures import FEW_POINTS
from jwcore.report.planes import Planes, bad_pixels, evenly
from jwcore.report.words import share

FLAG_COLOURS = {dq.JUMP_DET: "#56b4e9", dq.DO_NOT_USE: "#d55e00", dq.SATURATED: "#f0e442", dq.OUTLIER: "#ff5fc4"}
"""Flags that are drawn; later ones over earlier ones, as whatever is an outlier must not be used either."""
RAMPS = (models.Ramp, models.GuiderRaw)


def show_pixels(page: Page, planes: Planes) -> None:
    """Add pictures of a product, as far as it has pixels."""
    exposure = planes.exposure
    primary = exposure.primary()
    shape = planes.shape(primary.name) if primary is not None else ()
    if primary is None or not shape:
        page.heading("Image")
        page.text(f"Products of the type {exposure.model_type or 'unknown'} are not drawn yet.")
        return
    unit = exposure.meta.bunit_data or ("DN" if isinstance(exposure, RAMPS) else "")
    if isinstance(exposure, models.Segmentation):
        _labels(page, planes)
    elif isinstance(exposure, RAMPS) and len(shape) == 4 and shape[1] > 1:
        _ramp(page, planes, unit)
    else:
        _image(page, planes, unit, primary.name)


# ---- kinds of products
def _image(page: Page, planes: Planes, unit: str, name: str) -> None:
    """Show an image, or the first of a cube with the medians of all."""
    number, sky = planes.count(name), sky_of(planes.exposure.meta)
    science = planes.plane(name)
    which = f"first of {number} integrations, " if number > 1 else ""
    flags = planes.plane("dq") if planes.shape("dq")[-2:] == science.shape else None
    error = planes.plane("err") if planes.shape("err") else None
    page.heading("Image")
    page.facts(_statistics(science, error, flags, unit))
    shown = [(svg(pictures.image(science, label=unit, sky=sky)), f"Science: {which}asinh stretch{_blocks(science)}.")]
    if number > 1:
        shown.append(_medians(planes, name, unit, bad_pixels(flags)))
    if error is not None:
        drawn = pictures.image(error, label=unit, points=FEW_POINTS)
        shown.append((svg(drawn), f"Error (one sigma): {which}asinh stretch."))
    page.pictures([*shown, *_of_resampling(planes)])
    if flags is not None:
        _flags(page, science, flags, f" of the {which.rstrip(', ')}" if which else "")


def _of_resampling(planes: Planes) -> Iterator[tuple[str, str]]:
    """Draw how much each pixel of a mosaic weighs, and how many exposures are in it."""
    if planes.shape("wht"):
        drawn = pictures.image(planes.plane("wht"), label="weight", linear=True, points=FEW_POINTS)
        yield svg(drawn), "Weight of the resampling, linear."
    if planes.shape("con"):
        covered = _covering(planes)
        drawn = pictures.image(covered, label="exposures", linear=True, whole=True, points=FEW_POINTS)
        yield svg(drawn), f"Exposures in each pixel: up to {covered.max():.0f}."


def _ramp(page: Page, planes: Planes, unit: str) -> None:
    """Show what a ramp gathers, and the medians of its groups."""
    nints, ngroups = planes.shape("data")[:2]
    gathered = planes.plane("data", ngroups - 1).astype(np.float32) - planes.plane("data")
    flags = None
    pixel_flags = "pixeldq" if planes.shape("pixeldq") else "dq"
    if planes.shape(pixel_flags)[-2:] == gathered.shape:
        flags = planes.plane(pixel_flags)
    bad = bad_pixels(flags)
    page.heading("Ramps")
    chosen = evenly(nints, 40)
    numbers = (chosen[:, None] * ngroups + np.arange(ngroups)).ravel()
    medians = planes.medians("data", numbers, bad).reshape(-1, ngroups)
    lines = {f"integration {number + 1}": line for number, line in zip(chosen, medians, strict=True)}
    drawn = plots.curves(np.arange(1, ngroups + 1), lines, xlabel="group", ylabel=f"median of the pixels ({unit})")
    page.pictures(
        [
            (
                svg(pictures.image(gathered, label=unit, sky=sky_of(planes.exposure.meta))),
                f"Last less first group of the first integration, asinh stretch{_blocks(gathered)}.",
            ),
            (
                svg(drawn),
                f"Median of each group{_of_lines(nints, len(lines))}{_of_rows(planes, 'data', numbers.size)}.",
            ),
        ]
    )
    if planes.shape("groupdq"):
        of_groups = planes.union("groupdq", 0, ngroups)
        flags = of_groups if flags is None else flags | of_groups
    if flags is not None and flags.any():
        _flags(page, gathered, flags, " of the pixels and of any group of the first integration")


def _labels(page: Page, planes: Planes) -> None:
    labels = planes.plane("data")
    page.heading("Segments")
    page.facts(
        [
            ("Sources", f"{np.count_nonzero(np.bincount(labels.ravel())[1:]):,}"),
            ("Pixels in segments", share(np.count_nonzero(labels > 0), labels.size)),
        ]
    )
    drawn = pictures.image(
        (labels > 0).astype(np.float32), label="share", linear=True, sky=sky_of(planes.exposure.meta)
    )
    page.pictures([(svg(drawn), f"Share of pixels that belong to a source{_blocks(labels)}.")])


# ---- parts
def _medians(planes: Planes, name: str, unit: str, bad: np.ndarray | None) -> tuple[str, str]:
    """Draw the median of every integration."""
    chosen = evenly(planes.count(name))
    values = planes.medians(name, chosen, bad)
    drawn = plots.curves(chosen + 1, {"": values}, xlabel="integration", ylabel=f"median of the pixels ({unit})")
    which = f"{_of_lines(planes.count(name), chosen.size)}{_of_rows(planes, name, chosen.size)}"
    return svg(drawn), f"Median of each integration{which}."


def _statistics(
    science: np.ndarray, error: np.ndarray | None, flags: np.ndarray | None, unit: str
) -> Iterator[tuple[str, str]]:
    """Yield a few figures of an image: of the pixels that have a value and may be used."""
    bad = bad_pixels(flags)
    usable = np.isfinite(science) if bad is None else np.isfinite(science) & ~bad
    values = science[usable]
    yield "Usable pixels", share(values.size, science.size) if values.size else "none"
    if not values.size:
        return
    middle = np.median(values)
    yield "Median", f"{middle:.4g} {unit}"
    yield "Scatter (1.48 MAD)", f"{1.4826 * np.median(np.abs(values - middle)):.3g} {unit}"
    if error is not None and error.shape == science.shape:
        errors = error[usable & np.isfinite(error)]
        yield "Median error", f"{np.median(errors):.3g} {unit}" if errors.size else "none"
    yield "Brightest pixel", f"{values.max():.4g} {unit}"


def _flags(page: Page, science: np.ndarray, flags: np.ndarray, which: str) -> None:
    """Show which pixels are flagged, with a table that is the legend, too."""
    page.heading("Flags")
    counts = {name: int(np.count_nonzero(flags & np.uint32(bit))) for name, bit in dq.PIXEL_FLAGS.items()}
    drawn = [name for name in counts if dq.PIXEL_FLAGS[name] in FLAG_COLOURS]
    others = sorted((name for name, count in counts.items() if count and name not in drawn), key=lambda n: -counts[n])
    with page.row():
        page.picture(
            svg(pictures.flagged(science, flags, FLAG_COLOURS)),
            f"Flags{which}, over the image in grey; the colours are those of the table.",
        )
        page.table(
            ("flag", "pixels", "share"),
            [(name, f"{counts[name]:,}", share(counts[name], flags.size, digits=3)) for name in (*drawn, *others)],
            colours=[FLAG_COLOURS[dq.PIXEL_FLAGS[name]] for name in drawn],
        )
    good = share(np.count_nonzero(flags == 0), flags.size)
    page.text(f"{good} of the pixels have no flag at all; a pixel may have several.")


def _covering(planes: Planes) -> np.ndarray:
    """Count the exposures in every pixel of a mosaic, float32 (ny, nx): the bits of its context planes."""
    total = np.bitwise_count(planes.plane("con").view(np.uint32)).astype(np.float32)
    for number in range(1, planes.count("con")):
        total += np.bitwise_count(planes.plane("con", number).view(np.uint32))
    return total


def sky_of(meta: models.Meta) -> pictures.Sky | None:
    """Find out from the header where north and east are; None where it does not say."""
    names = [[f"{i}_{j}" for j in (1, 2)] for i in (1, 2)]
    matrix = np.array([[meta.get(f"wcsinfo.cd{name}", np.nan) for name in row] for row in names])
    if np.isnan(matrix).any():
        steps = np.array([[meta.get(f"wcsinfo.cdelt{axis}", np.nan)] for axis in (1, 2)])
        matrix = steps * np.array([[meta.get(f"wcsinfo.pc{name}", np.nan) for name in row] for row in names])
    if not str(meta.get("wcsinfo.ctype1")).startswith("RA") or np.isnan(matrix).any():
        return None
    area = abs(np.linalg.det(matrix))
    if area == 0:
        return None
    east, north = (direction / np.hypot(*direction) for direction in np.linalg.inv(matrix).T)
    return pictures.Sky(tuple(north), tuple(east), 3600 * float(np.sqrt(area)))


# ---- words
def _blocks(array: np.ndarray) -> str:
    step = pictures.bin_of(array)
    return f", {step} × {step} pixels averaged" if step > 1 else ""


def _of_lines(number: int, shown: int) -> str:
    return f"; {shown} of {number} integrations" if shown < number else ""


def _of_rows(planes: Planes, name: str, number: int) -> str:
    """Tell of how many rows the medians of a number of planes are."""
    rows, ny = planes.rows(name, number).size, planes.shape(name)[-2]
    return f", of {rows} of {ny} rows" if rows < ny else ""
