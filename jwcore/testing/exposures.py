"""Exposures of a few dozen pixels, and references that fit them, on which any step runs in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jwcore.errors import UsageError
from jwcore.models import Cube, ExposureSet, GuiderCal, GuiderRaw, Image, Meta, Ramp
from jwcore.references import Reference, Window

SHAPE = (32, 32)
KEYWORDS: dict[str, Any] = {
    "TELESCOP": "JWST", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", "MODULE": "A", "CHANNEL": "SHORT", "FILTER": "F200W",
    "PUPIL": "CLEAR", "EXP_TYPE": "NRC_IMAGE", "READPATT": "RAPID", "NINTS": 2, "NGROUPS": 6, "NFRAMES": 1, "GROUPGAP": 0,
    "FRMDIVSR": 1, "TFRAME": 10.0, "TGROUP": 10.0, "NOUTPUTS": 4, "SUBARRAY": "FULL", "SUBSTRT1": 1, "SUBSTRT2": 1,
    "SUBSIZE1": SHAPE[1], "SUBSIZE2": SHAPE[0], "FASTAXIS": -1, "SLOWAXIS": 2, "DATE-OBS": "2026-01-01",
    "TIME-OBS": "00:00:00.000", "EXPSTART": 61000.0, "EXPMID": 61000.01, "EXPEND": 61000.02, "EFFEXPTM": 120.0,
    "RA_REF": 80.0, "DEC_REF": -69.5, "VA_SCALE": 1.0, "PIXAR_SR": 2.3e-14, "PIXAR_A2": 9.6e-4,
}  # fmt: skip
"""Keywords of the tiny exposures."""
_Arrays = Mapping[Any, np.ndarray]
_KEYWORDS_OF = {
    "MIRI": {
        "DETECTOR": "MIRIMAGE", "MODULE": None, "CHANNEL": None, "FILTER": "F770W", "PUPIL": None, "EXP_TYPE": "MIR_IMAGE",
        "READPATT": "FASTR1", "FASTAXIS": 1,
    },
}  # fmt: skip
"""Keywords of instruments whose steps look at them."""
POINTING = {"v2_ref": 120.0, "v3_ref": -527.0, "roll_ref": 30.0, "v3yangle": 0.0, "vparity": -1}
"""Where the tiny exposures look, degrees and arcsec."""


def tiny_meta(**keywords: Any) -> Meta:
    """Metadata of a small near-infrared exposure; keywords may be changed or, with None, left out."""
    meta = Meta()
    of_instrument = _KEYWORDS_OF.get(keywords.get("INSTRUME", KEYWORDS["INSTRUME"]), {})
    for keyword, value in {**KEYWORDS, **of_instrument, **keywords}.items():
        if value is not None:
            meta.set_keyword(keyword.replace("_OBS", "-OBS"), value)
    for name in ("v2_ref", "v3_ref", "roll_ref", "v3yangle", "vparity"):  # keywords that guide stars have, too
        meta.set(f"wcsinfo.{name}", POINTING[name])
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


def tiny_distortion() -> Any:
    """Make the transform from pixels to the telescope frame: 0.031 arcsec a pixel."""
    from astropy.modeling.models import Scale, Shift

    centre, scale = Shift(-15.5) & Shift(-15.5), Scale(0.031) & Scale(0.031)
    return centre | scale | Shift(POINTING["v2_ref"]) & Shift(POINTING["v3_ref"])


def tiny_wcs() -> Any:
    """Make the gWCS of a tiny image."""
    from jwcore.algorithms.wcs import Pointing, imaging_wcs

    telescope = {name: POINTING[name] for name in ("v2_ref", "v3_ref", "roll_ref")}
    pointing = Pointing(ra_ref=KEYWORDS["RA_REF"], dec_ref=KEYWORDS["DEC_REF"], **telescope)
    box = ((-0.5, SHAPE[1] - 0.5), (-0.5, SHAPE[0] - 0.5))
    return imaging_wcs(to_v2v3=tiny_distortion(), pointing=pointing, va_scale=1.0, box=box)


def tiny_image(*, seed: int = 1, wcs: bool = False, **keywords: Any) -> Image:
    """Make an image float32 (32, 32) with errors, variances and a few bad pixels: DN/s, or with a gWCS MJy/sr."""
    rng = np.random.default_rng(seed)
    data = rng.uniform(0.5, 20.0, SHAPE).astype("f4")
    poisson, rnoise = data / 200.0, np.full(SHAPE, 0.01)
    image = Image(
        data=data, err=np.sqrt(poisson + rnoise), dq=np.where(rng.random(SHAPE) < 0.02, 1, 0).astype("u4"),
        var_poisson=poisson, var_rnoise=rnoise, meta=tiny_meta(**keywords),
    )  # fmt: skip
    image.meta.bunit_data = "MJy/sr" if wcs else "DN/s"
    image.meta.model_type = "ImageModel"
    image.meta.filename = f"jw00001001001_02101_{seed:05d}_nrca1_rate.fits"
    if wcs:
        image.wcs = tiny_wcs()
    return image


def tiny_cube(**keywords: Any) -> Cube:
    """Make rates of two integrations float32 (2, 32, 32) in DN/s that differ in their noise."""
    images = [tiny_image(seed=seed, **keywords) for seed in (1, 2)]
    images[0].meta.model_type = "CubeModel"
    names = ("data", "err", "dq", "var_poisson", "var_rnoise")
    return Cube(meta=images[0].meta, **{name: np.stack([getattr(image, name) for image in images]) for name in names})


def tiny_guider_raw(**keywords: Any) -> GuiderRaw:
    """Make reads of a guider float32 (2, 6, 32, 32) in DN."""
    ramp = tiny_ramp(**keywords)
    return GuiderRaw(data=ramp.data, meta=ramp.meta)


def tiny_guider_cal(**keywords: Any) -> GuiderCal:
    """Make rates of a guider float32 (2, 32, 32) in DN/s with errors."""
    image = tiny_image(**keywords)
    return GuiderCal(data=np.stack([image.data] * 2), err=np.stack([image.err] * 2), meta=image.meta)


def tiny(kind: str, **keywords: Any) -> Any:
    """Make the tiny product of a container by its name, an image with a gWCS for those without one of their own."""
    makers: dict[str, Callable[..., Any]] = {
        "Ramp": tiny_ramp, "GuiderRaw": tiny_guider_raw, "GuiderCal": tiny_guider_cal,
    }  # fmt: skip
    return makers[kind](**keywords) if kind in makers else tiny_image(wcs=True, **keywords)


def tiny_set(*, number: int = 3, **keywords: Any) -> ExposureSet:
    """Make a set of calibrated images with a gWCS that differ in their noise; keywords may be changed."""
    return ExposureSet([tiny_image(seed=seed, wcs=True, **keywords) for seed in range(1, number + 1)], name="tiny")


def tiny_references(types: Iterable[str] = (), **own: Any) -> dict[str, Reference]:
    """Make references that fit the tiny exposures.

    Parameters
    ----------
    types : iterable of str
        Types of which neutral references are made.
    **own
        Type -> array, mapping of EXTNAME to array, file, or Reference: for types that are not known here.

    Returns
    -------
    dict
        Type -> reference.

    Raises
    ------
    UsageError
        For a type that is not known here, or a file that is not there.
    """
    return {kind: _neutral(kind) for kind in types} | {kind: _given(kind, one) for kind, one in own.items()}


def _given(kind: str, content: Any) -> Reference:
    """Make a reference of what a plugin author hands over."""
    if isinstance(content, Reference):
        return content
    if isinstance(content, str | Path):
        if not Path(content).is_file():
            raise UsageError(f"there is no file {content}", where=f"reference {kind}", cure="correct the path")
        return Reference.from_file(kind, Path(content), window=Window(1, 1, *SHAPE), image=True)
    arrays = content if isinstance(content, Mapping) else {"SCI": content}
    return Reference.from_arrays(kind, arrays, header=_HEADER)


def _neutral(kind: str) -> Reference:
    """Make a reference that changes little."""
    if kind in _LEVELS:
        return _level(kind)
    if kind in _ARRAYS:
        return Reference.from_arrays(kind, _ARRAYS[kind](SHAPE), dq=np.zeros(SHAPE, "u4"), header=_HEADER)
    if kind in _TABLES:
        table: _Arrays = {_TABLE_NAMES.get(kind, kind.upper()): np.array(*_TABLES[kind])}
        return Reference.from_arrays(kind, table, header=_HEADER)
    if kind in _TREES:
        return Reference.from_arrays(kind, tree=_TREES[kind]())
    raise UsageError(f"no {kind} reference is known here", cure=f"hand one over: tiny_references({kind}=ARRAY or FILE)")


_HEADER = {
    "PIXAR_SR": 2.3e-14, "PIXAR_A2": 9.6e-4, "NFRAMES": 1, "GROUPGAP": 0, "NGROUPS": 20,
    "SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": SHAPE[1], "SUBSIZE2": SHAPE[0],
}  # fmt: skip

_LEVELS = {
    "mask": 0.0, "saturation": 60000.0, "superbias": 500.0, "gain": 2.0, "readnoise": 10.0, "flat": 1.0, "area": 1.0,
}  # fmt: skip
"""Constant value of the references that are one image."""


def _level(kind: str) -> Reference:
    arrays: _Arrays = {"SCI": np.full(SHAPE, _LEVELS[kind], "f4"), "ERR": np.full(SHAPE, 0.01, "f4")}
    return Reference.from_arrays(kind, arrays, dq=np.zeros(SHAPE, "u4"), header=_HEADER)


def _unity(number: int, shape: tuple[int, ...]) -> np.ndarray:
    """Planes that are zero except for the one of the given number."""
    planes = np.zeros((3, *shape), "f4")
    planes[number] = 1.0
    return planes


def _offsets() -> dict[str, Any]:
    from astropy.table import Table

    return {"abvega_offset": Table(rows=[("F200W", "CLEAR", 1.7)], names=("filter", "pupil", "abvega_offset"))}


def _interference() -> dict[str, Any]:
    wave = {"frequency": 390.625, "phase_amplitudes": np.sin(2 * np.pi * (np.arange(40) + 0.5) / 40)}
    case = {"rowclocks": 18, "frameclocks": 7520, "freqs": {"FAST": ["line"]}}
    return {"frequencies": {"line": wave}, "subarray_cases": {"FULL_FAST": case}}


_ARRAYS: dict[str, Callable[[tuple[int, int]], _Arrays]] = {
    "linearity": lambda shape: {"COEFFS": _unity(1, shape)},
    "dark": lambda shape: {"SCI": np.zeros((20, *shape), "f4")},
    "reset": lambda shape: {
        "SCI": np.broadcast_to([[[[5.0]], [[2.0]]], [[[3.0]], [[1.0]]]], (2, 2, *shape)).astype("f4")
    },
    "ipc": lambda shape: {"SCI": np.diag([0, 1, 0]).astype("f4")},
}
_SETTINGS = [("filter", "U12"), ("pupil", "U12")]
_TABLES = {
    "photom": ([("F200W", "CLEAR", 0.5, 0.01)], [*_SETTINGS, ("photmjsr", "f4"), ("uncertainty", "f4")]),
    "apcorr": (
        [("F200W", "CLEAR", 0.01 * e, 1.0 + e / 20, 100 / e, 8.0, 12.0) for e in (30, 50, 70)],
        [*_SETTINGS, *((name, "f4") for name in ("eefraction", "radius", "apcorr", "skyin", "skyout"))],
    ),
    "rscd": (
        [("FULL", "FASTR1", 2, 1)],
        [("subarray", "U12"), ("readpatt", "U12"), ("group_skip1", "i4"), ("group_skip", "i4")],
    ),
}
_TABLE_NAMES = {"rscd": "RSCD_GROUP_SKIP"}
_TREES: dict[str, Callable[[], dict[str, Any]]] = {
    "distortion": lambda: {"model": tiny_distortion()},
    "abvegaoffset": _offsets,
    "emicorr": _interference,
}
KNOWN_TYPES = frozenset({*_LEVELS, *_ARRAYS, *_TABLES, *_TREES})
"""Types of which there are neutral references."""
