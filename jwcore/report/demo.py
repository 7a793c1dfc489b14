"""The page that the demonstration leaves behind: mosaic, one exposure before and after, recovered against injected."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jwcore import models
from jwcore.errors import UsageError
from jwcore.report import pictures, plots
from jwcore.report.figures import svg
from jwcore.report.page import Page

SETTINGS: dict[str, dict[str, Any]] = {"clean_flicker_noise": {"skip": False}, "resample": {"weight_type": "exptime"}}
"""What the demonstration changes: correlated noise is cleaned, and exposures are weighted by time. (Weighted by inverse
variance, the cores of stars that saturate, which have fewer groups, count less than their surroundings.)"""
DISK = 3.4e9
"""Bytes that the demonstration writes."""


def check_disk(folder: Path) -> None:
    """Refuse to start where the files of the demonstration do not fit (UsageError)."""
    there = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < DISK:
        raise UsageError(
            f"the demonstration writes {DISK / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free", where=str(folder),
            cure="free some space, or choose another place: jwcal demo -o DIR",
        )  # fmt: skip


def demonstrate(folder: Path, *, seed: int, say: Callable[[str], None], progress: Callable) -> Path:
    """Simulate, reduce, compare and write the page.

    Parameters
    ----------
    folder : Path
        Where everything goes.
    seed : int
        Seed of the simulation.
    say : callable
        Takes text for people.
    progress : callable
        Wraps an iterable with a progress bar.

    Returns
    -------
    Path
        The page.
    """
    from jwcore.planner import plan
    from jwcore.runner import run_plan
    from jwcore.synth import compare_catalog, footprint_of, simulate

    check_disk(folder)
    say("simulating four exposures of 2048 x 2048 pixels, 10 groups each (about a minute) ...")
    started = time.perf_counter()
    made = simulate(folder / "raw", n_dithers=4, readpatt="RAPID", ngroups=10, seed=seed, pointing_error_mas=15.0)
    simulated = time.perf_counter()
    planned = plan(made.uncals, "auto", params=SETTINGS, output_dir=folder / "products")
    say(str(planned))
    paths = run_plan(planned, progress=progress).paths()
    seconds = {"simulate": simulated - started, "reduce": time.perf_counter() - simulated}
    mosaic = next(path for path in paths if path.name == f"{planned.nodes[-1].base}_i2d.fits")
    catalog = Path(str(mosaic).replace("_i2d.fits", "_cat.ecsv"))
    assert made.truth_catalog is not None
    comparison = compare_catalog(catalog, made.truth_catalog, footprint=footprint_of(mosaic))
    say(f"\nrecovered against injected\n{comparison}")
    page = demo_page(
        folder, mosaic=mosaic, raw=made.uncals[0], calibrated=[path for path in paths if path.name.endswith("_cal.fits")],
        comparison=comparison, seconds=seconds, plan=str(planned),
    )  # fmt: skip
    say(f"\nsimulated in {seconds['simulate']:.0f} s, reduced in {seconds['reduce']:.0f} s; look at {page}")
    return page


def demo_page(
    folder: Path,
    *,
    mosaic: Path,
    raw: Path,
    calibrated: Sequence[Path],
    comparison: Any,
    seconds: dict[str, float],
    plan: str,
) -> Path:
    """Write ``index.html``.

    Parameters
    ----------
    folder : Path
        Where the page goes.
    mosaic, raw : Path
        The mosaic, and one exposure at the start.
    calibrated : sequence of Path
        The calibrated exposures, that of ``raw`` first.
    comparison : Comparison
        Recovered against injected sources.
    seconds : dict
        Time spent on simulating and on reducing.
    plan : str
        The plan as text.
    """
    page = Page("jwcal: from raw ramps to a mosaic")
    page.text(
        f"Four simulated NIRCam exposures, reduced in {seconds['reduce']:.0f} s (simulated in {seconds['simulate']:.0f} s). "
        "The simulator knows the truth; below is what came back. Two settings are not the defaults: the correlated read "
        "noise is cleaned (clean_flicker_noise), and exposures are weighted by time (resample.weight_type=exptime)."
    )
    page.heading("The mosaic")
    page.picture(
        svg(pictures.images([models.read(mosaic).data], [mosaic.name], size=8)),
        "The mosaic, MJy/sr, asinh stretch; grey where no exposure looked. The noise is larger at the edges, which fewer "
        "than four exposures cover. The stars and galaxies are those of a random field, not of a real one.",
    )
    page.heading("One exposure, before and after")
    page.picture(
        _before_after(raw, calibrated[0]),
        "Part of one exposure. Left the last raw group (DN): two amplifiers with their own pedestals, and a bright dot for "
        "every hot pixel and cosmic ray. Right the calibrated image (MJy/sr): the dots are gone, and the sources that they "
        "hid are seen. What remains of the pedestals and of the stripes of correlated noise is a fraction of the noise of "
        "one pixel. Each picture has its own asinh stretch; pixels without a value are grey.",
    )
    _compare(page, comparison, saturated_pixels(comparison.pairs, calibrated))
    page.heading("What ran")
    page.verbatim(plan)
    return page.write(folder / "index.html")


def _compare(page: Page, comparison: Any, saturated: np.ndarray) -> None:
    """Show what came back of what was put in."""
    page.heading("Recovered against injected")
    page.table(("", "value"), _figures(comparison))
    page.table(("magnitude (AB)", "found"), [(name, f"{share:.0%}") for name, share in comparison.completeness.items()])
    page.table(("injected and not recovered", "number"), comparison.missed.items())
    page.table(("detected and not injected", "number"), comparison.extra.items())
    page.text("The brightest stars; where pixels saturate, their rates come from the groups before.")
    page.table(
        ("star", "magnitude (AB)", "recovered / injected", "saturated pixels"), _brightest(comparison.pairs, saturated)
    )
    page.picture(
        _residuals(comparison, saturated),
        "Flux ratio and position residuals of matched stars (a few lie outside); red circles: stars with saturated pixels.",
    )


def saturated_pixels(pairs: np.ndarray, calibrated: Sequence[Path], *, reach: int = 2) -> np.ndarray:
    """Count the saturated pixels around each source in the exposure that has most of them, int [n]."""
    from jwcore.algorithms.dq import SATURATED

    most = np.zeros(pairs.size, int)
    for path in calibrated:
        image = models.read(path)
        flagged = np.pad(image.dq & SATURATED > 0, reach)
        x, y = (np.nan_to_num(v, nan=-1e6).round().astype(int) for v in image.wcs.invert(pairs["ra"], pairs["dec"]))
        ny, nx = image.dq.shape
        for one in np.flatnonzero((x >= 0) & (x < nx) & (y >= 0) & (y < ny)):
            box = flagged[y[one] : y[one] + 2 * reach + 1, x[one] : x[one] + 2 * reach + 1]
            most[one] = max(most[one], box.sum())
    return most


def _brightest(pairs: np.ndarray, saturated: np.ndarray, number: int = 12) -> list[tuple[str, str, str, str]]:
    stars = np.flatnonzero(pairs["type"] == "star")
    chosen = stars[np.argsort(pairs["abmag"][stars])][:number]
    return [
        (f"{p['id']}", f"{p['abmag']:.2f}", f"{p['recovered_ujy'] / p['flux_ujy']:.3f}", f"{n or ''}")
        for p, n in zip(pairs[chosen], saturated[chosen], strict=True)
    ]


def _before_after(raw: Path, calibrated: Path) -> str:
    before = models.read(raw).data[0, -1]
    after = models.read(calibrated).data
    window = np.s_[700:1300, 700:1300]
    return svg(pictures.images([before[window], after[window]], ["raw, last group", "calibrated"], size=5.5))


def _figures(comparison: Any) -> list[tuple[str, str]]:
    """Put the comparison into words and figures."""
    return [
        ("flux of bright stars, recovered / injected", f"{comparison.flux_ratio:.4f} ± {comparison.flux_scatter:.4f}"),
        ("position of bright stars, rms per axis", f"{comparison.position_rms:.2f} mas"),
        (
            "common shift of the field (injected pointing error)",
            f"{comparison.shift[0]:+.1f}, {comparison.shift[1]:+.1f} mas",
        ),
        ("sources injected in the field, down to far below the noise", f"{comparison.injected}"),
        ("recovered", f"{comparison.recovered}"),
        ("detections without an injected source", f"{comparison.spurious}"),
    ]


def _residuals(comparison: Any, saturated: np.ndarray) -> str:
    star = comparison.pairs["type"] == "star"
    pairs, special = comparison.pairs[star], saturated[star] > 0
    flux = {
        "x": pairs["flux_ujy"], "y": pairs["recovered_ujy"] / pairs["flux_ujy"], "logx": True, "line": 1.0, "ylim": (0.8, 1.2),
        "xlabel": "injected flux (μJy)", "ylabel": "recovered / injected", "title": "flux of stars", "special": special,
    }  # fmt: skip
    reach = 1.5 * np.percentile(np.abs([pairs["dra"], pairs["ddec"]]), 95) if pairs.size else 1.0
    position = {
        "x": pairs["dra"], "y": pairs["ddec"], "xlim": (-reach, reach), "ylim": (-reach, reach),
        "xlabel": "ΔRA cos Dec (mas)", "ylabel": "ΔDec (mas)",
        "title": "position of stars", "special": special,
    }  # fmt: skip
    return svg(plots.scatter([flux, position]))
