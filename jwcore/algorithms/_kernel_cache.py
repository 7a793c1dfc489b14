"""The folder in which compiled kernels are kept; apart from the kernels, because asking for it must not load a compiler.

The compiler notices only changes of the file that a kernel is in, not of the kernels that it calls from other files; the
folder is therefore named after the content of all of them.
"""

import hashlib
import os
from pathlib import Path

import platformdirs


def folder() -> Path:
    """Return the folder: that of NUMBA_CACHE_DIR, or one in the user's cache folder."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(chosen)
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return platformdirs.user_cache_path("jwcal") / "kernels" / digest.hexdigest()[:12]


def compiled() -> int:
    """Count the kernels that are ready."""
    return sum(1 for _ in folder().rglob("*.nbc"))
