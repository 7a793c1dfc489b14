import os
from itertools import product as product_of

import numpy as np
import pytest

from jwcore.algorithms import dq
from tests.parity import deviations, ours, peer, predictions
from tests.parity.cases import Case
from tests.parity.compare import Comparison, compare
from tests.parity.harness import Harness
from tests.parity.programmes import CASES, GROUPS, INTEGRATIONS
from tests.parity.report import Row, markdown


@pytest.fixture
def product():
    random = np.random.default_rng(3)
    data = random.normal(100, 5, (100, 100)).astype("f4")
    flags = np.zeros((100, 100), dtype="u4")
    flags[:2] = dq.JUMP_DET
    return {"SCI": data, "ERR": np.full_like(data, 5.0), "DQ": flags, "CON": np.ones((1, 100, 100), dtype="i4")}


def judge(ours, peer, **options):
    settings = {"rtol": 1e-5, "noise": 1.0, **options}
    return {result.array: result for result in compare("x", ours, peer, **settings)}


def copy(product):
    return {name: array.copy() for name, array in product.items()}


def test_equal_products_agree(product):
    assert all(result.passed and result.worst == 0 for result in judge(copy(product), product).values())


def test_floats_may_differ_by_a_thousandth_of_the_error(product):
    ours = copy(product)
    ours["SCI"] += 0.004
    assert judge(ours, product)["SCI"].passed
    ours["SCI"] += 0.004
    assert not judge(ours, product)["SCI"].passed


def test_one_pixel_in_a_thousand_may_be_outside(product):
    ours = copy(product)
    ours["SCI"].flat[:10] += 1.0
    result = judge(ours, product)["SCI"]
    assert result.passed
    assert result.outside == pytest.approx(1e-3)
    ours["SCI"].flat[10] += 1.0
    assert not judge(ours, product)["SCI"].passed


def test_not_a_number_must_meet_not_a_number(product):
    ours, peer = copy(product), copy(product)
    ours["SCI"][:5] = peer["SCI"][:5] = np.nan
    assert judge(ours, peer)["SCI"].passed
    peer["SCI"][5, :20] = np.nan
    result = judge(ours, peer)["SCI"]
    assert not result.passed
    assert "20 NaN differ" in result.note


def test_finding_no_flags_never_passes(product):
    ours = copy(product)
    ours["DQ"][:] = 0
    result = judge(ours, product)["DQ"]
    assert not result.passed
    assert result.flags == {"JUMP_DET": (0, 200, 200)}


def test_one_flag_in_a_hundred_may_differ(product):
    ours = copy(product)
    ours["DQ"].flat[:2] = 0
    assert judge(ours, product)["DQ"].passed
    ours["DQ"].flat[2] = 0
    assert not judge(ours, product)["DQ"].passed


def test_missing_and_misshapen_arrays_are_reported(product):
    ours = copy(product)
    del ours["ERR"]
    ours["CON"] = ours["CON"][0]
    results = judge(ours, product)
    assert results["ERR"].note == "only in the peer"
    assert "shape" in results["CON"].note
    assert not results["ERR"].passed


def test_excluded_pixels_do_not_count(product):
    ours = copy(product)
    ours["SCI"][:10] += 1.0
    mask = np.zeros((100, 100), dtype=bool)
    mask[:10] = True
    assert judge(ours, product, excluded={"SCI": mask})["SCI"].passed


def declared(**entry):
    common = {"name": "d", "stages": ("x",), "arrays": ("SCI",), "reason": "because", "size": "small"}
    return deviations.Deviation(**{**common, **entry})


def test_deviations_are_applied_before_the_comparison(product, monkeypatch):
    monkeypatch.setattr(
        predictions, "doubled", lambda peer, ours, scene: {"SCI": peer["SCI"] * 2, "DQ": None}, raising=False
    )
    monkeypatch.setattr(
        predictions, "top", lambda peer, ours, scene: {"SCI": np.arange(100)[:, None] < np.ones(100)}, raising=False
    )
    chosen = [
        declared(kind="formula", prediction="doubled"),
        declared(kind="excluded-mask", prediction="top", name="m", limit=0.02),
        declared(kind="extra-array", arrays=("NEW",), name="e"),
        declared(kind="formula", prediction="doubled", stages=("y",)),
        declared(kind="formula", prediction="doubled", modes=("chain",)),
    ]
    ours = {**copy(product), "NEW": product["SCI"]}
    a, b, excluded, used = deviations.apply(chosen, "x", "step", ours=ours, peer=product, scene=None)
    assert used == ["d", "m", "e"]
    assert "NEW" not in a
    np.testing.assert_array_equal(b["SCI"], product["SCI"] * 2)
    assert excluded["SCI"].sum() == 100
    with pytest.raises(ValueError, match="excludes"):
        deviations.apply(
            [declared(kind="excluded-mask", prediction="top", limit=0.001)],
            "x",
            "step",
            ours=ours,
            peer=product,
            scene=None,
        )


