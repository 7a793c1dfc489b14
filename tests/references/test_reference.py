import json
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from astropy.io import fits

from jwcore.errors import BadInput, MissingReference, PluginError
from jwcore.references import Found, Missing, NotApplicable, ReadAhead, Reference, References, Window
from jwcore.references.dq_def import translate
from jwcore.references.storage import FitsStorage

NY, NX = 40, 48
WINDOW = Window(11, 6, 16, 20)
CUT = np.s_[..., 5:25, 10:26]


class Meta(dict):
    """The two lookups that references need of the metadata of an exposure."""

    def get(self, path, default=None):
        return super().get(path, default)


@pytest.fixture
def image():
    return np.arange(3 * NY * NX, dtype=np.float32).reshape(3, NY, NX)


@pytest.fixture
def dark(tmp_path, image):
    """A dark with the storage forms that references have: float cube, uint8 DQ with its table, unsigned image."""
    dq_def = np.array(
        [(0, 1, "DO_NOT_USE"), (1, 2, "HOT"), (2, 4, "OF_OLD")], dtype=[("BIT", "i4"), ("VALUE", "u4"), ("NAME", "S40")]
    )
    dq = np.zeros((NY, NX), dtype=np.uint8)
    dq[8, 12], dq[9, 13], dq[10, 14] = 1, 3, 4
    primary = fits.PrimaryHDU()
    primary.header.update({"INSTRUME": "NIRCAM", "DETECTOR": "NRCB1", "REFTYPE": "DARK", "AVDRK": 0.5})
    primary.header.update({"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": NX, "SUBSIZE2": NY})
    hdus = [
        primary,
        fits.ImageHDU(image, name="SCI"),
        fits.ImageHDU(dq, name="DQ"),
        fits.ImageHDU(np.arange(NY * NX, dtype=np.uint32).reshape(NY, NX) + np.uint32(2**31), name="BITS"),
        fits.ImageHDU(image[0].astype("f8"), name="SCI", ver=2),
        fits.BinTableHDU(dq_def, name="DQ_DEF"),
    ]
    path = tmp_path / "jwst_nircam_dark_0001.fits"
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.fixture
def meta():
    sub = {"xstart": WINDOW.x, "ystart": WINDOW.y, "xsize": WINDOW.nx, "ysize": WINDOW.ny}
    return Meta(
        {"instrument.name": "NIRCAM", "instrument.detector": "NRCB1", **{f"subarray.{k}": v for k, v in sub.items()}}
    )


@pytest.mark.parametrize(("window", "part"), [(None, np.s_[...]), (Window(1, 1, NX, NY), np.s_[...]), (WINDOW, CUT)])
def test_arrays_are_native_contiguous_readonly_and_cut(dark, image, window, part):
    reference = Reference.from_file("dark", dark, window=window)
    array = reference.array("SCI")
    np.testing.assert_array_equal(array, image[part])
    assert array.dtype == np.float32
    assert array.dtype.isnative
    assert array.flags.c_contiguous
    assert not array.flags.writeable
    assert reference.shape("SCI") == array.shape
    bits = reference.array("BITS")
    assert bits.dtype == np.uint32
    np.testing.assert_array_equal(bits, (np.arange(NY * NX, dtype=np.uint32).reshape(NY, NX) + np.uint32(2**31))[part])


def test_planes_and_rows_are_parts_of_the_array(dark, image):
    reference = Reference.from_file("dark", dark, window=WINDOW)
    np.testing.assert_array_equal(np.stack(list(reference.planes("SCI"))), image[CUT])
    np.testing.assert_array_equal(reference.rows("SCI", 3, 8), image[CUT][:, 3:8])
    np.testing.assert_array_equal(reference.rows("SCI", 3, 8, index=(2,)), image[CUT][2, 3:8])


def test_an_array_lives_as_long_as_somebody_holds_it(dark):
    reference = Reference.from_file("dark", dark)
    first = reference.array("SCI")
    assert reference.array("SCI") is first


def test_extension_versions_and_absence(dark, image):
    reference = Reference.from_file("dark", dark)
    second = reference.array(("SCI", 2))
    assert second.dtype == np.float32  # detector images are single precision
    np.testing.assert_array_equal(second, image[0])
    assert reference.array("ERR") is None
    assert reference.shape("ERR") is None
    assert list(reference.planes("ERR")) == []
    assert reference.table("PHOTOM") is None
    assert reference.array("DQ_DEF") is None


