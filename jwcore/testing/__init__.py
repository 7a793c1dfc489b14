"""For plugin authors: tiny exposures and references, and a check for every promise of the contract.

>>> import pytest
>>> from jwcore.testing import checks
>>> @pytest.mark.parametrize("check", checks("acme"), ids=str)  # doctest: +SKIP
... def test_conformance(check):
...     check()
"""

from jwcore.testing.conformance import Check, ConformanceError, NotChecked, checks
from jwcore.testing.exposures import tiny_image, tiny_ramp, tiny_references, tiny_set
from jwcore.testing.verdicts import run_checks

__all__ = [
    "Check",
    "ConformanceError",
    "NotChecked",
    "checks",
    "run_checks",
    "tiny_image",
    "tiny_ramp",
    "tiny_references",
    "tiny_set",
]
