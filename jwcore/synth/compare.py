"""How well were injected sources recovered: completeness, positions and fluxes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jwcore.synth.reasons import explain_extra, explain_missed
from jwcore.synth.sky import read_catalog

__all__ = ["Comparison", "compare_catalog", "footprint_of"]

_MAS = 3.6e6


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Result of `compare_catalog`.

    ``pairs`` is a structured array of matches: id, type, ra, dec, abmag, flux_ujy (injected), recovered_ujy, error_ujy,
    dra, ddec (recovered minus injected, mas, after removal of the common ``shift``). ``shift`` is the median offset (mas, east
    and north): relative alignment cannot know it. ``flux_ratio`` is the median of recovered over injected flux of the
    bright point sources, ``flux_scatter`` its robust standard deviation, ``position_rms`` the robust rms per axis (mas).
    """

    pairs: np.ndarray
    injected: int
    recovered: int
    completeness: dict[str, float]
    shift: tuple[float, float]
    position_rms: float
    flux_ratio: float
    flux_scatter: float
    spurious: int
    missed: dict[str, int]
    """Injected sources that were not recovered, by what the truth says about them; each counts once."""
    extra: dict[str, int]
    """Detections without an injected source, by what is near them."""

    def __str__(self) -> str:
        bins = "  ".join(f"{name} mag: {100 * value:.0f} %" for name, value in self.completeness.items())
        return (
            f"{self.pairs.size} of {self.injected} injected sources recovered, {self.spurious} unmatched detections\n"
            f"completeness  {bins}\n"
            f"position  shift ({self.shift[0]:+.1f}, {self.shift[1]:+.1f}) mas, rms {self.position_rms:.2f} mas per axis\n"
            f"flux      recovered / injected {self.flux_ratio:.4f} +- {self.flux_scatter:.4f} (bright stars)\n"
            f"missed    {_counts(self.missed)}\n"
            f"unmatched {_counts(self.extra)}"
        )


def footprint_of(path: Path | str) -> np.ndarray:
    """Sky footprint of an image product: vertices (ra, dec) in deg from its S_REGION keyword, float64 [n, 2]."""
    from astropy.io import fits

    text = fits.getheader(path, "SCI")["S_REGION"]
    return np.array(text.split()[2:], float).reshape(-1, 2)


