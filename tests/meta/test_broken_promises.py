"""Promises that are broken in a line or two: each is caught by exactly its check, which says how."""

import numpy as np
import pytest
from click.testing import CliRunner

from jwcore.cli import root
from jwcore.testing import ConformanceError, NotChecked, checks

SLOW = "imports nothing heavy"
"""Starts an interpreter, and has a broken plugin of its own."""

STEP = "@api.step(stage='flat_field')\ndef mine(exposure):\n    {}\n    return exposure\n"
SET = (
    "@api.step(stage='skymatch')\ndef mine(exposures):\n    for exposure in {}:\n"
    "        exposure.data += 1000\n    return exposures\n"
)
DECLARES = (
    "@api.step(stage='flat_field', optional_references=('area',), {})\ndef mine(exposure):\n    return exposure\n"
)
RECIPE = "@api.hookimpl\ndef jwcal_recipes():\n    return [api.Recipe('quick', entries=({},), saves={{'{}': 'quick'}}, {})]\n"


def step(body):
    return STEP.format(body)


def recipe(entry="api.Step('photom')", saves="science", more=""):
    return RECIPE.format(entry, saves, more)


ON_DISK, KEEPS, GROWS = "gives the same answer on disk", "keeps shapes and types", "lets DQ bits only grow"
HEADER, RETURNS, EXISTS = "writes only declared keywords", "returns a product", "names what exists"
PLANNER, HOOKS, RECIPES = "answers the planner", "implements hooks that exist", "brings recipes that can be planned"