def test_keywords(dark):
    reference = Reference.from_file("dark", dark)
    assert reference.keyword("AVDRK") == 0.5
    assert reference.keyword("PIXAR_SR") is None
    assert reference.keyword("PIXAR_SR", 3.0) == 3.0
    assert reference.header("SCI", "XTENSION") == "IMAGE"
    assert reference.name == dark.name


def test_dq_is_translated(dark, caplog):
    with caplog.at_level(logging.WARNING):
        dq = Reference.from_file("dark", dark, window=WINDOW).dq()
    assert dq.dtype == np.uint32
    assert not dq.flags.writeable
    assert (dq[3, 2], dq[4, 3], dq[5, 4]) == (1, 1 | 2048, 0)
    assert np.count_nonzero(dq) == 2
    assert "OF_OLD" in caplog.text


def test_dq_translation_of_high_and_shared_bits():
    stored = np.array([0, 1, 2, 3, 1 << 9, 1 << 30 | 1, 1 << 31], dtype=np.uint32)
    rows = [("DO_NOT_USE", 3), ("HOT", 2), ("DEAD", 1 << 9), ("REFERENCE_PIXEL", 1 << 30), ("NON_SCIENCE", 1 << 31)]
    np.testing.assert_array_equal(translate(stored, rows), [0, 1, 1 | 2048, 1 | 2048, 1024, 2**31 | 1, 512])


def test_dq_with_standard_bits_is_not_copied():
    stored = np.array([0, 1, 2048], dtype=np.uint32)
    assert translate(stored, [("DO_NOT_USE", 1), ("HOT", 2048)]) is stored
    assert translate(stored, None) is stored


def test_scaled_images_are_read_too(tmp_path, image):
    scaled = fits.ImageHDU(image[0], name="SCI")
    scaled.scale("int16", bzero=500, bscale=0.5)
    path = tmp_path / "flat.fits"
    fits.HDUList([fits.PrimaryHDU(), scaled]).writeto(path)
    expected = fits.getdata(path)
    array = Reference.from_file("flat", path).array("SCI")
    np.testing.assert_array_equal(array, expected)


def test_tables_are_native_and_text_is_stripped(tmp_path):
    columns = [
        fits.Column("filter", "12A", array=np.array(["F200W", "F115W"])),
        fits.Column("order", "I", array=np.array([1, 2])),
        fits.Column("bits", "J", bzero=2**31, array=np.array([0, 2**31 + 5], dtype=np.uint32)),
        fits.Column("wavelength", "3E", array=np.ones((2, 3), dtype="f4")),
    ]
    path = tmp_path / "photom.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="PHOTOM")]).writeto(path)
    table = Reference.from_file("photom", path).table("PHOTOM")
    assert table["filter"].tolist() == ["F200W", "F115W"]
    assert table["bits"].tolist() == [0, 2**31 + 5]
    assert table["wavelength"].shape == (2, 3)
    assert all(table.dtype[name].isnative for name in table.dtype.names)
    assert not table.flags.writeable


def test_kernels_are_not_cut(tmp_path):
    kernel = np.ones((3, 3), dtype=np.float32)
    path = tmp_path / "ipc.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(kernel, name="SCI")]).writeto(path)
    assert Reference.from_file("ipc", path, window=WINDOW).array("SCI").shape == (3, 3)


