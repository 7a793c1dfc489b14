"""The two kinds of compiled kernels used by all algorithms, with one set of compiler options.

Compiled code is cached in the user's cache folder, so that it is shared by environments that cannot write beside the
package and survives re-installation. The compiler notices only changes of the file that a kernel is in, not of the kernels
that it calls from other files; the folder is therefore named after the content of all of them. ``fastmath`` stays off: it
optimises NaN tests away, which silently loses flags.
"""

import hashlib
import importlib
import os
from collections.abc import Callable
from pathlib import Path

import platformdirs


def _cache_folder() -> Path:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return platformdirs.user_cache_path("jwcal") / "kernels" / digest.hexdigest()[:12]


os.environ.setdefault("NUMBA_CACHE_DIR", str(_cache_folder()))

numba = importlib.import_module("numba")  # not before the cache folder is known
prange = numba.prange

__all__ = ["inner_kernel", "kernel", "parallel_kernel", "prange"]


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
