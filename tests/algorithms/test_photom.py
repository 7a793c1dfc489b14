import numpy as np
import pytest

from jwcore.algorithms import photom

ROWS = [("F770W", "FULL", 0.4), ("F770W", "GENERIC", 0.45), ("F1000W", "SUB64", 0.3), ("F1000W", "GENERIC", 0.2)]
MIRI = np.array(ROWS, dtype=[("filter", "U12"), ("subarray", "S15"), ("photmjsr", ">f4")])
NIRCAM = np.array(
    [("F200W", "CLEAR", 0.5), ("F200W", "WLP8", 0.6)], dtype=[("FILTER", "S12"), ("PUPIL", "S12"), ("PHOTMJSR", "f4")]
)


@pytest.mark.parametrize(
    ("table", "settings", "expected"),
    [
        (MIRI, {"filter": "F770W", "subarray": "FULL"}, 0.4),
        (MIRI, {"filter": "f770w ", "subarray": "SUB64"}, 0.45),
        (MIRI, {"filter": "F1000W", "subarray": "FULL", "pupil": "IGNORED"}, 0.2),
        (MIRI, {"filter": "F2100W", "subarray": "FULL"}, None),
        (NIRCAM, {"filter": "F200W", "pupil": "WLP8", "subarray": "FULL"}, 0.6),
        (NIRCAM, {"filter": "F200W", "pupil": None}, None),
        (np.array([(0.33, 0.1)], dtype=[("photmjsr", "f4"), ("uncertainty", "f4")]), {"filter": None}, 0.33),
    ],
)
def test_row_selection(table, settings, expected):
    row = photom.select_row(table, settings=settings)
    assert (row and row["photmjsr"]) == (expected and pytest.approx(expected))


def test_kind_of_table():
    assert photom.is_image_table(MIRI)
    assert not photom.is_image_table(np.zeros(1, dtype=[("photmjsr", "f4"), ("nelem", "i2")]))
    assert not photom.is_image_table(np.zeros(1, dtype=[("photmj", "f4")]))


def test_changes_with_time():
    assert photom.linear_change(60000.0 + 365, t0=60000, lossperyear=0.02) == pytest.approx(0.98)
    assert photom.exponential_change(60000.0, t0=60000, amplitude=0.1, tau=200, const=0.9) == pytest.approx(1.0)
    assert photom.exponential_change(60200.0, t0=60000, amplitude=0.1, tau=200, const=0.9) == pytest.approx(
        0.1 / np.e + 0.9
    )
    law = {"t0": 60000.0, "year1value": 0.95, "tsoft": 5.0, "alpha": -0.02}
    assert photom.power_law_change(60365.0, **law) == pytest.approx(0.95)
    assert photom.power_law_change(60000.0, **law) == pytest.approx(5**-0.02 / (370**-0.02 / 0.95))
    assert np.isnan(photom.power_law_change(59000.0, **law))


def test_sensitivity_is_the_product():
    linear = np.array([("F770W", 60000.0, 0.1)], dtype=[("filter", "U8"), ("t0", "f8"), ("lossperyear", "f4")])
    other = np.array([("F560W", 60000.0, 0.5)], dtype=linear.dtype)
    law = np.array(
        [("F770W", 60000.0, 0.8, 5.0, -0.02)],
        dtype=[("filter", "U8"), ("t0", "f8"), ("year1value", "f4"), ("tsoft", "f4"), ("alpha", "f4")],
    )
    tables = {"TIMECOEFF_LINEAR": linear, "TIMECOEFF_POWERLAW": law}
    settings = {"filter": "F770W"}
    assert photom.sensitivity(tables, time=60365.0, settings=settings) == pytest.approx(0.9 * 0.8)
    assert photom.sensitivity({"TIMECOEFF_LINEAR": other}, time=60365.0, settings=settings) == 1.0


def test_unit_factor():
    assert pytest.approx(23.5045, abs=1e-4) == photom.MICROJANSKY_PER_ARCSEC2


def test_scale():
    planes = {"data": np.full(3, 2, np.float32), "var_flat": np.full(3, 2, np.float32), "err": None}
    photom.scale(planes, factor=0.5)
    assert planes["data"][0] == 1.0
    assert planes["var_flat"][0] == 0.5
