"""The example of sky planes: tilted backgrounds of simulated exposures become alike."""

from pathlib import Path

import numpy as np
import pytest

from jwcore import planner
from jwcore.api import ExposureSet
from jwcore.testing import checks
from tests.algorithms._sky import pointed
from tests.builtin._dithers import SHAPE, dithered, exposure, star_image

PLUGIN = str(Path(__file__).parents[2] / "examples" / "plane_sky" / "plane_sky.py")
TILTS = ((0.3, 0.2, -0.1), (-0.1, -0.25, 0.15), (0.2, 0.1, 0.3), (0.0, -0.05, -0.2))
"""Level, and half the difference from edge to edge along x and y, of each exposure; the noise is 0.01."""


def tilt(k):
    v, u = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    a, b, c = TILTS[k]
    return (a + b * u + c * v).astype(np.float32)


def tilted(**options):
    exposures = dithered(sky=0.5, **options)
    for k, made in enumerate(exposures):
        made.data += tilt(k)
    return list(exposures)


def run(exposures, **params):
    plan = planner.plan(exposures, "skymatch", references="none", plugins=[PLUGIN], params={"skymatch": params})
    return list(plan.run()["science"])


def fitted(image, scene):
    """Plane of an exposure without its stars: level and tilts, as in TILTS."""
    v, u = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    good = np.isfinite(image.data) & (scene < 0.01)
    for _ in range(3):  # cosmic rays
        terms = np.stack([np.ones(good.sum()), u[good], v[good]], axis=1)
        plane = np.linalg.lstsq(terms, image.data[good], rcond=None)[0]
        good &= np.abs(image.data - (plane[0] + plane[1] * u + plane[2] * v)) < 0.1
    return plane


def spread(exposures):
    """Largest deviation of a level or tilt from the mean of all exposures."""
    planes = np.array([fitted(made, star_image(k)) for k, made in enumerate(exposures)])
    return np.abs(planes - planes.mean(axis=0)).max(axis=0)


def test_tilted_backgrounds_become_alike():
    before = tilted()
    after = run(before, tile=16)
    assert np.all(spread(before) > 0.2)
    assert np.all(spread(after) < 0.004)


def test_the_mean_of_the_skies_stays():
    before, after = tilted(), run(tilted(), tile=16)
    levels = [np.mean([fitted(made, star_image(k))[0] for k, made in enumerate(found)]) for found in (before, after)]
    assert levels[1] == pytest.approx(levels[0], abs=0.02)
    assert sum(made.meta.background.level for made in after) == pytest.approx(0.0, abs=0.1)
    assert all(made.meta.background.subtracted for made in after)


def test_levels_alone_leave_the_tilt():
    exposures = tilted()
    plan = planner.plan(exposures, "skymatch", references="none", params={"skymatch": {"subtract": True}})
    assert np.all(spread(plan.run()["science"])[1:] > 0.2)


def test_exposures_far_from_the_others_are_left_alone():
    far = exposure(3)
    far.wcs = pointed(SHAPE, offset=(40.0, 0.0))
    after = run([*tilted(count=3), far], tile=16)
    np.testing.assert_array_equal(after[3].data, far.data)
    assert after[3].meta.cal_step.skymatch == "SKIPPED"
    level, *tilts = spread(after[:3])
    assert max(tilts) < 0.004
    assert level < 0.03  # the mean tilt stays, as a slope of the sky on which they stand at different places


def test_it_replaces_skymatch_and_says_so():
    (entry,) = planner.plan(tilted(count=2), "skymatch", references="none", plugins=[PLUGIN]).nodes[0].entries
    assert entry.implementation == "plane_sky:plane"
    assert ExposureSet(run(tilted(count=2), tile=16)).metas()[0].cal_step.skymatch == "COMPLETE"


@pytest.mark.parametrize("check", checks(PLUGIN), ids=str)
def test_it_conforms(check):
    check()
