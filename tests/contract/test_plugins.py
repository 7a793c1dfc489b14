"""Discovery and choice of plugins: who acts, who wins, and one-line errors with a cure for everything that is wrong."""

import re
from functools import partial
from importlib import metadata
from types import SimpleNamespace

import pytest

from jwcore import plugins
from jwcore.errors import JwcalError, PluginError, UsageError
from jwcore.plugin_modules import module_from_source
from jwcore.plugins import Plugins, Selection

ADD = """
from jwcore import api

@api.step(stage="{stage}"{extra})
def {name}({arguments}):
    return exposure
"""


def source(*, stage="flat_field", name="own", arguments="exposure", extra=""):
    return ADD.format(stage=stage, name=name, arguments=arguments, extra=extra)


@pytest.fixture
def write_plugin(tmp_path):
    def write(text, name="acme"):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def install(monkeypatch, write_plugin):
    """Pretend that third-party packages are installed."""
    real = plugins.entry_points()

    def pretend(**sources):
        fakes = []
        for name, text in sources.items():
            path = write_plugin(text, name)
            module = partial(module_from_source, path, text, path[-12:] + name)
            dist = SimpleNamespace(name=f"{name}-package", version="2.0")
            fakes.append(SimpleNamespace(name=name, value=name, dist=dist, load=module))
        monkeypatch.setattr(plugins, "entry_points", lambda: [*real, *fakes])

    return pretend


def meta(**keywords):
    from jwcore.models import Meta

    made = Meta()
    for key, value in {"INSTRUME": "NIRCAM", "EXP_TYPE": "NRC_IMAGE", **keywords}.items():
        made.set_keyword(key, value)
    return made


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    assert "—" in text, "an error names its cure"
    return text


def test_the_first_party_acts_when_installed():
    assert Plugins().resolve("flat_field", meta()).key == "builtin:flat_field"


def test_a_third_party_is_inert_until_it_is_named(install):
    install(acme=source())
    assert Plugins().resolve("flat_field", meta()).key == "builtin:flat_field"
    assert Plugins(Selection(named=("acme",))).resolve("flat_field", meta()).key == "acme:flat_field"


def test_a_third_party_acts_unnamed_where_nothing_else_applies(install):
    install(acme=source(stage="reset"))
    assert Plugins().resolve("reset", meta()).key == "acme:reset"


def test_a_named_plugin_wins_only_where_it_applies(write_plugin):
    path = write_plugin(source(extra=', where={"INSTRUME": "MIRI"}'))
    named = Plugins(Selection.parse((path,)))
    assert named.resolve("flat_field", meta(INSTRUME="MIRI", EXP_TYPE="MIR_IMAGE")).key == "acme:flat_field"
    assert named.resolve("flat_field", meta()).key == "builtin:flat_field"


def test_exposure_type_beats_instrument_beats_any(write_plugin):
    text = "".join(
        source(name=name, extra=f', name="{name}", where={where}')
        for name, where in {
            "any": {}, "nircam": {"INSTRUME": "NIRCAM", "FILTER": "F200W"}, "image": {"EXP_TYPE": "NRC_IMAGE"},
        }.items()
    )  # fmt: skip
    loaded = Plugins(Selection.parse((write_plugin(text),)))
    assert loaded.resolve("flat_field", meta(FILTER="F200W")).key == "acme:image"
    assert loaded.resolve("flat_field", meta(FILTER="F200W", EXP_TYPE="NRC_CORON")).key == "acme:nircam"
    assert loaded.resolve("flat_field", meta(INSTRUME="FGS", EXP_TYPE="FGS_IMAGE")).key == "acme:any"


def test_a_tie_is_an_error_that_prints_the_flag(write_plugin):
    chosen = Selection.parse((write_plugin(source(), "acme"), write_plugin(source(), "bcme")))
    with pytest.raises(PluginError) as error:
        Plugins(chosen).resolve("flat_field", meta())
    assert "--use flat_field=acme:flat_field" in one_line(error)
    settled = Selection.parse(chosen.named, use={"flat_field": "bcme"})
    assert Plugins(settled).resolve("flat_field", meta()).key == "bcme:flat_field"


def test_one_broken_plugin_is_reported_and_the_rest_load(install):
    install(broken="import there_is_no_such_module", fine=source(stage="reset"))
    loaded = Plugins()
    loaded.load_rest()
    (broken,) = loaded.broken()
    assert (broken.name, broken.distribution, broken.version) == ("broken", "broken-package", "2.0")
    assert "there_is_no_such_module" in broken.error
    assert loaded.resolve("reset", meta()).key == "fine:reset"


