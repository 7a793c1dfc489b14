"""Whether a file that the user names can be a reference for the exposure."""

import numpy as np
import pytest
from astropy.io import fits

from jwcore.errors import BadInput
from jwcore.references import Found, OverrideProvider, Reference, Window
from jwcore.references.fitness import as_image

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


# ---- a type that a plugin brings
def ghost(tmp_path, shape, **cards):
    path = file(tmp_path, shape=shape, REFTYPE="GHOST", **cards)
    return Found("ghost", path, path.name, "override")


@pytest.mark.parametrize(
    ("shape", "cards", "words"),
    [
        ((8, 16), {"SUBSIZE1": 16, "SUBSIZE2": 8}, r"covers 16×8 at \(1, 1\) pixels, the exposure 16×8 at \(9, 5\)"),
        ((6, 6), {"SUBSTRT1": None}, "reference of 6×6 pixels does not say where it lies"),
    ],
)
def test_images_of_a_new_type_must_hold_the_exposure(tmp_path, shape, cards, words):
    with pytest.raises(BadInput, match=words):
        as_image(ghost(tmp_path, shape, **cards), PARAMETERS)


def test_images_of_a_new_type_are_cut(tmp_path):
    found = as_image(ghost(tmp_path, (32, 64)), PARAMETERS)
    reference = Reference.from_file("ghost", found.path, window=Window(9, 5, 16, 8), image=found.image)
    assert reference.array().shape == reference.shape() == (8, 16)


@pytest.mark.parametrize(
    ("shape", "cut"), [((32, 64), (8, 16)), ((2048, 2048), (8, 16)), ((6, 6), (6, 6)), ((64,), (64,))]
)
def test_arrays_of_an_undeclared_type_are_cut_when_their_header_says_where_they_lie(shape, cut):
    header = FULL if shape == (32, 64) else {}
    array = np.zeros(shape, "f4")
    reference = Reference.from_arrays("ghost", {"SCI": array}, header=header, window=Window(9, 5, 16, 8))
    assert reference.array().shape == reference.shape() == cut


def test_an_undeclared_type_that_says_where_it_lies_is_checked_too(tmp_path):
    path = ghost(tmp_path, (8, 16), SUBSIZE1=16, SUBSIZE2=8).path
    with pytest.raises(BadInput, match="does not contain it"):
        OverrideProvider({"ghost": path}).find(["ghost"], PARAMETERS)


def test_an_exposure_is_no_reference(tmp_path):
    path = file(tmp_path, OBSERVTN="001")
    assert isinstance(find(path), Found)  # made of an exposure, but it says what it is
    with fits.open(path, mode="update") as hdus:
        del hdus[0].header["REFTYPE"]
    with pytest.raises(BadInput, match="this is an exposure, not a flat reference"):
        find(path)
