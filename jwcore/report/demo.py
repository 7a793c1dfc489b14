"""The page that the demonstration leaves behind: mosaic, one exposure before and after, recovered against injected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jwcore import models
from jwcore.report import pictures
from jwcore.report.page import Page


def demo_page(
    folder: Path, *, mosaic: Path, raw: Path, calibrated: Path, comparison: Any, seconds: dict[str, float], plan: str
) -> Path:
    """Write ``index.html``.

    Parameters
    ----------
    folder : Path
        Where the page goes.
    mosaic, raw, calibrated : Path
        The mosaic, and one exposure at the start and at the end.
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
        "The simulator knows the truth; below is what came back."
    )
    page.heading("The mosaic")
    science = models.read(mosaic).data
    page.picture(pictures.images([science], [mosaic.name], size=8), "The mosaic, MJy/sr, asinh stretch.")
    page.heading("One exposure, before and after")
    page.picture(_before_after(raw, calibrated), "Last raw group (DN) and calibrated image (MJy/sr); cosmic rays and bad pixels are grey.")
    page.heading("Recovered against injected")
    page.table(("", "value"), comparison.rows())
    page.picture(_residuals(comparison), "Flux ratio and position residuals of matched stars.")
    page.heading("What ran")
    page.verbatim(plan)
    return page.write(folder / "index.html")


def _before_after(raw: Path, calibrated: Path) -> bytes:
    before = models.read(raw).data[0, -1]
    after = models.read(calibrated).data
    window = np.s_[700:1300, 700:1300]
    return pictures.images([before[window], after[window]], ["raw, last group", "calibrated"], size=5.5)


def _residuals(comparison: Any) -> bytes:
    return pictures.scatter(
        [
            {"x": comparison.injected_flux, "y": comparison.flux_ratio, "logx": True, "line": 1.0, "ylim": (0.8, 1.2),
             "xlabel": "injected flux (μJy)", "ylabel": "recovered / injected", "title": "flux of isolated stars"},
            {"x": comparison.dx_mas, "y": comparison.dy_mas, "xlabel": "ΔRA cos Dec (mas)", "ylabel": "ΔDec (mas)",
             "title": "position"},
        ]
    )  # fmt: skip
