"""The two kinds of compiled kernels used by all algorithms, with one set of compiler options.

Compiled code is cached in the user's cache folder, so that it is shared by environments that cannot write beside the
package and survives re-installation. ``fastmath`` stays off: it optimises NaN tests away, which silently loses flags.
"""

import os
from collections.abc import Callable

import platformdirs

os.environ.setdefault("NUMBA_CACHE_DIR", str(platformdirs.user_cache_path("jwcal") / "kernels"))

import numba  # the cache folder must be known before numba is imported
from numba import prange

__all__ = ["kernel", "parallel_kernel", "prange"]


def kernel(function: Callable) -> Callable:
    """Compile a serial kernel, meant to be called from other kernels or on small work."""
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


def parallel_kernel(function: Callable) -> Callable:
    """Compile a kernel whose ``prange`` loops share the cores given to this process."""
    return numba.njit(cache=True, nogil=True, error_model="numpy", parallel=True)(function)
