import ast

import numpy as np
import pytest

from jwcore.references.matching import Rule, compare, select, weigh
from jwcore.references.parameters import condition, describe, parameters_of

KEY = "META.INSTRUMENT.FILTER"
DATES = {"META.OBSERVATION.DATE": "2023-05-01", "META.OBSERVATION.TIME": "12:00:00"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" f200w ", "F200W"), (4, "4.0"), ("12", "12.0"), (2.5, "2.5"), (-1, "-1.0"), ("1e3", "1000.0"), (True, "T"),
        (False, "F"), ("true", "T"), (4294967295, "-1.0"), ("any", "*"), ("N/A", "N/A"), ("not applicable", "N/A"),
        (None, "UNDEFINED"), ("2023-05-01", "2023-05-01"), ("NONE", "NONE"),
    ],
)  # fmt: skip
def test_values_are_conditioned(value, expected):
    assert condition(value) == expected


@pytest.mark.parametrize(
    ("pattern", "value", "result"),
    [
        ("F200W", "F200W", 1), ("F200W", "F115W", -1), ("N/A", "F200W", 0), ("F200W", "N/A", 0), ("*", "F200W", 1),
        ("F115W", "*", 1), ("F115W|F200W", "F200W", 1), ("F115W|F200W", "F090W", -1), ("F2*|F115W", "F210M", 1),
        ("(F[12].*)", "F115W", 1), ("(F[12])", "F115W", -1), ("{A|B}", "A|B", 1), ("{A|B}", "A", -1),
        ("NOT F200W", "F200W", -1), ("NOT F200W", "F115W", 1), ("BETWEEN 1 3", "1.0", 1), ("BETWEEN 1 3", "3.0", -1),
        (">= 4", "4.0", 1), ("> 4", "4.0", -1), ("< 4", "3.5", 1), ("<= 4", "TEXT", -1), ("12", "12.0", 1),
        ("# >1 AND <3 #", "2.0", 1), ("# >1 AND <3 #", "4.0", -1), ("# <1 OR >3 #", "4.0", 1),
        ("F200W", "UNDEFINED", -1),
    ],
)  # fmt: skip
def test_patterns(pattern, value, result):
    assert compare(pattern, value) == result


def test_weight_counts_matches_and_eliminates():
    parameters = {"A": "1.0", "B": "X"}
    assert weigh({"A": "1", "B": "X"}, parameters) == 2
    assert weigh({"A": "1", "B": "N/A"}, parameters) == 1
    assert weigh({"A": "1", "B": "Y"}, parameters) is None
    assert weigh({"C": "Y"}, parameters) is None


def test_the_more_specific_rule_wins_and_a_later_date_falls_back():
    rules = [
        Rule("general", {KEY: "N/A"}, "2000-01-01 00:00:00"),
        Rule("special", {KEY: "F200W"}, "2022-01-01 00:00:00"),
        Rule("future", {KEY: "F115W"}, "2024-01-01 00:00:00"),
    ]
    assert select(rules, {KEY: "F200W", **DATES}).name == "special"
    assert select(rules, {KEY: "F115W", **DATES}).name == "general"


def test_the_date_rule():
    rules = [
        Rule("b", {}, "2023-05-01 12:00:00"),
        Rule("a", {}, "2023-05-01 12:00:00"),
        Rule("old", {}, "2020-01-01 00:00:00"),
    ]
    assert select(rules, DATES).name == "b"  # equal dates count, and the lexically last name wins
    assert select(rules, {**DATES, "META.OBSERVATION.TIME": "11:59:59.9"}).name == "old"
    assert select(rules, {"META.OBSERVATION.DATE": "2019-01-01"}) is None


def test_parameters_of_nested_and_dotted_metadata(tmp_path):
    nested = {"meta": {"instrument": {"name": "NIRCam", "channel": "12"}, "exposure": {"ngroups": 4, "readout": [1]}}}
    expected = {"META.INSTRUMENT.NAME": "NIRCAM", "META.INSTRUMENT.CHANNEL": "12.0", "META.EXPOSURE.NGROUPS": "4.0"}
    assert parameters_of(nested) == expected
    assert parameters_of({"instrument.name": "NIRCAM", "wcsinfo.crval1": 3.0}) == {"META.INSTRUMENT.NAME": "NIRCAM"}
    assert describe(expected) == "NIRCAM"


def test_the_cache_of_a_simulated_exposure_is_looked_for_around_it(tmp_path):
    (tmp_path / "references").mkdir()
    meta = {"SIMCACHE": "references", "SIMCTX": "jwst_0001.pmap"}
    parameters = parameters_of(meta, path=tmp_path / "deep/down/x_uncal.fits")
    own = {"SIMCACHE": str(tmp_path / "references"), "SIMCTX": "jwst_0001.pmap"}
    assert parameters == {"FILE": str(tmp_path / "deep/down/x_uncal.fits"), **own}


# ---- against the official client, on official rules
def _rules_of(path):
    """Read the rules of an rmap of the plain kind: Match over UseAfter."""
    tree = ast.parse(path.read_text())
    parts = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    header = ast.literal_eval(parts["header"])
    simple = not any(key in header for key in ("substitutions", "parkey_relevance", "rmap_relevance", "rmap_omit"))
    if not simple or parts["selector"].func.id != "Match":
        return None
    keys, rules = header["parkey"][0], []
    match = parts["selector"].args[0]
    for case, nested in zip(match.keys, match.values, strict=True):
        patterns = dict(zip(keys, _texts(ast.literal_eval(case)), strict=True))
        if not isinstance(nested, ast.Call) or nested.func.id != "UseAfter":
            return None
        rules += [Rule(name, patterns, date) for date, name in ast.literal_eval(nested.args[0]).items()]
    return header, rules


def _texts(case):
    return [condition(text) for text in ((case,) if isinstance(case, str) else case)]


@pytest.mark.realdata
def test_selection_agrees_with_the_client_on_official_rules(real_data):
    from crds.core import rmap as client

    folder = real_data / "crds_mappings/mappings/jwst"
    random = np.random.default_rng(1)
    compared = found = 0
    for path in sorted(folder.glob("*.rmap")):
        plain = _rules_of(path)
        if plain is None:
            continue
        header, rules = plain
        official = client.load_mapping(path.name, path=str(folder))
        choices = {key: sorted({rule.patterns[key] for rule in rules}) for key in header["parkey"][0]}
        for _ in range(15):
            parameters = {key: str(random.choice(values)).split("|")[0] for key, values in choices.items()}
            parameters["META.OBSERVATION.DATE"] = f"{random.integers(2013, 2023)}-06-0{random.integers(1, 9)}"
            parameters["META.OBSERVATION.TIME"] = "10:00:00"
            try:
                expected = official.selector.choose(parameters)
            except Exception:  # the client has a class for every kind of failure
                expected = None
            rule = select(rules, parameters)
            assert (rule.name if rule else None) == expected, (path.name, parameters)
            compared += 1
            found += expected is not None
    assert compared > 500
    assert found > 300
