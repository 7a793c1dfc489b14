"""Options that several verbs share, and their translation into a plan request."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from typing import Any

import click

from jwcore.errors import UsageError

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def plan_options(function: Callable) -> Callable:
    """Add the options with which a run is planned."""
    options = [
        click.option("-o", "--output-dir", metavar="DIR", default=".", show_default=True, help="Folder for products."),
        click.option("-c", "--config", metavar="FILE", help="TOML file with a table of parameters per step."),
        click.option("-s", "--set", "settings", multiple=True, metavar="STEP.PARAM=VALUE", help="Set a parameter."),
        click.option("--skip", multiple=True, metavar="STEP", help="Leave a step out."),
        click.option("--save", multiple=True, metavar="STEP", help="Write the result of a step."),
        click.option("--from", "start", metavar="STEP", help="Start at this step; what comes before is done."),
        click.option("--to", metavar="PRODUCT", help="Where auto stops: rate, cal, i2d ..."),
        click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN", help="Name a plugin or file; no:X blocks."),
        click.option("--use", multiple=True, metavar="STAGE=PLUGIN", help="Choose an implementation."),
        click.option("--references", metavar="DIR|crds|none", help="Where references come from (default crds)."),
        click.option("--override", "overrides", multiple=True, metavar="TYPE=FILE", help="Use this reference file."),
        click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Exposures side by side."),
        click.option("--executor", metavar="NAME", help="serial or processes (default: by -j)."),
        click.option("--max-memory", metavar="SIZE", help="Keep under this, e.g. 4G."),
        click.option("--resume", is_flag=True, help="Keep products that are up to date."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def plan_request(options: dict[str, Any]) -> dict[str, Any]:
    """Translate command-line options into arguments of :func:`jwcore.planner.plan`."""
    jobs = options["jobs"]
    return {
        "to": options["to"],
        "params": parse_settings(options["settings"]),
        "config": options["config"],
        "skip": options["skip"],
        "save": options["save"],
        "start": options["start"],
        "plugins": options["plugins"],
        "use": parse_pairs(options["use"], "--use", "STAGE=PLUGIN"),
        "references": options["references"],
        "overrides": parse_pairs(options["overrides"], "--override", "TYPE=FILE"),
        "output_dir": options["output_dir"],
        "jobs": jobs,
        "executor": options["executor"] or ("processes" if jobs > 1 else "serial"),
        "max_memory": parse_size(options["max_memory"]),
        "resume": options["resume"],
        "command": shlex.join(["jwcal", *sys.argv[1:]]),
    }


def parse_settings(settings: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Turn ``step.param=value`` words into a mapping of label to values."""
    found: dict[str, dict[str, str]] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        label, dot, parameter = name.rpartition(".")
        if not (equals and dot and label.strip() and parameter.strip()):
            raise UsageError(f"cannot read '{setting}'", where="-s", cure="write -s step.param=value")
        found.setdefault(label.strip(), {})[parameter.strip()] = value.strip()
    return found


def parse_pairs(words: tuple[str, ...], option: str, form: str) -> dict[str, str]:
    """Turn ``A=B`` words into a mapping."""
    pairs = {}
    for word in words:
        left, equals, right = word.partition("=")
        if not equals or not left or not right:
            raise UsageError(f"cannot read '{word}'", where=option, cure=f"write {option} {form}")
        pairs[left.strip()] = right.strip()
    return pairs


def parse_size(text: str | None) -> int | None:
    """Read a number of bytes such as ``4G`` or ``500M``."""
    if text is None:
        return None
    from jwcore import memory

    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?\s*", text.upper())
    if match is None or float(match[1]) == 0:
        raise UsageError(f"cannot read the size '{text}'", where="--max-memory", cure="write it like 4G or 500M")
    size = int(float(match[1]) * UNITS[match[2]])
    least = memory.LIBRARIES + memory.COMPILING
    if size < least:
        cure = f"give {least // 10**6}M or more; what the exposures need, the plan tells"
        raise UsageError(f"the program alone needs more than {text}", where="--max-memory", cure=cure)
    return size
