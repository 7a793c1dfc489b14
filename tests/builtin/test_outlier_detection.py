"""outlier_detection: cosmic rays go, stars stay."""

import numpy as np
import pytest

from jwcore import planner
from jwcore.algorithms import dq
from jwcore.api import BadInput, Context, ExposureSet, SkipStep, StepFailed
from jwcore.builtin.image3.outlier_detection import OutlierDetectionParams, outlier_detection
from jwcore.declare import ExposureType
from jwcore.testing import tiny_image
from tests.builtin._dithers import (
    SHAPE,
    SKIES,
    cosmic_rays,
    dithered,
    exposure,
    fingerprints,
    on_disk,
    star_image,
    star_places,
)


def run(exposures, context=None, **params):
    return outlier_detection(exposures, OutlierDetectionParams(**params), context or Context("outlier_detection"))


def with_sky_levels(exposures):
    for made, sky in zip(exposures, SKIES, strict=False):
        made.meta.background.level, made.meta.background.subtracted = sky, False
    return exposures


def flagged(made):
    return made.dq & dq.OUTLIER > 0


@pytest.fixture(scope="module")
def cleaned():
    return run(with_sky_levels(dithered()))


def star_cores(k):
    """Pixels within 1.5 pixels of a star."""
    x, y, flux = star_places(k)
    rows, columns = np.indices(SHAPE)
    return np.any([np.hypot(columns - a, rows - b) < 1.5 for a, b, f in zip(x, y, flux, strict=True) if f > 3], axis=0)


def test_cosmic_rays_are_found(cleaned):
    found = total = 0
    for k, made in enumerate(cleaned):
        rows, columns = cosmic_rays(k)
        usable = (exposure(k).dq[rows, columns] & 1 == 0) & ~star_cores(k)[rows, columns]
        found += flagged(made)[rows, columns][usable].sum()
        total += usable.sum()
    assert found >= 0.98 * total


def test_star_cores_survive(cleaned):
    cores = lost = 0
    for k, made in enumerate(cleaned):
        core = star_cores(k)
        core[cosmic_rays(k)] = False
        cores += core.sum()
        lost += (flagged(made) & core).sum()
    assert cores > 200
    assert lost <= 0.04 * cores


def test_little_else_is_flagged(cleaned):
    for k, made in enumerate(cleaned):
        elsewhere = ~star_cores(k)
        elsewhere[cosmic_rays(k)] = False
        assert (flagged(made) & elsewhere).sum() < 0.001 * made.data.size


def test_flags_and_nan_go_together(cleaned):
    context = Context("outlier_detection")
    exposures = run(with_sky_levels(dithered()), context)
    assert context.counts["outliers"] == sum(flagged(made).sum() for made in exposures)
    on_stars = sum((flagged(made) & (star_image(k) > 0.03)).sum() for k, made in enumerate(exposures))
    in_sources = context.counts["outliers_in_sources"]
    assert (
        0 < on_stars <= in_sources < 0.3 * context.counts["outliers"]
    )  # at the edge half of a ray is in the median of two
    for k, made in enumerate(exposures):
        assert np.all(made.dq[flagged(made)] & dq.DO_NOT_USE)
        bad = made.dq & dq.DO_NOT_USE > 0
        for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
            assert np.array_equal(np.isnan(getattr(made, name)), bad), name
        before = exposure(k)
        assert np.array_equal(made.dq & before.dq, before.dq)
        np.testing.assert_array_equal(made.data[~bad], before.data[~bad])


def test_without_sky_levels_the_parameter_counts():
    exposures = dithered(count=3, sky=0.3, rays=False)
    assert sum(flagged(made).sum() for made in run(exposures)) < 60
    shifted = run(dithered(count=3, sky=0.3, rays=False), backg=5.0)
    assert all(flagged(made).mean() > 0.8 for made in shifted)


def test_pixel_by_pixel():
    images = [exposure(0) for _ in range(3)]
    for k, made in enumerate(images):
        made.data[10 + k, 40] = 50.0
        made.meta.observation.exposure_number = f"{k:05d}"
    exposures = run(ExposureSet(images), resample_data=False)
    for k, made in enumerate(exposures):
        assert np.argwhere(flagged(made)).tolist() == [[10 + k, 40]]
    images[1] = exposure(1)
    images[1].data = images[1].data[:100]
    with pytest.raises(BadInput, match="resample_data=true"):
        run(ExposureSet(images), resample_data=False)


def test_intermediate_products():
    context = Context("outlier_detection")
    saved = []
    context.save = lambda name, product: saved.append((name, product))
    run(with_sky_levels(dithered(count=2)), context, save_intermediate_results=True)
    assert [name for name, _ in saved] == ["outlier_i2d", "outlier_i2d", "median", "blot", "blot"]
    (_, group), _, (_, median), (_, blotted), _ = saved
    assert group[0].shape == median[0].shape
    assert group[0].wht.max() > 0
    assert blotted[0].shape == SHAPE
    assert blotted[0].meta.filename == dithered(count=1)[0].meta.filename


def test_a_set_on_disk_gives_the_same(tmp_path, cleaned):
    with on_disk(with_sky_levels(dithered()), tmp_path) as stored:
        for a, b in zip(run(stored), cleaned, strict=True):
            np.testing.assert_array_equal(a.dq, b.dq)
            np.testing.assert_array_equal(a.data, b.data)


def test_temporary_files_give_the_same(cleaned):
    for a, b in zip(run(with_sky_levels(dithered()), in_memory=False), cleaned, strict=True):
        np.testing.assert_array_equal(a.dq, b.dq)


def test_the_order_does_not_matter(cleaned):
    turned = run(ExposureSet(list(with_sky_levels(dithered()))[::-1]))
    for a, b in zip(reversed(list(turned)), cleaned, strict=True):
        differing = (flagged(a) != flagged(b)).sum()  # the grid follows the first exposure
        assert differing <= 0.05 * flagged(b).sum()


def test_one_exposure_fails_unchanged():
    exposures = dithered(count=1)
    before = fingerprints(exposures)
    with pytest.raises(StepFailed, match="one exposure"):
        run(exposures)
    assert fingerprints(exposures) == before


def test_other_modes_are_refused():
    context = Context("outlier_detection", exposure_type=ExposureType("", "", family="ifu"))
    with pytest.raises(SkipStep, match="ifu"):
        run(dithered(count=2), context)
    ami = [tiny_image(EXP_TYPE="NIS_AMI", INSTRUME="NIRISS", DETECTOR="NIS") for _ in range(2)]
    (step,) = planner.plan(ami, "outlier_detection", references="none").nodes[0].entries
    assert "ami exposures is not available yet" in step.reason


def test_exposures_without_weight_stay_out_of_the_median():
    images = [exposure(0) for _ in range(3)]
    images[0].data[:] = 1000.0
    images[0].var_rnoise[:] = 0.0
    for k, made in enumerate(images):
        made.meta.observation.exposure_number = f"{k:05d}"
    context = Context("outlier_detection")
    saved = []
    context.save = lambda name, product: saved.append(product[0])
    run(ExposureSet(images), context, resample_data=False, save_intermediate_results=True)
    np.testing.assert_array_equal(saved[0].data, exposure(0).data)


def test_exposures_in_different_units_are_refused():
    mixed = dithered(count=2)
    mixed[1].meta.bunit_data = "DN/s"
    with pytest.raises(BadInput, match=r"00002_nrca1_cal\.fits \(DN/s\) with others"):
        run(mixed)


def test_one_threshold_serves_both_passes():
    assert run(dithered(count=2), snr="7") is not None
