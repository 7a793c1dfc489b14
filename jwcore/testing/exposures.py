"""Exposures of a few dozen pixels, and references that fit them, on which any step runs in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from jwcore.models import ExposureSet, Image, Meta, Ramp
from jwcore.references import Reference

SHAPE = (32, 32)
KEYWORDS: dict[str, Any] = {
    "TELESCOP": "JWST", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", "MODULE": "A", "CHANNEL": "SHORT", "FILTER": "F200W",
    "PUPIL": "CLEAR", "EXP_TYPE": "NRC_IMAGE", "READPATT": "RAPID", "NINTS": 2, "NGROUPS": 6, "NFRAMES": 1, "GROUPGAP": 0,
    "FRMDIVSR": 1, "TFRAME": 10.0, "TGROUP": 10.0, "NOUTPUTS": 4, "SUBARRAY": "FULL", "SUBSTRT1": 1, "SUBSTRT2": 1,
    "SUBSIZE1": SHAPE[1], "SUBSIZE2": SHAPE[0], "FASTAXIS": -1, "SLOWAXIS": 2, "DATE-OBS": "2026-01-01",
    "TIME-OBS": "00:00:00.000", "EXPSTART": 61000.0, "EXPMID": 61000.01, "EXPEND": 61000.02, "EFFEXPTM": 120.0,
    "RA_REF": 80.0, "DEC_REF": -69.5, "ROLL_REF": 30.0, "V2_REF": 120.0, "V3_REF": -527.0, "V3I_YANG": 0.0, "VPARITY": -1,
    "VA_SCALE": 1.0, "PIXAR_SR": 2.3e-14, "PIXAR_A2": 9.6e-4,
}  # fmt: skip
"""Keywords of the tiny exposures."""


def tiny_meta(**keywords: Any) -> Meta:
    """Metadata of a small near-infrared exposure; keywords may be changed or, with None, left out."""
    meta = Meta()
    for keyword, value in {**KEYWORDS, **keywords}.items():
        if value is not None:
            meta.set_keyword(keyword.replace("_OBS", "-OBS"), value)
    return meta


def tiny_ramp(*, seed: int = 1, **keywords: Any) -> Ramp:
    """Make a ramp float32 (2, 6, 32, 32) in DN: a steady slope per pixel with noise, a few cosmic rays and bad pixels."""
    rng = np.random.default_rng(seed)
    meta = tiny_meta(**keywords)
    nints, ngroups = meta.exposure.nints, meta.exposure.ngroups
    slope = rng.uniform(5.0, 80.0, SHAPE)
    groups = np.arange(1, ngroups + 1)[None, :, None, None]
    data = 1000.0 + slope * groups + rng.normal(0.0, 8.0, (nints, ngroups, *SHAPE))
    for _ in range(20):
        i, g, y, x = rng.integers(nints), rng.integers(1, ngroups), rng.integers(SHAPE[0]), rng.integers(SHAPE[1])
        data[i, g:, y, x] += 5000.0
    ramp = Ramp(data=data.astype("f4"), meta=meta)
    ramp.pixeldq[rng.random(SHAPE) < 0.02] |= np.uint32(1)
    meta.model_type = "RampModel"
    meta.filename = "jw00001001001_02101_00001_nrca1_ramp.fits"
    return ramp


def tiny_image(*, seed: int = 1, **keywords: Any) -> Image:
    """Make a rate image float32 (32, 32) in DN/s with errors, variances and a few bad pixels."""
    rng = np.random.default_rng(seed)
    data = rng.uniform(0.5, 20.0, SHAPE).astype("f4")
    poisson, rnoise = data / 200.0, np.full(SHAPE, 0.01)
    image = Image(
        data=data, err=np.sqrt(poisson + rnoise), dq=np.where(rng.random(SHAPE) < 0.02, 1, 0).astype("u4"),
        var_poisson=poisson, var_rnoise=rnoise, meta=tiny_meta(**keywords),
    )  # fmt: skip
    image.meta.bunit_data = "DN/s"
    image.meta.model_type = "ImageModel"
    image.meta.filename = f"jw00001001001_02101_{seed:05d}_nrca1_rate.fits"
    return image


def tiny_set(*, number: int = 3) -> ExposureSet:
    """Make a set of rate images that differ in their noise."""
    return ExposureSet([tiny_image(seed=seed) for seed in range(1, number + 1)], name="tiny")


def tiny_references(types: Iterable[str], *, shape: tuple[int, int] = SHAPE) -> dict[str, Reference]:
    """Make neutral references of the given types; types that are not known here are left out."""
    return {
        kind: _reference(kind, shape)
        for kind in types
        if kind in _LEVELS or kind in ("linearity", "dark", "ipc", "photom")
    }


_LEVELS = {
    "mask": 0.0, "saturation": 60000.0, "superbias": 500.0, "gain": 2.0, "readnoise": 10.0, "flat": 1.0, "area": 1.0,
}  # fmt: skip
"""Constant value of the references that are one image."""


def _reference(kind: str, shape: tuple[int, int]) -> Reference:
    dq = np.zeros(shape, "u4")
    if kind in _LEVELS:
        arrays: dict[Any, np.ndarray] = {"SCI": np.full(shape, _LEVELS[kind], "f4"), "ERR": np.full(shape, 0.01, "f4")}
        return Reference.from_arrays(kind, arrays, dq=dq, header={"PIXAR_SR": 2.3e-14, "PIXAR_A2": 9.6e-4})
    if kind == "linearity":
        coefficients = np.zeros((3, *shape), "f4")
        coefficients[1] = 1.0
        return Reference.from_arrays(kind, {"COEFFS": coefficients}, dq=dq)
    if kind == "dark":
        header = {"NFRAMES": 1, "GROUPGAP": 0, "NGROUPS": 20}
        return Reference.from_arrays(kind, {"SCI": np.zeros((20, *shape), "f4")}, dq=dq, header=header)
    if kind == "ipc":
        kernel = np.zeros((3, 3), "f4")
        kernel[1, 1] = 1.0
        return Reference.from_arrays(kind, {"SCI": kernel})
    table = np.array(
        [("F200W", "CLEAR", 0.5, 0.01)],
        [("filter", "U12"), ("pupil", "U12"), ("photmjsr", "f4"), ("uncertainty", "f4")],
    )
    return Reference.from_arrays("photom", {"PHOTOM": table}, header={"PIXAR_SR": 2.3e-14, "PIXAR_A2": 9.6e-4})
