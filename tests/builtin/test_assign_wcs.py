import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from jwcore import models
from jwcore.api import BadInput, Context, Detector, ExposureType, SkipStep
from jwcore.builtin.image2.assign_wcs import AssignWcsParams, assign_wcs
from jwcore.references import Reference
from tests.algorithms._distortion import camera
from tests.builtin._images import image, real_data

POINTING = {"v2_ref": 100.0, "v3_ref": -400.0, "ra_ref": 123.0, "dec_ref": -45.0, "roll_ref": 37.0}
SHAPE = (240, 256)


@pytest.fixture
def exposure():
    found = image(SHAPE, instrument__filter="F480M", instrument__pupil="NRM")
    for name, value in POINTING.items():
        found.meta.set(f"wcsinfo.{name}", value)
    return found


@pytest.fixture
def references():
    filters = [{"filter": "F480M", "pupil": "NRM", "column_offset": 0.5, "row_offset": -1.5}]
    return {
        "distortion": Reference.from_arrays("distortion", tree={"model": camera(curvature=1e-4)}),
        "filteroffset": Reference.from_arrays("filteroffset", tree={"filters": filters}),
    }


def _context(*, margins=(0, 0, 0, 0), keys=("filter", "pupil"), **traits):
    return Context(
        detector=Detector("DET", "INST", shape=SHAPE, wcs_margins=margins),
        exposure_type=ExposureType("TYPE", "INST", filter_offset_keys=keys, **traits),
    )


def _run(exposure, references, context=None, **params):
    return assign_wcs(exposure, references, AssignWcsParams(**params), context or _context())


def test_keywords(exposure, references):
    exposure.meta.wcsinfo.pc1_1 = 1.0
    exposure.meta.wcsinfo.cdelt1 = 1e-5
    exposure.meta.wcsinfo.crpix1 = 100.0
    exposure.meta.wcsinfo.crpix2 = 90.0
    pixels = exposure.data.copy()
    _run(exposure, references)
    words = exposure.meta.wcsinfo
    np.testing.assert_array_equal(exposure.data, pixels)
    assert exposure.wcs.available_frames == ["detector", "v2v3", "v2v3vacorr", "world"]
    assert (words.crpix1, words.ctype1, words.ctype2) == (100.0, "RA---TAN-SIP", "DEC--TAN-SIP")
    assert (words.crval1, words.crval2) == pytest.approx(exposure.wcs(99.0, 89.0), abs=1e-12)
    assert words.pc1_1 is words.cdelt1 is None
    assert 0 < words.sipmxerr <= 0.01
    assert 0 < words.sipiverr <= 0.01
    corners = np.array(words.s_region.split()[2:], float).reshape(4, 2)
    for corner, pixel in zip(corners, [(-0.5, -0.5), (-0.5, 239.5), (255.5, 239.5), (255.5, -0.5)], strict=True):
        assert tuple(corner) == pytest.approx(exposure.wcs(*pixel, with_bounding_box=False), abs=1e-9)


def test_header_of_the_written_file_is_a_valid_sip_wcs(exposure, references, tmp_path):
    models.write(_run(exposure, references), tmp_path / "x_cal.fits")
    found = WCS(fits.getheader(tmp_path / "x_cal.fits", "SCI"))
    x, y = np.meshgrid(np.arange(0, 256, 15.0), np.arange(0, 240, 15.0))
    sky = models.read(tmp_path / "x_cal.fits").wcs(x, y)
    pixel = np.sqrt(abs(np.linalg.det(found.wcs.cd)))
    np.testing.assert_allclose(found.all_pix2world(x, y, 0), sky, rtol=0, atol=0.011 * pixel / np.cos(np.deg2rad(45)))


def test_repeating_gives_the_same(exposure, references):
    first = dict(_run(exposure, references).meta.items())
    assert dict(_run(exposure, references).meta.items()) == first
    _run(exposure, references, sip_degree=1)
    assert exposure.meta.wcsinfo.ctype1 == "RA---TAN"
    assert exposure.meta.wcsinfo.a_order is None
    assert exposure.meta.wcsinfo.a_2_0 is None


def test_without_approximation(exposure, references):
    exposure.meta.wcsinfo.pc1_1 = 1.0
    _run(exposure, references, sip_approx=False)
    assert exposure.meta.wcsinfo.pc1_1 == 1.0
    assert exposure.meta.wcsinfo.ctype1 is None
    assert exposure.meta.wcsinfo.s_region is not None


