"""Writes the generated pages: one for every stage, the index of stages, and the command line."""

import inspect
import os
import textwrap
from pathlib import Path

import click

from jwcore import errors
from jwcore.cli import VERBS, root
from jwcore.params import describe
from jwcore.plugins import Plugins, Selection


def write_all(folder: Path) -> None:
    """Write all generated pages below ``folder``; third-party plugins stay out of them."""
    os.environ.pop("JWCAL_PLUGINS", None)
    plugins = Plugins(Selection())
    stages = folder / "stages"
    stages.mkdir(exist_ok=True)
    for name in plugins.stages:
        _write(stages / f"{name}.md", stage_page(plugins, name))
    _write(stages / "index.md", stage_index(plugins))
    _write(folder / "cli.md", command_page())


def stage_page(plugins: Plugins, name: str) -> str:
    """Describe one stage: contract, implementations, parameters."""
    stage = plugins.stages[name]
    signature = inspect.signature(stage.function)
    lines = [
        f"# {name}",
        "",
        "```python",
        f"def {name}{signature}",
        "```",
        "",
        inspect.getdoc(stage.function) or "",
        "",
    ]
    facts = [
        ("Status keyword", f"`cal_step.{stage.status}`" if stage.status else "none"),
        ("Suffix", f"`{stage.suffix}`"),
    ]
    if stage.gives:
        facts.append(("Gives", ", ".join(f"`{product}`" for product in stage.gives)))
    if stage.off_by_default:
        facts.append(("Runs", "only when switched on, or run alone by name"))
    lines += [f"{key}\n: {value}\n" for key, value in facts]
    found = plugins.implementations(name)
    if not found:
        lines += ["No implementation yet; `jwcal plan` says so where an exposure needs it.", ""]
    for one in found:
        lines += _implementation(one)
    return "\n".join(lines) + "\n"


def _implementation(one) -> list[str]:
    where = ", ".join(f"{key} = {' or '.join(values)}" for key, values in one.info.where.items()) or "any exposure"
    lines = [f"## {one.key}", "", inspect.getdoc(one.info.function) or "", "", f"Applies to\n: {where}", ""]
    needs = [f"`{kind}`" for kind in one.info.references] + [
        f"`{kind}` (optional)" for kind in one.info.optional_references
    ]
    lines += [f"References\n: {', '.join(needs) or 'none'}", "", f"Chunk\n: {_chunk(one.info)}", ""]
    if one.info.alternative:
        lines += [f"An alternative: choose it with `--use {one.info.stage}={one.key}`.", ""]
    lines += ["| parameter | type | default | unit | limits | meaning |", "|---|---|---|---|---|---|"]
    for row in describe(one.info.params):
        cells = [f"`{row['name']}`", row["type"], f"`{row['default']}`", row["unit"], row["limits"], row["doc"]]
        lines.append("| " + " | ".join(str(cell).replace("|", "or") for cell in cells) + " |")
    return [*lines, ""]


def _chunk(info) -> str:
    """Say how small the pieces may be that a step works on; parameters may decide."""
    hedge = "" if isinstance(info.chunk, str) else ", with the default parameters"
    return f"`{info.chunk_for(info.params())}`{hedge}"


def stage_index(plugins: Plugins) -> str:
    """List all stages in processing order."""
    lines = [
        "# Stages",
        "",
        "Every place of a recipe has a stage: a documented contract that any plugin can implement.",
        "",
    ]
    lines += ["| stage | what it does | implemented by |", "|---|---|---|"]
    for name, stage in plugins.stages.items():
        who = ", ".join(f"`{one.key}`" for one in plugins.implementations(name)) or "nobody yet"
        lines.append(f"| [{name}]({name}.md) | {stage.summary} | {who} |")
    lines += ["", "```{toctree}", ":hidden:", "", *plugins.stages, "```"]
    return "\n".join(lines) + "\n"


def command_page() -> str:
    """Print the help of all verbs."""
    lines = ["# Command line", "", "```text", help_of(root, "jwcal"), "```", ""]
    for verb in VERBS:
        command = root.get_command(click.Context(root), verb)
        lines += [f"## jwcal {verb}", "", "```text", help_of(command, f"jwcal {verb}"), "```", ""]
    return "\n".join([*lines, *exit_codes()]) + "\n"


def exit_codes() -> list[str]:
    """Tell what each exit code means, in the words of the errors that carry it."""
    meanings = {0: "Done."} | {kind.exit_code: inspect.getdoc(kind) for kind in errors.JwcalError.__subclasses__()}
    meanings |= {130: "Stopped by Ctrl-C; finished products are complete, nothing half-written is left."}
    meanings |= {143: "The same by the signal TERM, as batch systems send it; 129 when the terminal was closed."}
    rows = [f"| {code} | {meaning} |" for code, meaning in sorted(meanings.items())]
    return ["## Exit codes", "", "| code | meaning |", "|---|---|", *rows]


def help_of(command: click.Command, name: str) -> str:
    """Format the help of a command as the terminal shows it."""
    with click.Context(command, info_name=name, max_content_width=100) as context:
        return textwrap.dedent(command.get_help(context))


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
