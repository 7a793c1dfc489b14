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
    page.picture(
        _before_after(raw, calibrated),
        "Last raw group (DN) and calibrated image (MJy/sr); cosmic rays and bad pixels are grey.",
    )
    page.heading("Recovered against injected")
    page.table(("", "value"), _figures(comparison))
    page.table(("magnitude (AB)", "found"), [(name, f"{share:.0%}") for name, share in comparison.completeness.items()])
    page.picture(_residuals(comparison), "Flux ratio and position residuals of matched stars.")
    page.heading("What ran")
    page.verbatim(plan)
    return page.write(folder / "index.html")


def _before_after(raw: Path, calibrated: Path) -> bytes:
    before = models.read(raw).data[0, -1]
    after = models.read(calibrated).data
    window = np.s_[700:1300, 700:1300]
    return pictures.images([before[window], after[window]], ["raw, last group", "calibrated"], size=5.5)


def _figures(comparison: Any) -> list[tuple[str, str]]:
    """Put the comparison into words and figures."""
    return [
        ("sources injected in the field", f"{comparison.injected}"),
        ("recovered", f"{comparison.recovered}"),
        ("detections without an injected source", f"{comparison.spurious}"),
        ("flux of bright stars, recovered / injected", f"{comparison.flux_ratio:.4f} ± {comparison.flux_scatter:.4f}"),
        ("position of bright stars, rms per axis", f"{comparison.position_rms:.2f} mas"),
        (
            "common shift of the field (injected pointing error)",
            f"{comparison.shift[0]:+.1f}, {comparison.shift[1]:+.1f} mas",
        ),
    ]


def _residuals(comparison: Any) -> bytes:
    pairs = comparison.pairs[comparison.pairs["type"] == "star"]
    return pictures.scatter(
        [
            {"x": pairs["flux_ujy"], "y": pairs["recovered_ujy"] / pairs["flux_ujy"], "logx": True, "line": 1.0,
             "ylim": (0.8, 1.2), "xlabel": "injected flux (μJy)", "ylabel": "recovered / injected", "title": "flux of stars"},
            {"x": pairs["dra"], "y": pairs["ddec"], "xlabel": "ΔRA cos Dec (mas)", "ylabel": "ΔDec (mas)",
             "title": "position of stars"},
        ]
    )  # fmt: skip
