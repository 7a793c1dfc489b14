"""Runs the official pipeline step by step and keeps every intermediate product.

This file is executed by the interpreter of the peer's own environment, with the input, the CRDS variables and the output
folder prepared by `tests.parity.peer`. It imports nothing of this project.

usage: peer_runner.py RECIPE OUTPUT STEPS INPUT...

RECIPE is ``detector1`` or ``guider`` (one raw exposure), ``exposure`` (detector1 and image2) or ``products`` (the same, without
the intermediate products), ``image2`` (one rate), ``image3`` (cals) or ``validate`` (any products). STEPS are the steps of the
raw exposure with their parameters, JSON.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

from jwst import datamodels, step
from jwst.datamodels import ModelLibrary
from stdatamodels.exceptions import ValidationWarning

RAW = {
    "group_scale": step.GroupScaleStep,
    "dq_init": step.DQInitStep,
    "emicorr": step.EmiCorrStep,
    "saturation": step.SaturationStep,
    "ipc": step.IPCStep,
    "superbias": step.SuperBiasStep,
    "refpix": step.RefPixStep,
    "firstframe": step.FirstFrameStep,
    "lastframe": step.LastFrameStep,
    "reset": step.ResetStep,
    "linearity": step.LinearityStep,
    "rscd": step.RscdStep,
    "dark_current": step.DarkCurrentStep,
    "charge_migration": step.ChargeMigrationStep,
    "jump": step.JumpStep,
    "picture_frame": step.PictureFrameStep,
    "clean_flicker_noise": step.CleanFlickerNoiseStep,
    "persistence": step.PersistenceStep,
    "ramp_fit": step.RampFitStep,
    "guider_cds": step.GuiderCdsStep,
    "flat_field": step.FlatFieldStep,
}
IMAGE2 = (
    ("assign_wcs", step.AssignWcsStep),
    ("flat_field", step.FlatFieldStep),
    ("photom", step.PhotomStep),
)
IMAGE3 = (
    ("tweakreg", step.TweakRegStep),
    ("skymatch", step.SkyMatchStep),
    ("outlier_detection", step.OutlierDetectionStep),
)


class Recorder:
    """Times steps and saves their products as ``STEP.fits``, or ``STEP/MEMBER.fits`` for sets."""

    def __init__(self, output, *, keep_steps):
        self.output = output
        self.keep_steps = keep_steps
        self.steps = {}

    def run(self, name, step_class, product, **parameters):
        start = time.perf_counter()
        result = step_class.call(product, **parameters)
        self.steps[name] = {"seconds": time.perf_counter() - start}
        return result

    def save(self, name, model):
        if not (self.keep_steps or name.startswith("gain_scale")):
            return
        filename = model.meta.filename
        model.save(str(self.output / f"{name}.fits"))
        model.meta.filename = filename

    def save_as_product(self, suffix, model):
        base = model.meta.filename.rsplit("_", 1)[0]
        model.save(str(self.output / f"{base}_{suffix}.fits"))

    def save_library(self, name, library):
        folder = self.output / name
        folder.mkdir()
        with library:
            for model in library:
                model.save(str(folder / model.meta.filename))
                library.shelve(model, modify=False)


def detector1(record, path, steps):
    model = datamodels.RampModel(path)
    for name, parameters in steps.items():
        model = record.run(name, RAW[name], model, **parameters)
        if name != "ramp_fit":
            record.save(name, model)
    results = []
    for suffix, product in zip(("", "ints"), model, strict=True):
        if product is None:  # nothing could be fitted
            continue
        record.save(f"ramp_fit{suffix}", product)
        results.append(record.run(f"gain_scale{suffix}", step.GainScaleStep, product))
        record.save(f"gain_scale{suffix}", results[-1])
    return results[0] if results else None


def guider(record, path, steps):
    model = datamodels.GuiderRawModel(path)
    for name, parameters in steps.items():
        model = record.run(name, RAW[name], model, **parameters)
        record.save(name, model)


def image2(record, model):
    for name, step_class in IMAGE2:
        model = record.run(name, step_class, model)
        record.save(name, model)
    record.save_as_product("cal", model)
    record.save("resample2", record.run("resample2", step.ResampleStep, model))


def image3(record, paths):
    members = [{"expname": str(path), "exptype": "science"} for path in paths]
    table = record.output / "parity_asn.json"
    table.write_text(
        json.dumps({"asn_id": "a3001", "asn_pool": "none", "products": [{"name": "mosaic", "members": members}]})
    )
    library = ModelLibrary(str(table), on_disk=False)
    for name, step_class in IMAGE3:
        library = record.run(name, step_class, library)
        record.save_library(name, library)
    mosaic = record.run("resample", step.ResampleStep, library)
    record.save("resample", mosaic)
    catalog = step.SourceCatalogStep.call(
        mosaic, save_results=True, output_dir=str(record.output), output_file="mosaic"
    )
    record.steps["source_catalog"] = {"sources": 0 if catalog is None else len(catalog)}


def validate(output, paths):
    """Open products strictly and note complaints."""
    faults = {}
    for path in paths:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ValidationWarning)
                with datamodels.open(path, strict_validation=True, validate_arrays=True) as model:
                    model.validate()
        except Exception as error:
            faults[Path(path).name] = f"{type(error).__name__}: {error}"
    (output / "validation.json").write_text(json.dumps(faults))


def main():
    recipe, output, steps, *paths = sys.argv[1:]
    steps = json.loads(steps)
    record = Recorder(Path(output), keep_steps=recipe != "products")
    if recipe in ("exposure", "products", "detector1"):
        rate = detector1(record, paths[0], steps)
        if recipe != "detector1":
            image2(record, rate)
    elif recipe == "guider":
        guider(record, paths[0], steps)
    elif recipe == "image2":
        image2(record, datamodels.open(paths[0]))
    elif recipe == "validate":
        validate(record.output, paths)
    else:
        image3(record, paths)
    versions = {name: version(name) for name in ("jwst", "stcal", "stdatamodels", "stpipe", "crds", "numpy", "astropy")}
    (record.output / "peer.json").write_text(json.dumps({"versions": versions, "steps": record.steps}, indent=1))


if __name__ == "__main__":
    main()
