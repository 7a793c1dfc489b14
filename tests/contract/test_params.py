"""Parameters: layers with origins, and errors that give the nearest name, the range, or the choices."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwcore.errors import UsageError
from jwcore.params import Layer, Params, describe, param, resolve


class JumpLike(Params):
    rejection_threshold: float = param(4.0, "Threshold", unit="sigma", ge=0)
    method: Literal["fft", "median"] = param("median", "How")
    limits: list[float] | None = param(None, "Range", unit="DN")
    name: str | None = param(None, "A file")
    grow: int = param(1, "Layers", ge=0, le=5)


def lay(*values):
    return resolve(JumpLike, label="jump", layers=[Layer(f"layer {n}", {"jump": v}) for n, v in enumerate(values)])


def test_higher_layers_win_and_are_named():
    params, origins = lay({"grow": 2, "method": "fft"}, {"grow": 3})
    assert (params.grow, params.method, params.rejection_threshold) == (3, "fft", 4.0)
    assert (origins["grow"], origins["method"], origins["rejection_threshold"]) == ("layer 1", "layer 0", "default")


def test_text_of_the_command_line_becomes_values():
    params, _ = lay({"limits": "1, 2.5", "grow": "4", "skip": "true", "name": "none"})
    assert (params.limits, params.grow, params.skip, params.name) == ([1.0, 2.5], 4, True, None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"rejection_treshold": 5}, "did you mean 'rejection_threshold'"),
        ({"rejection_threshold": -1}, ">= 0"),
        ({"grow": 9}, "<= 5"),
        ({"method": "mean"}, "fft | median"),
        ({"grow": "many"}, "give int"),
    ],
)
def test_a_bad_value_or_name_is_refused_with_the_cure(values, expected):
    with pytest.raises(UsageError) as error:
        lay(values)
    assert expected in str(error.value)
    assert error.value.where == "layer 0"


def test_parameters_cannot_change():
    params, _ = lay()
    with pytest.raises(ValueError, match="frozen"):
        params.grow = 3


def test_description_has_type_default_unit_limits_and_doc():
    rows = {row["name"]: row for row in describe(JumpLike)}
    assert rows["rejection_threshold"] | {"type": "float"} == {
        "name": "rejection_threshold", "type": "float", "default": 4.0, "unit": "sigma", "limits": ">= 0", "doc": "Threshold",
    }  # fmt: skip
    assert rows["method"]["type"] == "fft | median"
    assert rows["limits"]["type"] == "list of float | None"


@given(st.floats(0, 1e6))
def test_numbers_survive_the_command_line(value):
    assert lay({"rejection_threshold": repr(value)})[0].rejection_threshold == value
