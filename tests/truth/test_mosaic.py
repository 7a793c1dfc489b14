"""From raw ramps to mosaic and catalogue: positions, fluxes, completeness and sky against what was injected."""

import numpy as np
import pytest
from astropy.io import fits

from jwcore import planner
from jwcore.algorithms import dq
from jwcore.api import Context, ExposureSet
from jwcore.builtin.image3.resample import ResampleParams, resample
from jwcore.builtin.image3.tweakreg import TweakregParams, tweakreg
from jwcore.synth import compare_catalog, simulate
from jwcore.synth.instruments import Subarray
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.programme import VA_SCALE
from jwcore.synth.references import filter_offset
from jwcore.synth.siaf import load_aperture
from jwcore.synth.sky import read_catalog
from jwcore.synth.wcs import Attitude, ImageWcs

from .conftest import DETECTION, FIELD, Field, star_field

SKY = 0.3
"""Sky brightness of the simulation, MJy/sr."""
BRIGHT = (19.0, 21.5)
"""Magnitudes of the bright stars of the field; none saturates."""


def true_wcs(truth, subarray):
    """World coordinates of an exposure with the attitude that its headers do not know."""
    aperture = load_aperture(instrument=NIRCAM, detector="NRCA1", subarray=subarray)
    keywords = fits.getheader(truth)
    attitude = Attitude.at(
        ra=keywords["RA_TRUE"],
        dec=keywords["DEC_TRUE"],
        roll=keywords["ROLLTRUE"],
        v2=aperture.v2_ref,
        v3=aperture.v3_ref,
    )
    offset = filter_offset(NIRCAM.bandpasses["F200W"])
    return ImageWcs(aperture=aperture, attitude=attitude, filter_offset=offset, va_scale=VA_SCALE)


def sky_errors(exposures, truths, subarray):
    """Error of the world coordinates, mas east and north [exposure, 2, point], on a grid over each exposure."""
    errors = []
    for exposure, truth in zip(exposures, truths, strict=True):
        x, y = (axis.ravel() for axis in np.meshgrid(*(np.linspace(10, n - 10, 15) for n in exposure.shape)))
        ra, dec = true_wcs(truth, subarray).pixel_to_sky(x, y)
        found_ra, found_dec = exposure.wcs(x, y)
        errors.append(np.stack([(found_ra - ra) * np.cos(np.deg2rad(dec)), found_dec - dec]) * 3.6e6)
    return np.array(errors)


def calibrated_truth(field):
    """What the calibrated images should be, MJy/sr."""
    (path,) = field.made.cache.rglob("*_flat_*.fits")
    flat = fits.getdata(path, "SCI")
    conversion = [made.meta.photometry.conversion_megajanskys for made in field.products["cal"]]
    rates = [fits.getdata(truth, "RATE") for truth in field.made.truths]
    return [rate / flat * factor for rate, factor in zip(rates, conversion, strict=True)]


def injected(field):
    """Sources on the mosaic; off it are those on reference pixels, and stars so bright that their core has no value."""
    catalog, mosaic = read_catalog(field.made.truth_catalog), field.mosaic
    x, y = mosaic.wcs.invert(catalog["ra"], catalog["dec"], with_bounding_box=False)
    seen = np.pad(mosaic.con.any(axis=0), 1)
    row, column = (np.clip(np.rint(v).astype(int) + 1, 0, n - 1) for v, n in zip((y, x), seen.shape, strict=True))
    return catalog[seen[row, column]]


def comparison(field):
    return compare_catalog(field.products["cat"].table, injected(field), bright=BRIGHT)


def misalignment(exposures, field, subarray=FIELD):
    """Deviation from the common shift (which nobody can know), mas: of the exposures' centres, and of all points."""
    errors = sky_errors(exposures, field.made.truths, subarray)
    deviation = errors - errors.mean(axis=(0, 2), keepdims=True)
    return np.abs(deviation.mean(axis=-1)).max(), np.abs(deviation).max()


def test_exposures_are_aligned_with_one_another(field):
    """By default the finder looks at 3 x 3 pixels, in which centroids err with the place of a star on the pixels.

    That error is up to 2.5 mas, 1.7 mas rms per axis: with 32 to 48 matches the alignment is good to 0.35 mas rms. Photon
    noise (0.2 mas for one star) is nothing against it.
    """
    assert misalignment(field.products["cal"], field)[0] > 10
    centres, corners = misalignment(field.products["crf"], field)
    assert centres < 1.0
    assert corners < 2.0  # the rotation is fitted too, and known to 0.005 deg


def test_a_wide_window_leaves_photon_noise(field):
    exposures = tweakreg(ExposureSet(field.products["cal"]), TweakregParams(sigma_radius=2.5), Context("tweakreg"))
    centres, corners = misalignment(exposures, field)
    assert centres < 0.2
    assert corners < 0.6


