"""Products explain themselves and can be made again."""

import json

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from jwcore import models
from jwcore.cli import root
from jwcore.errors import BadInput, JwcalError, UsageError
from jwcore.models import history
from jwcore.replay import replay

from .conftest import SHAPES

WRAPPED = """
import numpy as np
from jwcore import api

@api.wrapper(stage="toy_add")
def watch(exposure, context):
    before = float(np.median(exposure.data))
    result = yield
    context.count(shift=float(np.median(result.data)) - before)
    return result
"""


@pytest.fixture
def product(image, toy_plan, tmp_path):
    """Run toy_add on a file with a changed parameter and a wrapper; give the path of the product."""
    models.write(image(), tmp_path / "x_rate.fits")
    (tmp_path / "watcher.py").write_text(WRAPPED)
    plugins = (SHAPES, str(tmp_path / "watcher.py"))
    plan = toy_plan(
        tmp_path / "x_rate.fits",
        "toy_add",
        plugins=plugins,
        params={"toy_add": {"value": 3}},
        output_dir=tmp_path / "out",
    )
    plan.run()
    return tmp_path / "out" / "x_added.fits"


def test_the_record_says_what_was_decided_and_what_happened(product):
    ((run, settings),) = history.runs(models.read(product).provenance)
    (entry,) = settings["entries"]
    assert entry["implementation"] == "shapes:toy_add"
    assert (entry["params"]["value"], entry["origins"]["value"]) == (3.0, "command line")
    assert entry["wrappers"] == ["watcher:watch"]
    assert run["steps"][0]["counts"] == {"shift": 3.0}
    assert run["inputs"]["science"][0]["sha256"] == models.fingerprint(product.parent.parent / "x_rate.fits")
    for name in ("shapes", "watcher"):
        assert len(settings["plugins"][name]["sha256"]) == 64
        assert "from jwcore import api" in settings["plugins"][name]["source"]


def test_the_header_names_the_plugins_of_third_parties(product, toy_plan, tmp_path):
    loaded = fits.getheader(product)
    assert [line.split(" sha256 ")[0].rsplit(" ", 1)[0] for line in loaded["HISTORY"]] == [
        "jwcal plugin shapes",
        "jwcal plugin watcher",
    ]
    toy_plan(product, "toy_add", output_dir=tmp_path / "twice").run()
    (again,) = (tmp_path / "twice").iterdir()
    assert list(fits.getheader(again)["HISTORY"]) == list(loaded["HISTORY"])


def test_explain_tells_the_story(product):
    answer = CliRunner().invoke(root, ["explain", str(product)])
    for expected in (
        "toy_add of x",
        "shapes:toy_add",
        "value = 3.0  (command line)",
        "wrapped by watcher:watch",
        "shift 3",
    ):
        assert expected in answer.output
    assert json.loads(CliRunner().invoke(root, ["explain", str(product), "--json"]).output)


def test_rerun_makes_the_same_arrays_from_embedded_plugins(product, tmp_path):
    (tmp_path / "watcher.py").unlink()
    replay(product, output_dir=tmp_path / "again", trust=True).run()
    again = models.read(tmp_path / "again" / "x_added.fits")
    np.testing.assert_array_equal(again.data, models.read(product).data)


def test_rerun_leaves_out_what_the_user_left_out(image, toy_plan, tmp_path):
    models.write(image(), tmp_path / "x_rate.fits")
    toy_plan(tmp_path / "x_rate.fits", "toy_twice", skip=("second",), output_dir=tmp_path).run()
    replay(tmp_path / "x_twice.fits", output_dir=tmp_path / "again").run()
    np.testing.assert_array_equal(models.read(tmp_path / "again" / "x_twice.fits").data, image().data + 3)


def test_an_intermediate_result_has_a_record_too(image, toy_plan, tmp_path):
    models.write(image(), tmp_path / "x_rate.fits")
    toy_plan(tmp_path / "x_rate.fits", "toy_twice", save=("first",), output_dir=tmp_path).run()
    ((run, _),) = history.runs(models.read(tmp_path / "x_toy_add.fits").provenance)
    assert [step["label"] for step in run["steps"]] == ["first"]


def test_rerun_refuses_changed_or_missing_inputs(product, tmp_path, image):
    models.write(image(offset=1.0), tmp_path / "x_rate.fits")
    with pytest.raises(BadInput, match="has changed since"):
        replay(product, output_dir=tmp_path)
    (tmp_path / "x_rate.fits").unlink()
    with pytest.raises(BadInput, match="--input-dir"):
        replay(product, output_dir=tmp_path)


def test_rerun_of_a_foreign_file_says_so(tmp_path, image):
    models.write(image(), tmp_path / "x_rate.fits")
    with pytest.raises(BadInput, match="no record of jwcal"):
        replay(tmp_path / "x_rate.fits", output_dir=tmp_path)


