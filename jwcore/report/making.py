"""The part of a report that tells how a product was made: steps, parameters, references, and how to make it again."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from jwcore import hookspecs, models
from jwcore.declare import STAGE_MARK
from jwcore.models.history import flat_entries, runs
from jwcore.plan_model import COMPLETE, FAILED, SKIPPED
from jwcore.report.page import Page
from jwcore.report.story import figures, story

Record = dict[str, Any]
SIGNS = {COMPLETE: ("✓", "good"), SKIPPED: ("–", ""), FAILED: ("✗", "bad")}
"""Sign and kind of a step by its status, the worst last."""


def show_steps(page: Page, meta: models.Meta, history: Sequence[Record]) -> None:
    """Add the status of all steps at a glance: those of the record, after those that only keywords tell of."""
    told: dict[tuple[str, str], list[Record]] = {}
    recorded: set[str | None] = set()
    keywords = _status_keywords()
    for run, settings in runs(history):
        stages = {entry["label"]: entry["stage"] for entry in flat_entries(settings.get("entries", []))}
        for step in run["steps"]:
            told.setdefault((run["recipe"], step["label"]), []).append(step)
            recorded.add(keywords.get(stages.get(step["label"], "")))
    named = {path.removeprefix("cal_step."): str(value) for path, value in meta.items() if path.startswith("cal_step.")}
    others = [[{"label": name, "status": status}] for name, status in named.items() if name not in recorded]
    marks = dict.fromkeys(_mark(steps) for steps in (*others, *told.values()))
    if marks:
        page.marks(marks)


def _mark(steps: Sequence[Record]) -> tuple[str, str, str]:
    """Word the status of one step of all exposures: where they differ, the worst, and how many it befell."""
    severity = [*SIGNS]
    worst = max(steps, key=lambda step: severity.index(step["status"]) if step["status"] in SIGNS else -1)
    status, reason = worst["status"], worst.get("reason", "")
    number = sum(step["status"] == status for step in steps)
    some = f" ({number} of {len(steps)} {status.lower()})" if number < len(steps) else ""
    _, kind = SIGNS.get(status, ("", ""))
    return f"{_signed(worst)}{some}", kind, f"{status.lower()}: {reason}" if reason else status.lower()


def _status_keywords() -> dict[str, str | None]:
    """Name the status keyword of every stage of the contract."""
    modules = [importlib.import_module(f"jwcore.hookspecs.{name}") for name in hookspecs.MODULES]
    declared = [
        getattr(value, STAGE_MARK)
        for module in modules
        for value in vars(module).values()
        if hasattr(value, STAGE_MARK)
    ]
    return {stage.name: stage.status for stage in declared}


def show_making(page: Page, path: Path, history: Sequence[Record]) -> None:
    """Add what the last run did, step by step, the story of the runs before, and the command to repeat it."""
    page.heading("How it was made")
    told = runs(history)
    if not told:
        page.text("There is no record of jwcal in this file: another program made it.")
        return
    run, settings = told[-1]
    page.facts(
        [
            ("Recipe", run["recipe"]),
            ("jwcal", settings.get("jwcal", "?")),
            ("Reference context", settings.get("context") or "none"),
            ("Inputs", ", ".join(f"{len(inputs)} {role}" for role, inputs in run["inputs"].items())),
            ("Time in steps", f"{sum(step.get('seconds', 0.0) for step in run['steps']):.1f} s"),
        ]
    )
    header = ("step", "by", "seconds", "found", "parameters changed", "references")
    page.table(header, list(_rows(run, settings)), words=(1, 3, 4, 5))
    others = [step for step in run["steps"] if step["status"] != COMPLETE]
    if others:
        page.table(("not done", "why"), [(_signed(step), step.get("reason", "")) for step in others], words=(1,))
    page.text("To make it again, and to read all this in a terminal:")
    page.verbatim(f"jwcal rerun {quote(path.name)} -o again\njwcal explain {quote(path.name)}")
    runs_before = f", with the {len(told) - 1} runs before" if len(told) > 1 else ""
    page.verbatim("\n".join(story(list(history), shown=set())), summary=f"The whole record in words{runs_before}")


def _rows(run: Record, settings: Record) -> Iterator[list[Any]]:
    planned = {entry["label"]: entry for entry in flat_entries(settings.get("entries", []))}
    for step in run["steps"]:
        if step["status"] != COMPLETE:
            continue
        plan = planned.get(step["label"], {})
        changed = [
            f"{name} = {plan['params'].get(name)} ({origin})" for name, origin in plan.get("origins", {}).items()
        ]
        by = [f"{plan.get('implementation', '?')} {plan.get('version', '')}"]
        by += [f"wrapped by {key}" for key in plan.get("wrappers", [])]
        found = figures(step.get("counts", {})).split("  ")
        yield [_signed(step), by, f"{step['seconds']:.2f}", found, changed, _references(plan)]


def _signed(step: Record) -> str:
    sign, _ = SIGNS.get(step["status"], ("", ""))
    return f"{sign} {step['label']}".strip()


def _references(plan: Mapping[str, Any]) -> list[str]:
    found = plan.get("references", {})
    return [f"{kind}: {one['name'] if isinstance(one, dict) else one}" for kind, one in found.items()]
