import asdf
import numpy as np
import pytest
from astropy.modeling.models import Shift

from jwcore.algorithms import wcs
from tests.algorithms._distortion import POINTING, camera, flat_camera, image_wcs


def _matrix(p):
    """Attitude as a product of plain rotation matrices (an independent form of the same rotation)."""

    def rotation(axis, degrees):
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        j, k = (axis + 1) % 3, (axis + 2) % 3
        m = np.eye(3)
        m[j, j] = m[k, k] = c
        m[j, k], m[k, j] = -s, s
        return m

    v2, v3 = p.v2_ref / 3600, p.v3_ref / 3600
    return (
        rotation(2, p.ra_ref) @ rotation(1, -p.dec_ref) @ rotation(0, -p.roll_ref) @ rotation(1, v3) @ rotation(2, -v2)
    )


def test_attitude_worked_value():
    ra, dec = wcs.attitude(POINTING)(130.0, -350.0)
    assert (ra, dec) == (pytest.approx(123.021230507, abs=1e-9), pytest.approx(-44.993920992, abs=1e-9))


def test_attitude_reference_point_and_rotation_matrices():
    model = wcs.attitude(POINTING)
    assert model.name == "v23tosky"
    assert model(100.0, -400.0) == pytest.approx((123.0, -45.0), abs=1e-12)
    v2, v3 = np.deg2rad(np.array([[-300.0, 130.0], [700.0, -350.0]]) / 3600)
    x = _matrix(POINTING) @ [np.cos(v3) * np.cos(v2), np.cos(v3) * np.sin(v2), np.sin(v3)]
    ra, dec = model(*np.rad2deg([v2, v3]) * 3600)
    np.testing.assert_allclose(ra, np.rad2deg(np.arctan2(x[1], x[0])) % 360, rtol=0, atol=1e-11)
    np.testing.assert_allclose(dec, np.rad2deg(np.arcsin(x[2])), rtol=0, atol=1e-11)
    np.testing.assert_allclose(model.inverse(ra, dec), np.rad2deg([v2, v3]) * 3600, rtol=0, atol=1e-8)


def test_velocity_aberration():
    model = wcs.velocity_aberration(scale=1.0001, v2_ref=100.0, v3_ref=-400.0)
    assert model(100.0, -400.0) == pytest.approx((100.0, -400.0), abs=1e-12)
    assert model(200.0, -400.0)[0] == pytest.approx(1.0001 * 200 - 0.0001 * 100)
    for scale in (None, 1.0):
        assert wcs.velocity_aberration(scale=scale)(3.0, 4.0) == (3.0, 4.0)
    for scale in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="not positive"):
            wcs.velocity_aberration(scale=scale)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"filter": "F480M", "pupil": "NRM"}, (0.5, -1.5)),
        ({"filter": "f480m ", "pupil": "NRM"}, (0.5, -1.5)),
        ({"filter": "F480M", "pupil": "CLEARP"}, None),
        ({"filter": "F090W", "pupil": "NRM"}, None),
        ({"filter": None, "pupil": None}, None),
    ],
)
def test_filter_offset(settings, expected):
    rows = [
        {"filter": "F090W", "pupil": "NRM", "column_offset": "N/A", "row_offset": "N/A"},
        {"filter": "F480M", "pupil": "NRM", "column_offset": 0.5, "row_offset": -1.5},
    ]
    assert wcs.filter_offset(rows, settings=settings) == expected


def test_bounding_box_rules():
    whole = ((-0.5, 1031.5), (-0.5, 1023.5))
    reference = ((10.5, 900.5), (-0.5, 800.5))
    shape = (1024, 1032)
    assert wcs.bounding_box(shape=shape) == whole
    assert wcs.bounding_box(shape=shape, margins=(4, 4, 0, 0)) == ((3.5, 1027.5), (-0.5, 1023.5))
    assert wcs.bounding_box(shape=shape, reference=reference, margins=(4, 4, 0, 0)) == reference
    assert wcs.bounding_box(shape=shape, reference=reference, subarray=True, margins=(4, 4, 0, 0)) == whole


