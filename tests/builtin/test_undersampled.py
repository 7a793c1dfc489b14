"""The search for outliers that leaves star cores alone; its truth test is in tests/truth/test_star_cores.py."""

import numpy as np
import pytest

from jwcore import planner
from jwcore.algorithms import dq
from jwcore.api import Context, ExposureSet, SkipStep, StepFailed
from jwcore.builtin.image3.undersampled import undersampled
from jwcore.declare import ExposureType
from jwcore.plugins import Plugins, Selection
from tests.builtin._dithers import cosmic_rays, dithered, exposure, fingerprints, on_disk
from tests.builtin.test_outlier_detection import flagged, star_cores, with_sky_levels

PARAMS = Plugins(Selection()).implementation("outlier_detection", "builtin:undersampled").info.params


def run(exposures, context=None, **params):
    return undersampled(exposures, PARAMS(**params), context or Context("outlier_detection"))


@pytest.fixture(scope="module")
def cleaned():
    return run(with_sky_levels(dithered()))


def found_in(exposures):
    """Part of the cosmic rays outside of star cores that is flagged, and flagged pixels that are none."""
    found = total = others = 0
    for k, made in enumerate(exposures):
        rays = np.zeros(made.shape, bool)
        rays[cosmic_rays(k)] = True
        usable = rays & (exposure(k).dq & dq.DO_NOT_USE == 0) & ~star_cores(k)
        found, total = found + (flagged(made) & usable).sum(), total + usable.sum()
        others += (flagged(made) & ~rays).sum()
    return found / total, others


def test_cosmic_rays_go_and_stars_stay(cleaned):
    found, others = found_in(cleaned)
    assert found > 0.99
    assert others <= 6  # the usual search takes 22


def test_of_two_exposures_the_one_with_the_cosmic_ray_is_told():
    found, others = found_in(run(with_sky_levels(dithered(count=2))))
    assert found > 0.85  # a part of them lies where the other exposure has no pixel
    assert others < 25


def test_a_set_on_disk_gives_the_same(tmp_path, cleaned):
    with on_disk(with_sky_levels(dithered()), tmp_path) as stored:
        for a, b in zip(run(stored), cleaned, strict=True):
            np.testing.assert_array_equal(a.dq, b.dq)
            np.testing.assert_array_equal(a.data, b.data)


def test_it_runs_only_when_named():
    exposures = list(with_sky_levels(dithered(count=2)))
    for use, expected in ((None, "builtin:outlier_detection"), ("builtin:undersampled", "builtin:undersampled")):
        plan = planner.plan(
            exposures, "outlier_detection", references="none", use={"outlier_detection": use} if use else None
        )
        assert plan.nodes[0].entries[0].implementation == expected


def test_other_exposures_are_left_to_others():
    for kind in (ExposureType("", "", family="coronagraphy"), ExposureType("", "", always_tso=True)):
        with pytest.raises(SkipStep, match="dithered images alone"):
            run(dithered(count=2), Context("outlier_detection", exposure_type=kind))


def test_one_exposure_fails_unchanged():
    exposures = ExposureSet([exposure(0)])
    before = fingerprints(exposures)
    with pytest.raises(StepFailed, match="one exposure"):
        run(exposures)
    assert fingerprints(exposures) == before
