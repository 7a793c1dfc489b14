import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from jwcore.algorithms.sip import fit_sip
from tests.algorithms._distortion import camera, image_wcs

SHAPE = (240, 256)
BOX = ((-0.5, 255.5), (-0.5, 239.5))


def _grid(points=37):
    return np.meshgrid(np.linspace(-0.5, 255.5, points), np.linspace(-0.5, 239.5, points))


def _header(fit):
    header = fits.Header()
    for name, value in fit.keywords().items():
        header[name.upper()] = value
    return header


@pytest.fixture(scope="module")
def wcs():
    return image_wcs(camera(curvature=1e-4))


def test_forward_through_a_standard_reader(wcs):
    fit = fit_sip(to_sky=wcs.forward_transform, box=BOX)
    x, y = _grid()
    ra, dec = wcs(x, y, with_bounding_box=False)
    sip_ra, sip_dec = WCS(_header(fit)).all_pix2world(x, y, 0)
    error = np.hypot((sip_ra - ra) * np.cos(np.deg2rad(dec)), sip_dec - dec).max() / np.sqrt(abs(np.linalg.det(fit.cd)))
    assert fit.error <= 0.01
    assert error == pytest.approx(fit.error, rel=0.05, abs=1e-7)


def test_inverse_from_the_keywords_alone(wcs):
    fit = fit_sip(to_sky=wcs.forward_transform, box=BOX)
    header = _header(fit)
    x, y = _grid()
    plane_x, plane_y = WCS(header).wcs_world2pix(*wcs(x, y, with_bounding_box=False), 1)
    u, v = plane_x - header["CRPIX1"], plane_y - header["CRPIX2"]
    order = header["AP_ORDER"]
    powers = [(p, q) for p in range(order + 1) for q in range(order + 1 - p)]
    assert not any(f"AP_{p}_{q}" in header for p, q in powers if p + q < 2)
    back_x = x - (u + sum(header.get(f"AP_{p}_{q}", 0.0) * u**p * v**q for p, q in powers) + header["CRPIX1"] - 1)
    back_y = y - (v + sum(header.get(f"BP_{p}_{q}", 0.0) * u**p * v**q for p, q in powers) + header["CRPIX2"] - 1)
    assert np.hypot(back_x, back_y).max() == pytest.approx(fit.inverse_error, rel=0.05)
    assert fit.inverse_error <= 0.01


def test_reference_pixel_is_kept(wcs):
    fit = fit_sip(to_sky=wcs.forward_transform, box=BOX, crpix=(31.0, 41.5))
    assert fit.crpix == (31.0, 41.5)
    np.testing.assert_allclose(fit.crval, wcs(30.0, 40.5))
    assert fit.error <= 0.01
    assert fit_sip(to_sky=wcs.forward_transform, box=BOX).crpix == (128.5, 120.5)


def test_lowest_degree_within_the_limit(wcs):
    errors = [fit_sip(to_sky=wcs.forward_transform, box=BOX, degree=d, max_inverse_error=None).error for d in (1, 2, 3)]
    assert errors == sorted(errors, reverse=True)
    for degree in (1, 2, 3):
        fit = fit_sip(to_sky=wcs.forward_transform, box=BOX, max_error=errors[degree - 1] * 1.001)
        assert fit.degree == degree


def test_best_degree_when_the_limit_is_out_of_reach(wcs):
    fit = fit_sip(to_sky=wcs.forward_transform, box=BOX, max_error=1e-30, max_inverse_error=1e-30)
    assert fit.error < 1e-6
    assert fit.inverse_error < 1e-5


def test_linear_wcs_has_no_polynomials(wcs):
    words = fit_sip(to_sky=wcs.forward_transform, box=BOX, degree=1).keywords()
    assert words["ctype1"] == "RA---TAN"
    assert not any(name.startswith(("a_", "b_", "ap_", "bp_")) for name in words)


def test_no_inverse(wcs):
    fit = fit_sip(to_sky=wcs.forward_transform, box=BOX, max_inverse_error=None)
    assert fit.inverse_error is None
    assert fit.keywords()["ctype1"] == "RA---TAN-SIP"
    assert "ap_order" not in fit.keywords()


def test_across_ra_zero():
    offset = 359.9999

    def to_sky(x, y):
        return (offset + 1e-5 * x) % 360, 60 + 1e-5 * y

    fit = fit_sip(to_sky=to_sky, box=BOX)
    assert fit.error < 0.01


def test_undefined_sky_is_refused():
    with pytest.raises(ValueError, match="undefined sky"):
        fit_sip(to_sky=lambda x, y: (np.where(x > 200, np.nan, x), y), box=BOX)
    with pytest.raises(ValueError, match="do not determine"):
        fit_sip(to_sky=lambda x, y: (x, y), box=BOX, points=5, degree=6)
