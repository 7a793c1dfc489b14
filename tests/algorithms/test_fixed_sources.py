"""Artefacts that stay on the detector are told from stars, which move with the sky."""

import numpy as np
import pytest

from jwcore.algorithms.alignment import AlignImage
from jwcore.algorithms.fixed_sources import fixed_on_detector

from ._sky import ROLL, V2, V3, pointed

SHAPE = (400, 400)


def exposures(offsets, *, stars=40, artefacts=60, rolls=None, corners=None, seen=1.0, shape=SHAPE):
    """Images of one detector with the sources found in them, stars first, and the number of stars of each."""
    rng = np.random.default_rng(4)
    sky = pointed(SHAPE)(*rng.uniform(-60, 460, (2, stars)), with_bounding_box=False)
    warm = rng.uniform(5, 395, (2, artefacts))
    images, numbers = [], []
    for offset, roll, corner in zip(
        offsets, rolls or [0.0] * len(offsets), corners or [(0, 0)] * len(offsets), strict=True
    ):
        whole = pointed(SHAPE, offset=offset, roll=roll)
        wcs = whole if corner == (0, 0) else cut(whole, corner, shape)
        x, y = wcs.invert(*sky, with_bounding_box=False)
        found = warm[:, rng.random(artefacts) < seen] - np.reshape(corner, (2, 1))
        x, y = (
            np.concatenate(axes) + rng.normal(0, 0.1, len(axes[0]) + len(axes[1]))
            for axes in ((x, found[0]), (y, found[1]))
        )
        inside = (x > 0) & (x < shape[1] - 1) & (y > 0) & (y < shape[0] - 1)
        images.append(AlignImage(wcs, V2, V3, ROLL, x[inside], y[inside]))
        numbers.append(int(inside[:stars].sum()))
    return images, numbers


def cut(wcs, corner, shape):
    """WCS of a sub-array that begins at a corner (x, y) of the whole."""
    from astropy.modeling.models import Shift

    part = wcs.__class__(list(wcs.pipeline))
    first = wcs.available_frames[0], wcs.available_frames[1]
    shift = Shift(corner[0]) & Shift(corner[1])
    part.set_transform(*first, shift | wcs.get_transform(*first))
    part.bounding_box = ((-0.5, shape[1] - 0.5), (-0.5, shape[0] - 0.5))
    return part


def told(images, numbers, origins=None):
    """Shares of the stars and of the artefacts that are called fixed."""
    found = fixed_on_detector(images, origins=origins or [(1, 1)] * len(images))
    stars = np.concatenate([fixed[:n] for fixed, n in zip(found, numbers, strict=True)])
    others = np.concatenate([fixed[n:] for fixed, n in zip(found, numbers, strict=True)])
    return stars.mean(), others.mean()


@pytest.mark.parametrize("count", [2, 4, 13])
def test_truth_artefacts_are_told_from_stars(count):
    images, numbers = exposures([(1.2 * k, 0.4 * k) for k in range(count)])
    stars, artefacts = told(images, numbers)
    assert stars < 0.04
    assert artefacts == 1.0


def test_artefacts_that_are_found_now_and_then():
    images, numbers = exposures([(1.2 * k, 0.4 * k) for k in range(4)], seen=0.8)
    stars, artefacts = told(images, numbers)
    assert stars < 0.04
    assert artefacts > 0.85


@pytest.mark.parametrize("offsets", [[(0.0, 0.0)], [(0.0, 0.0), (0.1, 0.0)], [(0.0, 0.0)] * 3])
def test_small_dithers_do_not_tell(offsets):
    assert told(*exposures(offsets)) == (0.0, 0.0)


def test_exposures_at_one_pointing_are_no_evidence():
    images, numbers = exposures([(0.0, 0.0)] * 3 + [(2.0, 0.0)] * 2)
    stars, artefacts = told(images, numbers)
    assert stars < 0.06
    assert artefacts == 1.0


def test_one_wrong_header_does_not_take_the_stars_of_the_others():
    images, _ = exposures([(0.0, 0.0)] * 4, artefacts=0)
    images[3].wcs = pointed(SHAPE, offset=(5.0, 0.0))  # it looks where the others look
    found = fixed_on_detector(images, origins=[(1, 1)] * 4)
    assert [bool(fixed.any()) for fixed in found] == [False, False, False, True]


def test_a_roll_moves_the_sky_but_not_at_the_centre():
    images, numbers = exposures([(0.0, 0.0)] * 2, rolls=[0.0, 4.0])
    found = fixed_on_detector(images, origins=[(1, 1)] * 2)
    for image, fixed, number in zip(images, found, numbers, strict=True):
        radius = np.hypot(image.x - 199.5, image.y - 199.5)
        assert fixed[number:][radius[number:] > 60].all()
        assert not fixed[radius < 30].any()
        assert fixed[:number].mean() < 0.06


def test_subarrays_are_compared_by_their_place_on_the_detector():
    images, numbers = exposures([(0.0, 0.0), (1.2, 0.4)], corners=[(100, 60), (40, 80)], shape=(240, 240))
    found = fixed_on_detector(images, origins=[(101, 61), (41, 81)])
    for image, other, fixed, number, shift in zip(
        images, images[::-1], found, numbers, ((60, -20), (-60, 20)), strict=True
    ):
        x, y = image.x[number:] + shift[0], image.y[number:] + shift[1]
        common = (x > 1) & (x < 238) & (y > 1) & (y < 238)
        assert common.sum() > 5
        np.testing.assert_array_equal(fixed[number:], common)
        assert len(other.x) > number


def test_no_sources_at_all():
    images, _ = exposures([(0.0, 0.0), (1.2, 0.4)], stars=0, artefacts=0)
    assert [fixed.tolist() for fixed in fixed_on_detector(images, origins=[(1, 1)] * 2)] == [[], []]
