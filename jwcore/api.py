"""The one module that a plugin imports. Names load when they are first used, so that importing it costs nothing.

The plugin interface has a version, `API_VERSION`; a plugin says which one it was written for with ``JWCAL_API = "1.0"``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jwcore.context import Context as Context
    from jwcore.declare import Detector as Detector
    from jwcore.declare import ExposureType as ExposureType
    from jwcore.declare import stage as stage
    from jwcore.declare import step as step
    from jwcore.declare import wrapper as wrapper
    from jwcore.errors import BadInput as BadInput
    from jwcore.errors import SkipStep as SkipStep
    from jwcore.errors import StepFailed as StepFailed
    from jwcore.errors import UsageError as UsageError
    from jwcore.models import Catalog as Catalog
    from jwcore.models import Cube as Cube
    from jwcore.models import Exposure as Exposure
    from jwcore.models import ExposureSet as ExposureSet
    from jwcore.models import GuiderCal as GuiderCal
    from jwcore.models import GuiderRaw as GuiderRaw
    from jwcore.models import IFUImage as IFUImage
    from jwcore.models import Image as Image
    from jwcore.models import Ramp as Ramp
    from jwcore.models import RampFitOutput as RampFitOutput
    from jwcore.models import Segmentation as Segmentation
    from jwcore.models import StripeBlock as StripeBlock
    from jwcore.models import StripeReadout as StripeReadout
    from jwcore.models import SuperstripeRamp as SuperstripeRamp
    from jwcore.models import Tree as Tree
    from jwcore.models import blend as blend
    from jwcore.models import copied as copied
    from jwcore.models import header_table as header_table
    from jwcore.models import is_striped as is_striped
    from jwcore.models import is_tso as is_tso
    from jwcore.models import of_one_stripe as of_one_stripe
    from jwcore.models import significant as significant
    from jwcore.params import Params as Params
    from jwcore.params import param as param
    from jwcore.plugin_modules import API_VERSION as API_VERSION
    from jwcore.recipes import ForEach as ForEach
    from jwcore.recipes import Recipe as Recipe
    from jwcore.recipes import Save as Save
    from jwcore.recipes import Split as Split
    from jwcore.recipes import Step as Step
    from jwcore.references import Reference as Reference

_HOMES = {
    "jwcore.context": "Context",
    "jwcore.declare": "Detector ExposureType stage step wrapper",
    "jwcore.errors": "BadInput SkipStep StepFailed UsageError",
    "jwcore.models": (
        "Catalog Cube Exposure ExposureSet GuiderCal GuiderRaw IFUImage Image Meta Ramp RampFitOutput "
        "Segmentation StripeBlock StripeReadout SuperstripeRamp Tree blend copied header_table is_striped is_tso of_one_stripe "
        "read significant write"
    ),
    "jwcore.params": "Params param",
    "jwcore.plugin_modules": "API_VERSION",
    "jwcore.recipes": "ForEach Recipe Save Split Step",
    "jwcore.references": "Reference",
    "jwcore.builtin.recipes": "NEAR_INFRARED_STAGES dark detector1 guider image2 image3",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted([*_HOME_OF, "hookimpl"])  # noqa: PLE0605  (names load lazily)


def __getattr__(name: str) -> Any:
    if name == "hookimpl":
        import pluggy

        return pluggy.HookimplMarker("jwcal")
    if name not in _HOME_OF:
        raise AttributeError(f"jwcore.api has no '{name}'; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