def _tangent(ra: Any, dec: Any, centre: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Offsets east and north of a centre in deg (small fields)."""
    d_ra = (np.asarray(ra, float) - centre[0] + 180) % 360 - 180
    return d_ra * np.cos(np.deg2rad(centre[1])), np.asarray(dec, float) - centre[1]


def _inside(x: np.ndarray, y: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Tell which points lie inside a polygon of any shape: an odd number of edges crosses the ray towards +x."""
    x1, y1 = vertices.T[:, :, None]
    x2, y2 = np.roll(vertices, -1, axis=0).T[:, :, None]
    with np.errstate(divide="ignore", invalid="ignore"):  # horizontal edges never straddle
        crossing = x < x1 + (y - y1) * (x2 - x1) / (y2 - y1)
    return np.sum(((y1 > y) != (y2 > y)) & crossing, axis=0) % 2 == 1


def _load(recovered: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """RA, Dec (deg), flux and its error (uJy) of a source catalogue (ECSV file or table)."""
    from astropy.table import Table

    table = Table.read(recovered, format="ascii.ecsv") if isinstance(recovered, str | Path) else recovered
    position = table["sky_centroid"]
    flux, error = (
        1e6 * np.asarray(getattr(table[name], "value", table[name]), float)
        for name in ("aper_total_flux", "aper_total_flux_err")
    )
    return np.asarray(position.ra.deg), np.asarray(position.dec.deg), flux, error


def compare_catalog(
    recovered: Any,
    truth: np.ndarray | Path | str,
    *,
    footprint: np.ndarray | None = None,
    radius: float = 0.15,
    bright: tuple[float, float] = (19.5, 23.5),
) -> Comparison:
    """Match a source catalogue with the injected sources.

    Parameters
    ----------
    recovered : path or astropy.table.Table
        Source catalogue with ``sky_centroid``, ``aper_total_flux`` and ``aper_total_flux_err`` (Jy).
    truth : ndarray or path
        Injected sources.
    footprint : ndarray, optional
        Vertices (ra, dec) of the observed area, see `footprint_of`; injected sources outside do not count.
    radius : float
        Largest distance of a match after the common shift is removed, arcsec.
    bright : (float, float)
        Range of magnitudes of the stars that define the flux ratio: bright enough to measure, not saturated.

    Returns
    -------
    Comparison
        Matches and their statistics.
    """
    from scipy.spatial import cKDTree

    catalog = truth if isinstance(truth, np.ndarray) else read_catalog(Path(truth))
    ra, dec, flux, error = _load(recovered)
    centre = (float(ra[0]), float(np.median(dec)))
    true_x, true_y = _tangent(catalog["ra"], catalog["dec"], centre)
    everything = 3600 * np.stack([true_x, true_y], axis=1), catalog["abmag"]
    if footprint is not None:
        seen = _inside(true_x, true_y, np.stack(_tangent(footprint[:, 0], footprint[:, 1], centre), axis=1))
        catalog, true_x, true_y = catalog[seen], true_x[seen], true_y[seen]
    x, y = _tangent(ra, dec, centre)
    tree = cKDTree(np.stack([true_x, true_y], axis=1))
    shift = np.zeros(2)
    for reach in (4 * radius, 2 * radius, radius):  # the common shift settles while the search narrows
        distance, index = tree.query(np.stack([x, y], axis=1) - shift)
        near = distance < reach / 3600
        found = np.stack([x[near] - true_x[index[near]], y[near] - true_y[index[near]]])
        if found.size:
            shift = np.median(found, axis=1)
    # of several detections on one source keep the one nearest to it in brightness
    order = np.argsort(np.abs(np.log(np.maximum(flux, 1e-9) / catalog["flux_ujy"][index])))
    order = order[near[order]]
    chosen = order[np.unique(index[order], return_index=True)[1]]
    pairs = _pairs(catalog[index[chosen]], flux[chosen], error[chosen])
    pairs["dra"] = (x[chosen] - true_x[index[chosen]] - shift[0]) * _MAS
    pairs["ddec"] = (y[chosen] - true_y[index[chosen]] - shift[1]) * _MAS
    extra = explain_extra(3600 * (np.stack([x, y], axis=1)[~near] - shift), *everything)
    return _summary(
        pairs,
        catalog=catalog,
        places=3600 * np.stack([true_x, true_y], axis=1),
        index=index[chosen],
        detections=ra.size,
        shift=shift,
        bright=bright,
        extra=extra,
    )


def _pairs(injected: np.ndarray, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
    names = ("ra", "dec", "flux_ujy", "abmag", "recovered_ujy", "error_ujy", "dra", "ddec")
    pairs = np.zeros(injected.size, [("id", "i4"), ("type", "U6"), *((name, "f8") for name in names)])
    for name in ("id", "type", "ra", "dec", "flux_ujy", "abmag"):
        pairs[name] = injected[name]
    pairs["recovered_ujy"], pairs["error_ujy"] = flux, error
    return pairs


def _counts(reasons: dict[str, int]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in reasons.items()) or "none"


def _robust(values: np.ndarray) -> float:
    """Robust standard deviation about the median."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) if values.size else float("nan")


def _summary(
    pairs: np.ndarray,
    *,
    catalog: np.ndarray,
    index: np.ndarray,
    places: np.ndarray,
    detections: int,
    shift: np.ndarray,
    bright: tuple[float, float],
    extra: dict[str, int],
) -> Comparison:
    found = np.zeros(catalog.size, bool)
    found[index] = True
    magnitude = np.floor(catalog["abmag"])
    completeness = {f"{int(m)}-{int(m) + 1}": float(found[magnitude == m].mean()) for m in np.unique(magnitude)}
    star = (pairs["type"] == "star") & (pairs["abmag"] >= bright[0]) & (pairs["abmag"] < bright[1])
    star &= np.isfinite(pairs["recovered_ujy"])  # pixels without a value in the aperture leave a source without flux
    ratio = pairs["recovered_ujy"][star] / pairs["flux_ujy"][star]
    return Comparison(
        pairs=pairs,
        injected=catalog.size,
        recovered=pairs.size,
        completeness=completeness,
        shift=(float(shift[0] * _MAS), float(shift[1] * _MAS)),
        position_rms=_robust(np.concatenate([pairs["dra"][star], pairs["ddec"][star]])),
        flux_ratio=float(np.median(ratio)) if ratio.size else float("nan"),
        flux_scatter=_robust(ratio),
        spurious=detections - pairs.size,
        missed=explain_missed(catalog, places, found, completeness),
        extra=extra,
    )
