"""The record inside a product, in words: who did what with which parameters, references and inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jwcore.models.history import flat_entries, runs


def story(history: list[dict[str, Any]], *, shown: set[str]) -> Iterator[str]:
    """Tell how a product was made, line by line.

    Parameters
    ----------
    history : list of dict
        The record inside the product.
    shown : set of str
        Digests of what was told before, as another product's story or in this one; it is not told again, and grows.
    """
    told = runs(history)
    if not told:
        yield "no record of jwcal: another program made this file"
    for run, settings in told:
        if run["digest"] in shown:
            yield f"{run['recipe']} of {run['base']}: as above"
        else:
            yield from run_lines(run, settings, brief=settings.get("digest", "") in shown)
        shown |= {run["digest"], settings.get("digest", "")}


def run_lines(run: dict[str, Any], settings: dict[str, Any], *, brief: bool = False) -> Iterator[str]:
    """Describe one run; ``brief`` when its configuration was described before."""
    yield f"{run['recipe']} of {run['base']} with jwcal {settings.get('jwcal', '?')}, context {settings.get('context') or 'none'}"
    for role, inputs in run["inputs"].items():
        for one in inputs[:6]:
            yield f"  from {role} {one['name']}  sha256 {one.get('sha256', '?')[:12]}"
        if len(inputs) > 6:
            yield f"  and {len(inputs) - 6} more"
    if brief:
        yield "  decided as above; figures:"
    planned = {entry["label"]: entry for entry in flat_entries(settings.get("entries", []))}
    for done in run["steps"]:
        yield from _step_lines(done, planned, brief=brief)
    if brief:
        return
    for name, plugin in settings.get("plugins", {}).items():
        digest = f"  sha256 {plugin['sha256'][:12]}" if plugin.get("sha256") else ""
        yield f"  plugin {name} {plugin['version']}  {plugin['distribution']}{digest}".rstrip()


def _step_lines(done: dict[str, Any], entries: dict[str, Any], *, brief: bool) -> Iterator[str]:
    """Describe what a step did, and the steps that it called; ``entries`` are the decisions on all, by label."""
    found = figures(done.get("counts", {}))
    if done["status"] != "COMPLETE":
        if not brief:
            yield f"  - {done['label']:<20} {done['status'].lower()}: {done.get('reason', '')}"
            yield from _tables(done)
        return
    if brief:
        if found:
            yield f"  + {done['label']:<20} {found}"
        return
    planned = entries.get(done["label"], {})
    who = f"{planned.get('implementation', '?')} {planned.get('version', '')}"
    yield f"  + {done['label']:<20} {who}  {done['seconds']:.2f} s  {found}".rstrip()
    for name, origin in planned.get("origins", {}).items():
        yield f"      {name} = {planned['params'].get(name)}  ({origin})"
    for kind, reference in planned.get("references", {}).items():
        name = reference["name"] if isinstance(reference, dict) else reference
        yield f"      {kind}: {name}"
    for key in planned.get("wrappers", []):
        yield f"      wrapped by {key}"
    yield from _tables(done)
    for callee in done.get("calls", []):
        for line in _step_lines(callee, entries, brief=False):
            yield "    " + line


def _tables(done: dict[str, Any]) -> Iterator[str]:
    """Write the tables that a step noted, in columns; a dash stands for what is not known."""
    for name, rows in done.items():
        if name == "calls" or not isinstance(rows, list) or not rows:
            continue
        yield f"      {name}:"
        cells = [list(rows[0]), *(["-" if value is None else str(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for line in cells:
            yield "        " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def figures(counts: dict[str, float]) -> str:
    """Write figures; what was measured before and after a step is written as one change."""
    texts = []
    for name, value in counts.items():
        what, _, when = name.rpartition("_")
        after = counts.get(f"{what}_after")
        if when == "before" and after is not None:
            texts.append(f"{what.replace('_', ' ')} {value:.3g} -> {after:.3g}")
        elif when != "after" or f"{what}_before" not in counts:
            texts.append(f"{name.replace('_', ' ')} {value:g}")
    return "  ".join(texts)
