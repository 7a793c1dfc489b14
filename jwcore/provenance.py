"""The story of a product: which code, parameters and references made it, in a form that can be run again.

A product carries a list of records, oldest first, of two kinds. A *configuration* says what was decided: steps with
implementation, version, parameters and references. A *run* says what happened: inputs, times, counts; it names its
configuration by digest. Exposures of one program share configurations, so that a mosaic of a thousand exposures stays
small.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from jwcore.distributions import FIRST_PARTY
from jwcore.models.history import CONFIGURATION, RUN, Record, digest
from jwcore.plan_model import Node, Plan, PlannedEntry, PlannedForEach, PlannedSave, PlannedSplit, PlannedStep
from jwcore.plugins import Plugins


def configuration(plan: Plan, node: Node, plugins: Plugins) -> Record:
    """Write down what was decided for a node."""
    used = {step.implementation.split(":")[0] for step in node.steps() if step.implementation}
    used |= {key.split(":")[0] for step in node.steps() for key in step.wrappers}
    used |= {plugin.name for plugin in plugins.plugins.values() if plugin.named}  # they may act through hooks
    record: Record = {
        "kind": CONFIGURATION,
        "jwcal": version(),
        "recipe": node.recipe,
        "options": node.options,
        "context": plan.context,
        "entries": [_entry(entry) for entry in node.entries],
        "plugins": {name: _plugin(plugins, name) for name in sorted(used)},
        "selection": {"named": list(plan.selection.named), "use": dict(plan.selection.use)},
    }
    record["digest"] = digest(record)
    return record


def run_record(
    node: Node, *, inputs: Mapping[str, list[Record]], steps: list[Record], settings: Record,
    products: Mapping[str, int] | None = None,
) -> Record:  # fmt: skip
    """Write down what happened in a node; ``products`` counts what it saves, by stream."""
    record: Record = {
        "kind": RUN, "configuration": settings["digest"], "recipe": node.recipe, "base": node.base,
        "signature": node.signature(), "inputs": dict(inputs), "steps": steps, "association": node.association,
        "products": dict(products or {}), "python": platform.python_version(), "machine": platform.machine(),
    }  # fmt: skip
    record["digest"] = digest(record)
    return record


def sign(exposure: Any, name: str, *, settings: Record) -> None:
    """Write into the header of a product its file name, and what made it."""
    meta = exposure.meta
    meta.filename = name
    meta.set("calibration_software_version", version())
    meta.set("calibration_software_revision", "jwcal")
    if settings.get("context"):
        meta.set("ref_file.crds.context_used", settings["context"])
        meta.set("ref_file.crds.sw_version", metadata.version("crds"))
    _leave_note(exposure, settings)


def _leave_note(exposure: Any, settings: Record) -> None:
    """Name the plugins of third parties that took part in HISTORY cards, for people who look at headers alone."""
    from astropy.io.fits import Card

    for name, plugin in settings.get("plugins", {}).items():
        cards = exposure.header_cards.setdefault("PRIMARY", [])
        note = f"jwcal plugin {name} {plugin['version']} sha256 {plugin['sha256'][:12]}"
        if plugin["distribution"] not in FIRST_PARTY and note not in [str(card.value) for card in cards]:
            cards.append(Card("HISTORY", note))


def version() -> str:
    """Version of the installed program."""
    return metadata.version("jwcal")


def _plugin(plugins: Plugins, name: str) -> Record:
    plugin = plugins.plugins[name]
    record = {"distribution": plugin.distribution, "version": plugin.version, "sha256": plugin.source_hash}
    return record | ({"source": plugin.source} if plugin.source else {})


def _entry(entry: PlannedEntry) -> Record:
    if isinstance(entry, PlannedSplit):
        branches = {name: [_entry(step) for step in steps] for name, steps in entry.branches.items()}
        return {"split": _entry(entry.by), "branches": branches, "merge": _entry(entry.merge)}
    if isinstance(entry, PlannedForEach):
        return {"for each": _entry(entry.source), "steps": [_entry(step) for step in entry.steps]}
    if isinstance(entry, PlannedSave):
        return {"save": entry.stream, "suffix": entry.suffix}
    return _step(entry)


def _step(planned: PlannedStep) -> Record:
    record: Record = {"label": planned.label, "stage": planned.stage, "action": planned.action}
    if planned.reason:
        record["reason"] = planned.reason
    if planned.implementation:
        record |= {"implementation": planned.implementation, "version": planned.version}
    if planned.source_hash:
        record["sha256"] = planned.source_hash
    if planned.references:
        record["references"] = {kind: outcome.described() for kind, outcome in planned.references.items()}
    if planned.runs:
        record["params"] = {k: v for k, v in planned.params.items() if k not in ("save_results", "suffix") or v}
        record["origins"] = {k: v for k, v in planned.origins.items() if v != "default"}
        record["wrappers"] = list(planned.wrappers)
        record["calls"] = [_step(callee) for callee in planned.calls]
    return record
