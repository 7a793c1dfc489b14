import pickle
import sys
import weakref

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jwcore import models
from jwcore.errors import BadInput, JwcalError, UsageError
from jwcore.models.containers import CONTAINERS
from jwcore.models.keywords import KEYWORDS

INT_TIMES = [(name, spec) for name, spec in models.Ramp.declared()["int_times"].columns]


def cards(path, hdu=0):
    with fits.open(path) as hdus:
        return {card.keyword: card.value for card in hdus[hdu].header.cards if card.keyword}


def extensions(path):
    with fits.open(path) as hdus:
        return [hdu.name for hdu in hdus]


@pytest.mark.parametrize("kind", sorted({*CONTAINERS.values(), models.Uncal}, key=lambda kind: kind.__name__))
def test_every_container(kind, tmp_path, rng):
    primary = kind.primary()
    frame = {2: (5, 7), 3: (2, 5, 7), 4: (2, 3, 5, 7)}[primary.ndim]
    exposure = kind()
    for name, spec in kind.declared().items():
        if isinstance(spec, models.Table):
            exposure_columns = spec.columns or [("A", "f4"), ("B", "U3"), ("C", "?"), ("D", "f8", (2,))]
            setattr(exposure, name, np.zeros(2, dtype=exposure_columns))
        else:
            shape = (4, *frame)[-spec.ndim :] if spec.framed else (1,) * spec.ndim
            raw = rng.bytes(int(np.prod(shape)) * spec.dtype.itemsize)
            array = np.frombuffer(raw, spec.dtype).reshape(shape)
            setattr(exposure, name, array if spec.dtype.kind != "f" else rng.normal(size=shape))
    path = models.write(exposure, tmp_path / "product.fits")
    again = models.read(path, kind=None if kind is not models.Uncal else kind)
    assert type(again) is kind
    assert again.arrays() == exposure.arrays() == list(kind.declared())
    copied = models.read(models.write(again, tmp_path / "unread.fits"), kind=kind)
    for name in kind.declared():
        expected = getattr(exposure, name)
        for other in (again, copied):
            array = getattr(other, name)
            assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
            assert array.dtype.isnative
            assert array.flags.c_contiguous
            assert array.tobytes() == expected.tobytes()
    with fits.open(path) as hdus:
        hdus.verify("exception")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=hnp.arrays("f4", (3, 5), elements=st.floats(width=32)),
    dq=hnp.arrays("u4", (3, 5), elements=st.integers(0, (1 << 32) - 1)),
    con=hnp.arrays("i4", (2, 3, 5), elements=st.integers(-(1 << 31), (1 << 31) - 1)),
    title=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200).map(str.strip),
    number=st.floats(allow_nan=False, allow_infinity=False),
    count=st.integers(-(1 << 62), 1 << 62),
    flag=st.booleans(),
)
def test_any_value_survives(tmp_path, data, dq, con, title, number, count, flag):
    exposure = models.Image(data=data, dq=dq, con=con)
    values = {"program.title": title, "target.ra": number, "exposure.sca_num": count, "visit.tsovisit": flag}
    for path, value in values.items():
        exposure.meta.set(path, value)
    again = models.read(models.write(exposure, tmp_path / "x.fits"))
    assert again.data.tobytes() == data.tobytes()
    assert np.array_equal(again.dq, dq)
    assert np.array_equal(again.con, con)
    assert {path: again.meta.get(path) for path in values} == values


def test_raw_ramps_open_as_ramp(tmp_path, rng):
    raw = models.Uncal(
        data=rng.integers(0, 1 << 16, (2, 3, 4, 8), dtype="u2"),
        zeroframe=rng.integers(0, 1 << 16, (2, 4, 8), dtype="u2"),
    )
    raw.data[0, 0, 0, :2] = 0, 65535
    path = models.write(raw, tmp_path / "x_uncal.fits")
    assert cards(path)["DATAMODL"] == "Level1bModel"
    with fits.open(path) as hdus:
        assert hdus["SCI"].data.dtype == np.uint16
        assert np.array_equal(hdus["SCI"].data, raw.data)
    ramp = models.read(path)
    assert isinstance(ramp, models.Ramp)
    assert (ramp.data.dtype, ramp.zeroframe.dtype) == (np.float32, np.float32)
    assert np.array_equal(ramp.data, raw.data)
    assert ramp.pixeldq.shape == (4, 8)
    assert (ramp.groupdq.dtype, ramp.groupdq.shape) == (np.uint8, (2, 3, 4, 8))
    assert ramp.arrays() == ["data", "pixeldq", "groupdq", "zeroframe"]
    out = models.write(ramp, tmp_path / "x_ramp.fits")
    assert cards(out)["DATAMODL"] == "RampModel"
    assert extensions(out) == ["PRIMARY", "SCI", "PIXELDQ", "GROUPDQ", "ZEROFRAME", "ASDF"]


