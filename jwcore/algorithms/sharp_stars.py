"""Telling sharp stars from cosmic rays by their flux.

Where the pixels are wider than the image of a star, its light falls on one pixel in one exposure and on four in the
next. The median of the resampled exposures is smoother than any of them, so that the brightest pixels of a star look like
outliers. Their *surroundings* do not: the mean over 3 x 3 pixels hardly depends on where in a pixel the star is, and is
smooth enough to be resampled. A cosmic ray brings light that is in no other exposure, to the pixel and to the mean alike.

With ``r`` the residual of a pixel against the blotted median, ``D`` the derivative of that model, and for the sums over
3 x 3 pixels ``R`` what the resampled exposure exceeds the median of all by, ``D_R`` the derivative of that median and ``E``
the error, an outlier is taken for the light of a star, and kept, where

``|R| < min(|r| / 2, max(0.2 D_R, 3 E))`` and ``|r| < 5 D``.

The flux must agree as well as it can be known, with a place known to 0.2 pixel and three sigma of noise, and be nearer to
that of the star alone than to that with a cosmic ray. No star differs from its median by many times the slope of it, which
keeps the rule away from empty sky. Where no other exposure tells the flux, the second condition decides alone.
"""

import numpy as np

from jwcore.algorithms._numba import parallel_kernel, prange
from jwcore.algorithms.outliers import derivative_at

__all__ = ["box_error", "box_mean", "keep_stars"]

BOX = 9
"""Pixels of a box."""
REPLACED = 2
"""Bad pixels that a box may have."""
PLACE = 0.2
"""Pixels to which resampled means know where a star is."""
NOISE = 3.0
"""Errors of the sum that count as noise."""
REACH = 5.0
"""Slopes of the model by which a pixel of a star may differ from it."""


@parallel_kernel
def _mean_rows(image, weight, replacement, means):
    ny, nx = image.shape
    for y in prange(ny):
        for x in range(nx):
            total, replaced = np.float32(np.nan), 0
            if 0 < y < ny - 1 and 0 < x < nx - 1:
                total = np.float32(0.0)
                for j in range(y - 1, y + 2):
                    for i in range(x - 1, x + 2):
                        bad = weight[j, i] <= 0.0 or np.isnan(image[j, i])
                        total += replacement[j, i] if bad else image[j, i]
                        replaced += bad
            means[y, x] = total / np.float32(BOX) if replaced <= REPLACED else np.float32(np.nan)


def box_mean(image: np.ndarray, *, weight: np.ndarray, replacement: np.ndarray) -> np.ndarray:
    """Average an image over 3 x 3 pixels.

    Parameters
    ----------
    image, weight : ndarray of float32 [ny, nx]
        Image and weights; pixels without weight, and NaN, are bad.
    replacement : ndarray of float32 [ny, nx]
        Values that stand in for bad pixels.

    Returns
    -------
    ndarray of float32 [ny, nx]
        NaN where a box leaves the image, holds more than two bad pixels, or one whose replacement is NaN.
    """
    means = np.empty_like(image)
    _mean_rows(image, weight, replacement, means)
    return means


def box_error(err: np.ndarray) -> np.ndarray:
    """Error of the mean over 3 x 3 pixels of independent errors; NaN counts as 0. Float32 [ny, nx] both."""
    ones, zeros = np.ones_like(err), np.zeros_like(err)
    return np.sqrt(box_mean(err * err, weight=ones, replacement=zeros) / np.float32(BOX))


@parallel_kernel
def _keep(data, model, excess, typical, error, outliers):
    for y in prange(data.shape[0]):
        for x in range(data.shape[1]):
            if outliers[y, x]:
                residual, surplus = abs(data[y, x] - model[y, x]), np.float32(BOX) * abs(excess[y, x])
                place = np.float32(BOX * PLACE) * derivative_at(typical, y, x)
                known_to = max(place, np.float32(BOX * NOISE) * error[y, x])
                steep = residual < np.float32(REACH) * derivative_at(model, y, x)
                outliers[y, x] = not steep or surplus >= min(known_to, residual / np.float32(2.0))


def keep_stars(
    outliers: np.ndarray,
    *,
    data: np.ndarray,
    err: np.ndarray,
    model: np.ndarray,
    excess: np.ndarray,
    typical: np.ndarray,
) -> None:
    """Take the light of stars off a list of outliers, in place; see the top of the module for the rule.

    Parameters
    ----------
    outliers : ndarray of bool [ny, nx]
        What `jwcore.algorithms.outliers.find_outliers` found; edited.
    data, err, model : ndarray of float32 [ny, nx]
        Exposure less its background, its error, blotted median.
    excess, typical : ndarray of float32 [ny, nx]
        What the resampled means over 3 x 3 pixels of this exposure exceed the median of all exposures by, and that median;
        both blotted. NaN where unknown.
    """
    _keep(data, model, excess, typical, box_error(err), outliers)
