"""A drifting pattern on a detector of 48 x 48 pixels, for the tests of picture_frame."""

import numpy as np
import pytest

from jwcore.algorithms import picture_frame

SHAPE = (48, 48)


@pytest.fixture(autouse=True)
def small_detector(monkeypatch):
    """Bring the regions that are measured to the small detector."""
    monkeypatch.setattr(picture_frame, "CENTRE", slice(12, 36))
    monkeypatch.setattr(picture_frame, "EDGES", (slice(2, 10), slice(38, 45)))
    monkeypatch.setattr(picture_frame, "ACTIVE", slice(2, 45))


def frame(strength=1.0):
    """Make the pattern: bright edges."""
    distance = np.minimum.reduce([*np.indices(SHAPE), *(47 - np.indices(SHAPE))])
    return (strength * np.exp(-distance / 5.0)).astype("f4")
