"""outlier_detection of coronagraphic exposures and time series: each integration against the median of all."""

import numpy as np
import pytest

from jwcore import models, planner
from jwcore.algorithms import dq
from jwcore.api import Context, Cube, ExposureSet, StepFailed
from jwcore.builtin.image3.outlier_detection import OutlierDetectionParams, outlier_detection
from jwcore.declare import ExposureType
from jwcore.testing import tiny_image
from tests.builtin._dithers import fingerprints
from tests.builtin._images import image

CORONAGRAPH = ExposureType("", "", family="coronagraphy")
SERIES = ExposureType("", "", family="soss", always_tso=True)
HIT = (4, 7, 9)


def cube(nints=8, *, seed=3, **keywords):
    """Integrations of a star on a sky, with a cosmic ray on the star and one on the sky."""
    made = image((nints, 20, 24), seed=seed, **keywords)
    rng = np.random.default_rng(seed)
    made.data[:] = 10 + rng.normal(0, 0.2, made.shape)
    made.err[:] = 0.2
    made.data[:, 6:9, 8:11] += 50
    if nints > HIT[0]:
        made.data[HIT] += 8
        made.data[2, 15, 3] += 8
    return made


def run(*cubes, kind=CORONAGRAPH, context=None, **params):
    context = context or Context("outlier_detection", exposure_type=kind)
    return outlier_detection(ExposureSet(cubes), OutlierDetectionParams(**params), context)


def flagged(made):
    return np.argwhere(made.dq & dq.OUTLIER).tolist()


@pytest.mark.parametrize("kind", [CORONAGRAPH, SERIES])
def test_each_cube_is_judged_alone(kind):
    context = Context("outlier_detection", exposure_type=kind)
    other = cube(seed=4)
    other.data += 1000
    first, second = run(cube(), other, kind=kind, context=context)
    assert flagged(first) == flagged(second) == [[2, 15, 3], list(HIT)]
    assert context.counts == {"outliers": 4, "outliers_in_sources": 2}
    for name in ("data", "err", "var_poisson", "var_rnoise"):
        np.testing.assert_array_equal(np.isnan(getattr(first, name)), first.dq & dq.DO_NOT_USE > 0)


def test_the_median_of_a_time_series_follows_what_changes():
    rising = cube(40)
    rising.data += 0.1 * np.arange(40, dtype=np.float32)[:, np.newaxis, np.newaxis]
    assert len(flagged(run(rising.copy(), kind=SERIES, rolling_window_width=99)[0])) > 8000
    moving = run(rising, kind=SERIES, rolling_window_width=3)[0]
    assert flagged(moving) == [[2, 15, 3], list(HIT)]


def test_a_bad_integration_does_not_blind_its_neighbours():
    made = cube(40)
    made.data[5], made.dq[5] = np.nan, dq.DO_NOT_USE
    assert flagged(run(made, kind=SERIES, rolling_window_width=5)[0]) == [[2, 15, 3], list(HIT)]


def test_pixels_that_good_bits_exclude_stay_out_of_the_median():
    made = cube()
    made.data[:5, 18, 18], made.dq[:5, 18, 18] = 100, dq.JUMP_DET
    assert [4, 18, 18] not in flagged(run(made.copy())[0])
    without = run(made, good_bits="~DO_NOT_USE+JUMP_DET")[0]
    assert [[k, 18, 18] in flagged(without) for k in range(8)] == [True] * 5 + [False] * 3


def test_one_integration_agrees_with_itself():
    before = cube(1)
    after = run(before.copy())[0]
    np.testing.assert_array_equal(after.data, before.data)
    np.testing.assert_array_equal(after.dq, before.dq)


@pytest.mark.parametrize("kind", [CORONAGRAPH, SERIES])
def test_images_fail_unchanged(kind):
    exposures = [cube(), image((20, 24))]
    before = fingerprints(exposures)
    with pytest.raises(StepFailed, match="no cube of integrations"):
        run(*exposures, kind=kind)
    assert fingerprints(exposures) == before


@pytest.mark.parametrize("kind", [CORONAGRAPH, SERIES])
@pytest.mark.parametrize("err", [None, 0.0, np.nan])
def test_a_cube_of_unknown_noise_fails_unchanged(kind, err):
    exposures = [cube(), cube(seed=4)]
    exposures[1].err = None if err is None else np.full_like(exposures[1].data, err)
    before = fingerprints(exposures)
    with pytest.raises(StepFailed, match="no error above 0"):
        run(*exposures, kind=kind)
    assert fingerprints(exposures) == before


@pytest.mark.parametrize("err", [0.0, np.nan])
def test_a_value_of_unknown_noise_is_no_outlier(err):
    made = cube()
    made.err[HIT] = made.err[3, 2, 2] = err
    assert flagged(run(made)[0]) == [[2, 15, 3]]


@pytest.mark.parametrize(("kind", "shape"), [(CORONAGRAPH, (20, 24)), (SERIES, (8, 20, 24))])
def test_the_median_is_saved_on_demand(kind, shape):
    saved = []
    context = Context(
        "outlier_detection", exposure_type=kind, saver=lambda name, product: saved.append((name, product[0]))
    )
    run(cube(), kind=kind, context=context, save_intermediate_results=True, rolling_window_width=3)
    ((name, median),) = saved
    assert (name, median.shape) == ("median", shape)
    assert np.abs(median.data[..., 12:15, 12:15] - 10).max() < 0.5


def test_a_plan_chooses_by_exposure_type_and_names_the_product(tmp_path):
    keywords = tiny_image(EXP_TYPE="NRC_CORON").meta
    made = Cube(data=cube().data, err=cube().err, dq=cube().dq, meta=keywords.copy())
    path = models.write(made, tmp_path / "jw00001001001_02101_00001_nrca2_calints.fits")
    planner.plan(str(path), "outlier_detection", references="none", output_dir=tmp_path / "out").run()
    (written,) = (tmp_path / "out").glob("*.fits")
    assert written.name == "jw00001001001_02101_00001_nrca2_crfints.fits"
    product = models.read(written)
    assert flagged(product) == [[2, 15, 3], list(HIT)]
    assert product.meta.cal_step.outlier_detection == "COMPLETE"


def test_a_time_series_is_told_by_its_keywords():
    made = cube(40)
    made.meta.visit.tsovisit, made.meta.exposure.nints = True, 40
    made.data += 0.1 * np.arange(40, dtype=np.float32)[:, np.newaxis, np.newaxis]
    after = run(made, kind=ExposureType("", "", family="imaging"), rolling_window_width=3)[0]
    assert flagged(after) == [[2, 15, 3], list(HIT)]