def test_highest_dq_bit(tmp_path):
    cube = models.Cube(data=np.ones((2, 3, 4)))
    cube.dq[1, 2, 3] = 1 << 31
    again = models.read(models.write(cube, tmp_path / "x.fits"))
    assert again.dq[1, 2, 3] == 1 << 31
    assert np.count_nonzero(again.dq) == 1
    assert np.array_equal(again.err, np.zeros((2, 3, 4)))


def test_image_has_no_default_planes():
    exposure = models.Image(data=np.ones((2, 3)))
    assert exposure.dq is None
    assert exposure.arrays() == ["data"]


def test_assigning_casts_and_checks(image):
    image.dq = np.ones(image.shape, dtype="i8")
    assert image.dq.dtype == np.uint32
    image.data = image.data.astype(">f8").T.copy().T
    assert image.data.dtype.isnative
    assert image.data.flags.c_contiguous
    with pytest.raises(ValueError, match=r"err \(ERR\) takes 2 dimensions"):
        image.err = np.ones(3)
    with pytest.raises(ValueError, match="structured"):
        image.hdrtab = np.ones(3)
    with pytest.raises(TypeError, match="did you mean var_poisson"):
        models.Image(var_poison=np.ones((2, 2)))
    with pytest.raises(AttributeError, match="did you mean var_poisson"):
        image.var_poison = image.data
    with pytest.raises(AttributeError, match="did you mean data"):
        _ = image.dta
    image.err = None
    assert "err" not in image.arrays()


def test_table_columns_are_checked():
    ramp = models.Ramp(data=np.zeros((1, 1, 2, 2)))
    with pytest.raises(ValueError, match="lacks the columns int_start_MJD_UTC"):
        ramp.int_times = np.zeros(1, dtype=[("integration_number", "i4")])


def test_the_official_reader_finds_the_header_table(image, tmp_path):
    from stdatamodels.jwst.datamodels import ImageModel

    rows = [("a_cal.fits", 60000.5, True, (1.0, 2.0)), ("b_cal.fits", 60001.5, False, (3.0, 4.0))]
    columns = [("FILENAME", "U10"), ("EXPSTART", "f8"), ("TSOVISIT", "?"), ("CRVAL", "f8", (2,))]
    image.hdrtab = np.array(rows, dtype=columns)
    first = models.write(image, tmp_path / "first.fits")
    again = models.write(models.read(first), tmp_path / "again.fits")
    for path in (first, again):
        with ImageModel(str(path)) as model:
            assert model.hdrtab["FILENAME"].tolist() == ["a_cal.fits", "b_cal.fits"]
            assert model.hdrtab["EXPSTART"].tolist() == [60000.5, 60001.5]
        assert "hdrtab" not in models.read(path).extras


def test_signed_bytes_of_a_table(image, tmp_path):
    image.hdrtab = np.array([(-3, 1.0)], dtype=[("A", "i1"), ("B", "f4")])
    assert models.read(models.write(image, tmp_path / "x.fits")).hdrtab["A"] == -3


def test_units_of_a_table_stay(tmp_path):
    ramp = models.Ramp(data=np.zeros((1, 1, 2, 2)), int_times=np.ones(1, INT_TIMES))
    path = models.write(ramp, tmp_path / "a.fits")
    with fits.open(path, mode="update") as hdus:
        hdus["INT_TIMES"].header["TUNIT2"] = "d"
        hdus["INT_TIMES"].header["MYCARD"] = "kept"
    again = models.read(path)
    again.int_times["int_mid_MJD_UTC"] = 5
    out = models.write(again, tmp_path / "b.fits")
    assert {"TUNIT2": "d", "MYCARD": "kept"}.items() <= cards(out, "INT_TIMES").items()
    assert models.read(out).int_times["int_mid_MJD_UTC"] == 5


