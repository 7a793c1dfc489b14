"""What people read on the terminal: one line for a mistake, several products explained, sizes that cannot be."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from jwcore import errors, models
from jwcore.cli import root, terminal
from jwcore.errors import UsageError
from jwcore.params import nearest
from jwcore.replay import replay
from jwcore.testing import tiny_image
from tests.contract.conftest import SHAPES
from tests.contract.test_accidents import jwcal, last_line


def answer(*words):
    return CliRunner().invoke(root, [str(word) for word in words])


@pytest.fixture
def products(image, toy_plan, tmp_path):
    inputs = [models.write(image(f"{name}_rate.fits"), tmp_path / f"{name}_rate.fits") for name in ("a", "b")]
    toy_plan(inputs, "toy_add", output_dir=tmp_path).run()
    return sorted(tmp_path.glob("*_added.fits"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run"], "error: Missing argument 'WHAT' — see jwcal run --help"),
        (["run", "--referenes", "x"], "Did you mean '--references'? — see jwcal run --help"),
        (["simulate", "--ngroups", "x"], "is not a valid integer range — see jwcal simulate --help"),
        (["run", "toy_add", "x.fits", "--max-memory", "1k"], "[--max-memory] — give 350M or more"),
        (["simulate", "--subarray", "sub160", "--ngroups", "100000000"], "GB of memory, and there are"),
        (["simulate", "--subarray", "sub160", "--pointing-error", "nan"], "give 0 to 60000 mas"),
    ],
)
def test_a_mistake_is_one_line_with_its_cure(words, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = jwcal(*words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert expected in last_line(done)


def test_the_help_names_the_exit_codes_of_all_errors():
    line = next(line for line in answer("--help").output.splitlines() if "Exit codes" in line)
    codes = {int(code) for code in re.findall(r"\d+", line)}
    assert codes == {0, 130, *(kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code"))}


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("spec2", ["ipc", "image2"], "known: image2, ipc"),
        ("wisps", ["niriss", "nircam"], "known: nircam, niriss"),
        ("image", ["image2", "image3", "jump"], "did you mean 'image2' or 'image3'?"),
        ("catalog", ["source_catalog", "jump"], "did you mean 'source_catalog'?"),
        ("jmp", ["ipc", "jump"], "did you mean 'jump'?"),
    ],
)
def test_only_names_that_are_near_are_suggested(name, known, expected):
    assert nearest(name, known) == expected


def test_long_lines_hang_under_their_column_on_a_terminal_only(monkeypatch):
    line = "  + saturation           builtin:saturation 0.1.0  saturation=jwst_nircam_saturation_0001.fits"
    assert terminal.hanging(line) == line
    monkeypatch.setattr(sys, "stdout", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((60, 20)))
    first, second = terminal.hanging(line).splitlines()
    assert (first.index("builtin"), second) == (25, " " * 25 + "saturation=jwst_nircam_saturation_0001.fits")


def test_several_products_are_explained_at_once(products):
    output = answer("explain", *products).output
    assert all(str(product) in output for product in products)
    assert output.count("toy_add of") == 2
    assert set(json.loads(answer("explain", "--json", *products).output)) == {str(product) for product in products}


def test_a_foreign_file_is_named(tmp_path):
    path = models.write(tiny_image(), tmp_path / "x_rate.fits")
    assert answer("explain", path).output.splitlines() == [
        str(path),
        "no record of jwcal: another program made this file",
    ]


def test_rerun_finds_inputs_beside_the_product(products, tmp_path, monkeypatch):
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in tmp_path.glob("a_*.fits"):
        shutil.move(path, moved)
    again = replay(moved / "a_added.fits", output_dir=tmp_path / "again", references="none").run()
    assert again["added"].meta.filename == "a_added.fits"


def test_lines_of_exposures_side_by_side_say_whose_they_are(tmp_path):
    inputs = [
        models.write(tiny_image(), tmp_path / f"jw00001001001_02101_0000{number}_nrca1_rate.fits") for number in (1, 2)
    ]
    done = jwcal("run", "toy_add", *inputs, "-p", SHAPES, "-j", "2", "-o", tmp_path / "out", "--references", "none")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "toy_add " in line]
    assert sorted(line.split()[0] for line in lines) == ["00001_nrca1", "00002_nrca1"]


def test_an_association_of_stage_3_wants_a_name(tmp_path):
    path = models.write(tiny_image(), tmp_path / "x_cal.fits")
    refused = answer("asn", "from-list", path, "-o", tmp_path / "asn.json")
    assert isinstance(refused.exception, UsageError)
    assert "--product-name" in str(refused.exception)
    assert "stage 3" in answer("asn", "from-list", "--help").output
    assert answer("asn", "from-list", path, "-o", tmp_path / "asn.json", "--rule", "2").exit_code == 0


COMPILING = """
import logging; logging.basicConfig(level=logging.INFO, format="%(message)s")
from jwcore.algorithms._numba import numba
numba.njit(lambda x: x + 1)(1); numba.njit(lambda x: x + 2)(1)
"""


def test_a_compilation_is_announced_once(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COMPILING], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stderr.splitlines() == ["compiling the kernels (once; one to two minutes)"]
