"""Which pixels of an image hold nothing but background: sigma clipping, its limits from the data.

Sources make the distribution of pixel values asymmetric: its lower half is that of the background alone. Where the noise is
measured on the lower half, it is mirrored about the centre.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms.sorted_sample import SortedSample

__all__ = ["Limits", "background_limits", "background_pixels"]

LOWER_SIGMA = 3.0
"""Limit of values below the background."""
CLIP_SIGMA = 3.0
ROUNDS = 5
BINS = 2000
HALF_RANGE = 4.0
"""Half width of the histogram in standard deviations."""


class Limits(NamedTuple):
    """Range of values that count as background."""

    low: float = -np.inf
    high: float = np.inf


def background_limits(
    sample: SortedSample,
    *,
    lower: float = LOWER_SIGMA,
    upper: float,
    fit_histogram: bool = False,
    lower_half: bool = False,
    within: Limits = Limits(),  # noqa: B008  (immutable)
) -> Limits:
    """Find the range of background values, ``centre - lower * sigma`` to ``centre + upper * sigma``.

    Parameters
    ----------
    sample : SortedSample
        Pixel values.
    lower, upper : float
        Limits in standard deviations.
    fit_histogram : bool
        Take centre and sigma from a Gaussian fitted to the histogram of values instead of their median and standard
        deviation after 3-sigma clipping.
    lower_half : bool
        Measure sigma on values below the centre alone.
    within : Limits
        Values outside do not count.

    Returns
    -------
    Limits
        NaN when there is no value.
    """
    clipped = sample.clipped(CLIP_SIGMA, maxiters=ROUNDS, low=within.low, high=within.high)
    centre, sigma = (clipped.mean if fit_histogram else clipped.median), clipped.std
    if fit_histogram:
        centre, sigma = _gaussian(sample, centre, sigma, within, lower_half)
    elif lower_half:
        sigma = _sigma_below(sample, centre, within)
    return Limits(centre - lower * sigma, centre + upper * sigma)


def background_pixels(
    image: NDArray[np.float32], usable: NDArray[np.bool_], *, n_sigma: float, fit_histogram: bool = False
) -> NDArray[np.bool_]:
    """Find the pixels of a rate image that hold background.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Rates; what is NaN or exactly zero was not measured.
    usable : ndarray of bool, shape (ny, nx)
        Pixels to consider.
    n_sigma : float
        Upper clipping limit; zero or less does not clip.
    fit_histogram : bool
        See `background_limits`.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
    """
    measured = usable & np.isfinite(image) & (image != 0)
    if n_sigma <= 0 or not measured.any():
        return measured
    sample = SortedSample(np.where(measured, image, np.float32(np.nan)))
    low, high = background_limits(sample, upper=n_sigma, fit_histogram=fit_histogram)
    return measured & (image >= low) & (image <= high)


def _sigma_below(sample: SortedSample, centre: float, within: Limits) -> float:
    """Sigma of the values below the centre, after 3-sigma clipping of them and their mirror images."""
    low = within.low
    sigma = sample.rms_about(centre, low, centre)
    count = sample.count(low, centre)
    for _ in range(ROUNDS):
        low = max(low, centre - CLIP_SIGMA * sigma)
        left = sample.count(low, centre)
        if left == count:
            break
        sigma, count = sample.rms_about(centre, low, centre), left
    return sigma


def _gaussian(
    sample: SortedSample, centre: float, sigma: float, within: Limits, lower_half: bool
) -> tuple[float, float]:
    """Centre and sigma of a Gaussian fitted to the histogram, or to that of the mirrored lower half."""
    from scipy.optimize import curve_fit

    if not sigma > 0:
        return centre, sigma
    edges = centre + HALF_RANGE * sigma * np.linspace(-1, 1, BINS + 1)
    counts = sample.histogram(edges.clip(*within))
    if lower_half:
        counts = np.concatenate([counts[: BINS // 2], counts[BINS // 2 - 1 :: -1]])
    bins = 0.5 * (edges[1:] + edges[:-1])
    try:
        fit, _ = curve_fit(_bell, bins, counts, p0=(counts.max(), centre, sigma))
    except RuntimeError:  # no convergence: the clipped moments are the next best
        return centre, sigma
    return float(fit[1]), abs(float(fit[2]))


def _bell(x: NDArray[np.float64], height: float, centre: float, sigma: float) -> NDArray[np.float64]:
    return height * np.exp(-0.5 * np.square((x - centre) / sigma))
