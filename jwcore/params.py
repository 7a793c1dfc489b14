"""Step parameters: one declaration feeds validation, command line, configuration files, help, docs and provenance."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from jwcore.errors import PluginError, UsageError

DEFAULT_ORIGIN = "default"
IN_PLACE_OF = f"{DEFAULT_ORIGIN} in place of "
"""Beginning of the origin where a delivered value cannot be honoured."""


def param(
    default: Any, doc: str, *, unit: str | None = None, replaces: str | None = None,
    unavailable: tuple[str, ...] = (), **constraints: Any,
) -> Any:  # fmt: skip
    """Declare one parameter of a step.

    Parameters
    ----------
    default : object
        Value when no layer sets one.
    doc : str
        One line that says what the parameter does.
    unit : str, optional
        Unit of the value ("pixel", "sigma", "s", "DN" ...).
    replaces : str, optional
        Reference type in whose place the file is used that the value names.
    unavailable : tuple of str
        Values, in capitals, that delivered parameters may have but nobody can honour here: the default takes their place.
    **constraints
        Limits understood by pydantic: ``ge``, ``gt``, ``le``, ``lt``, ``min_length`` ...
    """
    known = {"unit": unit, "replaces": replaces, "unavailable": unavailable}
    facts: dict[str, Any] = {name: fact for name, fact in known.items() if fact}
    return Field(default, description=doc, json_schema_extra=facts or None, **constraints)


class Params(BaseModel):
    """Base of all step parameters: immutable, and no name outside the declaration is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, validate_default=True)

    skip: bool = param(False, "Do not run this step")
    save_results: bool = param(False, "Write the result of this step")
    suffix: str | None = param(None, "File suffix of the result, when it is written")


def replacements(params: Params) -> dict[str, str]:
    """Return the files that parameters put in the place of references, by reference type."""
    kinds = {name: _facts(field).get("replaces") for name, field in type(params).model_fields.items()}
    return {str(kind): str(path) for name, kind in kinds.items() if kind and (path := getattr(params, name))}


@dataclass(frozen=True)
class Layer:
    """Values of one origin: ``values[label][parameter]``, as text or as Python objects; delivered with the references or not."""

    origin: str
    values: Mapping[str, Mapping[str, Any]]
    delivered: bool = False


def resolve(model: type[Params], *, label: str, layers: Iterable[Layer]) -> tuple[Params, dict[str, str]]:
    """Lay the layers over one another and validate the outcome.

    Parameters
    ----------
    model : type
        The declaration.
    label : str
        Label of the step in its recipe; layers are looked up by it.
    layers : iterable of Layer
        Lowest precedence first.

    Returns
    -------
    params : Params
        The validated values.
    origins : dict
        Origin of every parameter.

    Raises
    ------
    UsageError
        For a name that does not exist (the nearest is given) or a value out of range (the range is given).
    """
    values: dict[str, Any] = {}
    origins = dict.fromkeys(model.model_fields, DEFAULT_ORIGIN)
    for layer in layers:
        for name, value in layer.values.get(label, {}).items():
            if name not in model.model_fields:
                raise unknown_name(f"{label}.{name}", name, model.model_fields, where=layer.origin)
            field = model.model_fields[name]
            if layer.delivered and str(value).strip().upper() in _facts(field).get("unavailable", ()):
                values[name], origins[name] = field.default, f"{IN_PLACE_OF}{value} of {layer.origin}"
            else:
                values[name], origins[name] = from_text(value, field), layer.origin
    try:
        return model(**values), origins
    except ValidationError as error:
        raise _bad_value(error, model, label=label, origins=origins) from None


def check_defaults(model: type[Params]) -> None:
    """Refuse a declaration that does not allow its own defaults, or changes the type of what all steps have.

    Raises
    ------
    PluginError
        Names the parameter and what is wrong with it.
    """
    for name, field in Params.model_fields.items():
        if model.model_fields[name].annotation != field.annotation:
            text = f"the parameter {name} of {model.__name__} is of another type than that of all steps"
            raise PluginError(text, cure=f"declare {type_name(field.annotation)}, or take another name")
    try:
        model()
    except ValidationError as error:
        bad = _bad_value(error, model, label=model.__name__, origins={})
        raise PluginError(f"the default {bad.message}", cure="correct the default, or the limits") from None