def test_nothing_is_read_before_it_is_used(image, tmp_path):
    exposure = models.read(models.write(image, tmp_path / "x.fits"))
    assert exposure._arrays == {}
    assert exposure.shape == (6, 8)
    assert exposure.shape_of("dq") == (6, 8)
    assert exposure.arrays() == image.arrays()
    _ = exposure.err
    assert set(exposure._arrays) == {"err"}


def test_loading_into_given_memory(image, tmp_path):
    exposure = models.read(models.write(image, tmp_path / "x.fits"))
    for name in ("data", "dq"):
        mapped = np.memmap(tmp_path / name, dtype=getattr(image, name).dtype, mode="w+", shape=image.shape)
        exposure.load_into(name, mapped)
        exposure.load_into(name, mapped)
        assert np.shares_memory(getattr(exposure, name), mapped)
        assert np.array_equal(mapped, getattr(image, name))
    with pytest.raises(ValueError, match="float32 array of shape"):
        exposure.load_into("err", np.empty(3, "f4"))


def test_header_facts_alone(image, tmp_path):
    meta = models.read_meta(models.write(image, tmp_path / "x_cal.fits"))
    assert meta.exposure.type == "NRC_IMAGE"
    assert meta.bunit_err == "MJy/sr"
    assert meta.model_type == "ImageModel"
    assert meta.filename == "x_cal.fits"
    assert meta.date.startswith("20")


def test_unset_values_are_not_written(image, tmp_path):
    names = {keyword.name for keyword in KEYWORDS}
    written = set(cards(models.write(image, tmp_path / "x.fits"))) & names
    assert written == {"DATE", "FILENAME", "DATAMODL", "INSTRUME", "DETECTOR", "EXP_TYPE"}


def test_card_order_is_fixed(image, tmp_path):
    image.meta.cal_step.jump = "COMPLETE"
    image.meta.program.title = "late"
    names = [name for name in cards(models.write(image, tmp_path / "x.fits")) if name in {k.name for k in KEYWORDS}]
    assert names == ["DATE", "FILENAME", "DATAMODL", "TITLE", "INSTRUME", "DETECTOR", "EXP_TYPE", "S_JUMP"]


def test_long_strings_and_cut_comments(image, tmp_path):
    image.meta.wcsinfo.s_region = "POLYGON ICRS " + " ".join(f"{number:.9f}" for number in range(8))
    image.meta.program.title = "x" * 150
    image.meta.asn.table_name = "y" * 55
    again = models.read(models.write(image, tmp_path / "x.fits"))
    assert again.meta.wcsinfo.s_region == image.meta.wcsinfo.s_region
    assert again.meta.program.title == "x" * 150
    assert again.meta.asn.table_name == "y" * 55


@pytest.fixture
def foreign(image, tmp_path):
    """A file with cards, extensions and ASDF nodes that nobody knows."""
    image.meta.strange = {"a": 1, "b": [1, 2.5, "x"]}
    image.meta.exposure.mine = "free"
    image.extras["cal_logs"] = {"calwebb_detector1": ["line one", "line: two"]}
    path = models.write(image, tmp_path / "foreign.fits")
    with fits.open(path, mode="update") as hdus:
        header = hdus[0].header
        header["MYCARD"] = (3.5, "my comment")
        header["MYBOOL"] = True
        header["LONGCARD"] = ("z" * 120, "goes on")
        header["HIERARCH my own card"] = 7
        header.add_history("first")
        header.add_history("second")
        header.add_comment("a remark")
        header["EXPSTART"] = (59735.5, "own comment")
        hdus["DQ"].header["DQCARD"] = 1
        hdus.insert(3, fits.ImageHDU(np.arange(12, dtype="i2").reshape(3, 4), name="MYMAP"))
        hdus.insert(4, fits.ImageHDU(np.arange(6, dtype="u2").reshape(2, 3), name="MYMAP", ver=2))
        hdus.insert(5, fits.BinTableHDU(np.array([(1, "ab")], dtype=[("X", "i4"), ("Y", "S4")]), name="MYTAB"))
    return path


