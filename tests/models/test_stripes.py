import numpy as np
import pytest

from jwcore.errors import BadInput
from jwcore.models import (
    Meta,
    Ramp,
    StripeReadout,
    SuperstripeRamp,
    Uncal,
    check_exposure,
    has_detector_rows,
    is_striped,
    of_one_stripe,
    read,
    write,
)

NAMES = ("MSTR_RD1", "MSTR_SK1", "MSTR_RD2", "MSTR_SK2", "MSTR_RPT", "MSTR_ILV", "SSTR_STP", "SSTR_NST")


def striped(numbers, *, lines, slowaxis=2, name="SUB41STRIPE1_DHS", start=1, across=256):
    meta = Meta()
    size = (lines, across) if abs(slowaxis) == 1 else (across, lines)
    places = (start, 1) if abs(slowaxis) == 1 else (1, start)
    place = dict(zip(("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2"), (*places, *size), strict=True))
    fast = 3 - abs(slowaxis)
    for keyword, value in {
        **place, "SUBARRAY": name, "SLOWAXIS": slowaxis, "FASTAXIS": fast, **dict(zip(NAMES, numbers, strict=False)),
    }.items():  # fmt: skip
        meta.set_keyword(keyword, value)
    return meta


def runs(*pairs):
    return [line for first, last in pairs for line in range(first, last + 1)]


@pytest.mark.parametrize(
    ("numbers", "lines", "expected"),
    [
        ((4, 20, 10, 30), 44, runs((0, 3), (24, 33), (64, 73), (104, 113), (144, 153))),
        ((4, 20, 10, 30, 0, 1), 44, runs((0, 3), (24, 33), (64, 73), (104, 113), (144, 153))),
        ((4, 20, 10, 30, 1, 0), 42, runs((0, 3), (24, 33)) * 3),
        ((4, 20, 10, 30, 1, 1), 42, runs((0, 3), (24, 33), (0, 3), (64, 73), (0, 3), (104, 113))),
        ((0, 4, 17, 0, 1, 0), 34, runs((4, 20)) * 2),
        ((4, 0, 60, 0), 64, runs((0, 63))),
    ],
)
@pytest.mark.parametrize("slowaxis", [2, -2, 1, -1])
def test_lines_follow_the_keywords(numbers, lines, expected, slowaxis):
    readout = StripeReadout.of(striped(numbers, lines=lines, slowaxis=slowaxis))
    stored = expected if slowaxis > 0 else [2047 - line for line in reversed(expected)]
    assert readout.lines.tolist() == stored
    found = np.full(lines, -1)
    for place, first in readout.pieces:
        found[place] = np.arange(first, first + place.stop - place.start)
    assert found.tolist() == stored


def test_a_start_counts_where_the_name_does_not_say_dhs():
    def first(name, slowaxis, start):
        return StripeReadout.of(striped((4, 20, 10, 30), lines=14, slowaxis=slowaxis, name=name, start=start)).head

    assert first("SUB41STRIPE1_DHS", 2, 100) == 0
    assert first("OTHER", 2, 100) == 99
    assert first("OTHER", -2, 1) == 0
    assert first("OTHER", -2, 1948) == 100


def test_every_stripe_of_a_superstripe_is_a_readout_of_its_own():
    meta = striped((4, 0, 0, 0, 0, 0, 680, 3), lines=684, slowaxis=-1, name="SUB680STRIPE_SOSS")
    assert is_striped(meta)
    expected = [runs((1364, 2047)), runs((684, 1363), (2044, 2047)), runs((4, 683), (2044, 2047))]
    for number, lines in enumerate(expected):
        assert StripeReadout.of(of_one_stripe(meta, number)).lines.tolist() == lines
    assert meta.subarray.num_superstripe == 3, "the metadata of the whole exposure stay"


@pytest.mark.parametrize(
    ("numbers", "lines", "slowaxis", "message"),
    [
        ((4, 20, 10, 30), 45, 2, "have 54 lines together"),
        ((4, 20, 0, 30), 44, 2, "MSTR_RD2 is not positive"),
        ((4, 2000, 10, 30), 44, 2, "beyond the detector"),
        ((4, 20, 10, 30), 44, None, "SLOWAXIS is None"),
    ],
)
def test_impossible_readouts_are_refused(numbers, lines, slowaxis, message):
    meta = striped(numbers, lines=lines)
    meta.subarray.slowaxis = slowaxis
    with pytest.raises(BadInput, match=message):
        _ = StripeReadout.of(meta).blocks


def test_other_exposures_are_not_striped():
    assert not is_striped(Meta())


def test_rows_of_the_detector():
    meta = Meta()
    assert has_detector_rows(meta)
    meta.exposure.readpatt = "NRSIRS2RAPID"
    assert not has_detector_rows(meta)


def test_raw_files_are_read_into_the_container_of_their_readout(tmp_path):
    identity = {
        "TELESCOP": "JWST", "INSTRUME": "NIRISS", "DETECTOR": "NIS", "EXP_TYPE": "NIS_SOSS", "DATE-OBS": "2024-01-01",
        "TIME-OBS": "00:00:00", "NINTS": 6, "NGROUPS": 2,
    }  # fmt: skip
    for nstripes, kind in ((3, SuperstripeRamp), (0, Ramp)):
        meta = striped((4, 0, 16, 0, 0, 0, 16, nstripes), lines=20)
        for keyword, value in identity.items():
            meta.set_keyword(keyword, value)
        raw = Uncal(data=np.ones((6, 2, 20, 256), np.uint16), meta=meta)
        exposure = read(write(raw, tmp_path / "jw98765001001_02101_00001_nis_uncal.fits"))
        assert type(exposure) is kind
        assert exposure.data.dtype == np.float32
        check_exposure(exposure)
        exposure.pixeldq = np.zeros((3, 20, 256) if nstripes else (20, 256), np.uint32)
        again = read(write(exposure, tmp_path / "jw98765001001_02101_00001_nis_ramp.fits"))
        assert type(again) is kind
        assert again.pixeldq.shape == exposure.pixeldq.shape
