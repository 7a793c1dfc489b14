"""The documentation says what the program does: generated pages are complete, and the plugin tutorial works."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jwcore import errors, models, planner
from jwcore.cli import VERBS
from jwcore.params import describe
from jwcore.plugins import Plugins, Selection
from jwcore.testing import ConformanceError, NotChecked, checks, tiny_image

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))

import generate  # noqa: E402


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.S)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    generate.write_all(folder)
    return folder


def test_every_stage_has_a_page_with_its_signature_and_contract(pages):
    for name, stage in Plugins(Selection()).stages.items():
        text = (pages / "stages" / f"{name}.md").read_text()
        assert f"def {name}(" in text
        assert stage.summary in text


def test_pages_print_no_address(pages):
    assert [
        page.name for page in (pages / "stages").iterdir() if re.search(r"<function| at 0x", page.read_text())
    ] == []


def test_every_parameter_is_documented_with_default_and_unit(pages):
    loaded = Plugins(Selection())
    for name in loaded.stages:
        text = (pages / "stages" / f"{name}.md").read_text()
        for one in loaded.implementations(name):
            for row in describe(one.info.params):
                line = next(line for line in text.splitlines() if line.startswith(f"| `{row['name']}`"))
                assert f"`{row['default']}`".replace("|", "or") in line
                assert row["unit"] in line
                assert row["doc"], f"{name}.{row['name']} says what it does"


def test_the_command_page_shows_every_verb(pages):
    text = (pages / "cli.md").read_text()
    for verb in VERBS:
        assert f"## jwcal {verb}" in text
        assert f"Usage: jwcal {verb}" in text


def test_help_fits_a_screen(pages):
    text = (pages / "cli.md").read_text()
    for help_text in re.findall(r"```text\n(.*?)```", text, flags=re.S):
        assert len(help_text.splitlines()) <= 50
        assert max(len(line) for line in help_text.splitlines()) <= 100


@pytest.fixture
def tutorial_plugin(tmp_path):
    def write(number):
        path = tmp_path / "my_flat.py"
        path.write_text(blocks("plugins.md")[number])
        return str(path)

    return write


def test_the_tutorial_replaces_the_flat_field(tutorial_plugin, tmp_path):
    path = tutorial_plugin(0)
    image = tiny_image()
    plan = planner.plan(image, "flat_field", plugins=(path,), references="none", overrides={"flat": _flat(tmp_path)})
    assert plan.nodes[0].entries[0].implementation == "my_flat:flat_field"
    result = plan.run()["flat_field"]
    good = result.dq == 0
    np.testing.assert_allclose(result.data[good], image.data[good] / FLAT[good], rtol=1e-6)


@pytest.mark.parametrize("page", ["plugins.md", "../README.md"])
def test_the_flat_fields_of_tutorial_and_readme_do_all_that_the_stage_asks_for(page, tmp_path):
    path = tmp_path / "my_flat.py"
    path.write_text(blocks(page)[0])
    settings = {"references": "none", "overrides": {"flat": _flat(tmp_path)}}
    image = tiny_image()
    usual = planner.plan(image, "flat_field", **settings).run()["flat_field"]
    mine = planner.plan(image, "flat_field", plugins=(str(path),), **settings).run()["flat_field"]
    np.testing.assert_array_equal(mine.dq, usual.dq)
    good = mine.dq == 0
    for name in usual.arrays():
        np.testing.assert_allclose(getattr(mine, name)[good], getattr(usual, name)[good], rtol=1e-5, err_msg=name)


FLAT = np.linspace(0.5, 2.0, 32 * 32, dtype="f4").reshape(32, 32)


def _flat(folder):
    header = {"REFTYPE": "FLAT", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", "TELESCOP": "JWST"}
    primary = fits.PrimaryHDU()
    primary.header.update(header)
    flat, dq = FLAT.copy(), np.zeros((32, 32), "u4")
    flat[3, 4], dq[3, 4] = 0.001, 1 | 2**18
    planes = {"SCI": flat, "ERR": flat / 100, "DQ": dq}
    path = folder / "flat.fits"
    fits.HDUList([primary, *(fits.ImageHDU(plane, name=name) for name, plane in planes.items())]).writeto(path)
    return str(path)


@pytest.mark.parametrize("number", [0, 2, 3, 4, 5, 6])
def test_the_tutorials_plugins_keep_all_promises(tutorial_plugin, number):
    ghost = {"ghost": np.ones((32, 32))} if number == 5 else {}
    for check in checks(tutorial_plugin(number), references=ghost):
        try:
            check()
        except (ConformanceError, NotChecked) as error:
            pytest.fail(str(error))


@pytest.mark.parametrize(
    ("filter_", "scale", "pixfrac"), [("F115W", 1.0, 1.0), ("F200W", 2.5, 1.0), ("F070W", 1.0, 0.8)]
)
def test_the_tutorials_recipe_runs_with_its_own_reference_and_defaults(
    tutorial_plugin, tmp_path, filter_, scale, pixfrac
):
    ghost = np.linspace(0, 1, 32 * 32, dtype="f4").reshape(32, 32)
    path, reference = tmp_path / "x_rate.fits", tmp_path / "ghost.fits"
    image = tiny_image(FILTER=filter_, wcs=True)
    models.write(image, path)
    header = {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 32, "SUBSIZE2": 32}
    fits.HDUList([fits.PrimaryHDU(header=fits.Header(header)), fits.ImageHDU(ghost, name="SCI")]).writeto(reference)
    plan = planner.plan(
        str(path), "quicklook", plugins=(tutorial_plugin(5),), references="none", overrides={"ghost": str(reference)},
        skip=("assign_wcs", "photom"), params={"quicklook": {"save_ghostless": True}}, output_dir=tmp_path / "out",
    )  # fmt: skip
    steps = {step.label: step for step in plan.nodes[0].steps()}
    assert steps["resample"].params["pixfrac"] == pixfrac
    assert steps["ghost_subtract"].params["scale"] == scale
    plan.run()
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"x_ghostless.fits", "x_quick.fits", "x_quicki2d.fits"}
    expected = image.data - np.float32(scale) * ghost
    np.testing.assert_array_equal(models.read(tmp_path / "out" / "x_quick.fits").data, expected)


def test_the_tutorials_traits_count_when_the_instruments_plugin_is_blocked(tutorial_plugin):
    path = tutorial_plugin(6)
    usual, mine = (Plugins(Selection.parse((*more, path))) for more in ((), ("no:nircam",)))
    assert usual.exposure_type("NRC_IMAGE").recipes == ("detector1", "image2", "image3")
    assert mine.exposure_type("NRC_IMAGE").recipes == ("detector1", "quicklook")
    assert mine.detector("NRCA1").shape == (2048, 2048)
    assert usual.detector("NRCB1") is not None
    assert mine.detector("NRCB1") is None


def test_the_table_of_promises_is_complete(tmp_path):
    text = (DOCS / "plugins.md").read_text()
    table = text[text.index("| promise | what breaks it |") :]
    everything = tmp_path / "everything.py"
    everything.write_text(
        "from jwcore import api\n\n\n@api.stage(after='skymatch')\ndef glow(exposures):\n    'Glow.'\n\n\n"
        "@api.step(stage='glow')\ndef mine(exposures):\n    return exposures\n\n\n"
        "@api.hookimpl\ndef jwcal_recipes():\n    return []\n"
    )
    for check in checks(str(everything)):
        assert ("imports" if check.promise.startswith("imports") else check.promise) in table


def test_the_tutorials_side_product_is_planned_and_written(tutorial_plugin, tmp_path):
    path = tutorial_plugin(4)
    models.write(tiny_image(), tmp_path / "x_rate.fits")
    skips = ("assign_wcs", "flat_field", "photom", "resample")
    for value, suffixes in (("false", "cal"), ("true", "cal, sky")):
        plan = planner.plan(
            tmp_path / "x_rate.fits", "image2", plugins=(path,), params={"flat_sky": {"save_sky": value}}, skip=skips,
            references="none", output_dir=tmp_path / value,
        )  # fmt: skip
        assert f"saves: {suffixes.replace('cal', 'cal/calints')}" in str(plan)
        plan.run()
        assert {p.name for p in (tmp_path / value).iterdir()} == {f"x_{suffix}.fits" for suffix in suffixes.split(", ")}
    sky = models.read(tmp_path / "true" / "x_sky.fits").data
    np.testing.assert_allclose(sky, np.median(tiny_image().data[tiny_image().dq == 0]), rtol=1e-6)


def test_the_tutorials_exposures_are_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page, plugin = {}, {}
    exec(blocks("plugins.md")[0], plugin)
    exec(blocks("plugins.md")[1], page)
    assert page["try_alone"](plugin["flat_field"], plugin["MyFlatParams"]()).var_flat.shape == (32, 32)
    assert (tmp_path / "tiny_rate.fits").exists()


def test_documented_commands_exist():
    text = "".join((DOCS / page).read_text() for page in ("start.md", "plugins.md", "../README.md"))
    used = set(re.findall(r"^\s{4}jwcal ([a-z-]+)", text, flags=re.M))
    assert used
    assert used <= set(VERBS)


def test_links_lead_to_files_of_the_repository():
    root = DOCS.parent
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    for page in (
        root / "README.md",
        *(DOCS / name for name in ("index.md", "start.md", "plugins.md", "architecture.md")),
    ):
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert str((page.parent / link).resolve().relative_to(root)) in tracked, f"{page.name}: {link}"


def test_exit_codes_are_documented(pages):
    known = {kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code")}
    for text in ((pages / "cli.md").read_text(), (DOCS / "start.md").read_text()):
        table = text[text.index("| meaning |") :]
        assert {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, flags=re.M) for code in row.split(",")} == {
            0, *known, 130, 143
        }  # fmt: skip


def test_products_open_in_memory_as_the_start_page_says(tmp_path):
    path = tmp_path / "x_rate.fits"
    models.write(tiny_image(), path)
    plan = planner.plan(str(path), "image2", references="none", skip=("assign_wcs", "flat_field", "photom", "resample"))
    assert plan.run()["cal"].meta.exposure.type
