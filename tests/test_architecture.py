"""The rules of the architecture page, each enforced by a test."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "jwcore"
FRAMEWORK_LIMIT = 4000
MODULE_LIMIT = 600
OUTSIDE_THE_FRAMEWORK = ("algorithms", "builtin", "associations", "synth", "report", "testing")
EXPOSURE_TYPE = re.compile(r"""["'](NRC|MIR|NIS|NRS|FGS)_[A-Z0-9-]+["']""")
DETECTOR = re.compile(r"""["'](NRC[AB](?:[1-4]|LONG)|MIRIMAGE|MIRIFU(?:LONG|SHORT)|NRS[12]|NIS|GUIDER[12])["']""")


def modules(*folders):
    return [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]


def imports_of(path, *, top_level=False):
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else ast.walk(tree)
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found += [f"{node.module}.{a.name}" for a in node.names] if node.module == "jwcore" else [node.module]
    return found


def ours(path):
    return [name for name in imports_of(path) if name.split(".")[0] == "jwcore" or name.startswith("jwcal_")]


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", modules(CORE / "algorithms"), ids=relative)
def test_algorithms_import_nothing_of_ours(path):
    assert [name for name in ours(path) if not name.startswith("jwcore.algorithms")] == []


@pytest.mark.parametrize("path", [*modules(CORE / "models"), CORE / "params.py", CORE / "errors.py"], ids=relative)
def test_models_params_and_errors_import_no_framework_module(path):
    allowed = ("jwcore.models", "jwcore.errors", "jwcore.algorithms")
    assert [name for name in ours(path) if not name.startswith(allowed)] == []


@pytest.mark.parametrize("path", modules(CORE / "builtin"), ids=relative)
def test_builtin_has_the_powers_of_a_third_party(path):
    assert [n for n in ours(path) if not n.startswith(("jwcore.api", "jwcore.algorithms", "jwcore.builtin"))] == []


@pytest.mark.parametrize("path", modules(ROOT / "plugins"), ids=relative)
def test_plugins_import_only_the_api_and_the_algorithms(path):
    own = next(part for part in path.parts if part.startswith("jwcal_"))
    assert [n for n in ours(path) if not n.startswith(("jwcore.api", "jwcore.algorithms", own))] == []


@pytest.mark.parametrize("path", modules(CORE), ids=relative)
def test_the_core_imports_no_plugin(path):
    assert [name for name in imports_of(path) if name.startswith("jwcal_")] == []


@pytest.mark.parametrize("path", modules(CORE), ids=relative)
def test_instrument_knowledge_lives_in_plugins(path):
    if any(room in path.parts for room in ("synth", "testing", "dictionary")):
        pytest.skip("simulated instruments, test exposures and the keyword dictionary name instruments")
    source = path.read_text()
    docstrings = [ast.get_docstring(n, clean=False) for n in ast.walk(ast.parse(source))
                  if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef))]  # fmt: skip
    for text in filter(None, docstrings):
        source = source.replace(text, "")
    assert EXPOSURE_TYPE.findall(source) == []
    assert DETECTOR.findall(source) == []


@pytest.mark.parametrize("path", modules(CORE, ROOT / "plugins"), ids=relative)
def test_modules_stay_short(path):
    assert len(path.read_text().splitlines()) <= MODULE_LIMIT


def test_the_framework_stays_small():
    """The machinery that decides and runs; models and references, which read and write files, have a budget of their own."""
    machinery = [
        p
        for p in modules(CORE)
        if not any(room in p.parts for room in (*OUTSIDE_THE_FRAMEWORK, "models", "references"))
    ]
    assert _code_lines(machinery) < FRAMEWORK_LIMIT
    assert _code_lines(modules(CORE / "models", CORE / "references")) < FRAMEWORK_LIMIT


def _code_lines(paths):
    """Lines that hold code: without blank lines, comments and docstrings."""
    total = 0
    for path in paths:
        if "dictionary" in path.parts:
            continue  # data
        tree = ast.parse(path.read_text())
        doc = set()
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                first = node.body[0]
                doc |= set(range(first.lineno, first.end_lineno + 1))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            total += bool(line.strip()) and not line.strip().startswith("#") and number not in doc
    return total


@pytest.mark.parametrize("path", modules(CORE), ids=relative)
def test_no_global_state(path):
    tree = ast.parse(path.read_text())
    assert [node for node in ast.walk(tree) if isinstance(node, ast.Global)] == []
    bases = [ast.unparse(k.value) for n in ast.walk(tree) if isinstance(n, ast.ClassDef) for k in n.keywords]
    assert [base for base in bases if base != "ABCMeta"] == [], "no metaclasses"


def loaded_after(code):
    report = "\nimport sys; print('|'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split("|"))


def test_the_api_is_lazy():
    assert "numpy" not in loaded_after("import jwcore.api")


def test_help_and_plugins_read_metadata_only():
    code = "from click.testing import CliRunner; from jwcore.cli import root; CliRunner().invoke(root, [{!r}])"
    for verb in ("--help", "plugins"):
        assert not {"numpy", "pydantic", "astropy", "pluggy"} & loaded_after(code.format(verb))


def test_planning_loads_nothing_heavy(tmp_path):
    code = f"""
import numpy as np
from jwcore import models, planner
from jwcore.testing import tiny_image
models.write(tiny_image(), {str(tmp_path / "x_rate.fits")!r})
planner.plan({str(tmp_path / "x_rate.fits")!r}, "image2", references="none")
"""
    heavy = {"numba", "gwcs", "photutils", "asdf", "tweakwcs", "drizzle", "scipy"}
    assert not heavy & loaded_after(code)


def test_the_repository_speaks_of_the_project_alone():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "uv.lock" not in files