def test_resume_keeps_what_is_up_to_date_and_only_that(image, toy_plan, tmp_path):
    models.write(image(), tmp_path / "x_rate.fits")

    def run(**options):
        plan = toy_plan(tmp_path / "x_rate.fits", "toy_add", output_dir=tmp_path / "out", resume=True, **options)
        return next(iter(plan.run().outcomes.values())).reused

    assert [run(), run()] == [False, True]
    assert run(params={"toy_add": {"value": 2}}) is False
    assert run(params={"toy_add": {"value": 2}}) is True


@pytest.mark.parametrize("what", ["input changed", "product gone", "product damaged"])
def test_resume_makes_again_what_is_not_as_it_was(image, toy_plan, tmp_path, what):
    raw, product = tmp_path / "x_rate.fits", tmp_path / "out" / "x_toy_add.fits"
    models.write(image(), raw)

    def run():
        return next(iter(toy_plan(raw, "toy_add", output_dir=tmp_path / "out", resume=True).run().outcomes.values()))

    run()
    (product,) = (tmp_path / "out").iterdir()
    if what == "input changed":
        models.write(image(offset=7.0), raw)
    elif what == "product gone":
        product.unlink()
    else:
        product.write_bytes(product.read_bytes()[:3000])
    assert not run().reused
    assert models.read(product).data.shape == models.read(raw).data.shape
    assert run().reused


def test_histories_of_many_inputs_share_their_configuration():
    settings = {
        "kind": "configuration",
        "entries": [{"label": f"step{n}"} for n in range(40)],
        "plugins": {},
        "selection": {},
    }
    settings["digest"] = history.digest(settings)
    run = {"kind": "run", "configuration": settings["digest"], "inputs": {}, "steps": []}
    histories = [[settings, run | {"base": str(n)}] for n in range(1000)]
    joined = history.merged(histories, own=())
    assert len(joined) == 1001
    assert len(history.runs(joined)) == 1000


def test_provenance_of_a_thousand_inputs_stays_small(image, tmp_path):
    exposure = image()
    settings = {"kind": "configuration", "entries": [{"label": f"step{n}", "params": {"a": n}} for n in range(40)]}
    settings["digest"] = history.digest(settings)
    rng = np.random.default_rng(0)
    runs = []
    for number in range(1000):
        steps = [
            {"label": f"step{n}", "status": "COMPLETE", "seconds": round(float(rng.random()), 3)} for n in range(15)
        ]
        record = {"kind": "run", "configuration": settings["digest"], "base": f"jw{number}", "steps": steps,
                  "inputs": {"science": [{"name": f"{number}.fits", "sha256": rng.bytes(32).hex()}]}}  # fmt: skip
        runs.append(record | {"digest": history.digest(record)})
    exposure.provenance = [settings, *runs]
    models.write(exposure, tmp_path / "small_rate.fits")
    assert (tmp_path / "small_rate.fits").stat().st_size < 1_000_000
    assert models.read(tmp_path / "small_rate.fits").provenance == exposure.provenance


def test_installing_without_naming_changes_no_array(image, toy_plan, tmp_path, monkeypatch):
    from types import SimpleNamespace

    from jwcore import plugins as home
    from jwcore.plugin_modules import module_from_source

    models.write(image(), tmp_path / "x_rate.fits")
    before = toy_plan(tmp_path / "x_rate.fits", "toy_add").run()["added"].data
    text = "from jwcore import api\n@api.step(stage='toy_add')\ndef mine(exposure):\n    exposure.data[:] = -1\n"
    fake = SimpleNamespace(
        name="acme", value="acme", dist=SimpleNamespace(name="acme", version="1"),
        load=lambda: module_from_source("acme.py", text, "0" * 8),
    )  # fmt: skip
    real = home.entry_points()
    monkeypatch.setattr(home, "entry_points", lambda: [*real, fake])
    np.testing.assert_array_equal(toy_plan(tmp_path / "x_rate.fits", "toy_add").run()["added"].data, before)


def test_an_undeclared_call_or_product_is_refused(image, toy_plan, tmp_path):
    for body, expected in (
        ("context.run('toy_flat', exposure)", "calls toy_flat undeclared"),
        ("context.save('extra', exposure)", "undeclared product 'extra'"),
        ("return None", "returned None"),
        ("return exposure.data", "returned ndarray"),
    ):
        path = tmp_path / "acme.py"
        path.write_text(
            f"from jwcore import api\n@api.step(stage='toy_master')\ndef a(exposure, context):\n    {body}\n    return exposure\n"
        )
        with pytest.raises(JwcalError, match=expected):
            toy_plan(image(), "toy_nested", plugins=(SHAPES, str(path)), use={"toy_master": "acme"}).run()


def test_a_label_that_no_recipe_has_is_refused(image, toy_plan):
    with pytest.raises(UsageError, match="did you mean 'toy_add'"):
        toy_plan(image(), "toy_add", params={"toy_ad": {"value": 1}})
