"""The ASDF extension of a product: what has no place in FITS cards (WCS, logs, free attributes).

The extension is a whole ASDF file. Most of it is plain YAML, which PyYAML reads in a few milliseconds; only objects
such as a gWCS need the asdf library, whose first use costs half a second. So the text is parsed with tagged nodes left
as they are, and can be written again without ever making the objects.
"""

import copy
import io
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Self

import numpy as np

from jwcore.models.keywords import BY_PATH

HEADER = "#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n"
CORE = "tag:stsci.edu:asdf/"
_BLOCK = b"\xd3BLK"
_INDEX = b"#ASDF BLOCK INDEX"
_DERIVED = frozenset({"_fits_hash", "asdf_library", "extra_fits"})
"""Top-level nodes that describe the file they were in and never travel to another one."""


@dataclass
class Tagged:
    """A YAML node with a tag that plain YAML does not know, kept as it is."""

    tag: str
    value: Any


class AsdfTree:
    """Content of one ASDF extension, parsed when it is needed; never changed, so copies of a product share it.

    Parameters
    ----------
    source : callable, optional
        Returns the bytes of the extension. None: an empty tree.
    """

    def __init__(self, source: Callable[[], bytes] | None = None):
        self._source = source
        self._raw: bytes | None = None if source else b""
        self._plain: dict[str, Any] | None = None

    def __deepcopy__(self, memo: dict) -> Self:
        return self

    @property
    def raw(self) -> bytes:
        """Bytes of the ASDF file."""
        if self._raw is None:
            assert self._source is not None
            self._raw = self._source()
        return self._raw

    @property
    def blocks(self) -> bytes:
        """Binary blocks after the YAML text, without the index, which would have to be made anew."""
        start = self.raw.find(_BLOCK)
        end = self.raw.rfind(_INDEX)
        return self.raw[start : end if end > start else None] if start >= 0 else b""

    def plain(self) -> dict[str, Any]:
        """Return the tree without what FITS holds; tagged nodes are `Tagged`."""
        if self._plain is None:
            self._plain = _strip(parse_plain(self.raw)) if self.raw else {}
        return self._plain

    @property
    def standard(self) -> str:
        """First lines of the file; they name the version of the standard, which decides how tags are read."""
        return self.raw.partition(b"%YAML")[0].decode() or HEADER

    def carried(self, tree: Mapping[str, Any]) -> bytes:
        """Return an ASDF file with `tree`, whose tagged nodes came from here."""
        return dump_plain(tree, header=self.standard, blocks=self.blocks)

    def live(self) -> dict[str, Any]:
        """Return the tree without what FITS holds, with real objects (imports asdf)."""
        return parse_live(self.carried(self.plain())) if self.raw else {}

    def free_meta(self) -> dict[str, Any]:
        """Return the free attributes: the ``meta`` node without keywords and WCS."""
        return copy.deepcopy({name: node for name, node in self.plain().get("meta", {}).items() if name != "wcs"})

    def nodes(self) -> dict[str, Any]:
        """Return the top-level nodes except ``meta``."""
        return copy.deepcopy({name: node for name, node in self.plain().items() if name != "meta"})

    def has_wcs(self) -> bool:
        """Tell whether the tree holds a WCS, without making it."""
        return b"wcs:" in self.raw and self.plain().get("meta", {}).get("wcs") is not None

    def wcs(self) -> Any:
        """Return the gWCS, None when there is none."""
        return self.live().get("meta", {}).get("wcs") if self.has_wcs() else None


def _strip(tree: Mapping) -> dict[str, Any]:
    """Return a copy of the tree without nodes that FITS cards, FITS arrays or the file itself define."""
    kept = {name: node for name, node in tree.items() if name not in _DERIVED and not _in_fits(node)}
    if "meta" in kept:
        kept["meta"] = _without_keywords(kept["meta"], "")
    return kept


def _in_fits(node: Any) -> bool:
    """Tell whether a node only points at a FITS extension of the same file."""
    value = node.value if isinstance(node, Tagged) else None
    return isinstance(value, Mapping) and str(value.get("source", "")).startswith("fits:")


def _without_keywords(node: Mapping, prefix: str) -> dict[str, Any]:
    """Return a copy of the meta tree without FITS keywords and without branches that become empty."""
    kept: dict[str, Any] = {}
    for name, value in node.items():
        path = f"{prefix}{name}"
        if path in BY_PATH or _in_fits(value):
            continue
        node_kept = _without_keywords(value, f"{path}.") if isinstance(value, Mapping) else value
        if node_kept != {}:
            kept[name] = node_kept
    return kept


