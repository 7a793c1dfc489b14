"""PSF, field and rendering."""

import numpy as np
import pytest
from photutils.aperture import CircularAperture

from jwcore.synth import tiny_subarray
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.psf import make_psf, make_pupil
from jwcore.synth.scene import add_sources, render
from jwcore.synth.siaf import load_aperture
from jwcore.synth.sky import CATALOG_DTYPE, make_catalog, read_catalog, write_catalog
from jwcore.synth.wcs import Attitude, ImageWcs, pixel_area


@pytest.fixture(scope="module")
def psf():
    return make_psf(bandpass=NIRCAM.bandpasses["F200W"], pixel_scale=0.0312, radius=32)


def test_pupil_has_eighteen_segments():
    pupil = make_pupil()
    area = pupil.sum() * (6.6 / 256) ** 2
    hexagon = np.sqrt(3) / 2 * 1.32**2
    assert 0.9 * 18 * hexagon < area < 18 * hexagon
    assert pupil[128, 128] == 0


@pytest.mark.parametrize(("dy", "dx"), [(0.0, 0.0), (0.5, -0.5), (0.13, 0.37)])
def test_stamp_has_unit_flux_at_the_right_place(psf, dy, dx):
    stamp = psf.stamp(dy=dy, dx=dx)
    y, x = np.indices(stamp.shape) - stamp.shape[0] // 2
    assert stamp.sum() == pytest.approx(1.0, abs=1e-4)
    assert (stamp * y).sum() == pytest.approx(dy, abs=2e-3)
    assert (stamp * x).sum() == pytest.approx(dx, abs=2e-3)


def test_encircled_energy_is_what_aperture_photometry_measures(psf):
    radii = [1.5, 2.5, 6.0]
    sums = np.zeros(3)
    for dy, dx in (np.stack(np.indices((8, 8)), axis=-1).reshape(-1, 2) + 0.5) / 8 - 0.5:
        stamp = psf.stamp(dy=dy, dx=dx)
        centre = stamp.shape[0] // 2
        sums += [CircularAperture((centre + dx, centre + dy), r).do_photometry(stamp)[0][0] for r in radii]
    np.testing.assert_allclose(psf.encircled_energy(np.array(radii)), sums / 64, rtol=1e-3)
    assert psf.encircled_energy(psf.radius_of(0.7)) == pytest.approx(0.7, abs=1e-3)
    assert np.all(psf.encircled_energy(np.array(radii), resampled=True) < sums / 64)


def test_sources_off_the_image_leave_their_wings_on_it(psf):
    image = np.zeros((40, 40), np.float32)
    add_sources(image=image, x=np.array([-3.0]), y=np.array([20.0]), flux=np.array([1e3]), psf=psf, radius=30)
    assert image[:, 0].sum() > image[:, 20].sum() > 0


def test_catalog_is_reproducible_and_survives_a_round_trip(tmp_path):
    catalog = make_catalog(ra=0.001, dec=-60, width=60, seed=5)
    assert np.array_equal(catalog, make_catalog(ra=0.001, dec=-60, width=60, seed=5))
    assert not np.array_equal(catalog["ra"], make_catalog(ra=0.001, dec=-60, width=60, seed=6)["ra"])
    assert catalog["ra"].max() > 359  # around zero right ascension
    again = read_catalog(write_catalog(catalog, tmp_path / "truth.ecsv"))
    for name in CATALOG_DTYPE.names:
        assert np.array_equal(again[name], catalog[name])


def test_rendered_flux_and_position(psf):
    aperture = load_aperture(instrument=NIRCAM, detector="NRCA1", subarray=tiny_subarray(64))
    wcs = ImageWcs(
        aperture=aperture, attitude=Attitude.at(ra=80, dec=-69, roll=0, v2=aperture.v2_ref, v3=aperture.v3_ref)
    )
    catalog = np.zeros(2, CATALOG_DTYPE)
    catalog["type"] = ["star", "galaxy"]
    catalog["ra"], catalog["dec"] = wcs.pixel_to_sky(np.array([20.3, 45.0]), np.array([30.6, 31.0]))
    catalog["flux_ujy"], catalog["sersic_n"], catalog["half_light_radius"] = 10.0, 1.0, 0.08
    catalog["axis_ratio"], catalog["position_angle"] = 0.5, 0.0
    band = NIRCAM.bandpasses["F200W"]
    area = pixel_area(aperture)
    image = render(catalog=catalog, wcs=wcs, psf=psf, bandpass=band, background=0.0, area=area)
    star = image[:, :32] / band.electrons_per_ujy
    y, x = np.indices(star.shape)
    near = np.hypot(x - 20.3, y - 30.6) < 9
    assert image.sum() / band.electrons_per_ujy == pytest.approx(20, rel=0.05)
    assert (star * x)[near].sum() / star[near].sum() == pytest.approx(20.3, abs=0.1)
    # the galaxy is elongated along north, which is up for roll 0 within the small angle of the aperture
    galaxy = image[:, 33:]
    y, x = np.indices(galaxy.shape)
    spread_x = (galaxy * (x - 12) ** 2).sum() / galaxy.sum()
    spread_y = (galaxy * (y - 31) ** 2).sum() / galaxy.sum()
    assert spread_y > spread_x
    sky = render(catalog=catalog[:0], wcs=wcs, psf=psf, bandpass=band, background=0.5, area=area)
    pixel_sr = aperture.detector_frame.x_scale * aperture.detector_frame.y_scale * (np.pi / 648000) ** 2
    np.testing.assert_allclose(sky, 0.5e12 * pixel_sr * band.electrons_per_ujy * area, rtol=1e-5)
