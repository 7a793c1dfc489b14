"""Two processes share the tests: folders whose tests compile the same kernels stay together, others go where there is room."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMPILING = ("algorithms", "builtin", "truth", "plugins", "contract/test_conformance.py")
"""Two processes that need a kernel at the same time would both compile it."""


def pytest_collection_modifyitems(items):
    """Name the group of every test, for ``pytest -n 2 --dist loadgroup``."""
    for item in items:
        place = item.path.relative_to(HERE)
        compiles = place.as_posix().startswith(COMPILING)
        item.add_marker(pytest.mark.xdist_group("kernels" if compiles else place.parts[0]))
