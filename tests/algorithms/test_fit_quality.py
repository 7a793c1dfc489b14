from dataclasses import replace

import numpy as np
import pytest

from jwcore.algorithms.fit_quality import Residuals, doubts, largest_rms, rival_offset
from jwcore.algorithms.tangent_fit import AlignSettings, Fit, fit_positions

GOOD = Fit(
    matches=30, used=28, shift=(0.1, 0.2), rotation=0.01, scale=1.0001, rmse=0.008, mae=0.007, matrix=np.eye(2),
    kept=np.ones(30, bool),
)  # fmt: skip


def test_a_good_fit_is_believed():
    assert doubts(GOOD, rms_limit=0.03) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"used": 14}, "only 14 of 30 matches agree"),
        ({"rmse": 0.2}, "residuals are 200 mas rms, those of true matches below 30"),
        ({"rmse": float("nan")}, "residuals are nan"),
        ({"rotation": -0.2}, "turned by -0.200 deg"),
        ({"matrix": np.diag([1.0, 0.99])}, "scale is off by 0.0100"),
        ({"matrix": np.diag([1.0, -1.0])}, "mirrored"),
    ],
)
def test_what_is_not_to_be_believed(changes, words):
    (problem,) = doubts(replace(GOOD, **changes), rms_limit=0.03)
    assert words in problem


def test_rotation_and_scale_are_judged_by_what_is_known_of_them():
    turned, stretched = replace(GOOD, rotation=0.3), replace(GOOD, matrix=np.diag([1.0, 1.006]))
    for fit in (turned, stretched):
        assert len(doubts(replace(fit, linear_error=1e-3), rms_limit=0.03)) == 1
        assert doubts(replace(fit, linear_error=1.5e-3), rms_limit=0.03) == []


@pytest.mark.parametrize(("geometry", "weighted"), [("rshift", False), ("rscale", True), ("general", False)])
def test_truth_errors_of_rotation_and_scale(geometry, weighted):
    """The scatter of many fits to stars in a small sub-array is what each of them claims."""
    rng = np.random.default_rng(4)
    weight = rng.uniform(0.5, 2.0, 15) if weighted else None
    sources = rng.uniform(-2.5, 2.5, (15, 2)) * (1.0, 0.4)
    fits = []
    for _ in range(150):
        errors = rng.normal(0, 0.006, sources.shape)
        if weighted:
            errors /= np.sqrt(weight)[:, None]
        fits.append(fit_positions(sources + errors, sources, weight=weight, settings=AlignSettings(fitgeom=geometry)))
    claimed = np.median([fit.linear_error for fit in fits])
    true = np.std([fit.matrix[0, 1] for fit in fits])  # the less certain element
    assert claimed == pytest.approx(true, rel=0.2)
    assert np.mean([bool(doubts(fit, rms_limit=0.05)) for fit in fits]) < 0.03


def test_errors_that_nobody_can_tell_excuse_nothing():
    places = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    assert fit_positions(places, places, settings=AlignSettings(fitgeom="general")).linear_error == 0.0
    assert fit_positions(places, places, settings=AlignSettings(fitgeom="shift")).linear_error == 0.0


def test_residuals_are_judged_by_the_size_of_the_stars_and_by_the_reference():
    settings = AlignSettings(fwhm=3.0, tolerance=0.8)
    assert largest_rms(pixel=0.03, settings=settings, outside=False) == pytest.approx(0.045)
    assert largest_rms(pixel=0.03, settings=settings, outside=True) == pytest.approx(0.2)
    assert largest_rms(pixel=0.2, settings=settings, outside=True) == pytest.approx(0.3)
    narrow = AlignSettings(fwhm=1.0)  # the sources are no narrower than with the default kernel
    assert largest_rms(pixel=0.06, settings=narrow, outside=False) == pytest.approx(0.075)


def doubled(*, artefacts, stars, offset=(1.1, -0.4), noise=0.005):
    """Artefacts in place, and stars beside their counterparts; some of both have none."""
    rng = np.random.default_rng(3)
    places = rng.uniform(-30, 30, (artefacts + stars + 20, 2))
    sources = places + rng.normal(0, noise, places.shape)
    sources[artefacts:] -= offset
    return places[:-10], sources[np.r_[: artefacts + stars, -10:0]]


@pytest.mark.parametrize(("artefacts", "stars"), [(20, 35), (35, 20), (30, 0)])
def test_doubled_stars_are_counted(artefacts, stars):
    agreeing, rivals, offset = rival_offset(*doubled(artefacts=artefacts, stars=stars), radius=0.03, reach=2.7)
    assert agreeing == artefacts
    assert rivals == pytest.approx(stars, abs=3)
    if stars:
        assert offset == pytest.approx(np.hypot(1.1, -0.4), abs=0.03)


def test_pairs_are_counted_as_a_search_over_all_offsets_counts_them():
    reference, sources = doubled(artefacts=15, stars=25)
    agreeing, rivals, offset = rival_offset(reference, sources, radius=0.05, reach=2.0)
    distances = np.hypot(*(reference[:, None] - sources).transpose(2, 0, 1))
    agree = distances.min(axis=0) <= 0.05
    free, alone = np.delete(reference, distances.argmin(axis=0)[agree], axis=0), sources[~agree]
    offsets = (free[:, None] - alone).reshape(-1, 2)
    offsets = offsets[np.hypot(*offsets.T) <= 2.0]
    votes = (np.hypot(*(offsets[:, None] - offsets).transpose(2, 0, 1)) <= 0.05).sum(axis=1)
    best = offsets[votes.argmax()]
    met = np.hypot(*(free[:, None] - alone - best).transpose(2, 0, 1)).min(axis=0) <= 0.05
    assert (agreeing, rivals, offset) == (agree.sum(), met.sum(), pytest.approx(np.hypot(*best)))


def test_thousands_of_doubled_stars_are_counted_by_a_sample():
    reference, sources = doubled(artefacts=2000, stars=3000)
    agreeing, rivals, offset = rival_offset(reference, sources, radius=0.02, reach=2.7)
    assert agreeing == pytest.approx(2000, rel=0.05)
    assert rivals == pytest.approx(3000, rel=0.05)
    assert offset == pytest.approx(np.hypot(1.1, -0.4), abs=0.02)


def test_nothing_is_left_to_be_doubled():
    places = np.array([[0.0, 0.0], [5.0, 5.0]])
    assert rival_offset(places, places, radius=0.1, reach=2.0) == (2, 0, 0.0)
    assert rival_offset(places, np.array([[30.0, 0.0]]), radius=0.1, reach=2.0) == (0, 0, 0.0)


def test_residuals_on_the_sky():
    reference = np.array([[359.9999, 60.0], [0.0001, 60.0]])
    places = reference + np.array([[0.0002, 0.0], [0.0002, 0.00005]])
    places[0, 0] -= 360.0
    left = Residuals.between(places, reference)
    assert left.matches == 2
    assert left.east == pytest.approx(0.36, abs=1e-6)
    assert left.north == pytest.approx(0.09, abs=1e-6)
    assert left.rms == pytest.approx(np.sqrt(0.36**2 + 0.18**2 / 2), abs=1e-6)
    assert Residuals.between(places[:0], reference[:0]) is None
