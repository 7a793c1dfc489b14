"""Parameter references: delivered settings of steps and recipes, one layer above the recipe's own values."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from jwcore.params import Layer
from jwcore.references.headers import read_tree
from jwcore.references.outcomes import Found
from jwcore.references.providers import Provider

__all__ = ["parameter_layers", "parameter_type"]

log = logging.getLogger(__name__)

_CLASS_NAMES = {"bkg_subtract": "background", "assign_mtwcs": "assignmtwcs"}
"""Stages whose class in parameter references is not simply their name."""

_FRAMEWORK = frozenset(
    {"pre_hooks", "post_hooks", "output_file", "output_dir", "output_ext", "output_use_model", "output_use_index"}
    | {"save_results", "search_output_file", "input_dir", "suffix"}
)
"""Settings of the official framework that say nothing about the calibration."""


class _Labelled(Protocol):
    """What is needed of a recipe's step."""

    @property
    def label(self) -> str: ...

    @property
    def stage(self) -> str: ...


def parameter_type(stage: str) -> str:
    """Return the reference type that holds the parameters of a stage: ``jump`` -> ``pars-jumpstep``."""
    return f"pars-{_CLASS_NAMES.get(stage, stage).replace('_', '')}step"


def parameter_layers(
    provider: Provider, pipeline: str, steps: Iterable[_Labelled], parameters: Mapping[str, str]
) -> list[Layer]:
    """Return the delivered parameters for a recipe, lowest precedence first.

    Parameters
    ----------
    provider : Provider
        Who selects the ``pars-`` references.
    pipeline : str
        Class name of the recipe in parameter references (``Detector1Pipeline``); empty for none.
    steps : iterable
        Steps of the recipe, with ``label`` and ``stage``.
    parameters : mapping of str
        Conditioned parameters of the exposure.

    Returns
    -------
    list of Layer
        Those of the steps first, then that of the pipeline. A context without such types gives none, and so does the
        environment variable STPIPE_DISABLE_CRDS_STEPPARS; a file that cannot be read is left out with a warning.
    """
    if os.environ.get("STPIPE_DISABLE_CRDS_STEPPARS", "").lower() in ("true", "t", "yes", "y", "1"):
        return []
    labels: dict[str, list[str]] = {}
    for step in steps:
        labels.setdefault(step.stage, []).append(step.label)
    of_steps = {parameter_type(stage): stage for stage in labels}
    of_pipeline = f"pars-{pipeline.lower()}"
    types = [*of_steps, of_pipeline] if pipeline else list(of_steps)
    outcomes = provider.find(types, parameters)
    layers = []
    for type_ in types:
        found = outcomes.get(type_)
        if not isinstance(found, Found):
            continue
        content = _read(found.path)
        own = labels[of_steps[type_]] if type_ in of_steps else [pipeline.lower().removesuffix("pipeline")]
        values = {label: dict(_settings(content)) for label in own}
        for section in content.get("steps", ()):
            for label in labels.get(section.get("name", ""), ()):
                values[label] = dict(_settings(section))
        given = {label: settings for label, settings in values.items() if settings}
        layers.append(Layer(found.name, given, delivered=True))
    return layers


def _settings(section: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Iterate over the calibration parameters of a file, or of one of its ``steps``."""
    for name, value in (section.get("parameters") or {}).items():
        if name not in _FRAMEWORK and not isinstance(value, dict):
            yield name, value


def _read(path: Path) -> dict[str, Any]:
    """Return class, name, parameters and steps of a file; old files keep all of them inside ``parameters``."""
    try:
        tree = read_tree(path)
    except (OSError, ValueError) as error:
        log.warning("%s: parameters not used: %s", path, error)
        return {}
    nested = tree.get("parameters") or {}
    if "class" in nested:
        others = {name: value for name, value in nested.items() if name not in ("class", "name", "steps", "parameters")}
        return {"parameters": nested.get("parameters", others), "steps": nested.get("steps", ())}
    return tree
