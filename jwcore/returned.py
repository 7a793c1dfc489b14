"""What a step may return: a wrong answer is refused at once, with the name of the step that gave it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jwcore import models
from jwcore.errors import PluginError
from jwcore.plan_model import PlannedStep

PRODUCTS = (models.Exposure, models.ExposureSet, models.Catalog, Mapping)


def check(
    result: Any, target: Any, *, shapes: Mapping[str, Any], planned: PlannedStep, culprits: str, where: str
) -> None:  # fmt: skip
    """Refuse no product, a product whose arrays have got other ``shapes``, and a set that has lost members."""
    after = target.shapes() if shapes else {}
    changed = [name for name, shape in after.items() if shapes.get(name, shape) != shape]
    if result is target and changed:
        cure = "leave shapes as they are, or return a new product"
        raise PluginError(f"{culprits} changed the shape of {', '.join(changed)}", where=where, cure=cure)
    if not isinstance(result, PRODUCTS):
        raise PluginError(
            f"{culprits} returned {'None' if result is None else type(result).__name__} for {planned.stage}",
            cure="return the product, also when edited in place",
        )
    if isinstance(target, models.ExposureSet) and len(target) > 1:
        part = isinstance(result, models.ExposureSet) and planned.gives is None and len(result) != len(target)
        if part or any(result is member for member in target.loaded()):
            members = len(result) if part else 1
            text = f"{culprits} returned {members} of {len(target)} exposures for {planned.stage}"
            raise PluginError(text, where=where, cure="return the set that it was given")


def check_kind(result: Any, product: Any, *, given: tuple[str, ...], planned: PlannedStep) -> None:
    """Refuse one product where the stage gives several by name, and the reverse."""
    if given:
        require_mapping(result, planned)
    elif isinstance(result, Mapping) and not isinstance(product, Mapping):
        text = f"{planned.implementation} returned several products for {planned.stage}, which gives one"
        raise PluginError(text, cure="return the product, or declare the names: @stage(gives=(...))")


def require_mapping(parts: Any, planned: PlannedStep) -> None:
    """Refuse a product where a mapping of name to product is wanted."""
    if not isinstance(parts, Mapping):
        raise PluginError(
            f"{planned.implementation or planned.stage} must return a mapping of name to product, not {type(parts).__name__}",
            cure="return a dict",
        )