def test_references_in_memory(image):
    header = {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": NX, "SUBSIZE2": NY, "GAINFACT": 2.0}
    table = np.array([("a", 1.0)], dtype=[("name", "U1"), ("value", "f4")])
    big_endian = image.astype(">f4")
    reference = Reference.from_arrays(
        "flat", {"SCI": big_endian, "PHOTOM": table}, header=header, dq=np.ones((NY, NX), dtype="u1"), window=WINDOW
    )
    assert reference.array().dtype.isnative
    np.testing.assert_array_equal(reference.array(), image[CUT])
    assert reference.dq().shape == (WINDOW.ny, WINDOW.nx)
    assert reference.table("PHOTOM")["value"].tolist() == [1.0]
    assert reference.keyword("GAINFACT") == 2.0
    assert Reference.from_arrays("distortion", tree={"model": 3}).tree == {"model": 3}


def test_asdf_and_json_content(tmp_path):
    import asdf

    path = tmp_path / "offset.asdf"
    asdf.AsdfFile(
        {"meta": {"reftype": "FILTEROFFSET"}, "filters": [{"filter": "F200W", "table": np.arange(3)}]}
    ).write_to(path)
    tree = Reference.from_file("filteroffset", path).tree
    assert tree["filters"][0]["filter"] == "F200W"
    assert tree["filters"][0]["table"].tolist() == [0, 1, 2]
    path = tmp_path / "extract.json"
    path.write_text(json.dumps({"apertures": [1]}))
    assert Reference.from_file("extract1d", path).json == {"apertures": [1]}
    with pytest.raises(BadInput, match="not an ASDF file"):
        _ = Reference.from_file("extract1d", path).tree


# ---- read ahead
class Exposure:
    shape = (20, 16)

    def __init__(self, meta):
        self.meta = meta


def reads(monkeypatch):
    """Note what is read of FITS files from now on."""
    seen, read = [], FitsStorage.read
    monkeypatch.setattr(
        FitsStorage, "read", lambda self, key, *rest, **how: (seen.append(key), read(self, key, *rest, **how))[1]
    )
    return seen


@pytest.fixture
def flat(tmp_path):
    pixels = np.arange(NY * NX, dtype=np.float32).reshape(NY, NX)
    primary = fits.PrimaryHDU()
    primary.header.update({"INSTRUME": "NIRCAM", "DETECTOR": "NRCB1", "REFTYPE": "FLAT"})
    primary.header.update({"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": NX, "SUBSIZE2": NY})
    images = [fits.ImageHDU(pixels, name="SCI"), fits.ImageHDU(pixels.astype(np.uint8), name="DQ")]
    fits.HDUList([primary, *images, fits.ImageHDU(np.stack([pixels, pixels]), name="COEFFS")]).writeto(
        tmp_path / "flat.fits"
    )
    return Found("flat", tmp_path / "flat.fits", "flat.fits", "override")


def test_images_are_read_before_they_are_asked_for(flat, meta, monkeypatch):
    seen = reads(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        ahead = ReadAhead(pool)
        ahead.begin("flat_field", References.of(Exposure(meta), {"flat": flat}))
    assert seen == ["SCI", "DQ"]
    references = ahead.take("flat_field", Exposure(meta))
    np.testing.assert_array_equal(references["flat"].array("SCI"), np.arange(NY * NX).reshape(NY, NX)[CUT])
    assert references["flat"].dq().dtype == np.uint32
    assert seen == ["SCI", "DQ"]
    assert ahead.take("flat_field", Exposure(meta)) is None


def test_images_of_other_pixels_are_not_handed_over(flat, meta):
    with ThreadPoolExecutor(1) as pool:
        ahead = ReadAhead(pool)
        ahead.begin("flat_field", References.of(Exposure(meta), {"flat": flat}))
    assert ahead.take("flat_field", Exposure(Meta({**meta, "subarray.xstart": 12}))) is None


def test_what_cannot_be_read_ahead_is_told_to_the_step_alone(flat, meta):
    absent = Found("area", flat.path.with_name("area.fits"), "area.fits", "override")
    with ThreadPoolExecutor(1) as pool:
        ahead = ReadAhead(pool)
        ahead.begin("photom", References.of(Exposure(meta), {"area": absent, "flat": flat}))
    references = ahead.take("photom", Exposure(meta))
    assert references["flat"].array("SCI").shape == (20, 16)
    with pytest.raises(MissingReference, match="area"):
        references["area"]


def test_a_step_that_comes_early_reads_itself(flat, meta):
    with ThreadPoolExecutor(1) as pool:
        held = Event()
        pool.submit(held.wait)
        ahead = ReadAhead(pool)
        ahead.begin("flat_field", References.of(Exposure(meta), {"flat": flat}))
        assert ahead.take("flat_field", Exposure(meta)) is None
        held.set()


# ---- as a collection, checked against the exposure
def test_references_are_cut_to_the_exposure(dark, image, meta):
    references = References({"dark": Found("dark", dark, dark.name, "crds", "jwst_0001.pmap")}, meta)
    references.check()
    np.testing.assert_array_equal(references["dark"].array("SCI"), image[CUT])
    assert list(references) == ["dark"]
    assert references["dark"].provider == "crds"


def test_absent_references(meta):
    outcomes = {"ipc": NotApplicable("ipc", "the rules say so"), "flat": Missing("flat", "lost", "find it")}
    references = References(outcomes, meta)
    assert references.get("ipc") is None
    assert len(references) == 0
    with pytest.raises(MissingReference, match="find it"):
        references["flat"]
    with pytest.raises(PluginError, match="did not declare"):
        references["gain"]


@pytest.mark.parametrize(("key", "value"), [("instrument.detector", "NRCA1"), ("instrument.name", "MIRI")])
def test_reference_of_another_detector_is_refused(dark, meta, key, value):
    meta[key] = value
    with pytest.raises(BadInput, match=f"the exposure is of {value}.*{dark.name}.*name a dark reference"):
        References({"dark": Found("dark", dark, dark.name, "override")}, meta).check()


@pytest.mark.parametrize(
    "cards", [{"DETECTOR": "ANY"}, {"DETECTOR": "N/A"}, {"DETECTOR": "NRCA1", "P_DETECT": "NRCA1|NRCB1|"}]
)
def test_reference_for_several_detectors_is_accepted(dark, meta, cards):
    with fits.open(dark, mode="update") as hdus:
        hdus[0].header.update(cards)
    References({"dark": Found("dark", dark, dark.name, "override")}, meta).check()


def test_exposure_outside_the_reference(dark, meta):
    meta["subarray.xstart"] = 40
    reference = References({"dark": Found("dark", dark, dark.name, "override")}, meta)["dark"]
    with pytest.raises(
        BadInput, match=r"covers 48×40 at \(1, 1\) pixels, the exposure 16×20 at \(40, 6\).*0001.fits.*--override"
    ):
        reference.array("SCI")


def test_reference_that_does_not_say_where_it_lies(dark, meta):
    with fits.open(dark, mode="update") as hdus:
        del hdus[0].header["SUBSTRT1"]
    reference = References({"dark": Found("dark", dark, dark.name, "override")}, meta)["dark"]
    with pytest.raises(BadInput, match=r"does not say where it lies.*SUBSTRT1"):
        reference.array("SCI")


def test_start_below_one(dark, meta):
    with fits.open(dark, mode="update") as hdus:
        hdus[0].header["SUBSTRT2"] = 0
    reference = References({"dark": Found("dark", dark, dark.name, "override")}, meta)["dark"]
    with pytest.raises(BadInput, match=r"starts at pixel \(1, 0\)"):
        reference.array("SCI")


def test_the_array_is_right_where_keywords_disagree(dark, meta, caplog):
    references = References({"dark": Found("dark", dark, dark.name, "override")}, meta, shape=(2, 5, 12, 16))
    with caplog.at_level(logging.WARNING):
        assert references["dark"].array("SCI").shape == (3, 12, 16)
    assert "the array is taken" in caplog.text


def test_a_resampled_image_has_no_place_on_the_detector(dark, meta, caplog):
    meta["cal_step.resample"] = "COMPLETE"
    references = References({"dark": Found("dark", dark, "dark.fits", "test")}, meta, shape=(7, 9))
    assert references["dark"].window is None
    assert not caplog.messages


@pytest.mark.parametrize("content", [b"", b"SIMPLE", b"not a FITS file"])
def test_damaged_file(tmp_path, meta, content):
    path = tmp_path / "flat.fits"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"(not a FITS file|empty).*flat\.fits.*download"):
        References({"flat": Found("flat", path, path.name, "override")}, meta).check()


def test_truncated_file(dark):
    with dark.open("r+b") as file:
        file.truncate(2880 * 4)
    with pytest.raises(BadInput, match=r"truncated.*0001\.fits"):
        Reference.from_file("dark", dark).array("SCI")


def test_file_that_vanished(tmp_path, meta):
    with pytest.raises(MissingReference, match="is not there"):
        References({"flat": Found("flat", tmp_path / "flat.fits", "flat.fits", "crds")}, meta).check()
