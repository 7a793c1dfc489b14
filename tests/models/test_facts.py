import pytest

from jwcore.models import Meta, is_moving_target, is_tso, product_name, strip_suffix, suffix_of
from jwcore.models.facts import group_id

PARTS = {
    "observation.program_number": "01234",
    "observation.observation_number": "001",
    "observation.visit_number": "002",
    "observation.visit_group": "02",
    "observation.sequence_id": "1",
    "observation.activity_id": "1a",
    "observation.exposure_number": "7",
}


@pytest.mark.parametrize(
    ("tsovisit", "always", "nints", "expected"),
    [
        (True, False, 10, True),
        (True, False, None, True),
        (True, False, 1, False),
        (None, True, 2, True),
        (False, True, 1, False),
        (False, False, 10, False),
        (None, False, None, False),
    ],
)
def test_time_series(tsovisit, always, nints, expected):
    meta = Meta({"visit.tsovisit": tsovisit, "exposure.nints": nints})
    assert is_tso(meta, always=always) is expected


@pytest.mark.parametrize(("kind", "expected"), [("MOVING", True), ("moving", True), ("FIXED", False), (None, False)])
def test_moving_target(kind, expected):
    assert is_moving_target(Meta({"target.type": kind})) is expected


def test_group_id():
    assert group_id(Meta(PARTS), index=0) == "jw01234001002_0211a_00007"
    assert group_id(Meta({**PARTS, "observation.visit_group": None}), index=4) == "exposure0005"


@pytest.mark.parametrize(
    ("name", "base", "suffix"),
    [
        ("jw01234001001_02101_00001_nrca1_rate.fits", "jw01234001001_02101_00001_nrca1", "rate"),
        ("dir/jw01234-o001_t001_nircam_clear-f090w_i2d.fits", "jw01234-o001_t001_nircam_clear-f090w", "i2d"),
        ("a_ami-oi.fits", "a", "ami-oi"),
        ("a_psf-ami-oi.fits", "a", "psf-ami-oi"),
        ("a_residual_fringe.fits", "a", "residual_fringe"),
        ("a_flat_field.fits", "a", "flat_field"),
        ("a_jumpstep.fits", "a", "jumpstep"),
        ("a-seg001_nis_rateints", "a-seg001_nis", "rateints"),
        ("image3_00001.fits", "image3_00001", None),
        ("separate.fits", "separate", None),
        ("a_cat.ecsv", "a", "cat"),
        ("jw1_gs-id_1_image-uncal.fits", "jw1_gs-id_1_image", "uncal"),
        ("a.b_cal", "a.b", "cal"),
    ],
)
def test_suffixes(name, base, suffix):
    assert strip_suffix(name) == base
    assert suffix_of(name) == suffix


def test_product_names():
    assert product_name("x/a_rate.fits", "cal") == "a_cal.fits"
    assert product_name("jw1_image-uncal.fits", "cal") == "jw1_image-cal.fits"
    assert product_name("a_cal.fits", "crf", asn_id="o001") == "a_o001_crf.fits"
    assert product_name("a", "x1d", component="S200A1", index=2) == "a_2_s200a1_x1d.fits"
    assert product_name("a_i2d.fits", "cat", extension=".ecsv") == "a_cat.ecsv"
