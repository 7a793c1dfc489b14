"""The two kinds of compiled kernels used by all algorithms, with one set of compiler options.

Compiled code is cached in the user's cache folder, so that it is shared by environments that cannot write beside the
package and survives re-installation. ``fastmath`` stays off: it optimises NaN tests away, which silently loses flags.
"""

import importlib
import logging
import os
from collections.abc import Callable
from typing import Any

from jwcore.algorithms import _kernel_cache

os.environ.setdefault("NUMBA_CACHE_DIR", str(_kernel_cache.folder()))

numba = importlib.import_module("numba")  # not before the cache folder is known
event: Any = importlib.import_module("numba.core.event")
prange = numba.prange

__all__ = ["inner_kernel", "kernel", "parallel_kernel", "prange"]


class _Announcement(event.Listener):
    """Says once, when the first kernel is not found in the cache, why a run starts with a pause."""

    def on_start(self, _: Any) -> None:
        event.unregister("numba:compile", self)
        some = "kernels that no run has needed yet" if _kernel_cache.compiled() else "the kernels"
        length = "" if _kernel_cache.compiled() else "; one to two minutes"
        logging.getLogger("jwcal").info("compiling %s (once%s)", some, length)

    def on_end(self, _: Any) -> None:
        """Nothing to do; the interface wants it."""


event.register("numba:compile", _Announcement())


def kernel(function: Callable) -> Callable:
    """Compile a serial kernel, meant to be called from other kernels or on small work."""
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


def inner_kernel(function: Callable) -> Callable:
    """Compile a kernel that only other kernels call; without the entry points from Python it compiles faster."""
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(cache=True, nogil=True, error_model="numpy", **options)(function)


def parallel_kernel(function: Callable) -> Callable:
    """Compile a kernel whose ``prange`` loops share the cores given to this process."""
    return numba.njit(cache=True, nogil=True, error_model="numpy", parallel=True)(function)
