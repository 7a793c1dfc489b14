"""Planning again what the record inside a product says was done."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jwcore import models
from jwcore.errors import BadInput, UsageError
from jwcore.models import history
from jwcore.plan_model import RUN, Plan
from jwcore.planner import plan
from jwcore.plugin_modules import read_source
from jwcore.plugins import Selection, entry_points
from jwcore.references import RecordedProvider

DONE_BEFORE = "done before --from "
FROM_RECIPE = ("recipe ", "run by name")
"""Beginnings of the origins of parameters that the plan finds again."""
SKIPPED_BY_CHOICE = ("by request", "skip is set by", "not needed for")
"""Beginnings of the reasons of a skip that neither the recipe nor the exposure explains."""


def replay(
    product: str | Path,
    *,
    output_dir: str | Path | None,
    input_dir: str | Path | None = None,
    references: str | None = None,
    overrides: Mapping[str, str] | None = None,
    trust: bool = False,
) -> Plan:
    """Plan the last run of a product again.

    Parameters
    ----------
    product : path
        A product of this program.
    output_dir : path or None
        Folder for the new product.
    input_dir : path, optional
        Where the inputs are; by default where they were, or else beside the product.
    references : str, optional
        Source from which references are chosen anew; by default they are the recorded files and no others.
    overrides : mapping, optional
        Reference type -> file to use in place of the recorded one.
    trust : bool
        Run one-file plugins from the source in the product, also where that file is not at its place.

    Raises
    ------
    BadInput
        When the file has no record, or an input is gone or has changed since.
    UsageError
        When a plugin is installed in another version than the recorded one, or only the product holds its source.
    """
    runs = history.runs(models.read(product).provenance)
    if not runs:
        raise BadInput("no record of jwcal in this file", where=str(product), cure="give a product that jwcal made")
    if output_dir is not None and (Path(output_dir) / Path(product).name).resolve() == Path(product).resolve():
        raise UsageError(f"the new {Path(product).name} would replace the old one", cure="-o ANOTHER_FOLDER")
    run, settings = runs[-1]
    _check_installed(settings["plugins"])
    if not trust:
        _check_sources(settings, product)
    inputs = _inputs(run, [input_dir] if input_dir else [None, Path(product).parent])
    planned = plan(
        inputs, run["recipe"], params=_params(settings), selection=_selection(settings),
        references=references or RecordedProvider(_references(settings)), overrides=overrides, output_dir=output_dir,
        start=_start(settings), command=f"jwcal rerun {product}",
    )  # fmt: skip
    _check_versions(planned, settings)
    for node in planned.nodes:
        node.base = run["base"]
        node.association = run.get("association", {})
    return planned


def _inputs(run: dict[str, Any], folders: list[str | Path | None]) -> list[str]:
    """Find the science inputs again, unchanged, in the first folder that has them; None is the recorded one."""
    found = []
    for one in run["inputs"].get("science", []):
        places = [Path(folder) / one["name"] if folder else Path(one["path"]) for folder in folders]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            where = " nor ".join(str(place) for place in places)
            raise BadInput(f"input {one['name']} is not at {where}", cure="say where it is with --input-dir")
        if one.get("sha256") and models.fingerprint(path) != one["sha256"]:
            raise BadInput(f"input {path} has changed since", cure="bring back the file that was used then")
        found.append(str(path))
    return found


def _params(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All recorded values: those that ran with them, and those that were skipped."""
    values: dict[str, dict[str, Any]] = {settings["recipe"]: settings["options"]} if settings.get("options") else {}
    for entry in history.flat_entries(settings["entries"]):
        if "params" in entry:  # defaults are those of the same version
            given = {name for name, origin in entry["origins"].items() if not origin.startswith(FROM_RECIPE)}
            values[entry["label"]] = {name: value for name, value in entry["params"].items() if name in given}
        elif entry.get("reason", "").startswith(SKIPPED_BY_CHOICE):
            values[entry["label"]] = {"skip": True}
    return values


def _start(settings: dict[str, Any]) -> str | None:
    """Label of the step with which the run began, when the user gave one."""
    reasons = (entry.get("reason", "") for entry in history.flat_entries(settings["entries"]))
    return next((r.removeprefix(DONE_BEFORE) for r in reasons if r.startswith(DONE_BEFORE)), None)


def _references(settings: dict[str, Any]) -> dict[str, Any]:
    """All recorded references by type; a file that the user gave to one step alone makes room for that of the others."""
    entries = history.flat_entries(settings["entries"])
    pairs = [pair for entry in entries for pair in entry.get("references", {}).items()]
    return dict(sorted(pairs, key=lambda pair: pair[1] != "N/A" and pair[1]["provider"] == "override", reverse=True))


def _selection(settings: dict[str, Any]) -> Selection:
    """Rebuild the selection; one-file plugins come back from their recorded source."""
    recorded, plugins = settings["selection"], settings["plugins"]
    running = [entry for entry in settings["entries"] if entry.get("action") == RUN]
    use = {entry["stage"]: entry["implementation"] for entry in running if entry["stage"] in recorded["use"]}
    sources = {
        name: plugins.get(Path(name).stem, {}).get("source") for name in recorded["named"] if name.endswith(".py")
    }
    return Selection(named=tuple(recorded["named"]), use=use, files={n: text for n, text in sources.items() if text})


def _check_installed(plugins: dict[str, Any]) -> None:
    """Refuse, before planning, to go on without a plugin that took part."""
    installed = {entry.name for entry in entry_points()}
    for name, plugin in plugins.items():
        home = plugin["distribution"]
        if name in installed or plugin.get("source") or find_spec(home.split(".")[0] or name):
            continue
        raise UsageError(
            f"plugin {name} {plugin['version']}, with which the product was made, is not installed",
            cure=_install(plugin) if plugin["version"] else f"make the module {home} importable",
        )


def _check_sources(settings: dict[str, Any], product: str | Path) -> None:
    """Refuse to run a program that came inside a product, unless the same file is at hand."""
    for name in settings["selection"]["named"]:
        recorded = settings["plugins"].get(Path(name).stem, {}).get("source")
        if name.endswith(".py") and recorded and not (Path(name).is_file() and read_source(name) == recorded):
            text = f"{product} was made with the plugin {name}, whose source it holds: rerun would run that program"
            raise UsageError(text, cure=f"read it (jwcal explain --source {product}), then rerun --trust")


def _install(plugin: dict[str, Any]) -> str:
    return f"pip install {plugin['distribution']}=={plugin['version']}"


def _check_versions(planned: Plan, settings: dict[str, Any]) -> None:
    """Refuse other versions of the plugins than the recorded ones; say so when one version is other code by now."""
    steps = {step.implementation.split(":")[0]: step for node in planned.nodes for step in node.steps()}
    for name, then in settings["plugins"].items():
        step = steps.get(name)
        changed = step and then["sha256"] not in ("", step.source_hash)
        if step and changed and step.version != then["version"]:
            text = f"plugin {name} is {step.version} now, the product was made with {then['version']}"
            raise UsageError(text, cure=_install(then))
        if changed:
            planned.remarks.append(
                f"plugin {name} is other code now than when the product was made: the result may differ"
            )


__all__ = ["replay"]