def test_filter_offset(exposure, references, caplog):
    with_offset = _run(exposure.copy(), references).wcs
    without = _run(exposure.copy(), {"distortion": references["distortion"]}).wcs
    assert with_offset(10.0, 20.0) == pytest.approx(without(10.5, 18.5), abs=1e-12)
    assert _run(exposure.copy(), references, _context(keys=())).wcs(1.0, 1.0) == without(1.0, 1.0)
    assert not caplog.records
    exposure.meta.instrument.filter = "F090W"
    assert _run(exposure, references).wcs(1.0, 1.0) == without(1.0, 1.0)
    assert "no offset" in caplog.text


def test_subarray_and_integrations(exposure, references):
    full = _run(exposure, references).wcs
    cut = image((2, 10, 20), instrument__filter="F480M", instrument__pupil="NRM")
    for name, value in POINTING.items():
        cut.meta.set(f"wcsinfo.{name}", value)
    cut.meta.subarray.xstart, cut.meta.subarray.ystart = 31, 61
    x, y = np.meshgrid(np.arange(20.0), np.arange(10.0))
    np.testing.assert_allclose(_run(cut, references).wcs(x, y), full(x + 30, y + 60), rtol=0, atol=1e-12)


def test_margins_of_the_detector(exposure, references):
    wcs = _run(exposure, references, _context(margins=(4, 4, 0, 0))).wcs
    assert np.isnan(wcs(3.0, 100.0)).all()
    assert np.isfinite(wcs(4.0, 100.0)).all()


def test_unreachable_limit_is_reported(exposure, references, caplog):
    _run(exposure, references, sip_degree=1, sip_max_pix_error=1e-6)
    assert "off by up to" in caplog.text


@pytest.mark.parametrize("name", list(POINTING))
def test_missing_pointing(exposure, references, name):
    exposure.meta.set(f"wcsinfo.{name}", None)
    with pytest.raises(BadInput, match=f"no {name.upper()} in the header"):
        _run(exposure, references)
    assert exposure.wcs is None


def test_bad_velocity_aberration(exposure, references):
    exposure.meta.velocity_aberration.scale_factor = -1.0
    with pytest.raises(BadInput, match="VA_SCALE"):
        _run(exposure, references)


@pytest.mark.parametrize("traits", [{"wcs": False}, {"family": "ifu"}])
def test_types_without_image_wcs_are_skipped(exposure, references, traits):
    with pytest.raises(SkipStep):
        _run(exposure, references, _context(**traits))


def test_reference_without_model(exposure):
    with pytest.raises(BadInput, match="no 'model'"):
        _run(exposure, {"distortion": Reference.from_arrays("distortion", tree={})})


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["jw01093014001_03102_00001_nis_cal.fits", "jw01093017001_03102_00004_nis_cal.fits"])
def test_flight_wcs_is_made_again(name):
    """The distortion inside the stored WCS and the header give the stored sky positions to 0.01 mas."""
    flight = models.read(real_data("niriss_ami") / name)
    distortion = flight.wcs.get_transform("detector", "v2v3").right  # without the shift of the sub-array
    ours = models.Image(data=flight.data, meta=flight.meta.copy())
    _run(ours, {"distortion": Reference.from_arrays("distortion", tree={"model": distortion})})
    x, y = np.meshgrid(np.arange(80.0), np.arange(80.0))
    np.testing.assert_allclose(ours.wcs(x, y), flight.wcs(x, y), rtol=0, atol=0.01 / 3.6e6)


@pytest.mark.realdata
def test_flight_distortion_of_miri():
    """The reference point of the aperture maps to the pointing, and the header approximation holds with its inverse."""
    folder = real_data("miri_wcs")
    exposure = image((1024, 1032), instrument__filter="F1500W")
    for path, value in {
        "v2_ref": -453.559,
        "v3_ref": -373.814,
        "ra_ref": 83.8,
        "dec_ref": -5.4,
        "roll_ref": 287.3,
    }.items():
        exposure.meta.set(f"wcsinfo.{path}", value)
    references = {
        "distortion": Reference.from_file("distortion", folder / "jwst_miri_imager_distortion_flt9.asdf"),
        "filteroffset": Reference.from_file("filteroffset", folder / "jwst_miri_filteroffset_full_flt9.asdf"),
    }
    _run(exposure, references, _context(keys=("filter",)))
    x, y = exposure.wcs.invert(83.8, -5.4, with_bounding_box=False)
    assert (x, y) == (pytest.approx(692.5, abs=4.0), pytest.approx(511.5, abs=4.0))
    assert exposure.meta.wcsinfo.sipmxerr < 1e-5
    assert exposure.meta.wcsinfo.sipiverr < 0.01