@pytest.mark.parametrize("touch", [False, True])
def test_unknown_parts_survive(foreign, tmp_path, touch):
    exposure = models.read(foreign)
    if touch:
        assert exposure.hdus["MYMAP", 2].data.dtype == np.uint16
        _ = [extra.data for extra in exposure.hdus.values()], exposure.extras, exposure.meta.unknown()
    out = models.write(exposure, tmp_path / "out.fits")
    with fits.open(foreign) as old, fits.open(out) as new:
        assert [(h.name, h.ver) for h in new][-4:] == [("MYMAP", 1), ("MYMAP", 2), ("MYTAB", 1), ("ASDF", 1)]
        for key in (("MYMAP", 1), ("MYMAP", 2), ("MYTAB", 1)):
            assert np.array_equal(old[key].data, new[key].data)
        header = new[0].header
        assert (header["MYCARD"], header.comments["MYCARD"], header["MYBOOL"]) == (3.5, "my comment", True)
        assert (header["LONGCARD"], header["my own card"]) == ("z" * 120, 7)
        assert list(header["HISTORY"]) == ["first", "second"]
        assert list(header["COMMENT"]) == ["a remark"]
        assert header.comments["EXPSTART"] == "own comment"
        assert new["DQ"].header["DQCARD"] == 1
    again = models.read(out)
    assert again.meta.strange.b == [1, 2.5, "x"]
    assert again.meta.exposure.mine == "free"
    assert again.extras["cal_logs"] == {"calwebb_detector1": ["line one", "line: two"]}
    assert "MYCARD" in [card.keyword for card in again.header_cards["PRIMARY"]]


def test_new_extensions_can_be_added(image, tmp_path):
    image.hdus["EXTRA", 1] = models.Extra("EXTRA", np.arange(4.0).reshape(2, 2))
    again = models.read(models.write(image, tmp_path / "x.fits"))
    assert np.array_equal(again.hdus["EXTRA", 1].data, [[0, 1], [2, 3]])


def test_edited_header_wins(image, tmp_path):
    image.meta.exposure.nints = 2
    path = models.write(image, tmp_path / "x.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["NINTS"] = 5
        del hdus[0].header["DETECTOR"]
    meta = models.read(path).meta
    assert meta.exposure.nints == 5
    assert meta.instrument.detector is None


def test_invalid_card_is_left_out_but_kept_in_the_file(image, tmp_path):
    path = models.write(image, tmp_path / "x.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["READPATT"] = "FASTER"
        hdus[0].header["NGROUPS"] = (None, "a card without value")
    with pytest.warns(models.InvalidMetadata, match="READPATT") as caught:
        exposure = models.read(path)
    assert len(caught) == 1
    assert exposure.meta.exposure.readpatt is None
    out = models.write(exposure, tmp_path / "y.fits")
    assert cards(out)["READPATT"] == "FASTER"
    exposure.meta.exposure.readpatt = "FAST"
    assert cards(models.write(exposure, out))["READPATT"] == "FAST"


def test_cards_set_by_hand(image, tmp_path):
    image.header_cards["PRIMARY"] = [fits.Card("OBSERVER", "me", "who")]
    again = models.read(models.write(image, tmp_path / "x.fits"))
    assert [(card.keyword, card.value) for card in again.header_cards["PRIMARY"]] == [("OBSERVER", "me")]


def test_provenance(image, tmp_path):
    records = [{"step": "jump", "parameters": {"threshold": 4.5}, "inputs": ["a"] * 100}]
    image.provenance = records
    path = models.write(image, tmp_path / "x.fits")
    assert extensions(path)[-2:] == ["JWCAL", "ASDF"]
    exposure = models.read(path)
    assert exposure.provenance == records
    exposure.provenance.append({"step": "flat"})
    assert len(models.read(models.write(exposure, path)).provenance) == 2


def test_writing_over_its_own_file(foreign):
    exposure = models.read(foreign)
    expected = models.read(foreign)
    planes = {name: getattr(expected, name).copy() for name in expected.arrays()}
    models.write(exposure, foreign)
    again = models.read(foreign)
    assert all(
        np.array_equal(getattr(other, name), plane) for name, plane in planes.items() for other in (exposure, again)
    )
    assert exposure.hdus["MYMAP", 1].data.shape == (3, 4)


def test_memory_goes_while_a_product_is_written_for_the_last_time(image, tmp_path):
    expected, planes = image.copy(), [weakref.ref(image.err), weakref.ref(image.dq)]
    models.write(image, tmp_path / "x_cal.fits", last_use=True)
    assert [plane() for plane in planes] == [None, None]
    found = models.read(tmp_path / "x_cal.fits")
    assert found.arrays() == expected.arrays()
    for name in found.arrays():
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_a_file_that_changed_is_refused(image, tmp_path):
    path = models.write(image, tmp_path / "x.fits")
    exposure = models.read(path)
    models.write(image, path)
    with pytest.raises(BadInput, match="changed since it was opened"):
        _ = exposure.data


def test_copy_and_pickle(foreign):
    exposure = models.read(foreign)
    _ = exposure.data
    for other in (exposure.copy(), pickle.loads(pickle.dumps(exposure))):
        assert set(other._arrays) == {"data"}
        other.data[...] = 0
        other.meta.strange.b.append("more")
        other.extras["cal_logs"].clear()
        other.meta.exposure.type = "NRC_CORON"
        assert np.array_equal(other.err, exposure.err)
        assert np.array_equal(other.hdus["MYMAP", 1].data, exposure.hdus["MYMAP", 1].data)
    assert np.any(exposure.data)
    assert exposure.meta.strange.b == [1, 2.5, "x"]
    assert exposure.extras["cal_logs"]
    assert exposure.meta.exposure.type == "NRC_IMAGE"


@pytest.mark.parametrize(("scale", "zero", "dtype"), [(0.5, 10, "i2"), (1, -128, "u1"), (2.0, 0, "f4")])
def test_scaled_integers(tmp_path, scale, zero, dtype):
    raw = np.arange(6, dtype=dtype).reshape(2, 3)
    hdu = fits.ImageHDU(raw, name="SCI")
    hdu.header["BSCALE"], hdu.header["BZERO"] = scale, zero
    path = tmp_path / "x.fits"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        hdus[1].header["BSCALE"], hdus[1].header["BZERO"] = scale, zero
    expected = fits.getdata(path, 1)
    exposure = models.read(path)
    out = models.read(models.write(exposure, tmp_path / "y.fits"))
    assert np.array_equal(exposure.data, expected)
    assert np.array_equal(out.data, expected)


def test_class_without_datamodl(tmp_path):
    for shape, kind in (((2, 3), models.Image), ((2, 3, 4), models.Cube), ((1, 2, 3, 4), models.Ramp)):
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones(shape, "f4"), name="SCI")]).writeto(
            tmp_path / "x.fits", overwrite=True
        )
        assert type(models.read(tmp_path / "x.fits")) is kind


