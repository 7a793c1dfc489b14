"""Identification of a reference file, read without loading its arrays or the ASDF library."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from jwcore.errors import BadInput
from jwcore.models.fits_file import check_beginning

__all__ = ["PATHS", "identify", "read_tree"]

PATHS = {
    "TELESCOP": "telescope",
    "REFTYPE": "reftype",
    "USEAFTER": "useafter",
    "INSTRUME": "instrument.name",
    "DETECTOR": "instrument.detector",
    "MODULE": "instrument.module",
    "CHANNEL": "instrument.channel",
    "BAND": "instrument.band",
    "FILTER": "instrument.filter",
    "PUPIL": "instrument.pupil",
    "GRATING": "instrument.grating",
    "CORONMSK": "instrument.coronagraph",
    "LAMP": "instrument.lamp_state",
    "OPMODE": "instrument.lamp_mode",
    "EXP_TYPE": "exposure.type",
    "READPATT": "exposure.readpatt",
    "NOUTPUTS": "exposure.noutputs",
    "SUBARRAY": "subarray.name",
    "SUBSTRT1": "subarray.xstart",
    "SUBSTRT2": "subarray.ystart",
    "SUBSIZE1": "subarray.xsize",
    "SUBSIZE2": "subarray.ysize",
    "TSOVISIT": "visit.tsovisit",
    "VISITYPE": "visit.type",
    "CROWDFLD": "visit.crowded_field",
    "P_DETECT": "instrument.p_detector",
    "P_MODULE": "instrument.p_module",
    "P_CHANNE": "instrument.p_channel",
    "P_BAND": "instrument.p_band",
    "P_FILTER": "instrument.p_filter",
    "P_PUPIL": "instrument.p_pupil",
    "P_GRATIN": "instrument.p_grating",
    "P_CORONM": "instrument.p_coronagraph",
    "P_EXP_TY": "exposure.p_exptype",
    "P_READPA": "exposure.p_readpatt",
    "P_SUBARR": "subarray.p_subarray",
}
"""Keywords that identify a reference, and their place in the metadata tree of ASDF and JSON references."""


def identify(path: Path) -> dict[str, Any]:
    """Read the keywords of `PATHS` from a FITS, ASDF or JSON reference.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    dict
        Keyword -> value, those present only.

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    try:
        if path.suffix == ".asdf":
            return _from_tree(read_tree(path, only="meta").get("meta", {}))
        if path.suffix == ".json":
            tree = json.loads(path.read_text())
            return _from_tree(tree.get("meta", tree)) if isinstance(tree, dict) else {}
        return _from_fits(path)
    except (OSError, ValueError, AttributeError) as error:
        raise BadInput(f"cannot read this reference file: {error}", where=str(path), cure="fetch it again") from error


def _from_fits(path: Path) -> dict[str, Any]:
    from astropy.io import fits

    check_beginning(path)
    header = fits.getheader(path, 0)
    return {keyword: header[keyword] for keyword in PATHS if header.get(keyword) not in (None, "")}


def _from_tree(meta: Mapping[str, Any]) -> dict[str, Any]:
    facts = {}
    for keyword, place in PATHS.items():
        value = meta.get(keyword)
        if value is None:
            value = _lookup(meta, place)
        if isinstance(value, str | int | float | bool) and value != "":
            facts[keyword] = value
    return facts


def _lookup(tree: Any, place: str) -> Any:
    for part in place.split("."):
        if isinstance(tree, str) and part == "name":  # JSON references may hold the instrument as a bare name
            return tree
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree


def read_tree(path: Path, *, only: str | None = None) -> dict[str, Any]:
    """Read the tree of an ASDF file as plain values, with a YAML parser alone.

    Tags are dropped and binary blocks are not read, which is enough for metadata and parameter files and avoids
    the half second that the ASDF library takes to start.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    only : str, optional
        Top-level key to read; the rest of the tree, often a large model, is not parsed.

    Returns
    -------
    dict
        The tree.

    Raises
    ------
    ValueError
        When the file has no readable tree.
    """
    import yaml

    text = _tree_text(path)
    try:
        branch = _branch(text, only) if only is not None else ""
        if branch:
            with suppress(yaml.YAMLError):  # the branch may refer to an anchor outside of it
                return yaml.load(branch, Loader=_plain_loader())
        return yaml.load(text, Loader=_plain_loader()) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"its tree is not valid YAML ({error})") from error


def _tree_text(path: Path) -> str:
    """Return the YAML document of an ASDF file, without directives, tag of the root, and binary blocks."""
    lines = []
    with path.open("rb") as file:
        if not file.readline().startswith(b"#ASDF"):
            raise ValueError("it is not an ASDF file")
        inside = False
        for line in file:
            if line.rstrip() == b"...":
                break
            if inside:
                lines.append(line)
            inside = inside or line.startswith(b"---")
    return b"".join(lines).decode()


def _branch(text: str, key: str) -> str:
    """Return the lines of one top-level key."""
    chosen: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        if line[0] not in " \t-}]#\n":
            inside = line.startswith(f"{key}:")
        if inside:
            chosen.append(line)
    return "".join(chosen)


def _plain_loader() -> type:
    import yaml

    class PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Safe loader that reads tagged nodes as the plain values they are written as, and dates as text."""

        yaml_implicit_resolvers: ClassVar = {
            first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    def untag(loader: Any, _suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)

    PlainLoader.add_multi_constructor("!", untag)
    PlainLoader.add_multi_constructor("tag:", untag)
    return PlainLoader
