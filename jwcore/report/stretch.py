"""How the values of an image become shades, and shades values again."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Stretch(NamedTuple):
    """An asinh stretch from ``low`` to ``top``, linear within about ``scale`` of the lower end.

    Where both are the same, the array has one value, and its shade is the middle one.
    """

    low: float
    top: float
    scale: float

    def fraction(self, values: Any) -> Any:
        """Map values, an array of any shape or a number, to 0...1; NaN stays NaN."""
        if self.top <= self.low:
            return np.where(np.isfinite(values), 0.5, np.nan)
        full = np.arcsinh((self.top - self.low) / self.scale)
        return np.clip(np.arcsinh((np.asarray(values, float) - self.low) / self.scale) / full, 0, 1)

    def value(self, fraction: float) -> float:
        """Map 0...1 to a value."""
        return self.low + self.scale * float(np.sinh(fraction * np.arcsinh((self.top - self.low) / self.scale)))


def stretch_of(array: np.ndarray, *, softening: float = 5.0) -> Stretch:
    """Choose the stretch that shows the background of an image and its sources.

    It goes from two sigma below the background to the brightest part in a thousand, and never beyond the values that
    there are. Sigma is that of the background; where more than half of the pixels are the same, that of all.

    Parameters
    ----------
    array : ndarray, shape (ny, nx)
        The image; what is not finite does not count.
    softening : float
        Sigmas up to which the stretch is about linear.
    """
    values = array[np.isfinite(array)].astype(float)
    if not values.size:
        return Stretch(0.0, 1.0, 1.0)
    middle, lowest, brightest = (float(limit(values)) for limit in (np.median, np.min, np.max))
    if lowest == brightest:
        return Stretch(middle, middle, 1.0)
    noise = float(1.4826 * np.median(np.abs(values - middle)) or np.std(values))
    top = max(float(np.percentile(values, 99.9)), middle + 10 * noise)
    return Stretch(max(middle - 2 * noise, lowest), min(top, brightest), softening * noise)


def linear_stretch(array: np.ndarray) -> Stretch:
    """Stretch from zero, or the lowest value if that is less, to the highest; so soft that it is linear.

    Parameters
    ----------
    array : ndarray, shape (ny, nx)
        What is not finite does not count.
    """
    values = array[np.isfinite(array)]
    if not values.size:
        return Stretch(0.0, 1.0, 1e4)
    low, top = min(0.0, float(values.min())), max(0.0, float(values.max()))
    return Stretch(low, top, 1e4 * (top - low))
