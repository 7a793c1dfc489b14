"""Why a source was not recovered, and where a detection without a source comes from, as far as the truth tells."""

import numpy as np

__all__ = ["explain_extra", "explain_missed"]

_BRIGHT = 19.0
"""AB magnitude; the diffraction pattern of a star brighter than this has knots above the detection threshold."""
_PATTERN = 1.5
"""Reach of those knots, arcsec."""
_BLEND = 0.5
"""Sources nearer than this to a brighter one become part of it, arcsec."""


def explain_extra(places: np.ndarray, sources: np.ndarray, magnitudes: np.ndarray) -> dict[str, int]:
    """Count detections by what is near them.

    Parameters
    ----------
    places : ndarray
        Positions of detections without an injected source, arcsec, float64 [n, 2].
    sources, magnitudes : ndarray
        Positions, arcsec, and magnitudes of everything that was injected.
    """
    near = _nearest(places, sources[magnitudes < _BRIGHT]) < _PATTERN
    rest = _nearest(places[~near], sources) < _BLEND
    counts = {
        f"knots in the diffraction pattern of stars brighter than {_BRIGHT:g} mag": near.sum(),
        f"pieces of a source nearer than {_BLEND:g} arcsec": rest.sum(),
        "noise": (~rest).sum(),
    }
    return {reason: int(number) for reason, number in counts.items() if number}


def explain_missed(
    catalog: np.ndarray, places: np.ndarray, found: np.ndarray, completeness: dict[str, float]
) -> dict[str, int]:
    """Count injected sources that were not found; the first reason that fits counts.

    Parameters
    ----------
    catalog, places : ndarray
        Injected sources and their positions, arcsec.
    found : ndarray
        Which of them were found, bool.
    completeness : dict
        Share of sources found by magnitude interval, ``"24-25"``.
    """
    faint = min((int(name.split("-")[0]) for name, share in completeness.items() if share < 0.5), default=99)
    open_ = ~found
    counts = {}
    for reason, fits in (
        (f"fainter than {faint} mag, where less than half is found", catalog["abmag"] >= faint),
        ("galaxies of low surface brightness", catalog["type"] == "galaxy"),
        (
            f"nearer than {_BLEND:g} arcsec to a brighter source",
            _distance_to_brighter(places, catalog["abmag"]) < _BLEND,
        ),
        ("near the limit", np.ones(found.size, bool)),
    ):
        counts[reason] = int((open_ & fits).sum())
        open_ = open_ & ~fits
    return {reason: number for reason, number in counts.items() if number}


def _nearest(places: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Distance of each place to the nearest source, arcsec; infinite where there are none."""
    from scipy.spatial import cKDTree

    return cKDTree(sources).query(places)[0] if len(sources) and len(places) else np.full(len(places), np.inf)


def _distance_to_brighter(places: np.ndarray, magnitudes: np.ndarray) -> np.ndarray:
    """Distance of each source to the nearest brighter one, arcsec."""
    separation = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    separation[magnitudes[None] >= magnitudes[:, None]] = np.inf
    return separation.min(axis=1, initial=np.inf)
