"""The sequences of stages that several instruments share; instrument plugins register recipes made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jwcore.api import Params, Recipe, Save, Step, param


class Detector1Params(Params):
    """Parameters of the detector1 recipe itself."""

    save_calibrated_ramp: bool = param(False, "Write the corrected ramp (suffix ramp) before the slope fit")


class Image2Params(Params):
    """Parameters of the image2 recipe itself."""

    save_bsub: bool = param(False, "Deprecated: use bkg_subtract.save_results")


class Image3Params(Params):
    """Parameters of the image3 recipe itself."""

    in_memory: bool = param(
        True, "Keep all exposures in memory; False keeps one at a time, the others in scratch files"
    )


_FIT = (
    Save("science", suffix="ramp", option="save_calibrated_ramp"),
    Step("ramp_fit"),
    Step("gain_scale", on=("rate",)),
    Step("gain_scale", label="gain_scaleints", on=("rateints",)),
)
_COMMON = tuple(Step(s) for s in ("charge_migration", "jump", "picture_frame", "clean_flicker_noise", "persistence"))


def detector1(*stages: str, where: Mapping[str, str]) -> Recipe:
    """Make the stage-1 recipe from an instrument's own stages, followed by the part that all instruments share."""
    return Recipe(
        "detector1",
        entries=(*(Step(stage) for stage in stages), *_COMMON, *_FIT),
        saves={"rate": "rate", "rateints": "rateints", "science": "ramp"},
        where=where,
        aliases=("calwebb_detector1",),
        makes="rate",
        params=Detector1Params,
        pars_class="Detector1Pipeline",
    )


NEAR_INFRARED_STAGES = (
    "group_scale", "dq_init", "saturation", "ipc", "superbias", "refpix", "linearity", "dark_current",
)  # fmt: skip
"""Stage-1 stages of the near-infrared detectors, up to the dark current."""


def dark(*stages: str, where: Mapping[str, str]) -> Recipe:
    """Make the recipe that brings dark exposures to the corrected ramps of which dark references are made."""
    return Recipe(
        "dark",
        entries=tuple(Step(stage) for stage in stages),
        saves={"science": "dark"},
        where=where,
        aliases=("calwebb_dark",),
        makes="dark",
        pars_class="DarkPipeline",
    )


def guider(*, where: Mapping[str, Any]) -> Recipe:
    """Make the recipe of guiding exposures."""
    return Recipe(
        "guider",
        entries=(Step("dq_init"), Step("guider_cds"), Step("flat_field")),
        saves={"science": "cal"},
        where=where,
        aliases=("calwebb_guider",),
        makes="cal",
        pars_class="GuiderPipeline",
    )


def image2(*, where: Mapping[str, str]) -> Recipe:
    """Make the stage-2 recipe of imaging modes."""
    return Recipe(
        "image2",
        entries=(
            Step("bkg_subtract", only_if_applies=True),
            Step("assign_wcs"),
            Step("flat_field"),
            Step("photom"),
            Step("resample", gives="i2d", when={"direct_image": True, "dimensions": 2}),
        ),
        saves={"science": {"Image": "cal", "Cube": "calints"}, "i2d": "i2d"},
        where=where,
        aliases=("calwebb_image2",),
        params=Image2Params,
        switches={"save_bsub": ("bkg_subtract", "save_results")},
        pars_class="Image2Pipeline",
    )


def image3(*, where: Mapping[str, str]) -> Recipe:
    """Make the stage-3 recipe of direct imaging."""
    return Recipe(
        "image3",
        entries=(
            Step("assign_mtwcs", when={"moving_target": True}),
            Step("tweakreg", unless={"moving_target": True}),
            Step("skymatch"),
            Step("outlier_detection"),
            Step("resample", gives="i2d"),
            Step("source_catalog", on=("i2d",)),
        ),
        saves={"science": "crf", "i2d": "i2d", "cat": "cat", "segm": "segm"},
        where=where,
        aliases=("calwebb_image3",),
        takes="exposures",
        makes="i2d",
        params=Image3Params,
        pars_class="Image3Pipeline",
    )
