"""Planning again what the record inside a product says was done."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jwcore import models, provenance
from jwcore.errors import BadInput, UsageError
from jwcore.plan_model import Plan
from jwcore.planner import plan
from jwcore.plugins import Selection, entry_points

SKIPPED_BY_THE_USER = ("by request", "skip is set by command line", "not needed for")
"""Beginnings of the reasons of a skip that nothing but the user's words explains."""


def replay(
    product: str | Path,
    *,
    output_dir: str | Path | None,
    input_dir: str | Path | None = None,
    references: str | None = None,
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
        Provider of references; by default the recorded ones are found again through the recorded context.

    Raises
    ------
    BadInput
        When the file has no record, or an input is gone or has changed since.
    UsageError
        When a plugin is installed in another version than the recorded one.
    """
    runs = provenance.runs(models.read(product).provenance)
    if not runs:
        raise BadInput("no record of jwcal in this file", where=str(product), cure="give a product that jwcal made")
    if output_dir is not None and (Path(output_dir) / Path(product).name).resolve() == Path(product).resolve():
        raise UsageError(f"the new {Path(product).name} would replace the old one", cure="-o ANOTHER_FOLDER")
    run, settings = runs[-1]
    _check_installed(settings["plugins"])
    inputs = _inputs(run, [input_dir] if input_dir else [None, Path(product).parent])
    planned = plan(
        inputs, run["recipe"], params=_params(settings), selection=_selection(settings), references=references,
        output_dir=output_dir, command=f"jwcal rerun {product}",
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
    values: dict[str, dict[str, Any]] = {}
    for entry in provenance.flat_entries(settings["entries"]):
        if "params" in entry:
            values[entry["label"]] = dict(entry["params"])
        elif entry.get("reason", "").startswith(SKIPPED_BY_THE_USER):
            values[entry["label"]] = {"skip": True}
    return values


def _selection(settings: dict[str, Any]) -> Selection:
    """Rebuild the selection; one-file plugins come back from their recorded source."""
    recorded = settings["selection"]
    use = {
        e["stage"]: e["implementation"] for e in settings["entries"] if e.get("implementation") and e["action"] == "run"
    }
    base = Selection(named=tuple(recorded["named"]), use={s: k for s, k in use.items() if s in recorded["use"]})
    files = {}
    for name in recorded["named"]:
        plugin = settings["plugins"].get(Path(name).stem, {})
        if name.endswith(".py") and plugin.get("source"):
            files[name] = plugin["source"]
    return replace(base, files=files)


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


def _install(plugin: dict[str, Any]) -> str:
    return f"pip install {plugin['distribution']}=={plugin['version']}"


def _check_versions(planned: Plan, settings: dict[str, Any]) -> None:
    recorded = settings["plugins"]
    for node in planned.nodes:
        for step in node.steps():
            name = step.implementation.split(":")[0]
            if name in recorded and step.version != recorded[name]["version"]:
                raise UsageError(
                    f"plugin {name} is {step.version} now, the product was made with {recorded[name]['version']}",
                    cure=_install(recorded[name]),
                )


__all__ = ["replay"]
