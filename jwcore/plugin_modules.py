"""The modules of plugins: reading them, checking what they declare, and saying in one line what is wrong with them."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from pathlib import Path

from jwcore.declare import STEP_MARK, WRAPPER_MARK, Stage
from jwcore.errors import JwcalError, PluginError, UsageError
from jwcore.params import nearest

API_VERSION = "1.0"


def marked(module: types.ModuleType) -> list[tuple[str, Callable]]:
    """Steps and wrappers of a plugin: those in the module itself and in what it lists in ``STEPS``."""
    listed = [*vars(module).values(), *getattr(module, "STEPS", ())]
    functions = {id(f): f for f in listed if hasattr(f, STEP_MARK) or hasattr(f, WRAPPER_MARK)}
    return [(function.__name__, function) for function in functions.values()]


def check_stage(attribute: str, function: Callable, wanted: str, *, stages: Mapping[str, Stage]) -> None:
    """Refuse a step or wrapper of a stage that does not exist, or one that asks for what its stage does not offer."""
    if wanted not in stages:
        raise PluginError(f"{attribute} implements an unknown stage '{wanted}'", cure=nearest(wanted, stages))
    stage = stages[wanted]
    for name in inspect.signature(function).parameters:
        if name not in stage.arguments:
            offered = ", ".join(stage.arguments)
            raise PluginError(
                f"{attribute} asks for the argument '{name}', which {stage.name} does not offer",
                cure=f"it offers {offered}",
            )


def check_api(module: types.ModuleType) -> None:
    """Refuse a plugin that was written for another major version of the plugin interface."""
    wanted = str(getattr(module, "JWCAL_API", API_VERSION))
    major, minor = (int(part) for part in (*wanted.split("."), "0")[:2])
    own_major, own_minor = (int(part) for part in API_VERSION.split("."))
    if major != own_major or minor > own_minor:
        raise PluginError(
            f"written for plugin interface {wanted}, this is {API_VERSION}",
            cure="update the plugin" if (major, minor) < (own_major, own_minor) else "update jwcal",
        )


def read_source(path: str) -> str:
    """Read a one-file plugin."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "not a text file")
        raise UsageError(f"cannot read plugin file {path}: {why}", cure="check the path") from None


def module_from_source(path: str, source: str, digest: str) -> types.ModuleType:
    """Make a module out of the source of a one-file plugin; equal sources share a name, so that pickles find it."""
    module = types.ModuleType(f"jwcal_file_{re.sub(r'[^0-9A-Za-z_]', '_', Path(path).stem)}_{digest[:8]}")
    module.__file__ = str(Path(path).resolve())
    sys.modules[module.__name__] = module  # dataclasses and pydantic look their module up by name
    exec(compile(source, path, "exec"), module.__dict__)
    return module


def one_line(error: BaseException, *, plugin: str) -> str:
    """Say what is wrong with a plugin and where: in its own file, or else wherever outside of the core it came up."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}: {(error.text or '').strip()} ({Path(error.filename or plugin).name}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if not f.filename.startswith((str(Path(__file__).parent), "<frozen"))]
    own = [f for f in outside if Path(f.filename).name == f"{plugin}.py"] or outside
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else None
    if isinstance(error, JwcalError):
        return str(type(error)(error.message, where=error.where or place, cure=error.cure))
    return " ".join(f"{type(error).__name__}: {error}".split()) + (f" ({place})" if place else "")
