"""gain_scale: bring rates that were read with another gain to the standard one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import SkipStep, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwcore.api import Context, Cube, IFUImage, Image, Meta, Reference

PLANES = {"data": 1, "err": 1, "var_poisson": 2, "var_rnoise": 2}
"""Arrays that are scaled, and the power of the factor."""

NO_FACTOR = "neither the exposure nor the gain reference has a GAINFACT"


def no_factor(meta: Meta, references: Mapping[str, Reference]) -> str | None:
    """Say, while planning, that there is nothing to scale by."""
    return NO_FACTOR if _factor(meta, references) is None else None


def _factor(meta: Meta, references: Mapping[str, Reference]) -> float | None:
    """Return the factor of the exposure, else that of the gain reference."""
    own = meta.exposure.gain_factor
    gain = references.get("gain")
    return gain.keyword("GAINFACT") if own is None and gain is not None else own


@step(stage="gain_scale", optional_references=("gain",), sets=("GAINFACT",), chunk="rows", applies=no_factor)
def gain_scale(
    exposure: Image | IFUImage | Cube, references: Mapping[str, Reference], context: Context
) -> Image | IFUImage | Cube:
    """Multiply rates and errors by GAINFACT, variances by its square.

    Arrays are replaced, not edited: rates of a single integration share them.
    """
    factor = _factor(exposure.meta, references)
    if factor is None:
        raise SkipStep(NO_FACTOR)
    if not factor > 0:
        raise SkipStep(f"GAINFACT = {factor} is no factor")
    for name, power in PLANES.items():
        array = getattr(exposure, name)
        if array is not None:
            setattr(exposure, name, array * array.dtype.type(factor**power))
    exposure.meta.exposure.gain_factor = factor
    return exposure