def test_other_products_are_carried(tmp_path):
    """A list-like product has repeated extensions; the plain container keeps them all."""
    slits = [fits.ImageHDU(np.full((2, 3), n, "f4"), name="SCI", ver=n) for n in (1, 2)]
    slits[1].header["SLTNAME"] = "S2"
    primary = fits.PrimaryHDU()
    primary.header["DATAMODL"] = "MultiSlitModel"
    fits.HDUList([primary, *slits]).writeto(tmp_path / "x.fits")
    product = models.read(tmp_path / "x.fits")
    assert type(product) is models.Exposure
    assert product.shape == (2, 3)
    out = models.write(product, tmp_path / "y.fits")
    with fits.open(out) as hdus:
        assert hdus["SCI", 2].header["SLTNAME"] == "S2"
        assert np.array_equal(hdus["SCI", 2].data, slits[1].data)
        assert hdus[0].header["DATAMODL"] == "MultiSlitModel"


def test_wrong_extension(image, tmp_path):
    with pytest.raises(UsageError, match=r"\.fits"):
        models.write(image, tmp_path / "x.ecsv")


def test_unwritable_card(image, tmp_path):
    image.header_cards["PRIMARY"] = []
    image.meta._known["program.title"] = "Ångström"
    with pytest.raises(JwcalError, match="TITLE"):
        models.write(image, tmp_path / "x.fits")
    assert list(tmp_path.iterdir()) == []


def test_fingerprint(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert models.fingerprint(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_planning_needs_no_heavy_module(tmp_path, image):
    import subprocess

    path = models.write(image, tmp_path / "x.fits")
    heavy = ["numba", "gwcs", "asdf", "scipy", "photutils", "pydantic", "yaml", "astropy.table", "astropy.wcs"]
    code = f"import sys; from jwcore import models; models.read_meta({str(path)!r}); models.read({str(path)!r})\n"
    code += f"print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
