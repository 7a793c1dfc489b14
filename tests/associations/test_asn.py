import json

import numpy as np
import pytest

from jwcore import models
from jwcore.associations import from_list, open_association, write_association
from jwcore.associations.lists import LEVEL2, LEVEL3
from jwcore.errors import BadInput, UsageError

NAMES = [f"jw01234001001_02101_0000{number}_nrca1_cal.fits" for number in (1, 2, 3)]


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in NAMES]
    for path in paths:
        models.write(models.Image(data=np.ones((2, 3))), path)
    return paths


def test_level_three(files, tmp_path):
    made = from_list(
        [*files[:2], (files[2], "Background")],
        product_name="jw01234-o001_t001_nircam",
        asn_id="o001",
        asn_type="image3",
    )
    path = write_association(made, tmp_path / made.file_name())
    assert path.name == "jw01234-o001_image3_00001_asn.json"
    content = json.loads(path.read_text())
    assert content["asn_rule"] == LEVEL3
    assert (content["program"], content["asn_pool"], content["version_id"]) == ("01234", "none", None)
    assert content["products"][0]["members"][2] == {"expname": NAMES[2], "exptype": "background"}
    again = open_association(path)
    assert (again.id, again.type, again.rule, again.program) == ("o001", "image3", LEVEL3, "01234")
    (product,) = again.products
    assert product.name == "jw01234-o001_t001_nircam"
    assert [(member.expname, member.exptype, member.path) for member in product.members] == [
        (NAMES[0], "science", files[0]),
        (NAMES[1], "science", files[1]),
        (NAMES[2], "background", files[2]),
    ]
    exposures = product.exposures(asn=again)
    assert (len(exposures), exposures.name, exposures.asn.id) == (2, product.name, "o001")
    assert exposures[1].data.shape == (2, 3)
    assert len(product.with_role("background")) == 1


def test_level_two(files):
    made = from_list([files[0], files[1], (files[2], "background")], rule=LEVEL2)
    assert [product.name for product in made.products] == [name.removesuffix("_cal.fits") for name in NAMES[:2]]
    assert [[m.exptype for m in product.members] for product in made.products] == [["science", "background"]] * 2


def test_bad_lists(files):
    with pytest.raises(UsageError, match="no name"):
        from_list(files)
    with pytest.raises(UsageError, match="no rule"):
        from_list(files, rule="Odd")
    with pytest.raises(UsageError, match="no science"):
        from_list([(files[0], "background")], rule=LEVEL2)


def write(tmp_path, members, **more):
    path = tmp_path / "x_asn.json"
    path.write_text(json.dumps({"asn_id": "a3001", "products": [{"name": "p", "members": members}], **more}))
    return path


def test_everything_is_kept(files, tmp_path):
    extra = {"tweakreg_catalog": "c.ecsv", "group_id": "g", "exposerr": "bad guiding", "own": [1]}
    members = [{"expname": NAMES[0], "exptype": "SCIENCE", **extra}, {"expname": NAMES[0], "exptype": "science"}]
    association = open_association(write(tmp_path, members, mine={"a": 1}, asn_pool="pool.csv"))
    (member,) = association.members
    assert (member.exptype, member.extra) == ("science", extra)
    assert association.pool == "pool.csv"
    content = json.loads(write_association(association, tmp_path / "y_asn.json").read_text())
    assert content["mine"] == {"a": 1}
    assert content["products"][0]["members"][0]["own"] == [1]
    assert content["degraded_status"].startswith("One or more members")
    assert content["asn_pool"] == "pool.csv"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{not json", "not JSON"),
        ("[]", "no products"),
        ('{"products": []}', "no products"),
        ('{"products": [{"name": "p"}]}', "product 1 has no members"),
        ('{"products": [{"name": "p", "members": []}]}', "product 1 has no members"),
        ('{"products": [{"name": "p", "members": [{"expname": "a"}]}]}', "without name or role"),
        ('{"products": [{"name": "p", "members": [{"expname": "../a", "exptype": "science"}]}]}', "outside the folder"),
        (
            '{"products": [{"name": "../p", "members": [{"expname": "a", "exptype": "science"}]}]}',
            "beginning of file names",
        ),
        (
            '{"products": [{"name": "a b/c", "members": [{"expname": "a", "exptype": "science"}]}]}',
            "beginning of file names",
        ),
        ('{"products": [{"name": "p", "members": [{"expname": "/a", "exptype": "science"}]}]}', "outside the folder"),
        (
            '{"products": [{"name": "p", "members": [{"expname": "a", "exptype": "science"}]}]}',
            "1 member files are missing: a",
        ),
    ],
)
def test_bad_files(tmp_path, content, words):
    path = tmp_path / "x_asn.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=words) as caught:
        open_association(path)
    assert caught.value.cure
    assert caught.value.where == str(path)


def test_missing_file(tmp_path):
    with pytest.raises(BadInput, match="No such file"):
        open_association(tmp_path / "none.json")


def test_informational_members_may_be_missing(files, tmp_path):
    members = [{"expname": NAMES[0], "exptype": "science"}, {"expname": "ta.fits", "exptype": "target_acquisition"}]
    assert len(open_association(write(tmp_path, members)).members) == 2
    members.append({"expname": "bkg.fits", "exptype": "background"})
    assert len(open_association(write(tmp_path, members), check=False).members) == 3
    with pytest.raises(BadInput, match=r"bkg\.fits"):
        open_association(write(tmp_path, members))


def test_members_stay_in_the_folder(files, tmp_path):
    (tmp_path / "other").mkdir()
    made = from_list(files, product_name="p")
    with pytest.raises(BadInput, match="outside the folder"):
        write_association(made, tmp_path / "other" / "x_asn.json")


def test_subfolders(files, tmp_path):
    (tmp_path / "sub").mkdir()
    files[0].rename(tmp_path / "sub" / NAMES[0])
    path = write_association(from_list([tmp_path / "sub" / NAMES[0]], product_name="p"), tmp_path / "x_asn.json")
    assert open_association(path).members[0].expname == f"sub/{NAMES[0]}"


def test_product_without_name(files, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"products": [{"members": [{"expname": NAMES[0], "exptype": "science"}]}]}))
    assert open_association(path).products[0].name == NAMES[0].removesuffix("_cal.fits")
