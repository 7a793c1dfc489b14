"""Whether a file that the user names can be a reference for the exposure."""

import numpy as np
import pytest
from astropy.io import fits

from jwcore.errors import BadInput
from jwcore.references import Found, OverrideProvider

PARAMETERS = {
    "META.INSTRUMENT.NAME": "NIRCAM", "META.INSTRUMENT.DETECTOR": "NRCA1", "META.SUBARRAY.XSTART": "9.0",
    "META.SUBARRAY.YSTART": "5.0", "META.SUBARRAY.XSIZE": "16.0", "META.SUBARRAY.YSIZE": "8.0",
}  # fmt: skip
FULL = {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 64, "SUBSIZE2": 32}


def file(tmp_path, *, shape=(32, 64), **cards):
    header = fits.Header(list({"REFTYPE": "FLAT", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", **FULL, **cards}.items()))
    path = tmp_path / "flat.fits"
    hdus = [
        fits.PrimaryHDU(header=header),
        *(fits.ImageHDU(np.ones(shape, "f4"), name=name) for name in ("SCI", "ERR")),
    ]
    fits.HDUList(hdus).writeto(path)
    return path


def find(path):
    return OverrideProvider({"flat": path}).find(["flat"], PARAMETERS)["flat"]


def test_the_exposure_is_a_part_of_the_reference(tmp_path):
    assert isinstance(find(file(tmp_path)), Found)


def test_the_reference_is_for_this_sub_array(tmp_path):
    assert isinstance(find(file(tmp_path, shape=(8, 16), SUBSTRT1=9, SUBSTRT2=5, SUBSIZE1=16, SUBSIZE2=8)), Found)


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({"shape": (6, 64), "SUBSIZE2": 6}, r"covers 64×6 at \(1, 1\) pixels, the exposure 16×8 at \(9, 5\)"),
        ({"shape": (5, 5), "SUBSIZE1": 5, "SUBSIZE2": 5}, "covers 5×5"),
        ({"INSTRUME": "MIRI"}, "for INSTRUME MIRI, the exposure is of NIRCAM"),
        ({"DETECTOR": "NRCB4"}, "for DETECTOR NRCB4, the exposure is of NRCA1"),
        ({"REFTYPE": "DARK"}, "this is a dark reference, not flat"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, cards, words):
    path = file(tmp_path, **cards)
    with pytest.raises(BadInput, match=words) as caught:
        find(path)
    assert str(path) in str(caught.value)


def test_no_reference_file_at_all(tmp_path):
    path = tmp_path / "flat.fits"
    path.write_text("my flat field")
    with pytest.raises(BadInput, match=r"is not a FITS file .it begins with 'my flat field'"):
        find(path)


def test_what_is_not_known_is_not_checked(tmp_path):
    assert isinstance(OverrideProvider({"flat": file(tmp_path)}).find(["flat"], {})["flat"], Found)
