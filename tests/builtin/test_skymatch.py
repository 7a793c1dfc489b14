"""skymatch: sky levels of overlapping exposures."""

import numpy as np
import pytest

from jwcore.api import BadInput, Context, ExposureSet, SkipStep, UsageError
from jwcore.builtin.image3.skymatch import SkymatchParams, skymatch
from tests.algorithms._sky import pointed
from tests.builtin._dithers import NOISE, SHAPE, SKIES, dithered, exposure, fingerprints, on_disk

SKY = np.array(SKIES)
MEDIAN_ERROR = NOISE / 10


def run(exposures, **params):
    return skymatch(exposures, SkymatchParams(**params), Context("skymatch"))


def levels(exposures):
    return np.array([np.nan if m.background.level is None else m.background.level for m in exposures.metas()])


@pytest.mark.parametrize(("skystat", "error"), [("median", MEDIAN_ERROR), ("mean", MEDIAN_ERROR), ("mode", 0.6 * NOISE),
                                                ("midpt", 0.2 * NOISE)])  # fmt: skip
def test_match_finds_the_differences(skystat, error):
    exposures = run(dithered(), skystat=skystat)
    np.testing.assert_allclose(levels(exposures), SKY - SKY.min(), atol=error)
    assert [m.keyword("BKGSUB") for m in exposures.metas()] == [False] * 4
    assert exposures.metas()[0].keyword("BKGMETH") == "match"


def test_data_stay_unless_subtraction_is_asked_for():
    exposures = dithered()
    before = fingerprints(exposures)
    run(exposures)
    assert [arrays for arrays, _ in fingerprints(exposures)] == [arrays for arrays, _ in before]
    run(subtracted := dithered(), subtract=True, skystat="median")
    for old, new in zip(dithered(), subtracted, strict=True):
        good = np.isfinite(old.data)
        np.testing.assert_allclose((old.data - new.data)[good], new.meta.background.level, atol=1e-4)
    medians = [np.nanmedian(made.data) for made in subtracted]
    np.testing.assert_allclose(medians, np.mean(medians), atol=NOISE / 2)
    assert subtracted.metas()[0].background.subtracted is True


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"match_down": False}, SKY - SKY.max()),
        ({"skymethod": "local"}, SKY),
        ({"skymethod": "global"}, np.full(4, SKY.min())),
        ({"skymethod": "global+match"}, SKY),
    ],
)
def test_methods(params, expected):
    exposures = run(dithered(), skystat="median", **params)
    np.testing.assert_allclose(levels(exposures), expected, atol=0.3 * NOISE)


def test_detectors_of_one_exposure_share_a_level():
    exposures = ExposureSet([exposure(0, group=1, sky=0.5), exposure(1, group=1, sky=0.5), exposure(2, group=2)])
    found = levels(run(exposures, skystat="median"))
    assert found[0] == found[1]
    np.testing.assert_allclose(found[0] - found[2], 0.25, atol=MEDIAN_ERROR)


def brute_force(exposures, groups):
    """Levels from every pixel whose centre lies in another exposure, one by one, by least squares."""
    frames = [made.wcs for made in exposures]
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    good = [(made.dq & 513) == 0 for made in exposures]
    sums = np.zeros((2, len(groups), len(groups)))
    for a, ours in enumerate(groups):
        for b, theirs in enumerate(groups):
            for i in ours if a != b else ():
                for j in theirs:
                    u, v = frames[j].invert(*frames[i](x, y), with_bounding_box=False)
                    common = (np.abs(u - (SHAPE[1] - 1) / 2) < SHAPE[1] / 2) & (
                        np.abs(v - (SHAPE[0] - 1) / 2) < SHAPE[0] / 2
                    )
                    values = exposures[i].data[common & good[i]].astype(float)
                    sums[:, a, b] += values.sum(), values.size
    level, weight = sums[0] / np.maximum(sums[1], 1), 0.5 * (sums[1] + sums[1].T)
    rows = [(a, b) for a in range(len(groups)) for b in range(a + 1, len(groups)) if weight[a, b]]
    matrix = np.zeros((len(rows), len(groups)))
    for k, (a, b) in enumerate(rows):
        matrix[k, a], matrix[k, b] = weight[a, b], -weight[a, b]
    found = np.linalg.lstsq(matrix, [weight[a, b] * (level[a, b] - level[b, a]) for a, b in rows], rcond=None)[0]
    return found - found.min()


