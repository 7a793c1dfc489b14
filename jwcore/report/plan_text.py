"""Plans as text for people: what will run with what, what will not and why, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jwcore.plan_model import REFUSED, Node, Plan, PlannedEntry, PlannedForEach, PlannedSave, PlannedSplit, PlannedStep


def plan_as_text(plan: Plan) -> str:
    """Describe a plan in lines; nodes that differ only in their inputs are described once."""
    lines = [
        f"plan {plan.recipe}: {len(plan.nodes)} node{'s' * (len(plan.nodes) != 1)}, context {plan.context or 'none'}"
    ]
    described: dict[str, str] = {}
    for node in plan.nodes:
        body = "\n".join(_node_lines(node))
        lines.append("")
        lines += _heading(node)
        same = described.get(body)
        if same:
            lines.append(f"  as {same}")
        else:
            described[body] = node.id
            lines.append(body)
    lines += _problems(plan)
    return "\n".join(lines)


def _heading(node: Node) -> list[str]:
    lines = [f"{node.id}"]
    for role, sources in node.inputs.items():
        names = [source.label for source in sources]
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        lines.append(f"  {role}: {shown}")
    if node.state_from:
        lines.append(f"  state from {node.state_from}")
    if node.peak_bytes:
        lines.append(f"  memory at peak: about {human_size(node.peak_bytes)}")
    return lines


def _node_lines(node: Node) -> list[str]:
    lines = [line for entry in node.entries for line in _entry_lines(entry, "  ")]
    steps = [step for step in node.steps() if step.runs]
    saved = [suffix if isinstance(suffix, str) else "/".join(suffix.values()) for suffix in node.saves.values()]
    saved += [name for step in steps for name in step.saves]
    lines.append(f"  saves: {', '.join(dict.fromkeys(saved)) or 'nothing'}")
    if perhaps := dict.fromkeys(f"{name} ({step.label})" for step in steps for name in step.may_save):
        lines.append(f"  may also save: {', '.join(perhaps)}")
    return lines


def _entry_lines(entry: PlannedEntry, indent: str) -> Iterator[str]:
    if isinstance(entry, PlannedStep):
        yield from _step_lines(entry, indent)
    elif isinstance(entry, PlannedSplit):
        yield f"{indent}split {entry.on}:"
        yield from _step_lines(entry.by, indent + "  ")
        for name, steps in entry.branches.items():
            yield f"{indent}  {name}:"
            for step in steps:
                yield from _step_lines(step, indent + "    ")
        yield from _step_lines(entry.merge, indent + "  ")
    elif isinstance(entry, PlannedForEach):
        yield f"{indent}for each item of {entry.source.label} (known at run time):"
        yield from _step_lines(entry.source, indent + "  ")
        for step in entry.steps:
            yield from _step_lines(step, indent + "  ")
    elif isinstance(entry, PlannedSave):
        yield f"{indent}save {entry.stream} as {entry.suffix}"


def log_line(planned: PlannedStep, seconds: float, counts: Mapping[str, float]) -> str:
    """Compose the one log line of a step: label, who did it, time, references, counts."""
    plugin = planned.implementation.split(":")[0]
    references = " ".join(f"{kind}={getattr(r, 'name', 'N/A')}" for kind, r in planned.references.items())
    figures = " ".join(f"{name}={value:g}" for name, value in counts.items())
    return f"{planned.label:<20} {plugin} {planned.version:<7} {seconds:6.2f} s  {references} {figures}".rstrip()


def _step_lines(step: PlannedStep, indent: str) -> Iterator[str]:
    if step.action == REFUSED:
        yield f"{indent}! {step.label:<20} {step.reason}"
        return
    if not step.runs:
        yield f"{indent}- {step.label:<20} skip: {step.reason}"
        return
    changed = [
        f"{name}={value} ({step.origins[name]})"
        for name, value in step.params.items()
        if step.origins.get(name, "default") != "default"
    ]
    references = [f"{kind}={getattr(found, 'name', 'N/A')}" for kind, found in step.references.items()]
    detail = "  ".join([*references, *changed, *(f"wrapped by {key}" for key in step.wrappers)])
    yield f"{indent}+ {step.label:<20} {step.implementation} {step.version}  {detail}".rstrip()
    for callee in step.calls:
        yield from _step_lines(callee, indent + "    ")


def _problems(plan: Plan) -> list[str]:
    lines = [f"note: {remark}" for remark in plan.remarks]
    for name, error in plan.broken_plugins.items():
        lines.append(f"plugin {name} is broken and was left out: {error}")
    for (text, cure), found in grouped_problems(plan).items():
        labels, nodes = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
        where = nodes[0] if len(nodes) == 1 else f"{len(nodes)} nodes"
        lines.append(f"cannot run: {', '.join(labels)}: {text} [{where}] — {cure}")
    return ["", *lines] if lines else []


def grouped_problems(plan: Plan) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Sort problems by text and cure, the worst first, each with the labels and nodes that it stops."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for problem in sorted(plan.problems, key=lambda problem: -problem.exit_code):
        found.setdefault((problem.text, problem.cure), []).append((problem.label, problem.node))
    return found


def human_size(count: float) -> str:
    """Write a number of bytes with a unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.{1 if unit == 'GB' else 0}f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