# ---- plain YAML
def parse_plain(raw: bytes) -> dict[str, Any]:
    """Return the YAML tree of an ASDF file; nodes with foreign tags become `Tagged`."""
    import yaml

    loader: Any = type("Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
    loader.add_constructor(None, _construct_tagged)
    text = re.split(rb"\n\.\.\.\r?\n", raw, maxsplit=1)[0]
    root = yaml.load(text, Loader=loader)
    return dict(root.value if isinstance(root, Tagged) else root or {})


def _construct_tagged(loader: Any, node: Any) -> Tagged:
    """Build the value of a node with an unknown tag from its kind alone."""
    if node.id == "mapping":
        return Tagged(node.tag, loader.construct_mapping(node, deep=True))
    if node.id == "sequence":
        return Tagged(node.tag, loader.construct_sequence(node, deep=True))
    return Tagged(node.tag, _Scalar(node.value, node.style))


@dataclass
class _Scalar:
    """Text of a tagged scalar with its quoting."""

    text: str
    style: str | None


def is_plain(value: Any) -> bool:
    """Tell whether plain YAML can hold `value`."""
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and is_plain(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, str | bool | int | float | np.generic | Tagged)


def dump_plain(tree: Mapping[str, Any], *, header: str = HEADER, blocks: bytes = b"") -> bytes:
    """Return an ASDF file with `tree` as plain YAML, followed by the binary `blocks` that its tagged nodes refer to."""
    import yaml

    dumper: Any = type("Dumper", (getattr(yaml, "CSafeDumper", yaml.SafeDumper),), {})
    dumper.add_representer(Tagged, _represent_tagged)
    dumper.add_multi_representer(np.generic, lambda self, value: self.represent_data(value.item()))
    software = {"name": "jwcal", "version": version("jwcal"), "author": "jwcal developers"}
    root = Tagged(f"{CORE}core/asdf-1.1.0", {"asdf_library": Tagged(f"{CORE}core/software-1.0.0", software), **tree})
    text = yaml.dump(
        root, Dumper=dumper, version=(1, 1), tags={"!": CORE}, explicit_start=True, explicit_end=True, sort_keys=False,
        width=120, allow_unicode=True, default_flow_style=None,
    )  # fmt: skip
    return (header + text).encode() + blocks


def _represent_tagged(dumper: Any, node: Tagged) -> Any:
    value = node.value
    if isinstance(value, _Scalar):
        return dumper.represent_scalar(node.tag, value.text, style=value.style)
    if isinstance(value, Mapping):
        return dumper.represent_mapping(node.tag, value)
    return dumper.represent_sequence(node.tag, value)


# ---- with objects
def parse_live(raw: bytes) -> dict[str, Any]:
    """Return the tree of an ASDF file with its objects made by the asdf library."""
    from jwcore.algorithms._asdf import asdf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", asdf.exceptions.AsdfWarning)  # versions that differ from ours are no concern
        with asdf.open(io.BytesIO(raw), lazy_load=False, memmap=False) as file:
            return dict(file.tree)


def dump_live(tree: Mapping[str, Any]) -> bytes:
    """Return an ASDF file with the objects in `tree` (imports asdf)."""
    from jwcore.algorithms._asdf import asdf

    stream = io.BytesIO()
    asdf.AsdfFile(dict(tree)).write_to(stream)
    return stream.getvalue()


def fits_table(hdu: str, table: np.ndarray) -> Tagged:
    """Return the node that points at a table of the same FITS file.

    Readers find a table that their schemas do not name only through such a node.

    Parameters
    ----------
    hdu : str
        EXTNAME of the table.
    table : ndarray
        Structured array.
    """
    names = table.dtype.names or ()
    columns = [{"byteorder": "big", **_datatype(table.dtype[name]), "name": name} for name in names]
    node = {"source": f"fits:{hdu},1", "datatype": columns, "byteorder": "big", "shape": list(table.shape)}
    return Tagged(f"{CORE}core/ndarray-1.1.0", node)


def _datatype(dtype: np.dtype) -> dict[str, Any]:
    """Describe the type that a FITS column has in the terms of ASDF: text is ASCII, truth values are bytes."""
    base = dtype.base
    name: Any = "int8" if base.kind == "b" else base.name
    if base.kind in "SU":
        name = ["ascii", base.itemsize // (4 if base.kind == "U" else 1)]
    return {"datatype": name, **({"shape": list(dtype.shape)} if dtype.shape else {})}


KEEP = object()
"""Stands for the WCS that the tree was read with."""


def encode(source: AsdfTree, *, nodes: Mapping[str, Any], meta: Mapping[str, Any], wcs: Any = KEEP) -> bytes:
    """Return the ASDF extension of a product.

    Parameters
    ----------
    source : AsdfTree
        What was read; its tagged nodes and, with `KEEP`, its WCS are carried over without making the objects.
    nodes : mapping
        Top-level nodes except ``meta``.
    meta : mapping
        Free attributes, nested.
    wcs : object, optional
        New gWCS, or None to drop it.
    """
    kept = source.plain().get("meta", {}).get("wcs") if wcs is KEEP else None
    plain = {**nodes, "meta": {**meta, **({} if kept is None else {"wcs": kept})}}
    if wcs in (KEEP, None) and is_plain(plain):
        return source.carried(plain)
    tree = _revive(plain, source.live())
    entries = tree.pop("history", {}).get("entries")  # the library writes its own record of extensions
    if entries:
        tree["history"] = {"entries": entries}
    if wcs not in (KEEP, None):
        tree["meta"]["wcs"] = wcs
    return dump_live(tree)


def _revive(node: Any, live: Any) -> Any:
    """Replace tagged nodes by the objects at the same place of `live`; what points at FITS stays a pointer."""
    if isinstance(node, Mapping):
        known = live if isinstance(live, Mapping) else {}
        return {name: _revive(item, known.get(name)) for name, item in node.items()}
    if _in_fits(node):
        from asdf.tagged import TaggedDict

        return TaggedDict(node.value, node.tag)
    if isinstance(node, Tagged) or (isinstance(node, list) and any(isinstance(item, Tagged) for item in node)):
        return live
    return node