@pytest.mark.parametrize(
    ("groups", "stepsize"), [([[0], [1], [2], [3]], None), ([[0, 1], [2], [3]], 40), ([[0, 3], [1, 2]], None)]
)
def test_match_equals_a_search_pixel_by_pixel(groups, stepsize):
    group_of = {member: number for number, members in enumerate(groups) for member in members}
    exposures = ExposureSet([exposure(k, group=group_of[k] + 1, rays=False) for k in range(4)])
    for made in exposures:  # disagreements that no levels can mend: the weights count
        made.data += np.float32(0.1) * np.linspace(-1, 1, SHAPE[1], dtype=np.float32) ** 3
    found = levels(run(exposures, skystat="mean", nclip=0, stepsize=stepsize))
    expected = brute_force(exposures, groups)
    np.testing.assert_allclose(found, [expected[group_of[k]] for k in range(4)], atol=2e-3 * NOISE + 3e-5)
    assert np.ptp(expected) > 1e-3


def test_local_levels_of_a_group_are_those_of_its_lowest_member():
    exposures = ExposureSet(
        [exposure(0, group=1, sky=0.5), exposure(1, group=1, sky=0.3), exposure(2, group=2, sky=0.4)]
    )
    found = levels(run(exposures, skymethod="local", skystat="median"))
    np.testing.assert_allclose(found, [0.3, 0.3, 0.4], atol=2e-3)


def test_matched_levels_rest_on_the_lowest_sky():
    """Global and match: after the matched offsets the lowest sky of all is added to every exposure."""
    exposures = ExposureSet([exposure(k, sky=sky) for k, sky in enumerate((0.5, 0.3, 0.4))])
    exposures[1].data[:40] -= 0.1  # a lower sky in one part: it moves the mean, not the match of the rest
    matched = levels(run(exposures.__class__(list(exposures)), skystat="mean"))
    whole = levels(run(ExposureSet([made.copy() for made in exposures]), skymethod="local", skystat="mean"))
    for made in exposures:
        made.meta.background.level = made.meta.background.subtracted = None
    found = levels(run(exposures, skymethod="global+match", skystat="mean"))
    np.testing.assert_allclose(found, matched + (whole - matched).min(), atol=1e-6)


@pytest.mark.parametrize(
    ("skymethod", "subtract"), [("local", True), ("global", True), ("match", False), ("global+match", True)]
)
def test_a_second_run_finds_nothing_new(skymethod, subtract):
    exposures = run(dithered(count=2), skymethod=skymethod, subtract=subtract, skystat="median")
    first, data = levels(exposures), exposures[0].data.copy()
    run(exposures, skymethod=skymethod, subtract=subtract, skystat="median")
    np.testing.assert_allclose(levels(exposures), first, atol=NOISE / 5)
    np.testing.assert_allclose(exposures[0].data, data, atol=NOISE / 5)


def test_exposures_of_different_filters_are_remarked(caplog):
    exposures = dithered(count=3)
    for made, name in zip(exposures, ("F200W", "F150W", "F200W"), strict=True):
        made.meta.instrument.filter = name
    run(exposures)
    assert "exposures of different FILTER are combined: F150W, F200W" in caplog.text
    caplog.clear()
    run(dithered(count=3))
    assert not caplog.records


def test_an_exposure_without_overlap_keeps_its_sky():
    exposures = dithered(count=3)
    exposures[2].wcs = pointed(SHAPE, offset=(3600.0, 0.0))
    context = Context("skymatch")
    found = levels(skymatch(exposures, SkymatchParams(skystat="median"), context))
    np.testing.assert_allclose(found, [0.0, 0.12, np.nan], atol=MEDIAN_ERROR)
    assert context.unchanged == {2}
    (warning,) = context.record["warnings"]
    assert warning["text"] == f"{exposures[2].meta.filename}: no sky level found"


