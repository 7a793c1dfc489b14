"""A product is made again of what it was made of, or not at all."""

import sys

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from jwcore import models, planner
from jwcore.cli import root
from jwcore.errors import MissingReference
from jwcore.models import history
from jwcore.plugins import Plugins, Selection
from jwcore.replay import replay
from jwcore.testing import tiny_image

from .conftest import SHAPES

CALLED = "jw00001001001_02101_00001_nrca1"


@pytest.fixture(autouse=True)
def _no_crds(monkeypatch):
    monkeypatch.delenv("CRDS_PATH", raising=False)
    monkeypatch.delenv("CRDS_CONTEXT", raising=False)


def flat_file(path, level=2.0):
    cards = {"REFTYPE": "FLAT", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", "FILTER": "F200W", "PUPIL": "CLEAR",
             "USEAFTER": "2020-01-01T00:00:00"}  # fmt: skip
    planes = [fits.ImageHDU(np.full((32, 32), value, "f4"), name=name) for name, value in (("SCI", level), ("ERR", 0))]
    path.parent.mkdir(exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(header=fits.Header(cards)), *planes]).writeto(path, overwrite=True)
    return path


@pytest.fixture
def made(tmp_path):
    """Run a stage on a tiny image; give the path of the product."""
    models.write(tiny_image(), tmp_path / f"{CALLED}_rate.fits")

    def make(recipe="flat_field", **options):
        options.setdefault("references", "none")
        plan = planner.plan(tmp_path / f"{CALLED}_rate.fits", recipe, output_dir=tmp_path / "out", **options)
        return plan.run().paths()[0]

    return make


def assert_made_again(product, folder, **options):
    (again,) = replay(product, output_dir=folder / "again", **options).run().paths()
    old, new = models.read(product), models.read(again)
    np.testing.assert_array_equal(old.data, new.data)
    for keyword in ("R_FLAT", "S_FLAT", "CRDS_CTX"):
        assert old.meta.keyword(keyword) == new.meta.keyword(keyword)
    return new


def test_a_file_that_the_user_named_is_used_again(made, tmp_path):
    product = made(overrides={"flat": str(flat_file(tmp_path / "mine.fits"))})
    assert assert_made_again(product, tmp_path).meta.keyword("R_FLAT").endswith("mine.fits")


def test_a_folder_of_references_is_used_again(made, tmp_path):
    flat_file(tmp_path / "refs" / "flat_a.fits")
    product = made(references=str(tmp_path / "refs"))
    flat_file(tmp_path / "refs" / "flat_b.fits", level=4.0)  # this one would be chosen now
    assert assert_made_again(product, tmp_path).meta.keyword("CRDS_CTX") == "refs"


def test_a_type_that_was_not_applicable_is_so_again(made, tmp_path):
    product = made(overrides={"flat": "N/A"})
    assert assert_made_again(product, tmp_path).meta.keyword("S_FLAT") == "SKIPPED"


@pytest.mark.parametrize("what", ["gone", "changed"])
def test_a_recorded_file_that_is_not_what_it_was_is_an_error_with_its_cure(made, tmp_path, what):
    mine = flat_file(tmp_path / "mine.fits")
    product = made(overrides={"flat": str(mine)})
    moved = mine.rename(tmp_path / "moved.fits")
    if what == "changed":
        flat_file(mine, level=3.0)
    with pytest.raises(MissingReference) as error:
        replay(product, output_dir=tmp_path / "again").run()
    assert ("mine.fits is not at" if what == "gone" else "mine.fits has changed since") in str(error.value)
    assert "--override flat=FILE" in str(error.value)
    (again,) = replay(product, output_dir=tmp_path / "again", overrides={"flat": str(moved)}).run().paths()
    np.testing.assert_array_equal(models.read(again).data, models.read(product).data)


def test_the_command_reruns_quietly_with_another_file(made, tmp_path):
    mine = flat_file(tmp_path / "mine.fits")
    product = made(overrides={"flat": str(mine)})
    words = [
        "rerun",
        str(product),
        "-o",
        str(tmp_path / "again"),
        "-q",
        "--override",
        f"flat={mine.rename(tmp_path / 'm.fits')}",
    ]
    answer = CliRunner().invoke(root, words)
    assert (answer.exit_code, answer.output) == (0, "")
    assert (tmp_path / "again" / product.name).exists()


