from types import SimpleNamespace

import pytest

from jwcore.errors import BadInput
from jwcore.references import Found, parameter_layers
from jwcore.references.headers import identify, read_tree
from jwcore.references.pars import parameter_type

JUMP = """#ASDF 1.0.0
#ASDF_STANDARD 1.5.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
asdf_library: !core/software-1.0.0 {name: asdf, version: 2.5.1}
class: jwst.jump.jump_step.JumpStep
meta:
  instrument: {name: NIRCAM}
  reftype: pars-jumpstep
  useafter: 2022-01-01T00:00:00
  date: !time 2022-01-01
name: jump
parameters:
  pre_hooks: []
  output_dir: null
  rejection_threshold: 5.5
  expand_large_events: true
...
\x00\xd3BLK rubbish
"""
PIPELINE = """#ASDF 1.0.0
--- !core/asdf-1.1.0
class: jwst.pipeline.Detector1Pipeline
name: calwebb_detector1
parameters: {save_calibrated_ramp: true, save_results: true}
steps:
- class: jwst.jump.JumpStep
  name: jump
  parameters: {rejection_threshold: 6.0}
- class: jwst.gain_scale.GainScaleStep
  name: gain_scale
  parameters: {skip: true}
- class: jwst.ipc.IPCStep
  name: ipc
  parameters: {skip: true}
"""
OLD = """#ASDF 1.0.0
--- !core/asdf-1.1.0
parameters:
  class: jwst.jump.JumpStep
  name: jump
  rejection_threshold: 7.0
"""
STEPS = [
    SimpleNamespace(stage="jump", label="jump"),
    SimpleNamespace(stage="gain_scale", label="gain_scale"),
    SimpleNamespace(stage="gain_scale", label="gain_scaleints"),
]


class Folder:
    name = "folder"
    context = "test"

    def __init__(self, folder, **files):
        self.found = {}
        for type_, text in files.items():
            path = folder / f"{type_}.asdf"
            path.write_text(text, encoding="latin-1")
            name = f"pars-{type_}"
            self.found[name] = Found(name, path, path.name, self.name, self.context)

    def find(self, types, parameters):
        return {type_: self.found[type_] for type_ in types if type_ in self.found}


def test_types():
    assert parameter_type("jump") == "pars-jumpstep"
    assert parameter_type("clean_flicker_noise") == "pars-cleanflickernoisestep"
    assert parameter_type("bkg_subtract") == "pars-backgroundstep"


def test_steps_then_pipeline(tmp_path):
    provider = Folder(tmp_path, jumpstep=JUMP, detector1pipeline=PIPELINE)
    layers = parameter_layers(provider, "Detector1Pipeline", STEPS, {})
    assert [layer.origin for layer in layers] == ["jumpstep.asdf", "detector1pipeline.asdf"]
    assert layers[0].values == {"jump": {"rejection_threshold": 5.5, "expand_large_events": True}}
    assert layers[1].values == {
        "detector1": {"save_calibrated_ramp": True},
        "jump": {"rejection_threshold": 6.0},
        "gain_scale": {"skip": True},
        "gain_scaleints": {"skip": True},
    }


def test_old_form(tmp_path):
    (layer,) = parameter_layers(Folder(tmp_path, jumpstep=OLD), "", STEPS, {})
    assert layer.values == {"jump": {"rejection_threshold": 7.0}}


def test_nothing_delivered(tmp_path, monkeypatch):
    assert parameter_layers(Folder(tmp_path), "Detector1Pipeline", STEPS, {}) == []
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    assert parameter_layers(Folder(tmp_path, jumpstep=JUMP), "", STEPS, {}) == []


def test_damaged_file_is_left_out(tmp_path, caplog):
    (layer,) = parameter_layers(Folder(tmp_path, jumpstep="rubbish"), "", STEPS, {})
    assert layer.values == {}
    assert "parameters not used" in caplog.text


def test_identification_without_the_asdf_library(tmp_path):
    path = tmp_path / "jump.asdf"
    path.write_text(JUMP, encoding="latin-1")
    assert identify(path) == {"REFTYPE": "pars-jumpstep", "USEAFTER": "2022-01-01T00:00:00", "INSTRUME": "NIRCAM"}
    assert read_tree(path, only="meta").keys() == {"meta"}
    path.write_text("#ASDF 1.0.0\n--- !core/asdf-1.1.0\n{meta: {reftype: FLAT}}\n")
    assert identify(path) == {"REFTYPE": "FLAT"}
    path.write_text("#ASDF 1.0.0\n--- !core/asdf-1.1.0\nmeta: {reftype: [\n")
    with pytest.raises(BadInput, match="not valid YAML"):
        identify(path)