def from_text(value: Any, field: FieldInfo) -> Any:
    """Turn command-line text into what pydantic accepts: ``None``, and comma lists for sequences."""
    if not isinstance(value, str):
        return value
    allowed = _alternatives(field.annotation)
    if value.strip().lower() in ("none", "") and type(None) in allowed and not _literal_has(allowed, value):
        return None
    if any(get_origin(kind) in (list, tuple) or kind in (list, tuple) for kind in allowed):
        return [part.strip() for part in value.replace(";", ",").split(",")]
    return value


def unknown_name(what: str, name: str, known: Iterable[str], *, where: str | None = None) -> UsageError:
    """Build the error for a mistyped name, with the nearest existing one as the cure."""
    return UsageError(f"unknown name '{what}'", where=where, cure=nearest(name, known))


def nearest(name: str, known: Iterable[str]) -> str:
    """Word the cure for a mistyped name: those that contain it, or the nearest in spelling, or all of them."""
    spelled = {one.lower(): one for one in sorted(known)}
    word = name.lower()
    near = [one for one in spelled if len(word) > 2 and word in one]
    near = near[:3] or difflib.get_close_matches(word, spelled, n=1, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(repr(spelled[one]) for one in near)}?"
    return f"known: {', '.join(spelled.values())}"


def describe(model: type[Params]) -> list[dict[str, Any]]:
    """List the parameters of a step with type, default, unit, limits and documentation, for help and docs."""
    return [
        {
            "name": name,
            "type": type_name(field.annotation),
            "default": field.default,
            "unit": _facts(field).get("unit", ""),
            "limits": _limits(field),
            "doc": field.description or "",
        }
        for name, field in model.model_fields.items()
    ]


def _facts(field: FieldInfo) -> dict[str, Any]:
    """Return what `param` declares beside the limits."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def type_name(annotation: Any) -> str:
    """Name a type the way an astronomer would write it in a table."""
    parts = []
    for kind in _alternatives(annotation):
        if get_origin(kind) is Literal:
            parts += [str(choice) for choice in get_args(kind)]
        elif get_origin(kind) in (list, tuple):
            inner = [type_name(a) for a in get_args(kind) if a is not Ellipsis]
            parts.append(f"list of {inner[0]}" if inner else "list")
        else:
            parts.append("None" if kind is type(None) else getattr(kind, "__name__", str(kind)))
    return " | ".join(parts)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(a for part in get_args(annotation) for a in _alternatives(part))
    return (annotation,)


def _literal_has(allowed: Iterable[Any], value: str) -> bool:
    return any(get_origin(kind) is Literal and value in get_args(kind) for kind in allowed)


def _limits(field: FieldInfo) -> str:
    """Write the limits of a parameter as an inequality."""
    signs = {"Ge": ">=", "Gt": ">", "Le": "<=", "Lt": "<"}
    found = [
        f"{signs[type(limit).__name__]} {getattr(limit, type(limit).__name__.lower())}"
        for limit in field.metadata
        if type(limit).__name__ in signs
    ]
    return ", ".join(found)


def _bad_value(error: ValidationError, model: type[Params], *, label: str, origins: Mapping[str, str]) -> UsageError:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    if name not in model.model_fields:
        return UsageError(f"{label}: {first['msg']}", cure=f"see `jwcal params {label}`")
    field = model.model_fields[name]
    allowed = ", ".join(part for part in (type_name(field.annotation), _limits(field)) if part)
    return UsageError(
        f"{label}.{name} = {first['input']!r} is not allowed: {first['msg'].removeprefix('Value error, ')}",
        where=origins.get(name),
        cure=f"give {allowed} (default {field.default})",
    )
