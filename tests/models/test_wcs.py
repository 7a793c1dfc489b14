"""WCS objects in the ASDF extension."""

import numpy as np
import pytest
from astropy.io import fits

from jwcore import models
from jwcore.models.asdf_tree import AsdfTree


@pytest.fixture
def wcs():
    from astropy import units
    from astropy.coordinates import ICRS
    from astropy.modeling.models import Mapping, Pix2Sky_TAN, Polynomial2D, RotateNative2Celestial
    from gwcs import WCS
    from gwcs.coordinate_frames import CelestialFrame, Frame2D

    x = Polynomial2D(2, c0_0=-1e-3, c1_0=1e-4, c0_1=1e-6, c2_0=1e-9)
    y = Polynomial2D(2, c0_0=-1e-3, c1_0=2e-6, c0_1=1e-4, c1_1=1e-9)
    sky = Pix2Sky_TAN() | RotateNative2Celestial(82.0, -65.0, 180.0)
    transform = Mapping((0, 1, 0, 1)) | x & y | sky
    detector = Frame2D(name="detector", axes_order=(0, 1), unit=(units.pix, units.pix))
    world = CelestialFrame(name="world", reference_frame=ICRS(), unit=(units.deg, units.deg))
    made = WCS([(detector, transform), (world, None)])
    made.bounding_box = ((-0.5, 7.5), (-0.5, 5.5))
    return made


def same(one, other):
    points = np.array([0.0, 3.3, 7.0]), np.array([0.0, 2.2, 5.0])
    inside = np.allclose(one(*points), other(*points), rtol=0, atol=1e-12)
    return inside and all(np.isnan(np.array(each(100, 100))).all() for each in (one, other))


def raw_tree(path):
    with fits.open(path) as hdus:
        return hdus["ASDF"].data[0][0].tobytes()


def test_wcs_round_trip(image, wcs, tmp_path):
    image.wcs = wcs
    image.meta.free = {"list": [1, 2]}
    image.extras["cal_logs"] = {"run": ["a"]}
    path = models.write(image, tmp_path / "a.fits")
    exposure = models.read(path)
    assert exposure.has_wcs
    carried = models.read(models.write(exposure, tmp_path / "b.fits"))
    assert exposure._wcs is not None
    assert same(exposure.wcs, wcs)
    assert same(carried.wcs, wcs)
    rewritten = models.read(models.write(carried, tmp_path / "c.fits"))
    assert same(rewritten.wcs, wcs)
    assert same(rewritten.copy().wcs, wcs)
    assert rewritten.meta.free.list == [1, 2]
    assert rewritten.extras["cal_logs"] == {"run": ["a"]}
    for name in "abc":
        raw = raw_tree(tmp_path / f"{name}.fits")
        assert b"_fits_hash" not in raw
        assert raw.count(b"crval1") == 0, "FITS keywords live in the headers only"


def test_wcs_can_be_removed(image, wcs, tmp_path):
    image.wcs = wcs
    exposure = models.read(models.write(image, tmp_path / "a.fits"))
    exposure.wcs = None
    assert not exposure.has_wcs
    again = models.read(models.write(exposure, tmp_path / "b.fits"))
    assert again.wcs is None
    assert b"gwcs/wcs" not in raw_tree(tmp_path / "b.fits")


def test_objects_as_free_attributes(image, tmp_path):
    """Arrays and objects beyond plain YAML are stored with their tags."""
    image.meta.weights = np.arange(2000.0)
    path = models.write(image, tmp_path / "a.fits")
    again = models.read(models.write(models.read(path), tmp_path / "b.fits"))
    tree = again._tree.live()
    assert np.array_equal(tree["meta"]["weights"], np.arange(2000.0))


def test_a_stale_hash_and_copies_of_fits_nodes_are_dropped():
    text = """#ASDF 1.0.0
#ASDF_STANDARD 1.6.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
_fits_hash: abc
data: !core/ndarray-1.1.0 {source: 'fits:SCI,1', datatype: float32, byteorder: big, shape: [2, 2]}
extra_fits: {PRIMARY: {header: []}}
meta: {exposure: {type: NRC_IMAGE, mine: 1}, target: {}, empty: {}}
cal_logs: {a: [b]}
...
"""
    tree = AsdfTree(text.encode)
    assert tree.plain() == {"meta": {"exposure": {"mine": 1}}, "cal_logs": {"a": ["b"]}}
    assert tree.wcs() is None


@pytest.mark.realdata
def test_flight_products(real_data, tmp_path):
    for path in sorted((real_data / "niriss_ami").glob("*_cal.fits"))[:2]:
        exposure = models.read(path)
        out = models.write(exposure, tmp_path / path.name)
        with fits.open(path) as old, fits.open(out) as new:
            for hdu in old[1:-1]:
                assert new[hdu.name].data.tobytes() == hdu.data.tobytes()
            skip = {"DATE", "FILENAME", "EXTVER", ""}
            for name in (0, "SCI", "ERR", "DQ"):
                cards = {card.keyword: card.value for card in new[name].header.cards}
                assert all(cards[c.keyword] == c.value for c in old[name].header.cards if c.keyword not in skip)
        sky = models.read(out).wcs(40.0, 40.0)
        assert np.allclose(sky, exposure.wcs(40.0, 40.0), rtol=0, atol=1e-12)
        assert np.allclose(sky[1], exposure.meta.wcsinfo.crval2, atol=1e-2)


@pytest.mark.realdata
def test_flight_raw_guider_data(real_data):
    ramp = models.read(next((real_data / "fgs_guider").glob("*_uncal.fits")))
    assert (ramp.shape, ramp.data.dtype) == ((6, 2, 128, 128), np.float32)
    assert ramp.meta.instrument.detector == "GUIDER2"
    assert ramp.data.min() > 0
