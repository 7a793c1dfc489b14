"""The modules of plugins: reading them, checking what they declare, and saying in one line what is wrong with them."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path

from jwcore import declare
from jwcore.declare import STEP_MARK, WRAPPER_MARK, Stage, StepInfo, WrapperInfo
from jwcore.errors import JwcalError, PluginError, UsageError
from jwcore.models.keywords import KEYWORDS
from jwcore.params import nearest

API_VERSION = "1.0"
KEYWORD_NAMES = frozenset(keyword.name for keyword in KEYWORDS)


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


def check_keywords(attribute: str, info: StepInfo | WrapperInfo) -> None:
    """Refuse keywords that do not exist: with a misspelt one a step would never apply, and nobody would notice."""
    for keyword in (*info.where, *getattr(info, "needs", ()), *getattr(info, "sets", ())):
        if keyword.upper() not in KEYWORD_NAMES:
            near = get_close_matches(keyword.upper(), KEYWORD_NAMES, n=1)
            cure = f"did you mean '{near[0]}'?" if near else "name a keyword of the dictionary"
            raise PluginError(f"{attribute} names the keyword {keyword}, which does not exist", cure=cure)


def check_api(module: types.ModuleType) -> None:
    """Refuse a plugin that was written for another major version of the plugin interface."""
    wanted = str(getattr(module, "JWCAL_API", API_VERSION))
    if not re.fullmatch(r"\d+(\.\d+)*", wanted):
        raise PluginError(f"JWCAL_API = '{wanted}' is no version", cure=f'write JWCAL_API = "{API_VERSION}"')
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
    _check_twice(ast.parse(source, path))
    sys.modules[module.__name__] = module  # dataclasses and pydantic look their module up by name
    exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    return module


def _check_twice(tree: ast.Module) -> None:
    """Refuse a second step of the same function name, which would silently take the place of the first."""
    functions = [(f.name, map(ast.unparse, f.decorator_list)) for f in tree.body if isinstance(f, ast.FunctionDef)]
    names = [name for name, decorators in functions if re.search(r"\b(step|wrapper)\(", " ".join(decorators))]
    if twice := {name for name in names if names.count(name) > 1}:
        raise PluginError(
            f"there are two functions {min(twice)}", cure="rename one; the name of a step's function is free"
        )


def code_digest(module: types.ModuleType | None) -> str:
    """Digest of all source files of a module; empty for a namespace, which has no code of its own."""
    digest = hashlib.sha256()
    files = source_files(module)
    for name, path in files.items():
        digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest() if files else ""


def source_files(module: types.ModuleType | None) -> dict[str, Path]:
    """Find all source files of the outermost package that a module belongs to, or its one file, by name in it."""
    if not (file := getattr(module, "__file__", None)):
        return {}
    root = Path(file)
    while (root.parent / "__init__.py").is_file():
        root = root.parent
    return {str(path.relative_to(root)): path for path in sorted([root] if root.is_file() else root.rglob("*.py"))}


def one_line(error: BaseException, *, plugin: str) -> str:
    """Say what is wrong with a plugin and where: in its own file, or else wherever outside of the core it came up."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}: {(error.text or '').strip()} ({Path(error.filename or plugin).name}:{error.lineno})"
    if untyped := re.search(r"(?:Field '|detected: `)(\w+)", str(error)) if "type annotation" in str(error) else None:
        return f"the parameter {untyped[1]} has no type: write {untyped[1]}: float = ..., or whatever it is"
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if not f.filename.startswith((str(Path(__file__).parent), "<frozen"))]
    own = [f for f in outside if Path(f.filename).name == f"{plugin}.py"] or outside
    text = f"{type(error).__name__}: {error}"
    if misspelt := re.search(r"\b(step|stage|wrapper)\(\) got an unexpected keyword argument '(\w+)'", text):
        text += f"; {nearest(misspelt[2], inspect.signature(getattr(declare, misspelt[1])).parameters)}"
    where = place(own[-1].filename, own[-1].lineno) if own else None
    if isinstance(error, JwcalError):
        return str(type(error)(error.message, where=error.where or where, cure=error.cure))
    return " ".join(text.split()) + (f" ({where})" if where else "")


def place(file: str, line: int | None) -> str:
    """Name a line of a plugin, in a file that many packages have with its folder."""
    path = Path(file)
    return f"{path.parent.name}/{path.name}:{line}" if path.name == "__init__.py" else f"{path.name}:{line}"
