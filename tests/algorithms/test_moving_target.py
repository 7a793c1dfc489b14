import numpy as np
import pytest

from jwcore.algorithms.moving_target import follow_target, mean_position

from ._sky import DEC, RA, pointed, separation


@pytest.mark.parametrize(
    ("ra", "mean"), [([10.0, 10.4], 10.2), ([359.9, 0.1, 0.3], 0.1), ([359.0, 1.0], 0.0), ([179.0, 183.0], 181.0)]
)
def test_mean_across_zero(ra, mean):
    found, dec = mean_position(ra, np.linspace(-1, 3, len(ra)))
    assert (found - mean + 180) % 360 - 180 == pytest.approx(0, abs=1e-10)
    assert dec == pytest.approx(1.0)


def test_the_target_goes_to_its_mean_position_and_distances_stay():
    wcs = pointed()
    target, mean = (RA + 0.002, DEC - 0.001), (RA + 1.0, DEC + 3.0)
    moved = follow_target(wcs, target=target, mean=mean)
    x, y = wcs.invert(*target)
    assert separation(*moved(x, y), *mean) < 1e-5
    x, y = np.array([20.0, 380.0]), np.array([30.0, 350.0])
    before, after = wcs.pixel_to_world(x, y), moved.pixel_to_world(x, y)
    assert before[0].separation(before[1]).mas == pytest.approx(after[0].separation(after[1]).mas, abs=1e-4)
    np.testing.assert_allclose(moved.invert(*moved(x, y)), [x, y], atol=1e-6)


def test_frames_box_and_repetition():
    wcs = pointed()
    once = follow_target(wcs, target=(RA, DEC), mean=(RA, DEC + 1))
    assert once.available_frames == [*wcs.available_frames, "moving_target"]
    assert once.bounding_box == wcs.bounding_box
    again = follow_target(once, target=(RA, DEC), mean=(RA, DEC + 1))
    assert again.available_frames == once.available_frames
    np.testing.assert_allclose(again(9.0, 7.0), once(9.0, 7.0))
    assert wcs.available_frames[-1] == "world"


def test_north_stays_up_at_the_target_near_ra_zero():
    wcs = pointed()
    moved = follow_target(wcs, target=(RA, DEC), mean=(0.0, -40.0))
    x, y = wcs.invert([RA, RA], [DEC, DEC + 1e-3])
    ra, dec = moved(x, y)
    assert dec[1] - dec[0] == pytest.approx(1e-3, rel=1e-6)
    assert separation(ra[0], dec[0], ra[1], dec[0]) == pytest.approx(0, abs=1e-3)