def test_positions_and_fluxes_of_bright_stars(field):
    found = comparison(field)
    stars = found.pairs[(found.pairs["abmag"] < BRIGHT[1]) & np.isfinite(found.pairs["recovered_ujy"])]
    assert stars.size > 60
    assert found.position_rms < 1.0
    # total flux from the aperture of 70 % encircled energy, with the correction for drizzled images and for the wings of
    # the star in its own background annulus; the scatter of 1.1 % is that of the weights, see the next test
    assert found.flux_ratio == pytest.approx(1.0, abs=0.005)
    assert found.flux_scatter < 0.02


def test_equal_weights_do_not_mix_fluxes(field):
    """Weights by read noise differ from pixel to pixel, so that the sharp core of a star counts more or less."""
    references = str(field.made.cache / "references")
    params = DETECTION | {"resample": {"weight_type": "exptime"}}
    products = planner.plan(field.paths("_cal"), "image3", references=references, params=params).run()
    found = comparison(Field(field.made, {"i2d": [products["i2d"]], "cat": products["cat"]}))
    assert found.flux_ratio == pytest.approx(1.0, abs=0.002)
    assert found.flux_scatter < 0.0075


def test_stars_with_saturated_groups(tmp_path):
    """Their slopes are right, but weights by read noise suppress the core, of which only a few groups are left."""
    small = Subarray(name="SMALL", xstart=701, ystart=301, xsize=160, ysize=160)
    catalog = star_field(half_width=1.3, bright=(14.6, 15.6), faint=(30.0, 31.0))
    made = simulate(tmp_path / "raw", readpatt="SHALLOW4", ngroups=10, subarray=small, seed=3, catalog=catalog)
    planner.plan(made.uncals, "auto", to="cal", output_dir=tmp_path / "products").run()
    ratio = {}
    for weights in ("ivm", "exptime"):
        products = planner.plan(
            sorted((tmp_path / "products").glob("*_cal.fits")), "image3", references=str(made.cache / "references"),
            skip=["tweakreg"], params=DETECTION | {"resample": {"weight_type": weights}},
        ).run()  # fmt: skip
        found = compare_catalog(products["cat"].table, made.truth_catalog, bright=(14.6, 15.6))
        assert np.isfinite(found.pairs["recovered_ujy"][found.pairs["abmag"] < 16]).sum() == 9
        ratio[weights] = found.flux_ratio
    assert ratio["exptime"] == pytest.approx(1.0, abs=0.005)
    assert 0.8 < ratio["ivm"] < 0.9


def test_completeness(field):
    found = comparison(field)
    # the threshold, 3 sigma in 5 connected pixels, is passed by every star brighter than 25.5 mag
    assert all(found.completeness[f"{m}-{m + 1}"] == 1.0 for m in (19, 20, 21, 23, 24, 25))
    assert found.spurious < 0.1 * found.recovered


def test_calibrated_images(field):
    for image, truth in zip(field.products["cal"], calibrated_truth(field), strict=True):
        use = np.isfinite(image.data) & np.isfinite(truth) & (image.dq & dq.DO_NOT_USE == 0)
        difference, deviation = (image.data - truth)[use], ((image.data - truth) / image.err)[use]
        assert use.mean() > 0.97
        # the level is known as well as the reference pixels know the 1/f noise: to 3.5 % of the sky
        assert abs(np.median(difference)) < 0.1 * SKY
        spread = np.diff(np.percentile(deviation, [15.87, 84.13])) / 2
        assert 0.95 < spread < 1.10


def test_the_mosaic_is_that_of_the_true_images(field):
    exposures = list(field.products["crf"])
    for exposure, truth in zip(exposures, calibrated_truth(field), strict=True):
        exposure.data = np.where(np.isfinite(exposure.data), truth, np.nan).astype(np.float32)
    expected = resample(ExposureSet(exposures), ResampleParams(), Context("resample"))
    mosaic = field.mosaic
    deep = (mosaic.con[0] == 15) & np.isfinite(mosaic.data) & np.isfinite(expected.data)
    difference = (mosaic.data - expected.data)[deep]
    bright = expected.data[deep] > 5.0
    assert abs(difference[bright].sum() / expected.data[deep][bright].sum()) < 2e-3
    assert abs(np.median(difference)) < 0.07 * SKY
    # neighbouring pixels share noise: each has less than its err, which holds for sums over many pixels
    assert 0.6 < (difference / mosaic.err[deep]).std() < 0.8


@pytest.mark.slow
def test_full_size(tmp_path):
    """Four full-frame dithers with the default sky of stars and galaxies."""
    made = simulate(tmp_path / "raw", n_dithers=4, readpatt="BRIGHT1", ngroups=8, seed=3, pointing_error_mas=15.0)
    plan = planner.plan(made.uncals, "auto", output_dir=tmp_path / "products", params=DETECTION)
    field = Field(made, plan.run())
    centres, corners = misalignment(field.products["crf"], field, "FULL")
    assert centres < 1.0
    assert corners < 2.0
    found = comparison(field)
    assert found.position_rms < 1.0
    assert found.flux_ratio == pytest.approx(1.0, abs=0.005)
    assert all(found.completeness[f"{m}-{m + 1}"] == 1.0 for m in range(17, 23))
