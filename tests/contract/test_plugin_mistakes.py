"""Mistakes of plugin authors and of those who name plugins: each gets one line with the place and the cure."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from jwcore import models, planner, plugins
from jwcore.cli import root
from jwcore.errors import BadInput, JwcalError, PluginError, RunFailed, UsageError
from jwcore.plugin_modules import module_from_source
from jwcore.plugins import Plugins, Selection
from jwcore.replay import replay
from jwcore.testing import tiny_image

from .conftest import SHAPES

HEAD = "from jwcore import api\n\n\n"
STEP = HEAD + '@api.step(stage="photom")\ndef mine(exposure):\n    return exposure\n'


@pytest.fixture
def write_plugin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="acme"):
        (tmp_path / f"{name}.py").write_text(text)
        return str(tmp_path / f"{name}.py")

    return write


@pytest.fixture
def installed(monkeypatch):
    """Pretend that a package `jwcal-acme` with the given source is installed."""

    def pretend(text):
        dist = SimpleNamespace(name="jwcal-acme", version="2.0")
        load = lambda: module_from_source("acme.py", text, "0" * 8)  # noqa: E731
        real = plugins.entry_points()
        fake = SimpleNamespace(name="acme", value="acme", dist=dist, load=load)
        monkeypatch.setattr(plugins, "entry_points", lambda: [*real, fake])

    return pretend


def refusal(text, write_plugin, name="acme"):
    with pytest.raises(PluginError) as error:
        Plugins(Selection.parse((write_plugin(text, name),)))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@api.step\ndef photom(exposure):\n    return exposure\n",
         '@api.step needs its stage by keyword [acme.py:4] — write @api.step(stage="flat_field")'),
        ("@api.step('photom')\ndef mine(exposure):\n    return exposure\n", '[acme.py:4] — write @api.step(stage="photom")'),
        ("@api.wrapper\ndef mine(exposure):\n    yield\n", "@api.wrapper needs its stage by keyword [acme.py:4]"),
        ("@api.stage\ndef mine(exposure):\n    'Mine.'\n", "write @api.stage() above"),
        ("from math import floor\n@api.step(stage='photom')\ndef floor(exposure):\n    return floor(exposure)\n",
         "the function floor hides what was imported as floor [acme.py:5] — rename the function"),
        ("import math\n@api.wrapper(stage='photom')\ndef math(exposure):\n    yield\n", "the function math hides"),
        ("@api.step(stage='photom')\ndef mine(exposure):\n    exposure.data *= (2\n    return exposure\n",
         "'(' was never closed: exposure.data *= (2 (acme.py:6)"),
        ("def helper():\n    return 1 / 0\n\nhelper()\n", "ZeroDivisionError: division by zero (acme.py:5)"),
        ("class P(api.Params):\n    n: int = api.param(9, 'N', le=5)\n\n"
         "@api.step(stage='photom', params=P)\ndef mine(exposure):\n    return exposure\n",
         "the default P.n = 9 is not allowed: Input should be less than or equal to 5 [acme.py:7] — correct the default"),
        ("@api.step(stage='photom', params={'n': 1})\ndef mine(exposure):\n    return exposure\n", "derived from api.Params"),
        ("@api.step(stage='photom', products={'a': 'save_a'})\ndef mine(exposure):\n    return exposure\n",
         "'a' is switched on by 'save_a', which is no parameter"),
        ("@api.step(stage='photom', undoes='back')\ndef mine(exposure):\n    return exposure\n",
         "'what undoes the step' is switched on by 'back', which is no parameter"),
        ("def mine(exposure):\n    return exposure\n", "the file brings no step, wrapper, stage or hook"),
        ("@api.step(stage='photom', where={'FILTR': 'F200W'})\ndef mine(exposure):\n    return exposure\n",
         "mine names the keyword FILTR, which does not exist — did you mean 'FILTER'?"),
        ("@api.step(stage='photom', reference=('flat',))\ndef mine(exposure):\n    return exposure\n",
         "step() got an unexpected keyword argument 'reference'; did you mean 'optional_references' or 'references'?"),
        ("JWCAL_API = 'banana'\n", "JWCAL_API = 'banana' is no version"),
        ("@api.step(stage='photom')\ndef mine(exposure):\n    return exposure\n\n\n"
         "@api.step(stage='flat_field')\ndef mine(exposure):\n    return exposure\n", "there are two functions mine"),
        ("@api.step(stage='photom', references='ghost', images='gost')\ndef mine(exposure):\n    return exposure\n",
         "images= names gost, which is no reference of the step [acme.py:4] — add it to references="),
    ],
    ids=["bare step", "positional", "bare wrapper", "bare stage", "hidden function", "hidden module", "syntax", "exception",
         "default", "params", "switch", "undoes", "nothing", "keyword", "argument", "version", "twice",
         "images"],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_with_its_line(write_plugin, text, expected):
    assert expected in refusal(HEAD + text, write_plugin)


def test_a_file_named_like_an_installed_plugin_is_to_be_renamed(write_plugin):
    assert "two plugins are called 'nircam'" in refusal(STEP, write_plugin, "nircam")
    assert "— rename the file" in refusal(STEP, write_plugin, "nircam")


def test_a_file_named_like_a_stage_or_a_library_works(write_plugin):
    for name in ("photom", "numpy"):
        assert Plugins(Selection.parse((write_plugin(STEP, name),))).plugins[name].active
        answer = CliRunner().invoke(root, ["check", f"./{name}.py"])
        assert "0 broken" in answer.output, answer.output


def test_a_library_is_no_plugin():
    with pytest.raises(PluginError, match="json brings no step"):
        Plugins(Selection.parse(("json",)))


def test_naming_a_broken_installed_plugin_is_an_error(installed):
    installed("1 / 0")
    with pytest.raises(PluginError, match=r"plugin acme 2\.0 is broken: ZeroDivisionError"):
        Plugins(Selection.parse(("acme",)))


def test_a_string_is_one_name(write_plugin):
    text = STEP.replace('stage="photom"', 'stage="photom", references="flat"')
    loaded = Plugins(Selection.parse((write_plugin(text),)))
    assert loaded.implementation("photom", "acme:photom").info.references == ("flat",)


# ---------------------------------------------------------------- naming plugins
@pytest.mark.parametrize(
    ("word", "cure"),
    [
        ("acme", "a file needs its ending: acme.py"),
        ("./acme", "./acme.py"),
        ("nircm", "did you mean 'nircam'"),
        (".", "folder"),
    ],
)
def test_a_plugin_that_is_not_found_gets_the_right_spelling(write_plugin, word, cure):
    write_plugin(STEP)
    with pytest.raises(UsageError) as error:
        Plugins(Selection.parse((word,)))
    assert cure in str(error.value)


def test_a_file_after_use_is_named_and_chosen(write_plugin):
    path = write_plugin(STEP)
    plan = planner.plan(
        tiny_image(), "photom", use={"photom": path}, references="none", plugins=(write_plugin(STEP, "bcme"),)
    )
    assert plan.nodes[0].entries[0].implementation == "acme:photom"
    assert plan.problems == []
    with pytest.raises(UsageError, match="no 'nircam' implements photom"):
        planner.plan(tiny_image(), "photom", use={"photom": "nircam"}, references="none")


OWN_STAGE = HEAD + (
    "class P(api.Params):\n    scale: float = api.param(1.0, 'Scale')\n\n"
    "@api.stage(after='photom')\ndef glow(exposure, params):\n    'Remove the glow.'\n\n"
    "@api.step(stage='glow', params=P)\ndef remove(exposure):\n    return exposure\n\n"
    "@api.step(stage='photom', params=P)\ndef mine(exposure):\n    return exposure\n"
)


@pytest.mark.parametrize(
    ("label", "named", "cure"),
    [
        ("glow", (), "name its plugin: -p acme"),
        ("acme", (), "acme is a plugin; parameters are set by stage: glow, photom"),
        ("acme", ("acme",), "acme is a plugin; parameters are set by stage: glow, photom"),
        ("photom", (), "photom.scale is a parameter of acme:photom, but builtin:photom runs [command line] — "
                       "choose it with --use photom=acme:photom"),
        ("jump", (), "no recipe of this plan has this step"),
        ("local", (), "name that: -p local.py"),
    ],
)  # fmt: skip
def test_a_parameter_of_an_unnamed_plugin_asks_for_its_name(installed, write_plugin, label, named, cure):
    installed(OWN_STAGE)
    write_plugin(STEP, "local")
    with pytest.raises(UsageError) as error:
        planner.plan(tiny_image(), "image2", params={label: {"scale": 2}}, plugins=named, references="none")
    assert cure in str(error.value)


# ---------------------------------------------------------------- running
WRAPPERS = HEAD + (
    "def ratio(a, b):\n    return a / b\n\n"
    "@api.wrapper(stage='toy_add')\ndef before(exposure):\n    ratio(1, {before})\n    result = yield\n"
    "    ratio(1, {after})\n    return result\n"
)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_exception_in_a_wrapper_is_the_wrappers(image, toy_plan, write_plugin, when):
    path = write_plugin(WRAPPERS.format(**{"before": 1, "after": 1, when: 0}))
    with pytest.raises(RunFailed) as error:
        toy_plan(image(), "toy_add", plugins=(SHAPES, path)).run()
    assert "toy_add (wrapper acme:before, acme.py:5) failed: ZeroDivisionError" in str(error.value)


def test_an_exception_in_a_wrapped_step_is_the_steps(image, toy_plan, write_plugin):
    wrapper = write_plugin(WRAPPERS.format(before=1, after=1))
    step = write_plugin(HEAD + "@api.step(stage='toy_add')\ndef mine(exposure):\n    return 1 / 0\n", "bcme")
    with pytest.raises(RunFailed) as error:
        toy_plan(image(), "toy_add", plugins=(SHAPES, wrapper, step), use={"toy_add": "bcme"}).run()
    assert "toy_add (bcme:toy_add, bcme.py:6) failed: ZeroDivisionError" in str(error.value)


def test_metadata_is_not_set_by_index():
    meta = tiny_image().meta
    with pytest.raises(TypeError, match=r"write meta.set\('instrument.name', 'MIRI'\)"):
        meta["instrument.name"] = "MIRI"
    with pytest.raises(TypeError, match=r"read meta.get\('instrument.name'\)"):
        meta["instrument.name"]


# ---------------------------------------------------------------- looking things up, and doing them again
def test_params_shows_those_of_the_named_plugin(write_plugin):
    path = write_plugin(OWN_STAGE)
    shown = CliRunner().invoke(root, ["params", "photom", "-p", path]).output
    assert "acme:photom, any exposure" in shown
    assert "scale" in shown
    assert "builtin:photom" not in shown
    assert "builtin:photom" in CliRunner().invoke(root, ["params", "photom"]).output
    chosen = CliRunner().invoke(root, ["params", "photom", "-p", path, "--use", "photom=builtin"]).output
    assert "scale" not in chosen


def test_steps_lists_the_wrappers_of_named_plugins(write_plugin):
    path = write_plugin(HEAD + "@api.wrapper(stage='photom')\ndef watch(exposure):\n    return (yield)\n")
    assert "wrapped by acme:watch" in CliRunner().invoke(root, ["steps", "-p", path]).output
    assert "wrapped by acme:watch" in CliRunner().invoke(root, ["steps", "photom", "-p", path]).output
    assert "wrapped" not in CliRunner().invoke(root, ["steps"]).output


@pytest.fixture
def product_of_acme(toy_plan, image, tmp_path):
    """Write a product that says a plugin jwcal-acme 1.2 took part."""
    models.write(image(), tmp_path / "x_rate.fits")
    toy_plan(tmp_path / "x_rate.fits", "toy_add", output_dir=tmp_path / "out").run()
    exposure = models.read(tmp_path / "out" / "x_added.fits")
    exposure.provenance[0]["plugins"]["acme"] = {"distribution": "jwcal-acme", "version": "1.2", "sha256": ""}
    models.write(exposure, tmp_path / "out" / "x_added.fits")
    return tmp_path / "out" / "x_added.fits"


def test_rerun_without_a_plugin_says_what_to_install(product_of_acme, tmp_path):
    with pytest.raises(UsageError) as error:
        replay(product_of_acme, output_dir=tmp_path)
    assert "plugin acme 1.2, with which the product was made, is not installed — pip install jwcal-acme==1.2" in str(
        error.value
    )


def test_a_plugin_that_only_brings_a_recipe_is_recorded_with_its_source(toy_plan, image, write_plugin):
    recipe = HEAD + (
        "@api.hookimpl\ndef jwcal_recipes():\n"
        "    return [api.Recipe('mine', (api.Step('toy_add'),), {'science': 'mine'})]\n"
    )
    plan = toy_plan(image(), "mine", plugins=(SHAPES, write_plugin(recipe)))
    assert plan.remarks == []
    (settings,) = [r for r in plan.run()["mine"].provenance if r["kind"] == "configuration"]
    assert "jwcal_recipes" in settings["plugins"]["acme"]["source"]


def test_a_provider_of_references_can_be_named(write_plugin):
    provider = HEAD + (
        "class Nothing:\n    name = 'nothing'\n    context = 'void'\n\n"
        "    def find(self, types, parameters):\n        return {}\n\n"
        "@api.hookimpl\ndef jwcal_reference_providers():\n    return {'nothing': Nothing}\n"
    )
    plan = planner.plan(tiny_image(), "photom", plugins=(write_plugin(provider),), references="nothing")
    assert "void" in plan.context


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["plan", "image2", "X", "--from", "flatfield"], "[--from] — did you mean 'flat_field'"),
        (["plan", "image2", "X", "--skip", "image2"], "unknown name 'image2' [--skip]"),
        (["plan", "image2", "X", "--skip", "JUMP"], "[--skip]"),
        (["plan", "image2", "X", "-s", "PHOTOM.skip=yes"], "did you mean 'photom'"),
        (["plan", "image2", "X", "-s", "photom.=yes"], "write -s step.param=value"),
        (["plan", "image2", "X", "--to", "cal"], "--to cal is for auto alone"),
        (["plan", "image2", "X", "--executor", "dusk"], "no executor 'dusk'"),
        (["params", "persistence", "X"], "unknown name 'persistence'"),
        (["asn", "from-list", "gone_cal.fits", "-o", "x_asn.json"], "there is no file gone_cal.fits"),
    ],
)
def test_mistakes_on_the_command_line(tmp_path, words, expected):
    path = tmp_path / "x_rate.fits"
    models.write(tiny_image(), path)
    answer = CliRunner().invoke(root, [str(path) if word == "X" else word for word in words])
    assert isinstance(answer.exception, JwcalError)
    assert expected in str(answer.exception)


def test_the_only_plugins_that_are_allowed_must_exist(monkeypatch):
    monkeypatch.setenv("JWCAL_PLUGINS", "builtin,nircm")
    with pytest.raises(UsageError, match="did you mean 'nircam'"):
        Plugins(Selection.parse())


SHAPE_CHANGERS = {
    "one array": "    exposure.data = exposure.data[:-1]\n",
    "all alike": "    for name in exposure.arrays():\n        setattr(exposure, name, getattr(exposure, name)[:-1])\n",
}


@pytest.mark.parametrize("body", SHAPE_CHANGERS.values(), ids=SHAPE_CHANGERS)
def test_a_step_that_changes_the_shape_is_blamed_in_a_run(write_plugin, body):
    text = HEAD + f"@api.step(stage='flat_field')\ndef mine(exposure):\n{body}    return exposure\n"
    plan = planner.plan(tiny_image(), "flat_field", plugins=(write_plugin(text),), references="none")
    with pytest.raises(PluginError, match="acme:flat_field changed the shape of data"):
        plan.run()


def test_a_step_that_leaves_the_program_has_failed(write_plugin):
    text = HEAD + "import sys\n\n@api.step(stage='flat_field')\ndef mine(exposure):\n    sys.exit(7)\n"
    path = write_plugin(text)
    plan = planner.plan(tiny_image(), "flat_field", plugins=(path,), references="none")
    with pytest.raises(RunFailed, match=r"flat_field \(acme:flat_field, acme.py:8\) failed: SystemExit: 7"):
        plan.run()
    answer = CliRunner().invoke(root, ["check", path])
    assert "SystemExit: 7 (acme.py:8)" in answer.output
    assert answer.exit_code == 5
    assert "SystemExit: 7" in refusal(HEAD + "import sys\nsys.exit(7)\n", write_plugin)


def test_an_undeclared_reference_is_the_plugins_fault(write_plugin):
    path = write_plugin(HEAD + "@api.step(stage='photom')\ndef mine(exposure, references):\n    references['flat']\n")
    plan = planner.plan(tiny_image(), "photom", plugins=(path,), references="none")
    said = 'asks for a flat reference that it did not declare [acme:photom] — add references=("flat",) to @step'
    with pytest.raises(PluginError) as error:
        plan.run()
    assert said in str(error.value)
    answer = CliRunner().invoke(root, ["check", path])
    assert 'did not declare — add references=("flat",) to @step' in answer.output
    assert answer.exit_code == 5


# ---------------------------------------------------------------- references of a type of its own
GHOST = HEAD + (
    "@api.stage(after='flat_field')\ndef ghost_subtract(exposure, references):\n    'Subtract the ghost.'\n\n"
    "@api.step(stage='ghost_subtract', references=('ghost',), images=('ghost',))\ndef mine(exposure, references):\n"
    "    exposure.data -= references['ghost'].array('SCI')\n    return exposure\n"
)


def ghost_file(folder, shape, **cards):
    header = fits.Header({"REFTYPE": "GHOST", "INSTRUME": "NIRCAM", "USEAFTER": "2020-01-01T00:00:00", **cards})
    plane = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    path = folder / "refs" / "ghost.fits"
    path.parent.mkdir(exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(plane, name="SCI")]).writeto(path)
    return path


@pytest.mark.parametrize("how", ["override", "folder"])
def test_images_of_an_own_type_are_cut_to_the_sub_array(write_plugin, tmp_path, how):
    whole = {"SUBARRAY": "FULL", "SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 64, "SUBSIZE2": 48}
    path = ghost_file(tmp_path, (48, 64), **whole)
    image = tiny_image(SUBARRAY="SUB32", SUBSTRT1=9, SUBSTRT2=5)
    given = {"overrides": {"ghost": str(path)}} if how == "override" else {"references": str(path.parent)}
    plan = planner.plan(image, "ghost_subtract", plugins=(write_plugin(GHOST),), **{"references": "none", **given})
    result = plan.run()["ghost_subtract"]
    np.testing.assert_array_equal(result.data, image.data - fits.getdata(path)[4:36, 8:40])


@pytest.mark.parametrize(
    ("shape", "cards", "words"),
    [
        ((10, 10), {}, "reference of 10×10 pixels does not say where it lies"),
        ((32, 32), {"INSTRUME": "MIRI"}, "INSTRUME MIRI"),
    ],
)
def test_a_file_of_an_own_type_that_does_not_fit_is_refused_while_planning(write_plugin, tmp_path, shape, cards, words):
    path = ghost_file(tmp_path, shape, **cards)
    with pytest.raises(BadInput, match=words):
        planner.plan(
            tiny_image(),
            "ghost_subtract",
            plugins=(write_plugin(GHOST),),
            references="none",
            overrides={"ghost": str(path)},
        )


def test_a_recipe_shows_the_stage_of_a_named_plugin(write_plugin):
    path = write_plugin(GHOST)
    steps = CliRunner().invoke(root, ["recipe", "image2", "-p", path]).output.split()
    assert steps[steps.index("flat_field") + 1] == "ghost_subtract"
    assert "ghost_subtract" not in CliRunner().invoke(root, ["recipe", "image2"]).output


def test_check_names_the_line_of_the_plugin_not_that_of_a_library(write_plugin):
    text = (
        HEAD
        + "@api.step(stage='photom')\ndef mine(exposure, params):\n    exposure.data *= params.y\n    return exposure\n"
    )
    assert "(acme.py:6)" in CliRunner().invoke(root, ["check", write_plugin(text)]).output


def test_the_note_on_an_idle_plugin_says_what_the_exposure_has(write_plugin):
    text = STEP.replace('stage="photom"', 'stage="photom", where={"INSTRUME": "NIRCAM", "FILTER": "F070W"}')
    (remark,) = planner.plan(tiny_image(), "photom", plugins=(write_plugin(text),), references="none").remarks
    assert remark.endswith("acme:photom is for INSTRUME=NIRCAM, FILTER=F070W; here FILTER=F200W")


def test_what_is_no_official_keyword_has_a_path_and_survives_in_files(tmp_path):
    image = tiny_image()
    with pytest.raises(KeyError, match=r"no keyword GHOSTSUB; what is no official keyword has a path: meta.set\("):
        image.meta.set_keyword("GHOSTSUB", True)
    image.meta.set("ghost.peak", 4.5)
    models.write(image, tmp_path / "x_rate.fits")
    assert models.read(tmp_path / "x_rate.fits").meta.get("ghost.peak") == 4.5
