"""``jwcal explain``: tell how a product was made, from the record inside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click


@click.command("explain")
@click.argument("product", type=click.Path(dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the whole record as JSON.")
def command(product: str, *, as_json: bool) -> None:
    """Tell how PRODUCT was made: code, parameters that differ from the defaults, references, figures, inputs."""
    from jwcore import models, provenance

    history = models.read(product).provenance
    if as_json:
        click.echo(json.dumps(history, indent=1))
        return
    runs = provenance.runs(history)
    if not runs:
        click.echo(f"{product} holds no record of jwcal; it was made by another program.")
        return
    shown: set[str] = set()
    for run, settings in runs:
        for line in run_lines(run, settings, brief=settings.get("digest", "") in shown):
            click.echo(line)
        shown.add(settings.get("digest", ""))


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
        yield from _step_lines(done, planned.get(done["label"], {}), brief=brief)
    if brief:
        return
    for name, plugin in settings.get("plugins", {}).items():
        digest = f"  sha256 {plugin['sha256'][:12]}" if plugin.get("sha256") else ""
        yield f"  plugin {name} {plugin['version']}  {plugin['distribution']}{digest}".rstrip()


def flat_entries(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Iterate over the steps of a recorded configuration, those in branches, fan-outs and calls included."""
    for entry in entries:
        if "split" in entry:
            yield from flat_entries(
                [entry["split"], *(s for b in entry["branches"].values() for s in b), entry["merge"]]
            )
        elif "for each" in entry:
            yield from flat_entries([entry["for each"], *entry["steps"]])
        elif "label" in entry:
            yield entry
            yield from flat_entries(entry.get("calls", []))


def _step_lines(done: dict[str, Any], planned: dict[str, Any], *, brief: bool) -> Iterator[str]:
    figures = "  ".join(f"{name} {value:g}" for name, value in done.get("counts", {}).items())
    if done["status"] != "COMPLETE":
        if not brief:
            yield f"  - {done['label']:<20} {done['status'].lower()}: {done.get('reason', '')}"
        return
    if brief:
        if figures:
            yield f"  + {done['label']:<20} {figures}"
        return
    who = f"{planned.get('implementation', '?')} {planned.get('version', '')}"
    digest = f" sha256 {planned['sha256'][:12]}" if planned.get("sha256") else ""
    yield f"  + {done['label']:<20} {who}{digest}  {done['seconds']:.2f} s  {figures}".rstrip()
    for name, origin in planned.get("origins", {}).items():
        yield f"      {name} = {planned['params'].get(name)}  ({origin})"
    for kind, reference in planned.get("references", {}).items():
        name = reference["name"] if isinstance(reference, dict) else reference
        yield f"      {kind}: {name}"
    for key in planned.get("wrappers", []):
        yield f"      wrapped by {key}"
    for callee in done.get("calls", []):
        for line in _step_lines(callee, {}, brief=False):
            yield "    " + line
