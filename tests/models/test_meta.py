import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jwcore.models import InvalidMetadata, Meta
from jwcore.models.keywords import BLEND_RULES, BY_CARD, BY_PATH, KEYWORDS
from jwcore.models.meta import nested


def test_dictionary_is_consistent():
    assert len(KEYWORDS) == len(BY_PATH) == len(BY_CARD) > 600
    assert {keyword.blend for keyword in KEYWORDS} == BLEND_RULES
    assert {keyword.hdu for keyword in KEYWORDS} == {"PRIMARY", "SCI", "ERR"}
    assert all(len(keyword.name) <= 8 and keyword.name.isascii() for keyword in KEYWORDS)
    assert all(len(keyword.comment) <= 47 for keyword in KEYWORDS)


@pytest.mark.parametrize(
    ("name", "path", "hdu"),
    [
        ("EXP_TYPE", "exposure.type", "PRIMARY"),
        ("S_FLAT", "cal_step.flat_field", "PRIMARY"),
        ("R_MSAOPE", "ref_file.badshutter.name", "PRIMARY"),
        ("CRDS_CTX", "ref_file.crds.context_used", "PRIMARY"),
        ("PXSCLRT", "resample.pixel_scale_ratio", "PRIMARY"),
        ("BKGLEVEL", "background.level", "PRIMARY"),
        ("PIXAR_SR", "photometry.pixelarea_steradians", "SCI"),
        ("AP_0_6", "wcsinfo.ap_0_6", "SCI"),
        ("SRCTYPE", "target.source_type", "SCI"),
    ],
)
def test_keyword_places(name, path, hdu):
    assert BY_CARD[hdu, name].path == path


def test_tree_and_path_are_the_same():
    meta = Meta()
    assert meta.exposure.type is None
    meta.exposure.type = "NRC_IMAGE"
    assert meta.get("exposure.type") == meta.keyword("EXP_TYPE") == meta.keyword("exp_type") == "NRC_IMAGE"
    meta.set_keyword("EXP_TYPE", None)
    assert meta.get("exposure.type", "unset") == "unset"
    assert dict(meta.items()) == {}


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(AttributeError, match=r"did you mean meta.exposure.readpatt"):
        _ = Meta().exposure.readpat
    with pytest.raises(AttributeError, match=r"did you mean meta.exposure"):
        _ = Meta().exposur
    with pytest.raises(KeyError, match="did you mean EXP_TYPE"):
        Meta().keyword("EXPTYPE")
    assert Meta().keyword("NOT_THERE", default=3) == 3


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("exposure.type", "NRC_IMAG"),
        ("exposure.nints", 2.5),
        ("exposure.nints", True),
        ("exposure.nints", "2"),
        ("exposure.noutputs", 3),
        ("observation.program_number", 1234),
        ("visit.tsovisit", 1),
        ("cal_step.jump", "DONE"),
        ("program.title", "Göttingen"),
        ("program.title", "two\nlines"),
    ],
)
def test_invalid_values_warn_and_are_dropped(path, value):
    meta = Meta()
    with pytest.warns(InvalidMetadata, match=path):
        meta.set(path, value)
    assert meta.get(path) is None


@pytest.mark.parametrize(
    ("path", "value", "stored"),
    [
        ("exposure.nints", np.int16(3), 3),
        ("exposure.nints", 3.0, 3),
        ("exposure.frame_time", 2, 2.0),
        ("exposure.frame_time", np.float32(0.5), 0.5),
        ("visit.tsovisit", np.bool_(True), True),
        ("instrument.filter", np.str_("F200W"), "F200W"),
    ],
)
def test_values_become_plain_python(path, value, stored):
    meta = Meta({path: value})
    assert meta.get(path) == stored
    assert type(meta.get(path)) is type(stored)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan")])
def test_nan_is_refused(value):
    with pytest.raises(ValueError, match=r"EFFINTTM.*leave it None"):
        Meta().exposure.integration_time = value


def test_two_keywords_of_one_name():
    meta = Meta({"wcsinfo.v2_ref": 1.0})
    assert meta.keyword("V2_REF") == 1.0
    meta.set_keyword("V2_REF", 2.0)
    assert meta.wcsinfo.v2_ref == 2.0
    assert meta.guidestar.fgs_v2_ref is None


def test_free_attributes():
    calls = []

    def load():
        calls.append(1)
        return {"exposure": {"mine": 1, "deep": {"er": [1, 2]}}, "both": "file"}

    meta = Meta(unknown=load)
    meta.both = "set"
    meta.exposure.type = "NRC_IMAGE"
    assert meta.exposure.type == "NRC_IMAGE"
    assert not calls
    assert meta.exposure.mine == 1
    assert meta.exposure.deep.er == [1, 2]
    assert (meta.both, len(calls)) == ("set", 1)
    meta.set("group", {"a": 1, "b": {"c": 2}})
    assert meta.group.b.c == 2
    assert nested(meta.unknown())["group"] == {"a": 1, "b": {"c": 2}}
    meta.group.a = None
    assert meta.get("group.a") is None
    with pytest.raises(ValueError, match=r"exposure\.wcs"):
        meta.wcs = object()
    with pytest.raises(ValueError, match="group of attributes"):
        meta.exposure = 3


def test_mapping_sets_leaves():
    meta = Meta()
    meta.set("exposure", {"type": "NRC_IMAGE", "mine": 2})
    assert (meta.exposure.type, meta.exposure.mine) == ("NRC_IMAGE", 2)


def test_copies_are_independent():
    meta = Meta({"exposure.nints": 2, "free": [1]})
    for other in (meta.copy(), copy.deepcopy(meta), pickle.loads(pickle.dumps(meta))):
        assert other == meta
        other.exposure.nints = 3
        other.free.append(2)
    assert (meta.exposure.nints, meta.free) == (2, [1])


def test_update_by_hdu():
    meta, other = Meta(), Meta({"exposure.nints": 2, "wcsinfo.crval1": 3.0})
    meta.update(other, hdu="SCI")
    assert dict(meta.items()) == {"wcsinfo.crval1": 3.0}


def test_dir_and_repr():
    meta = Meta({"exposure.type": "NRC_IMAGE", "odd": 1})
    assert {"exposure", "odd", "cal_step"} <= set(dir(meta))
    assert "type" in dir(meta.exposure)
    assert "NRC_IMAGE" in repr(meta)
    assert "type='NRC_IMAGE'" in repr(meta.exposure)


@settings(max_examples=30, deadline=None)
@given(
    st.recursive(
        st.integers() | st.text(), lambda items: st.dictionaries(st.text("abc", min_size=1), items, min_size=1)
    )
)
def test_nesting_inverts_flattening(tree):
    meta = Meta()
    meta.set("root", tree)
    assert nested(meta.unknown()) == {"root": tree}