def test_reference_box():
    model = camera()
    assert wcs.reference_box(model) is None
    model.bounding_box = ((-0.5, 200.5), (3.5, 250.5))  # astropy: y before x
    assert wcs.reference_box(model) == ((3.5, 250.5), (-0.5, 200.5))


def test_chain_frames_and_box():
    found = image_wcs(camera())
    assert found.available_frames == ["detector", "v2v3", "v2v3vacorr", "world"]
    assert found.get_transform("v2v3vacorr", "world").name == "v23tosky"
    inside, outside = found(0.0, 0.0), found(-1.0, 0.0)
    assert np.isfinite(inside).all()
    assert np.isnan(outside).all()
    assert found(128.0, 120.0) == pytest.approx((123.0, -45.0), abs=1e-11)


def test_subarray_is_a_slice_of_the_full_frame():
    x, y = np.meshgrid(np.arange(20.0), np.arange(10.0))
    full = image_wcs(camera(), offset=(0.3, -0.7))
    cut = image_wcs(camera(), offset=(0.3, -0.7), origin=(31, 61), shape=(10, 20))
    np.testing.assert_allclose(cut(x, y), full(x + 30, y + 60), rtol=0, atol=1e-12)


def test_filter_offset_is_added_to_positions():
    np.testing.assert_allclose(
        image_wcs(camera(), offset=(0.5, 2.0))(10.0, 20.0), image_wcs(camera())(10.5, 22.0), rtol=0, atol=1e-12
    )


def test_round_trip():
    found = image_wcs(flat_camera(), offset=(0.25, 0.5), origin=(5, 9))
    x, y = np.meshgrid(np.arange(0.0, 256, 15), np.arange(0.0, 240, 15))
    np.testing.assert_allclose(found.invert(*found(x, y)), (x, y), rtol=0, atol=1e-7)


def test_the_reference_model_is_not_changed():
    model = camera()
    image_wcs(model)
    assert wcs.reference_box(model) is None
    assert wcs.detector_to_v2v3(model) is not model


def test_inverse_of_the_reference_is_kept():
    model = camera()
    model.inverse = Shift(1.0) & Shift(2.0)
    assert wcs.detector_to_v2v3(model, offset=(10.0, 20.0)).inverse(0.0, 0.0) == (-9.0, -18.0)
    assert wcs.detector_to_v2v3(model).inverse(0.0, 0.0) == (1.0, 2.0)


def test_asdf_round_trip(tmp_path):
    found = image_wcs(camera(), offset=(0.5, 0.5), origin=(3, 4))
    asdf.AsdfFile({"wcs": found}).write_to(tmp_path / "wcs.asdf")
    with asdf.open(tmp_path / "wcs.asdf", lazy_load=False, memmap=False) as file:
        again = file["wcs"]
    assert again.available_frames == found.available_frames
    assert again(40.0, 50.0) == found(40.0, 50.0)
    assert again.bounding_box == found.bounding_box


def test_alignment_tool_accepts_the_chain():
    tweakwcs = pytest.importorskip("tweakwcs")
    found = image_wcs(flat_camera(), va_scale=None)
    corrector = tweakwcs.JWSTWCSCorrector(found, wcsinfo={"v2_ref": 100.0, "v3_ref": -400.0, "roll_ref": 37.0})
    corrector.set_correction(matrix=np.eye(2), shift=[0.5, 0.0])  # arcsec in the tangent plane
    moved, before = corrector.wcs(100.0, 100.0), found(100.0, 100.0)
    distance = np.hypot((moved[0] - before[0]) * np.cos(np.deg2rad(before[1])), moved[1] - before[1]) * 3600
    assert distance == pytest.approx(0.5, abs=1e-5)
