"""The facts about an exposure by which references are selected, in the form in which rules state them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["CACHE_KEYWORDS", "condition", "describe", "parameters_of"]

SECTIONS = ("instrument", "exposure", "observation", "subarray", "visit")
"""The branches of the metadata that describe the observation; selection rules use no others."""

CACHE_KEYWORDS = ("SIMCACHE", "SIMCTX")
"""Keywords by which a simulated exposure names its own reference cache (relative path) and context."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(E[+-]?\d+)?")
_SPECIAL = {
    "ANY": "*",
    "NOT APPLICABLE": "N/A",
    "NOT_APPLICABLE": "N/A",
    "TRUE": "T",
    "FALSE": "F",
    "4294967295.0": "-1.0",
    "": "UNDEFINED",
}


def condition(value: Any) -> str:
    """Return a metadata value as rules compare it.

    Parameters
    ----------
    value : str, int, float, bool or None
        Value of a keyword.

    Returns
    -------
    str
        Upper case and stripped; numbers and numeric strings as floats (``12`` is ``12.0``); truth values ``T`` or
        ``F``; ``ANY`` as ``*``; a missing value as ``UNDEFINED``.
    """
    if value is None:
        return "UNDEFINED"
    text = str(value).strip().upper()
    if _NUMBER.fullmatch(text):
        text = str(float(text))
    return _SPECIAL.get(text, text)


def parameters_of(meta: Any, *, path: Path | None = None) -> dict[str, str]:
    """Collect the selection parameters of an exposure.

    Parameters
    ----------
    meta : Meta or mapping
        Metadata; ``items()`` yields dotted paths (``exposure.type``) or nested mappings, with or without ``meta.``.
    path : pathlib.Path, optional
        File of the exposure. A simulated exposure names its reference cache relative to a folder that contains it.

    Returns
    -------
    dict of str
        ``META.EXPOSURE.TYPE`` ... -> conditioned value, for scalars that are set. ``SIMCACHE`` and ``SIMCTX`` are
        added, unconditioned, when the exposure has them, and ``FILE`` when the path is given: for messages.
    """
    parameters = {}
    for name, value in _flatten(meta.items()):
        section = name.partition(".")[0]
        if section in SECTIONS and isinstance(value, str | int | float | bool):
            parameters[f"META.{name.upper()}"] = condition(value)
    if path is not None:
        parameters["FILE"] = str(path)
    read = getattr(meta, "keyword", meta.get)
    cache, context = (read(name, None) for name in CACHE_KEYWORDS)
    if cache and context:
        parameters["SIMCACHE"] = str(_search(str(cache), path))
        parameters["SIMCTX"] = str(context)
    return parameters


def _search(cache: str, path: Path | None) -> Path:
    """Return the named folder: beside the exposure, beside one of the folders that contain it, or where the user is."""
    start = path.absolute().parents if path is not None else ()
    candidates = [folder / cache for folder in (*start[:4], Path.cwd())]
    return next((candidate for candidate in candidates if candidate.is_dir()), candidates[0])


def _flatten(items: Iterable[tuple[str, Any]], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in items:
        name = f"{prefix}{key}".removeprefix("meta.").lower()
        if isinstance(value, Mapping):
            yield from _flatten(value.items(), f"{name}.")
        else:
            yield name, value


def describe(parameters: Mapping[str, str]) -> str:
    """Return the few parameters that a reader needs to see in a message, such as ``NIRCAM NRCB1 F200W``."""
    leaves = ("INSTRUMENT.NAME", "INSTRUMENT.DETECTOR", "INSTRUMENT.FILTER", "EXPOSURE.TYPE", "SUBARRAY.NAME")
    return " ".join(v for leaf in leaves if (v := parameters.get(f"META.{leaf}")) and v not in ("N/A", "UNDEFINED"))
