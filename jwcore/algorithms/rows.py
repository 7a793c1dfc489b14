"""Elementary operations on one row of pixels, the innermost loops of the detector kernels.

They stand in functions of their own, take whole 1-D arrays, and choose between values that are loaded beforehand. So the
compiler turns them into vector code; of the same loops written out inside a nest it makes code several times slower.
"""

import numpy as np

from jwcore.algorithms._numba import kernel

__all__ = ["add_product", "add_scaled", "add_scaled_known", "copy", "lower", "smallest"]


@kernel
def copy(target, source):
    """Copy a row."""
    for x in range(target.size):
        target[x] = source[x]


@kernel
def add_scaled(total, row, factor):
    """Add a multiple of a row."""
    for x in range(total.size):
        total[x] += factor * row[x]


@kernel
def add_scaled_known(total, row, factor):
    """Add a multiple of a row in which NaN stands for zero."""
    for x in range(total.size):
        value, before = row[x], total[x]
        total[x] = before if np.isnan(value) else before + factor * value


@kernel
def add_product(total, factors, row):
    """Add a row times a row of factors."""
    for x in range(total.size):
        total[x] += factors[x] * row[x]


@kernel
def lower(lowest, row):
    """Replace values by those of a row where these are smaller."""
    for x in range(lowest.size):
        value, low = row[x], lowest[x]
        lowest[x] = value if value < low else low


@kernel
def smallest(row):
    """Find the smallest value of a row."""
    least = row[0]
    for x in range(row.size):
        least = min(least, row[x])
    return least
