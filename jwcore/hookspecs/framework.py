"""Hooks through which plugins tell the framework about instruments, recipes, references, executors and commands."""

# ruff: noqa: F821  (types are documentation: hook specs import nothing)
from __future__ import annotations

import pluggy

hookspec = pluggy.HookspecMarker("jwcal")


@hookspec
def jwcal_exposure_types() -> list[ExposureType]:
    """Return the exposure types that the plugin knows, with their traits."""


@hookspec
def jwcal_detectors() -> list[Detector]:
    """Return the detectors that the plugin knows, with their geometry."""


@hookspec
def jwcal_recipes() -> list[Recipe]:
    """Return the recipes that the plugin brings."""


@hookspec
def jwcal_reference_providers() -> dict[str, type]:
    """Return reference providers by the name under which ``--references NAME`` finds them."""


@hookspec
def jwcal_executors() -> dict[str, type]:
    """Return executors by the name under which ``--executor NAME`` finds them."""


@hookspec
def jwcal_commands() -> list[Command]:
    """Return click commands to add to the ``jwcal`` command."""


@hookspec
def jwcal_run_finished(result: Result) -> None:
    """Called once when all nodes of a plan are done, with the products and their provenance."""