def test_naming_a_broken_plugin_is_an_error(write_plugin):
    with pytest.raises(PluginError, match="broken: ZeroDivisionError") as error:
        Plugins(Selection.parse((write_plugin("1 / 0"),)))
    assert one_line(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (source(stage="flat_feild"), "did you mean 'flat_field'"),
        (source(arguments="exposure, flux"), "asks for the argument 'flux', which flat_field does not offer"),
        (
            "from jwcore import api\n@api.stage(after='flat_fild')\ndef x(exposure):\n    pass",
            "did you mean 'flat_field'",
        ),
        (source(arguments="exposure, params=None"), "remove the default"),
        (source(extra=', chunk="columns"'), "chunk='columns'"),
        ('JWCAL_API = "2.0"', "interface 2.0, this is 1.0"),
        ('JWCAL_API = "1.9"', "interface 1.9, this is 1.0"),
        ("from jwcore import api\n@api.stage()\ndef flat_field(exposure):\n    pass", "exists already"),
        ("from jwcore import api\n@api.stage()\ndef x(image):\n    pass", "unknown argument 'image'"),
        ("from jwcore import api\n@api.wrapper(stage='jump')\ndef x(exposure):\n    pass", "does not yield"),
        (source() + source(name="other"), "is taken"),
    ],
    ids=[
        "stage",
        "signature",
        "anchor",
        "default",
        "chunk",
        "major",
        "minor",
        "stage twice",
        "argument",
        "wrapper",
        "name twice",
    ],
)
def test_what_is_wrong_with_a_plugin_is_said_in_one_line(write_plugin, text, expected):
    with pytest.raises(PluginError) as error:
        Plugins(Selection.parse((write_plugin(text),)))
    assert expected in one_line(error)


def test_a_plugin_that_does_not_exist():
    with pytest.raises(UsageError) as error:
        Plugins(Selection.parse(("nowhere",)))
    assert "installed: builtin" in one_line(error)
    with pytest.raises(UsageError, match="cannot read plugin file"):
        Selection.parse(("gone.py",))


def test_blocking_and_limiting(monkeypatch):
    assert "miri" not in Plugins(Selection.parse(("no:miri",))).plugins
    monkeypatch.setenv("JWCAL_PLUGINS", "builtin, nircam")
    assert list(Plugins(Selection.parse()).plugins) == ["builtin", "nircam"]


def test_two_plugins_of_one_name(write_plugin, tmp_path):
    (tmp_path / "other").mkdir()
    second = tmp_path / "other" / "acme.py"
    second.write_text(source(stage="reset"))
    with pytest.raises(
        JwcalError, match=rf"two plugins are called 'acme' .*{re.escape(str(second))}. — rename the file"
    ):
        Plugins(Selection.parse((write_plugin(source()), str(second))))


def test_a_file_plugin_travels_as_source(write_plugin, tmp_path):
    selection = Selection.parse((write_plugin(source()),))
    (tmp_path / "acme.py").unlink()
    loaded = Plugins(selection)
    assert loaded.resolve("flat_field", meta()).plugin.source_hash
    assert "def own(exposure)" in loaded.plugins["acme"].source


def test_stages_of_a_plugin_go_where_they_ask_to_be(write_plugin):
    text = """
from jwcore import api

@api.stage(after="flat_field")
def wisps(exposure, params):
    "Subtract wisps."

@api.step(stage="wisps")
def subtract_wisps(exposure):
    return exposure
"""
    path = write_plugin(text)
    labels = [step.label for step in Plugins(Selection.parse((path,))).recipe("image2", meta()).steps()]
    assert labels[labels.index("flat_field") + 1] == "wisps"
    replaced = write_plugin(text.replace("after=", "instead_of="), "bcme")
    labels = [step.label for step in Plugins(Selection.parse((replaced,))).recipe("image2", meta()).steps()]
    assert "wisps" in labels
    assert "flat_field" not in labels


def test_an_installed_plugin_that_nobody_named_adds_no_stage(install):
    install(
        acme='from jwcore import api\n@api.stage(after="flat_field")\ndef wisps(exposure):\n    "Subtract wisps."\n'
    )
    loaded = Plugins()
    loaded.load_rest()
    assert "wisps" not in [step.label for step in loaded.recipe("image2", meta()).steps()]


def test_a_missing_instrument_plugin_is_named():
    with pytest.raises(PluginError) as error:
        Plugins(Selection.parse(("no:nircam",))).recipe("image2", meta())
    assert "install jwcal-nircam" in one_line(error)


def test_every_stage_of_the_contract_is_documented():
    for stage in Plugins().stages.values():
        assert stage.summary.endswith("."), stage.name
        assert stage.arguments


def test_entry_points_are_ours():
    names = {entry.name for entry in metadata.entry_points(group="jwcal.plugins")}
    assert {"builtin", "nircam", "miri", "nirspec", "niriss", "fgs"} <= names
