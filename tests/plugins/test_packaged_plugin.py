"""A plugin made from the template, installed as a package, seen in plan, product and explain."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from jwcore import models
from jwcore.testing import tiny_image

SKIPS = ("assign_wcs", "flat_field", "photom", "resample")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Make jwcal-demoplug from the template and install it into a folder of its own."""
    folder = tmp_path_factory.mktemp("plugin")
    jwcal(["new-plugin", "demoplug", "-o", str(folder)], {})
    site = folder / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(site), str(folder / "jwcal-demoplug")], check=True, capture_output=True)
    return folder, {"PYTHONPATH": str(site)}


def jwcal(words, environment):
    code = "import sys; from jwcore.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, env=os.environ | environment
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def run(path, out, environment, *words):
    skips = [word for step in SKIPS for word in ("--skip", step)]
    done = jwcal(["run", "image2", str(path), "-o", str(out), "--references", "none", *skips, *words], environment)
    assert done.returncode == 0, done.stderr
    return models.read(out / "x_cal.fits")


def test_installed_but_unnamed_it_changes_nothing(installed, tmp_path):
    _, environment = installed
    models.write(tiny_image(), tmp_path / "x_rate.fits")
    plain = run(tmp_path / "x_rate.fits", tmp_path / "plain", {})
    unnamed = run(tmp_path / "x_rate.fits", tmp_path / "unnamed", environment)
    for name in plain.arrays():
        np.testing.assert_array_equal(getattr(unnamed, name), getattr(plain, name))
    assert "demoplug" not in json.dumps(unnamed.provenance)


def test_named_it_adds_its_stage_and_shows_everywhere(installed, tmp_path):
    _, environment = installed
    models.write(tiny_image(), tmp_path / "x_rate.fits")
    plan = jwcal(
        ["plan", "image2", str(tmp_path / "x_rate.fits"), "-p", "demoplug", "--references", "none"], environment
    )
    lines = plan.stdout.splitlines()
    where = next(n for n, line in enumerate(lines) if "demoplug:demoplug_pedestal" in line)
    assert "flat_field" in lines[where - 1]
    product = run(tmp_path / "x_rate.fits", tmp_path / "named", environment, "-p", "demoplug")
    assert abs(np.median(product.data[product.dq == 0])) < 1e-4
    story = jwcal(["explain", str(tmp_path / "named" / "x_cal.fits")], environment).stdout
    assert "demoplug:demoplug_pedestal 0.1.0" in story
    assert "plugin demoplug 0.1.0  jwcal-demoplug" in story


def test_its_own_tests_and_the_check_pass(installed):
    folder, environment = installed
    assert jwcal(["check", "demoplug"], environment).returncode == 0
    tests = folder / "jwcal-demoplug" / "tests"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_it_is_listed_as_a_third_party(installed):
    _, environment = installed
    assert "demoplug" in next(
        line for line in jwcal(["plugins"], environment).stdout.splitlines() if "acts when named" in line
    )


def test_a_bad_name_and_an_existing_folder_are_refused(installed):
    folder, _ = installed
    assert "lower-case" in jwcal(["new-plugin", "Bad Name"], {}).stderr
    assert "exists already" in jwcal(["new-plugin", "demoplug", "-o", str(folder)], {}).stderr
    for taken in ("nircam", "builtin"):  # a package of this name would replace the one that is installed
        refused = jwcal(["new-plugin", taken, "-o", str(folder / "new")], {})
        assert (refused.returncode, f"there is a plugin {taken} already — choose another name" in refused.stderr) == (
            2,
            True,
        )
    assert not (folder / "new").exists()
