"""The parts of a report that tell what the steps found: alignment, sky levels, outliers, figures of the detectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jwcore import models
from jwcore.models.history import runs
from jwcore.plan_model import COMPLETE, SKIPPED
from jwcore.report import plots
from jwcore.report.figures import svg
from jwcore.report.page import Page
from jwcore.report.words import share

Record = dict[str, Any]
LONGEST = 40
"""Rows of a table of exposures, at most."""
OF_DETECTORS = {
    ("dq_init", "bad_pixels"): "bad pixels",
    ("saturation", "saturated_pixels"): "saturated pixels",
    ("jump", "jumps"): "jumps",
    ("ramp_fit", "ramps_with_jumps"): "ramps with jumps",
    ("ramp_fit", "lost_pixels"): "lost pixels",
}
"""Figures that steps record of every exposure, with their names in the table."""


def show_findings(page: Page, exposure: models.Exposure, history: Sequence[Record]) -> None:
    """Add what the record and the headers of a product tell of alignment, sky, outliers and detectors."""
    table = getattr(exposure, "hdrtab", None) if "hdrtab" in exposure.declared() else None
    _alignment(page, history)
    _sky(page, exposure.meta, table)
    _outliers(page, history, table)
    _detectors(page, history)


def latest(history: Sequence[Record], label: str) -> Record | None:
    """Find what the last run with a step of this label recorded of it."""
    for run, _ in reversed(runs(history)):
        for step in reversed(run["steps"]):
            if step["label"] == label:
                return step
    return None


def _done(page: Page, history: Sequence[Record], label: str, *, heading: str, failed: str) -> Record | None:
    """Find a step that was not skipped and start its section, with the reason if it failed."""
    step = latest(history, label)
    if step is None or step["status"] == SKIPPED:
        return None
    page.heading(heading)
    if step["status"] != COMPLETE:
        page.text(f"{failed}: {step.get('reason', 'no reason is recorded')}.")
    return step


# ---- alignment
def _alignment(page: Page, history: Sequence[Record]) -> None:
    step = _done(page, history, "tweakreg", heading="Alignment", failed="The exposures were not aligned")
    if step is None:
        return
    found = step.get("counts", {})
    names = {
        "groups": "Groups of exposures", "sources": "Sources used", "aligned": "Exposures aligned",
        "unaligned": "Not aligned", "largest_rmse_mas": "Largest rms (mas)",
    }  # fmt: skip
    page.facts((text, f"{found[name]:,.10g}") for name, text in names.items() if name in found)
    if rows := step.get("alignment"):
        _residuals(page, rows)


def _residuals(page: Page, rows: Sequence[Mapping[str, Any]]) -> None:
    """Show the residuals of each detector of each exposure, as drawings and as a table."""
    dx, dy, rms = (np.array([_number(row.get(name)) for row in rows]) for name in ("dx_mas", "dy_mas", "rms_mas"))
    names = _short([str(row.get("exposure") or row.get("group")) for row in rows])
    groups = _short([str(row.get("group", "")) for row in rows])
    detectors = [str(row.get("detector", "")) for row in rows]
    known = np.isfinite(dx) & np.isfinite(dy)
    drawn = []
    if known.any():
        several = len(set(detectors)) > 1
        kinds = [kind for kind, use in zip(detectors if several else groups, known, strict=True) if use]
        vectors = plots.vectors(dx[known], dy[known], rms[known], kinds, unit="mas")
        text = "Mean offset of an exposure's sources from their matches after the fit, with a circle of the rms; colours by "
        drawn.append((svg(vectors), f"{text}{'detector' if several else 'group'}."))
    if np.isfinite(rms).any():
        notes = [f"{row.get('n_matches', 0)} matches" for row in rows]
        levels = plots.levels(names, rms, xlabel="rms of the residuals (mas)", notes=notes)
        drawn.append((svg(levels), "Scatter of each exposure's sources about their matches."))
    page.pictures(drawn)
    header = ("exposure", "group", "detector", "matches", "Δ east (mas)", "Δ north (mas)", "rms (mas)", "status")
    figures = [
        [f"{value:z.2f}" if np.isfinite(value) else "" for value in values] for values in zip(dx, dy, rms, strict=True)
    ]
    body = [
        (name, group, detector, row.get("n_matches", ""), *values, row.get("status", ""))
        for name, group, detector, row, values in zip(names, groups, detectors, rows, figures, strict=True)
    ]
    _table(page, header, body, words=(1, 2, 7))


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


# ---- sky
def _sky(page: Page, meta: models.Meta, table: np.ndarray | None) -> None:
    """Show the sky level of the exposure, or of all in a mosaic."""
    levels = np.array([np.nan])
    columns = _columns(table)
    if table is not None and "BKGLEVEL" in columns:
        levels = np.asarray(table["BKGLEVEL"], float)
    elif table is None and meta.background.level is not None:
        levels = np.array([float(meta.background.level)])
    if not np.isfinite(levels).any():
        return
    unit = meta.bunit_data or ""
    page.heading("Sky")
    facts = [("Method", meta.background.method), ("Subtracted", "yes" if meta.background.subtracted else "no")]
    if levels.size == 1:
        facts.append(("Level", f"{levels[0]:.5g} {unit}"))
    else:
        facts.append(("Levels", f"{np.nanmin(levels):.4g} to {np.nanmax(levels):.4g} {unit}"))
    page.facts((name, value) for name, value in facts if value)
    if levels.size > 1 and table is not None:
        names = list(map(str, table["FILENAME"] if "FILENAME" in columns else range(1, levels.size + 1)))
        notes = [f"{level:.4g}" for level in levels]
        drawn = plots.levels(_short(names), levels, xlabel=f"sky level ({unit})", notes=notes)
        page.pictures([(svg(drawn), "Sky level of each exposure, as skymatch recorded it.")])


def _columns(table: np.ndarray | None) -> tuple[str, ...]:
    return () if table is None else table.dtype.names or ()


# ---- outliers
def _outliers(page: Page, history: Sequence[Record], table: np.ndarray | None) -> None:
    step = _done(page, history, "outlier_detection", heading="Outliers", failed="Outliers were not sought")
    if step is None or step["status"] != COMPLETE:
        return
    found = step.get("counts", {})
    number = found.get("outliers", 0)
    facts = [("Pixels flagged, sum of the exposures", f"{number:,.0f}")]
    if table is not None and {"SUBSIZE1", "SUBSIZE2"} <= {*_columns(table)}:
        pixels = int(np.sum(np.asarray(table["SUBSIZE1"], float) * table["SUBSIZE2"]))
        facts.append(("Share of their pixels", share(number, pixels, digits=3)))
    inside = found.get("outliers_in_sources")
    if inside is not None:
        part = f" ({share(inside, number)} of all)" if number else ""
        facts.append(("Flagged inside sources", f"{inside:,.0f}{part}"))
    page.facts(facts)


# ---- detectors
def _detectors(page: Page, history: Sequence[Record]) -> None:
    """List what Detector1 recorded of each exposure: flagged pixels, and correlated noise before and after."""
    rows, noise = [], []
    for run, _ in runs(history):
        steps = {step["label"]: step.get("counts", {}) for step in run["steps"]}
        row = {text: steps[label][name] for (label, name), text in OF_DETECTORS.items() if name in steps.get(label, {})}
        if row:
            rows.append((run["base"], row))
        noise += [(run["base"], label, counts) for label, counts in steps.items() if "row_noise_before" in counts]
    if not rows and not noise:
        return
    page.heading("Detectors")
    if rows:
        header = [text for text in OF_DETECTORS.values() if any(text in row for _, row in rows)]
        body = [(name, *(f"{row[text]:,.0f}" if text in row else "" for text in header)) for name, row in rows]
        _table(page, ("exposure", *header), body)
    if noise:
        page.text(
            "Correlated noise: scatter of the offsets of rows, and of columns, before and after steps that change it, "
            "in the unit of the data."
        )
        header = ["exposure", "step", "rows, before", "after", "columns, before", "after"]
        _table(page, header, [(base, label, *_before_after(counts)) for base, label, counts in noise], words=(1,))


def _before_after(counts: Mapping[str, float]) -> Iterator[str]:
    for what in ("row", "column"):
        for when in ("before", "after"):
            value = counts.get(f"{what}_noise_{when}")
            yield "" if value is None else f"{value:.3g}"


# ---- words
def _table(page: Page, header: Sequence[str], rows: Sequence[Sequence[Any]], *, words: Sequence[int] = ()) -> None:
    """Add a table of exposures, the first of them where there are many."""
    page.table(header, rows[:LONGEST], words=words)
    if len(rows) > LONGEST:
        page.text(f"and {len(rows) - LONGEST} more, which jwcal explain lists")


def _short(names: Sequence[str]) -> list[str]:
    """Leave out what all file names have in common at their beginning and end, whole words of it."""
    words = [models.strip_suffix(Path(name)).split("_") for name in names]
    if len(set(map(tuple, words))) < 2:
        return ["_".join(word) for word in words]
    while len({word[0] for word in words}) == 1 and min(map(len, words)) > 1:
        words = [word[1:] for word in words]
    while len({word[-1] for word in words}) == 1 and min(map(len, words)) > 1:
        words = [word[:-1] for word in words]
    return ["_".join(word) for word in words]
