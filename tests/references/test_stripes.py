import numpy as np
import pytest
from astropy.io import fits

from jwcore.errors import BadInput
from jwcore.models import Ramp, StripeReadout
from jwcore.references import Reference
from jwcore.references.subarray import StripedWindow, Window, science_window
from tests.models.test_stripes import striped

NUMBERS, LINES = (4, 20, 10, 30), 44
HEADER = {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 2048, "SUBSIZE2": 2048}


@pytest.fixture(scope="module")
def image():
    return np.arange(2048 * 2048, dtype=np.float32).reshape(2048, 2048)


def on_disk(folder, arrays):
    path = folder / "reference.fits"
    images = [fits.ImageHDU(array, name=name) for name, array in arrays.items()]
    primary = fits.PrimaryHDU()
    primary.header.update(HEADER)
    fits.HDUList([primary, *images]).writeto(path)
    return path


@pytest.mark.parametrize("slowaxis", [2, -2, -1])
@pytest.mark.parametrize("stored", [True, False])
def test_references_are_assembled_of_the_lines_that_were_read(tmp_path, image, slowaxis, stored):
    meta = striped(NUMBERS, lines=LINES, slowaxis=slowaxis)
    window, lines = science_window(meta), StripeReadout.of(meta).lines
    cube = np.stack([image, -image])
    if stored:
        reference = Reference.from_file("linearity", on_disk(tmp_path, {"COEFFS": cube}), window=window)
    else:
        reference = Reference.from_arrays("linearity", {"COEFFS": cube}, window=window)
    expected = cube[:, :256, lines] if slowaxis == -1 else cube[:, lines, :256]
    found = reference.array("COEFFS")
    np.testing.assert_array_equal(found, expected)
    assert found.flags.c_contiguous
    assert reference.shape("COEFFS") == expected.shape
    np.testing.assert_array_equal(reference.rows("COEFFS", 3, 9), expected[:, 3:9])
    for plane, same in zip(reference.planes("COEFFS"), expected, strict=True):
        np.testing.assert_array_equal(plane, same)


def test_a_reference_that_is_striped_already_is_taken_as_it_is(image):
    window = science_window(striped(NUMBERS, lines=LINES))
    part = image[:LINES, :256]
    for header in ({**HEADER, "SUBSIZE1": 256, "SUBSIZE2": LINES}, {}):
        reference = Reference.from_arrays("dark", {"SCI": part[None]}, header=header, window=window)
        np.testing.assert_array_equal(reference.array("SCI")[0], part)
        assert reference.shape() == (1, *part.shape)


def test_a_reference_without_the_lines_is_refused(image):
    window = science_window(striped(NUMBERS, lines=LINES))
    header = {**HEADER, "SUBSIZE2": 100}
    with pytest.raises(BadInput, match="does not contain it"):
        Reference.from_arrays("flat", {"SCI": image[:100]}, header=header, window=window).array()


def test_the_window_of_stripes_is_the_rectangle_around_them():
    window = science_window(striped(NUMBERS, lines=LINES))
    assert isinstance(window, StripedWindow)
    assert (window.x, window.y, window.nx, window.ny) == (1, 1, 256, 154)
    assert window.named == Window(1, 1, 256, LINES)


def test_superstripes_have_no_window_in_common_but_one_each(image):
    meta = striped((4, 0, 16, 0, 0, 0, 16, 3), lines=20)
    assert science_window(meta) is None
    reference = Reference.from_arrays("gain", {"SCI": image})
    exposure = Ramp(data=np.zeros((1, 1, 20, 256), np.float32), meta=striped((4, 16, 16, 0), lines=20))
    expected = image[[*range(4), *range(20, 36)], :256]
    np.testing.assert_array_equal(reference.cut_to(exposure).array(), expected)
    np.testing.assert_array_equal(reference.array(), image)
