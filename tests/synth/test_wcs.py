"""The simulator's world coordinates against published aperture numbers and the pipeline's definitions."""

import numpy as np
import pytest

from jwcore.synth.instruments import Subarray
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.siaf import is_standard, load_aperture, subarray_names
from jwcore.synth.wcs import Attitude, ImageWcs, distortion_model, pixel_area, pixel_to_v2v3, v2v3_to_pixel


def test_full_frame_aperture_agrees_with_the_siaf():
    aperture = load_aperture(instrument=NIRCAM, detector="NRCA1")
    assert pixel_to_v2v3(aperture, 1023.5, 1023.5) == pytest.approx((120.576793, -527.501431), abs=1e-9)
    # corner computed with pysiaf, PRDOPSSOC-075
    assert pixel_to_v2v3(aperture, 0, 0) == pytest.approx((153.038317896, -559.347589154), abs=1e-6)
    other = load_aperture(instrument=NIRCAM, detector="NRCB1")
    assert pixel_to_v2v3(other, 99, 199) == pytest.approx((-94.088063572, -483.322937707), abs=1e-6)


@pytest.mark.parametrize("detector", list(NIRCAM.detectors))
def test_pixels_survive_the_round_trip(detector):
    aperture = load_aperture(instrument=NIRCAM, detector=detector)
    y, x = np.mgrid[0:2048:9j, 0:2048:9j]
    v2, v3 = pixel_to_v2v3(aperture, x, y)
    back = v2v3_to_pixel(aperture, v2, v3)
    np.testing.assert_allclose(back, [x, y], atol=1e-8)


@pytest.mark.parametrize("detector", ["NRCA1", "NRCB1", "NRCALONG"])
def test_subarray_reference_point_lies_where_its_aperture_says(detector):
    for name in subarray_names(instrument=NIRCAM, detector=detector):
        aperture = load_aperture(instrument=NIRCAM, detector=detector, subarray=name)
        row, column = aperture.subarray.origin
        v2, v3 = pixel_to_v2v3(aperture, aperture.x_ref - 1 + column, aperture.y_ref - 1 + row)
        assert np.hypot(v2 - aperture.v2_ref, v3 - aperture.v3_ref) < 0.02


def test_unknown_subarray_names_the_known_ones():
    with pytest.raises(ValueError, match="SUB160"):
        load_aperture(instrument=NIRCAM, detector="NRCA1", subarray="SUB7")


def test_any_rectangle_is_a_subarray():
    rectangle = Subarray(name="SUB64P", xstart=101, ystart=201, xsize=32, ysize=32)
    aperture = load_aperture(instrument=NIRCAM, detector="NRCA3", subarray=rectangle)
    assert pixel_to_v2v3(aperture, 115.5, 215.5) == pytest.approx((aperture.v2_ref, aperture.v3_ref))
    assert not is_standard(rectangle, instrument=NIRCAM, detector="NRCA3")


def test_attitude_reproduces_the_published_check_value():
    attitude = Attitude.at(ra=123, dec=-45, roll=37, v2=100, v3=-400)
    assert attitude.to_sky(130, -350) == pytest.approx((123.021230507, -44.993920992), abs=1e-9)
    assert attitude.roll(100, -400) == pytest.approx(37)
    assert attitude.to_v2v3(*attitude.to_sky(12.0, -34.0)) == pytest.approx((12.0, -34.0), abs=1e-8)


def test_image_wcs_round_trip_with_aberration_and_offsets():
    aperture = load_aperture(instrument=NIRCAM, detector="NRCA1", subarray="SUB160")
    attitude = Attitude.at(ra=10, dec=85, roll=200, v2=aperture.v2_ref, v3=aperture.v3_ref)
    wcs = ImageWcs(aperture=aperture, attitude=attitude, filter_offset=(0.3, -0.2), va_scale=1.00005)
    x, y = np.array([0.0, 79.5, 150.0]), np.array([3.0, 79.5, 20.0])
    np.testing.assert_allclose(wcs.sky_to_pixel(*wcs.pixel_to_sky(x, y)), [x, y], atol=1e-6)
    ra, dec, roll = wcs.reference_point
    assert (ra, dec, roll) == pytest.approx((10, 85, 200))


def test_distortion_model_is_the_same_transform_with_an_inverse():
    aperture = load_aperture(instrument=NIRCAM, detector="NRCB4")
    model = distortion_model(aperture)
    y, x = np.mgrid[0:2047:7j, 0:2047:7j]
    np.testing.assert_allclose(model(x, y), pixel_to_v2v3(aperture, x, y), atol=1e-9)
    np.testing.assert_allclose(model.inverse(*model(x, y)), [x, y], atol=2e-3)


def test_pixel_area_is_the_jacobian():
    aperture = load_aperture(instrument=NIRCAM, detector="NRCA1")
    area = pixel_area(aperture)
    v2, v3 = pixel_to_v2v3(aperture, [1500, 1501, 1500], [300, 300, 301])
    parallelogram = abs((v2[1] - v2[0]) * (v3[2] - v3[0]) - (v2[2] - v2[0]) * (v3[1] - v3[0]))
    assert area[300, 1500] == pytest.approx(parallelogram / (aperture.x_scale * aperture.y_scale), rel=2e-5)
    part = load_aperture(instrument=NIRCAM, detector="NRCA1", subarray="SUB160")
    np.testing.assert_allclose(pixel_area(part), area[1888:, 1888:], rtol=1e-5)