@pytest.mark.parametrize("subtracted", [False, True])
def test_without_overlap_a_level_of_an_earlier_run_counts_only_if_it_was_subtracted(subtracted, caplog):
    exposures = dithered(count=3)
    exposures[2].wcs = pointed(SHAPE, offset=(3600.0, 0.0))
    background = exposures[2].meta.background
    background.level, background.subtracted, background.method = 7.0, subtracted, "match"
    before = exposures[2].data.copy()
    found = levels(run(exposures, subtract=subtracted, skystat="median"))
    np.testing.assert_allclose(found, [0.0, 0.12, 7.0 if subtracted else np.nan], atol=MEDIAN_ERROR)
    assert (background.subtracted, background.method) == ((True, "match") if subtracted else (None, None))
    assert ("recorded level 7" in caplog.text) is not subtracted
    np.testing.assert_array_equal(exposures[2].data, before)


def test_range_and_flags_of_usable_pixels():
    exposures = dithered(count=2)
    for made in exposures:
        made.data[50:80] += 100
    np.testing.assert_allclose(levels(run(exposures, skystat="median", upper=5.0)), [0, 0.12], atol=MEDIAN_ERROR)
    exposures = dithered(count=2)
    exposures[0].dq[:100] |= 8
    exposures[0].data[:100] += 3
    np.testing.assert_allclose(levels(run(exposures, dqbits="~1,512,8", skystat="median")), [0, 0.12], atol=2e-3)


def test_levels_from_a_list(tmp_path):
    exposures = dithered(count=2)
    path = tmp_path / "sky.txt"
    path.write_text(
        "# image level\njw01234001001_02101_00002_nrca1_cal.fits 2.5\njw01234001001_02101_00001_nrca1_x.fits 1\n"
    )
    found = run(exposures, skymethod="user", skylist=str(path))
    assert levels(found).tolist() == [1.0, 2.5]
    path.write_text("jw01234001001_02101_00002_nrca1_cal.fits 2.5\n")
    with pytest.raises(BadInput, match="jw01234001001_02101_00001_nrca1"):
        run(dithered(count=2), skymethod="user", skylist=str(path))
    path.write_text("one\n")
    with pytest.raises(BadInput, match="cannot be read"):
        run(dithered(count=2), skymethod="user", skylist=str(path))
    with pytest.raises(UsageError, match="needs levels"):
        run(dithered(count=2), skymethod="user")


def test_a_second_run_must_not_mix_recorded_and_subtracted():
    exposures = run(dithered(count=2))
    run(exposures)
    with pytest.raises(UsageError, match=r"subtract=false"):
        run(exposures, subtract=True)
    subtracted = run(dithered(count=2), subtract=True, skystat="median")
    again = run(subtracted, subtract=True, skystat="median")
    np.testing.assert_allclose(levels(again), [0.0, 0.12], atol=MEDIAN_ERROR)


def test_exposures_in_different_units_are_refused():
    mixed = dithered(count=3)
    mixed[0].meta.bunit_data = "DN/s"
    with pytest.raises(BadInput, match=r"combines .*00001_nrca1_cal\.fits \(DN/s\) with others \(MJy/sr\)"):
        run(mixed)


def test_one_exposure_is_skipped_unchanged():
    exposures = dithered(count=1)
    before = fingerprints(exposures)
    with pytest.raises(SkipStep, match="nothing to be matched"):
        run(exposures)
    assert fingerprints(exposures) == before


def test_no_usable_pixel_is_a_reason_to_skip():
    exposures = dithered(count=2)
    with pytest.raises(SkipStep, match="no exposure has a valid sky level"):
        run(exposures, lower=1e9)


def test_a_set_on_disk_gives_the_same(tmp_path):
    exposures = dithered(count=3)
    with on_disk(exposures, tmp_path) as stored:
        found = run(stored, subtract=True)
        expected = run(exposures, subtract=True)
        assert levels(found).tolist() == levels(expected).tolist()
        np.testing.assert_array_equal(found[1].data, expected[1].data)