def test_resume_notices_that_a_reference_changed(made, tmp_path):
    mine = flat_file(tmp_path / "mine.fits")
    options = {"overrides": {"flat": str(mine)}, "resume": True}
    first = models.read(made(**options)).data
    made(**options)
    flat_file(mine, level=4.0)
    good = np.isfinite(first)
    np.testing.assert_allclose(models.read(made(**options)).data[good], first[good] / 2, rtol=1e-6)


def test_references_can_be_chosen_anew(made, tmp_path):
    product = made(overrides={"flat": str(flat_file(tmp_path / "mine.fits"))})
    flat_file(tmp_path / "refs" / "flat_b.fits", level=4.0)
    (again,) = replay(product, output_dir=tmp_path / "again", references=str(tmp_path / "refs")).run().paths()
    assert models.read(again).meta.keyword("R_FLAT") == str(tmp_path / "refs" / "flat_b.fits")


def test_what_a_settings_file_switched_off_stays_off(image, toy_plan, tmp_path):
    models.write(image(), tmp_path / "x_rate.fits")
    (tmp_path / "my.toml").write_text("[second]\nskip = true\n")
    toy_plan(tmp_path / "x_rate.fits", "toy_twice", config=tmp_path / "my.toml", output_dir=tmp_path).run()
    replay(tmp_path / "x_twice.fits", output_dir=tmp_path / "again").run()
    np.testing.assert_array_equal(models.read(tmp_path / "again" / "x_twice.fits").data, image().data + 3)


def test_a_run_from_the_middle_begins_there_again(image, toy_plan, tmp_path):
    models.write(image(), tmp_path / "x_rate.fits")
    toy_plan(tmp_path / "x_rate.fits", "toy_twice", start="second", output_dir=tmp_path).run()
    replay(tmp_path / "x_twice.fits", output_dir=tmp_path / "again").run()
    np.testing.assert_array_equal(models.read(tmp_path / "again" / "x_twice.fits").data, image().data + 1)


# ---------------------------------------------------------------- the code of a package
PACKAGE = {
    "__init__.py": "from jwcal_ghost.steps import mine, watch\n",
    "steps.py": "from jwcore import api\n\nFACTOR = 2\n\n\n@api.step(stage='toy_add')\ndef mine(exposure):\n"
    "    exposure.data *= FACTOR\n    return exposure\n\n\n"
    "@api.wrapper(stage='toy_photom')\ndef watch(exposure):\n    return (yield)\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write a package that brings a step and a wrapper; give a function that changes its source."""
    folder = tmp_path / "site" / "jwcal_ghost"
    folder.mkdir(parents=True)
    for name, text in PACKAGE.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(folder.parent))
    for name in ("jwcal_ghost", "jwcal_ghost.steps"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return lambda: (folder / "steps.py").write_text(PACKAGE["steps.py"].replace("FACTOR = 2", "FACTOR = 9"))


@pytest.mark.parametrize("stage", ["toy_add", "toy_photom"], ids=["step", "wrapper"])
def test_resume_and_record_notice_that_the_source_of_a_package_changed(package, image, toy_plan, tmp_path, stage):
    models.write(image(), tmp_path / "x_rate.fits")

    def run():
        options = {
            "plugins": (SHAPES, "jwcal_ghost"),
            "use": {"toy_add": "jwcal_ghost"},
            "output_dir": tmp_path / "out",
        }
        result = toy_plan(tmp_path / "x_rate.fits", stage, resume=True, **options).run()
        (path,) = result.paths()
        ((_, settings),) = history.runs(models.read(path).provenance)
        return next(iter(result.outcomes.values())).reused, settings["plugins"]["jwcal_ghost"]["sha256"], path

    first, again = run(), run()
    assert (first[0], again[0]) == (False, True)
    package()
    changed = run()
    assert not changed[0]
    assert len({first[1], changed[1]}) == 2


def test_rerun_tells_that_the_source_of_a_package_changed(package, image, toy_plan, tmp_path):
    models.write(image(), tmp_path / "x_rate.fits")
    options = {"plugins": (SHAPES, "jwcal_ghost"), "use": {"toy_add": "jwcal_ghost"}, "output_dir": tmp_path / "out"}
    (product,) = toy_plan(tmp_path / "x_rate.fits", "toy_add", **options).run().paths()
    assert replay(product, output_dir=tmp_path / "again").remarks == []
    package()
    (remark,) = replay(product, output_dir=tmp_path / "again").remarks
    assert "plugin jwcal_ghost is other code now than when the product was made" in remark


def test_the_code_of_every_installed_plugin_has_a_digest():
    loaded = Plugins(Selection())
    digests = {plugin.source_hash for plugin in loaded.plugins.values()}
    assert len(digests) == len(loaded.plugins)