BROKEN = {
    "edits while looking": (SET.format("exposures.each(edit=False)"), ON_DISK, "makes another 0.data of a set on disk"),
    "edits without each": (SET.format("exposures"), ON_DISK, "edit in `for exposure in exposures.each()`"),
    "narrow flags": (step("exposure.dq = exposure.dq.astype('u1')"), GROWS, "24 of 32 bits"),
    "short flags": (step("exposure.dq = exposure.dq.astype('u2')"), GROWS, "16 of 32 bits"),
    "flags by way of floats": (step("exposure.dq = exposure.dq.astype('f4').astype('u8')"), GROWS, "of 32 bits"),
    "scaled flags": (step("exposure.dq = (exposure.dq * 1.5).astype('u8')"), GROWS, "32 of 32 bits"),
    "one flag": (step("exposure.dq &= ~np.uint32(2**21)"), GROWS, "bit 21"),
    "fresh flags": (
        step("exposure = exposure.copy(); exposure.dq = np.zeros((32, 32), 'u4')"), GROWS, "cleared flags in dq",
    ),
    "writes a keyword": (step("exposure.meta.set_keyword('PHOTMJSR', 1.0)"), HEADER, "writes photometry."),
    "removes a keyword": (step("exposure.meta.instrument.name = None"), HEADER, "removes instrument.name"),
    "writes a keyword of a set": (
        "@api.step(stage='skymatch')\ndef mine(exposures):\n    for exposure in exposures.each():\n"
        "        exposure.meta.background.level = 3.0\n    return exposures\n", HEADER, "writes background.level",
    ),
    "returns a mapping": (
        "@api.step(stage='flat_field')\ndef mine(exposure):\n    return {'rate': exposure}\n", RETURNS,
        "returned a dict for flat_field; return the Image that it gets",
    ),
    "returns a cube": (
        "@api.step(stage='flat_field')\ndef mine(exposure):\n    return api.Cube(data=exposure.data[None], meta=exposure.meta)\n",
        RETURNS, "returned a Cube",
    ),
    "returns a product in place of names": (
        "@api.step(stage='ramp_fit')\ndef mine(exposure):\n"
        "    return api.Image(data=exposure.data[0, 0], dq=exposure.pixeldq, meta=exposure.meta)\n",
        RETURNS, "return a mapping with the names rate, rateints",
    ),
    "returns other names": (
        "@api.stage(after='flat_field', gives=('a', 'b'))\ndef halves(exposure):\n    'Halve.'\n\n"
        "@api.step(stage='halves')\ndef mine(exposure):\n    return {'c': exposure}\n",
        RETURNS, "return a mapping with the names a, b",
    ),
    "returns a set in place of a mosaic": (
        "@api.step(stage='resample')\ndef mine(exposures):\n    return exposures\n", RETURNS, "returned an ExposureSet",
    ),
    "returns fewer exposures": (
        "@api.step(stage='skymatch')\ndef mine(exposures):\n    return api.ExposureSet([exposures[0]])\n",
        RETURNS, "return all 3 exposures, not 1",
    ),
    "returns fewer rows": (
        "@api.step(stage='flat_field')\ndef mine(exposure):\n    rows = slice(10)\n"
        "    exposure = exposure.copy()\n    for name in exposure.arrays():\n"
        "        setattr(exposure, name, getattr(exposure, name)[rows])\n    return exposure\n",
        KEEPS, "changed shape or type of data",
    ),
    "removes the data": (step("exposure.data = None"), KEEPS, "left out data"),
    "loses the WCS": (step("exposure.wcs = None"), KEEPS, "lost the WCS"),
    "returns what does not fit": (
        "@api.step(stage='ramp_fit')\ndef mine(exposure):\n"
        "    rate = api.Image(data=exposure.data[0, 0], err=exposure.data[0, 0, 1:], meta=exposure.meta.copy())\n"
        "    return {'rate': rate}\n", KEEPS, "ERR has shape (31, 32)",
    ),
    "all NaN": (step("exposure.data[:] = np.nan"), "flags what has no value", "values NaN that are not flagged"),
    "misspelt call": (DECLARES.format("calls='fotom'"), EXISTS, "unknown stage 'fotom'; did you mean 'photom'?"),
    "misspelt value": (DECLARES.format("where={'INSTRUME': 'NIRCAMM'}"), EXISTS, "did you mean 'NIRCAM'?"),
    "misspelt value of a wrapper": (
        "@api.wrapper(stage='photom', where={'FILTER': 'F200X'})\ndef mine(exposure):\n    return (yield)\n",
        EXISTS, "FILTER=F200X, which no file has",
    ),
    "asks for what is not offered": (DECLARES.format("applies=lambda bogus: None"), PLANNER, "asks for 'bogus'; it may ask"),
    "fails while planning": (DECLARES.format("applies=lambda meta: 1 / 0"), PLANNER, "ZeroDivisionError: division by zero ("),
    "gives no reason": (DECLARES.format("applies=lambda meta: True"), PLANNER, "gives True; give the reason to skip"),
    "wants what is not declared": (DECLARES.format("wants=lambda meta: ('are',)"), PLANNER, "did you mean 'area'?"),
    "wants a word": (DECLARES.format("wants=lambda meta: 'area'"), PLANNER, "give the names in a tuple"),
    "wants and fails": (DECLARES.format("wants=lambda params: params.x"), PLANNER, "wants= of flat_field fails while planning"),
    "scratch of exposures": (DECLARES.format("scratch=lambda exposures: 3.0"), PLANNER, "called by position with the parameters"),
    "scratch in words": (DECLARES.format("scratch='big'"), PLANNER, "scratch= of flat_field gives 'big'"),
    "scratch that fails": (DECLARES.format("scratch=lambda params, number: 1 / 0"), PLANNER, "fails while planning"),
    "negative halo": (DECLARES.format("chunk='rows', halo=-3"), PLANNER, "gives -3; give the number of rows"),
    "misspelt chunk": (DECLARES.format("chunk=lambda params: 'rowz'"), PLANNER, "declares chunk='rowz'"),
    "calls undeclared": (
        "@api.step(stage='flat_field')\ndef mine(exposure, context):\n    return context.run('photom', exposure)\n",
        "runs", "calls photom undeclared",
    ),
    "misspelt hook": (recipe().replace("recipes", "recipe"), HOOKS, "no hook jwcal_recipe, so that nobody calls it"),
    "hook without decorator": (
        step("") + recipe().replace("@api.hookimpl\n", ""), HOOKS, "it lacks its decorator @api.hookimpl",
    ),
    "hook that asks": (
        recipe().replace("recipes()", "recipes(plan)"), "loads", "plan",
    ),
    "hook that fails": (recipe("1 / 0"), HOOKS, "jwcal_recipes fails: ZeroDivisionError"),
    "recipe in place of a list": (
        recipe().replace("[", "").replace("]", ""), HOOKS, "returned a Recipe; return a list",
    ),
    "detectors by name": (
        "@api.hookimpl\ndef jwcal_detectors():\n    return ['NRCA1']\n", HOOKS, "lists a str; it takes Detector alone",
    ),
    "unknown stage in a recipe": (recipe("api.Step('fotom')"), RECIPES, "there is no stage fotom; did you mean 'photom'?"),
    "unknown parameter in a recipe": (recipe("api.Step('photom', params={'x': 1})"), RECIPES, "unknown name 'photom.x'"),
    "unknown stream in a recipe": (recipe("api.Step('photom', on='rat')"), RECIPES, "the stream 'rat', which nothing makes"),
    "unknown stream saved": (recipe(saves="sciense"), RECIPES, "did you mean 'science'?"),
    "unknown condition": (recipe("api.Step('photom', when={'tsoo': True})"), RECIPES, "asks for 'tsoo'; did you mean 'tso'?"),
    "unknown option": (recipe("api.Save('science', 'x', 'save_x')"), RECIPES, "'save_x', which is no parameter"),
    "unknown value of a recipe": (recipe(more="where={'INSTRUME': 'NIRCAMM'}"), RECIPES, "did you mean 'NIRCAM'?"),
    "unknown keyword of a recipe": (recipe(more="where={'FILTR': 'F200W'}"), RECIPES, "did you mean 'FILTER'?"),
    "switch of no step": (recipe(more="switches={'skip': ('fotom', 'skip')}"), RECIPES, "turns the step 'fotom'"),
    "stage beside itself": (
        "@api.stage(after='wisp')\ndef wisp(exposure):\n    'Wisp.'\n", "puts its stages beside others", "stands beside itself",
    ),
}  # fmt: skip


