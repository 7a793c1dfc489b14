"""Our own plugins keep every promise of the contract."""

import pytest

from jwcore.testing import checks


@pytest.mark.parametrize(
    "check", [c for name in ("builtin", "nircam", "niriss", "miri", "nirspec", "fgs") for c in checks(name)], ids=str
)
def test_our_plugins_conform(check):
    check()
