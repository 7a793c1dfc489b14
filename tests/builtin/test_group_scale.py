import pytest

from jwcore.api import Params
from jwcore.builtin.detector1.group_scale import already_scaled, group_scale

from ._ramps import ramp


def test_average_of_five_frames_divided_by_four():
    exposure = ramp(NFRAMES=5, FRMDIVSR=4, value=100, zeroframe=7)
    assert already_scaled(exposure.meta, Params(), {}) is None
    assert group_scale(exposure) is exposure
    assert (exposure.data == 80).all()
    assert (exposure.zeroframe == 7).all()


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [
        ({"NFRAMES": None}, "NFRAMES is not known"),
        ({"NFRAMES": 5}, "FRMDIVSR is not known"),
        ({"NFRAMES": 8, "FRMDIVSR": 8}, "used the right divisor"),
    ],
)
def test_nothing_to_do_is_known_while_planning(keywords, reason):
    assert reason in already_scaled(ramp(**keywords).meta, Params(), {})