def verdicts(text, folder):
    path = folder / "mine.py"
    path.write_text("import numpy as np\n\nfrom jwcore import api\n\n\n" + text)
    found = {}
    for check in checks(str(path)):
        if check.promise != SLOW:
            try:
                check()
            except (ConformanceError, NotChecked) as error:
                found[check.promise] = error
    return found


@pytest.mark.parametrize(("text", "promise", "words"), BROKEN.values(), ids=BROKEN)
def test_each_broken_promise_is_caught_by_exactly_its_check(text, promise, words, tmp_path):
    broken = {
        name: str(error) for name, error in verdicts(text, tmp_path).items() if isinstance(error, ConformanceError)
    }
    assert list(broken) == [promise]
    assert words in broken[promise]
    assert len(broken[promise].splitlines()) == 1


def test_a_recipe_names_no_stage_that_says_itself_where_it_goes(tmp_path):
    stage = "@api.stage({})\ndef wisp(exposure):\n    'Wisp.'\n\n"
    stage += "@api.step(stage='wisp')\ndef mine(exposure):\n    return exposure\n\n"
    both = recipe("api.Step('wisp'), api.Step('photom')")
    found = verdicts(stage.format("before='photom'") + both, tmp_path)
    assert list(found) == [RECIPES]
    assert "names wisp, which by its own declaration stands beside photom" in str(found[RECIPES])
    assert verdicts(stage.format("") + both, tmp_path) == {}


KEPT = {
    "edits in each": SET.format("exposures.each()"),
    "wide flags": step("exposure.dq = exposure.dq.astype('i8') | 4"),
    "flagged NaN": step("exposure.data[3] = np.nan; exposure.dq[3] |= 1"),
    "path of its own": step("exposure.meta.set('ghost.peak', 4.5)"),
    "calls": (
        "@api.step(stage='flat_field', calls='photom')\ndef mine(exposure, context):\n"
        "    exposure.data += context.run('photom', exposure, inverse=False).data\n    return exposure\n"
    ),
    "members": (
        "@api.step(stage='bkg_subtract', members='background')\ndef mine(exposure, members):\n"
        "    exposure.data -= sum(one.data for one in members['background'].each(edit=False))\n    return exposure\n"
    ),
    "state": (
        "@api.step(stage='persistence', state='full')\ndef mine(exposure, state):\n"
        "    exposure.data -= state['full'] or 0\n    state['full'] = 1\n    return exposure\n"
    ),
    "one exposure beside a set": (
        "@api.stage(after='skymatch')\ndef glow(exposure):\n    'Glow.'\n\n"
        "@api.step(stage='glow')\ndef mine(exposure):\n    exposure.data -= 1\n    return exposure\n"
    ),
    "a collapsed image": (
        "@api.stage(after='flat_field')\ndef row(exposure):\n    'Collapse.'\n\n"
        "@api.step(stage='row')\ndef mine(exposure):\n    return api.Image(data=exposure.data[:1], meta=exposure.meta)\n"
    ),
    "planning": DECLARES.format(
        "wants=lambda meta, exposure_type: ['area'], applies=lambda members, references: None, scratch=lambda p, n: n"
    ),
    "recipe": recipe("api.Step('flat_field', when={'tso': False}), api.Step('resample', gives='i2d')", "i2d"),
}  # fmt: skip


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_is_right_keeps_all_promises(text, tmp_path):
    assert verdicts(text, tmp_path) == {}


OPEN = "@api.step(stage='flat_field', references=('ghost',))\ndef mine(exposure, references):\n    return exposure\n"


def test_a_step_of_which_little_is_known_is_named_loudly_and_fails_a_strict_check(tmp_path):
    path = tmp_path / "open.py"
    path.write_text("from jwcore import api\n\n\n" + OPEN)
    lenient, strict = (CliRunner().invoke(root, ["check", str(path), *more]) for more in ((), ("--strict",)))
    assert "UNPROVEN open:flat_field: 10 of its 14 promises could not be checked" in lenient.output
    assert (lenient.exit_code, strict.exit_code) == (0, 5)
    assert strict.output == lenient.output


def test_a_step_of_which_most_is_known_is_not(tmp_path):
    path = tmp_path / "known.py"
    path.write_text("from jwcore import api\n\n\n" + DECLARES.format("").replace("area", "flatt"))
    answer = CliRunner().invoke(root, ["check", str(path), "--strict"])
    assert answer.output.splitlines() == [
        "not checked known:flat_field: names what exists (no flatt reference is known here; did you mean 'flat'? if not, give "
        "one: --override flatt=FILE)",
        "16 promises kept, 0 broken, 1 not checked",
    ]
    assert answer.exit_code == 5


def test_the_kits_flags_hold_every_bit():
    from jwcore.testing.exposures import tiny_image
    from jwcore.testing.looking import mark_flags

    image = tiny_image()
    mark_flags(image)
    assert np.bitwise_or.reduce(image.dq[5]) == 2**32 - 1