def test_keywords_and_arrays_may_differ_where_a_deviation_says_so(product, monkeypatch):
    monkeypatch.setattr(predictions, "dim", lambda scene: scene == "dim", raising=False)
    chosen = [
        declared(kind="keyword", arrays=("KEY", "SCI:OTHER"), prediction="dim"),
        declared(kind="keyword", arrays=("MORE",), name="always"),
        declared(kind="not-compared", prediction="dim", name="n"),
    ]
    assert deviations.uncompared_keywords(chosen, "x", "step", scene="dim") == (
        ["KEY", "SCI:OTHER", "MORE"],
        ["d", "always"],
    )
    assert deviations.uncompared_keywords(chosen, "x", "step", scene="bright") == (["MORE"], ["always"])
    for scene, left in (("dim", False), ("bright", True)):
        a, b, _, used = deviations.apply(chosen, "x", "step", ours=product, peer=product, scene=scene)
        assert ("SCI" in a) == ("SCI" in b) == left
        assert used == ["n"] * (not left)


def test_every_number_of_groups_meets_every_number_of_integrations():
    small = {(case.nints, case.ngroups) for case in CASES if case.ngroups in GROUPS and case.nints in INTEGRATIONS}
    assert small == set(product_of(INTEGRATIONS, GROUPS))
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.instrument for case in CASES if case.quick} == {case.instrument for case in CASES}
    assert {case.instrument for case in CASES if case.full_frame} == {case.instrument for case in CASES}


def test_steps_that_are_off_run_where_a_case_asks_for_them():
    plain = Case(name="a", ngroups=5, instrument="MIRI")
    assert "emicorr" not in plain.steps
    assert list(plain.steps)[:3] == ["group_scale", "dq_init", "saturation"]
    assert plain.full_frame
    wanted = Case(name="a", ngroups=5, instrument="MIRI", options={"emicorr": {"nbins": 20}, "jump": {"x": 1}})
    assert wanted.steps["emicorr"] == {"skip": False, "nbins": 20}
    assert wanted.steps["jump"] == {"x": 1}
    assert (plain.rtol("ipc"), wanted.rtol("ipc"), wanted.rtol("i2d")) == (1e-6, 1e-5, 1e-4)
    assert list(Case(name="a", ngroups=2, recipes=("guider",)).ramp_steps) == ["dq_init", "guider_cds", "flat_field"]


def test_a_step_that_is_not_there_yet_is_told(tmp_path):
    harness = Harness(Case(name="a", ngroups=5), tmp_path, [])

    def work():
        raise ours.StepMissing("persistence is not implemented for this exposure")

    harness.attempt("step", "persistence", work)
    assert harness.missing == ["persistence"]
    assert not harness.rows[0].passed
    assert "DIFFERS persistence is not implemented" in harness.rows[0].cells()[-1]


def test_the_declared_deviations_are_complete():
    """The file is valid, every deviation says why and how much, and the truth tests that it names exist."""
    entries = deviations.load()
    assert entries
    for deviation in entries:
        if deviation.truth_test:
            path, _, name = deviation.truth_test.partition("::")
            assert f"def {name}(" in (deviations.HERE.parents[1] / path).read_text()


def test_the_page_of_deviations_is_up_to_date():
    page = deviations.HERE.parents[1] / "docs/deviations.md"
    assert page.read_text() == deviations.document(deviations.load())


def test_the_table():
    row = Row("case", "step", Comparison("jump", "DQ", "each bit", 0.5, 0.1, False, {"HOT": (1, 2, 9)}), ("known",))
    text = markdown([row], peer="3.0.0")
    assert "| case | jump | peer | DQ | each bit | 0.5 | 0.1 | HOT 1/2/9 | DIFFERS known |" in text
    assert "0 of 1 lines agree" in text


def test_agreeing_arrays_share_a_line():
    rows = [
        Row("case", "step", Comparison("jump", "SCI", "1e-6", 0.2, 0.0, True)),
        Row("case", "step", Comparison("jump", "ERR", "1e-6", 0.5, 0.0, True), ("known",)),
        Row("case", "step", Comparison("jump", "DQ", "each bit", 0.5, 0.1, False, {"HOT": (1, 2, 9)})),
        Row("case", "chain", Comparison("jump", "SCI", "1e-6", 0.1, 0.0, True, note="seen")),
    ]
    lines = markdown(rows, peer="3.0.0").splitlines()[-3:]
    assert lines[0] == "| case | jump | peer | SCI, ERR | 1e-6 | 0.5 | 0 |  | ok known |"
    assert "DIFFERS" in lines[1]
    assert lines[2].endswith("ok seen |")


def test_lines_of_other_cases_are_kept():
    def page(case, step, **options):
        row = Row(case, "step", Comparison(step, "SCI", "1e-6", 0.2, 0.0, True))
        return markdown([row], peer="3.0.0", order=("first", "second"), **options)

    text = page("first", "jump", before=page("second", "refpix", before=page("first", "linearity")))
    assert [line[:16] for line in text.splitlines()[-2:]] == ["| first | jump |", "| second | refpi"]
    assert "2 of 2 lines agree" in text
    assert "second" not in markdown([], peer="3.0.0", before=text, order=("first",))


def test_the_cache_keeps_what_was_used_last(tmp_path, monkeypatch):
    monkeypatch.setattr(peer, "cache_folder", lambda: tmp_path)
    for age, name in enumerate(["new", "middle", "old"]):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "product.fits").write_bytes(b"x" * 1000)
        (folder / "peer.json").touch()
        os.utime(folder / "peer.json", (1e9 - age, 1e9 - age))
    peer.prune(2500)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["middle", "new"]
