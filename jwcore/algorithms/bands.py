"""Sharing the rows of an exposure among threads, for kernels that release the interpreter lock.

It does the work of ``prange`` where compilation time matters: a parallel loop of numba optimises everything it calls
a second and third time, which doubles the compilation of large kernels. Threads may also call it side by side, unlike
numba's own work queue.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jwcore.algorithms._numba import numba  # not directly: that module names the cache folder first

__all__ = ["over_rows"]

_BANDS_PER_THREAD = 8  # so that a slow band does not leave the other threads idle


def over_rows(kernel: Callable[..., Any], nrows: int, *arguments: Any) -> list[Any]:
    """
    Call a kernel for bands of rows, as many side by side as numba has threads.

    Parameters
    ----------
    kernel : callable
        ``kernel(first, last, *arguments)`` works on rows first..last-1. Bands must not depend on each other.
    nrows : int
        Number of rows.
    *arguments
        Handed on.

    Returns
    -------
    list
        Results of the bands, in order.
    """
    threads = numba.get_num_threads()
    height = -(-nrows // (_BANDS_PER_THREAD * threads)) if threads > 1 else nrows
    firsts = range(0, nrows, max(height, 1))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda first: kernel(first, min(first + height, nrows), *arguments), firsts))
