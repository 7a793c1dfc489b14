"""The metadata tree of a product: attributes that are FITS keywords, and free attributes that live in the ASDF tree."""

import copy
import difflib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jwcore.models.keywords import BRANCHES, BY_PATH, KEYWORDS, Keyword, named

_MISSING = object()


class InvalidMetadata(UserWarning):
    """A metadata value that its keyword does not allow was dropped."""


class Meta:
    """Metadata of one product.

    Attributes are read and set as a tree (``meta.exposure.type``) or by path (``meta.get("exposure.type")``). The paths
    of `jwcore.models.keywords` are FITS cards; every other path is a free attribute. An attribute that was never set
    reads as None; a name that nobody knows raises AttributeError with the nearest name.

    Parameters
    ----------
    values : mapping, optional
        Values by path.
    unknown : callable, optional
        Returns the nested dict of free attributes; called once, when the first of them is needed.
    """

    __slots__ = ("_known", "_loader", "_unknown")

    def __init__(self, values: Mapping[str, Any] | None = None, *, unknown: Callable[[], Mapping] | None = None):
        object.__setattr__(self, "_known", {})
        object.__setattr__(self, "_unknown", {})
        object.__setattr__(self, "_loader", unknown)
        for path, value in (values or {}).items():
            self.set(path, value)

    # ---- by path
    def get(self, path: str, default: Any = None) -> Any:
        """Return the value at `path`, or `default` when it is unset or unknown."""
        if path in BY_PATH:
            return self._known.get(path, default)
        return self.unknown().get(path, default)

    def set(self, path: str, value: Any) -> None:
        """Store `value` at `path`; None removes it, a mapping sets the leaves below `path`.

        A value that the keyword does not allow gives the warning `InvalidMetadata` and is not stored.

        Raises
        ------
        ValueError
            For NaN or infinity in a FITS keyword, which a header cannot hold, and for a value at an inner node.
        """
        keyword = BY_PATH.get(path)
        if isinstance(value, Mapping) and keyword is None:
            for name, item in value.items():
                self.set(f"{path}.{name}", item)
        elif keyword is not None:
            self._set_known(keyword, value)
        elif path in BRANCHES or path == "wcs":
            raise ValueError(f"meta.{path} is {'kept in exposure.wcs' if path == 'wcs' else 'a group of attributes'}")
        elif value is None:
            self._load()
            self._unknown.pop(path, None)
        else:
            self._unknown[path] = value

    def _set_known(self, keyword: Keyword, value: Any) -> None:
        if value is None:
            self._known.pop(keyword.path, None)
            return
        try:
            accepted = keyword.coerce(value)
        except ValueError as error:
            message = f"meta.{keyword.path} ({keyword.name}): {error}; not stored"
            warnings.warn(message, InvalidMetadata, stacklevel=4)
            return
        if isinstance(accepted, float) and not math.isfinite(accepted):
            raise ValueError(f"meta.{keyword.path} ({keyword.name}) = {accepted}: FITS cannot hold it; leave it None")
        self._known[keyword.path] = accepted

    def take(self, values: Mapping[str, Any]) -> None:
        """Store values of known keywords that were checked already."""
        self._known.update(values)

    # ---- by FITS keyword
    def keyword(self, name: str, default: Any = _MISSING) -> Any:
        """Return the value of the FITS keyword `name`, None when unset; `default` replaces None and the KeyError.

        Raises
        ------
        KeyError
            When the dictionary has no such keyword and no default is given.
        """
        rows = self._rows(name) if default is _MISSING else named(name)
        values = (self._known.get(row.path) for row in rows)
        return next((value for value in values if value is not None), None if default is _MISSING else default)

    def set_keyword(self, name: str, value: Any) -> None:
        """Set the FITS keyword `name`; of two with this name, the one that is set, else the one in PRIMARY."""
        rows = self._rows(name)
        self._set_known(next((row for row in rows if row.path in self._known), rows[0]), value)

    @staticmethod
    def _rows(name: str) -> list[Keyword]:
        rows = named(name)
        if not rows:
            own = "; what is no official keyword has a path: meta.set('acme.peak', 4.5)"
            raise KeyError(f"no keyword {name}{_nearest(name.upper(), [row.name for row in KEYWORDS]) or own}")
        return rows

    # ---- whole trees
    def items(self) -> Iterator[tuple[str, Any]]:
        """Iterate over (path, value) of the FITS keywords that are set, in header order."""
        return ((path, self._known[path]) for path in BY_PATH if path in self._known)

    def unknown(self) -> dict[str, Any]:
        """Return the free attributes by path (the live dict)."""
        self._load()
        return self._unknown

    def update(self, other: "Meta", *, hdu: str | None = None) -> None:
        """Take over the keywords that `other` has, those of one HDU only if `hdu` is given."""
        self._known.update({path: v for path, v in other.items() if hdu is None or BY_PATH[path].hdu == hdu})

    def copy(self) -> "Meta":
        """Return an independent copy."""
        return copy.deepcopy(self)

    def _load(self) -> None:
        """Merge the free attributes of the file; those set meanwhile win."""
        if self._loader is None:
            return
        tree = self._loader()
        object.__setattr__(self, "_loader", None)
        object.__setattr__(self, "_unknown", {**_flatten(tree), **self._unknown})

    # ---- as attributes
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.set(name, value)

    def __getitem__(self, path: str) -> Any:
        raise TypeError(f"meta has no items: read meta.get({path!r})")

    def __setitem__(self, path: str, value: Any) -> None:
        raise TypeError(f"meta has no items: write meta.set({path!r}, {value!r})")

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *_children(self, "")]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Meta):
            return NotImplemented
        return self._known == other._known and self.unknown() == other.unknown()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        names = (self.get("instrument.name"), self.get("exposure.type"), self.get("filename"))
        return f"<Meta {' '.join(filter(None, names))} ({len(self._known)} keywords)>"

    def __getstate__(self) -> tuple:
        return self._known, self._unknown, self._loader

    def __setstate__(self, state: tuple) -> None:
        for name, value in zip(("_known", "_unknown", "_loader"), state, strict=True):
            object.__setattr__(self, name, value)


class Node:
    """View of one branch of a `Meta`, such as ``meta.exposure``."""

    __slots__ = ("_meta", "_path")

    def __init__(self, meta: Meta, path: str):
        object.__setattr__(self, "_meta", meta)
        object.__setattr__(self, "_path", path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _attribute(self._meta, f"{self._path}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        self._meta.set(f"{self._path}.{name}", value)

    def __dir__(self) -> list[str]:
        return _children(self._meta, f"{self._path}.")

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in dir(self)}
        shown = ", ".join(f"{name}={value!r}" for name, value in values.items() if value is not None)
        return f"<meta.{self._path}: {shown}>"


def _attribute(meta: Meta, path: str) -> Any:
    """Return the value or the branch at `path`; AttributeError when neither exists."""
    if path in BY_PATH:
        return meta.get(path)
    if path in BRANCHES:
        return Node(meta, path)
    unknown = meta.unknown()
    if path in unknown:
        return unknown[path]
    if any(other.startswith(f"{path}.") for other in unknown):
        return Node(meta, path)
    parent, _, name = path.rpartition(".")
    prefix = f"{parent}." if parent else ""
    raise AttributeError(
        f"meta.{path} does not exist{_nearest(name, _children(meta, prefix), prefix=f'meta.{prefix}')}"
    )


def _children(meta: Meta, prefix: str) -> list[str]:
    """Return the names one level below `prefix`, known and free."""
    paths = [*BY_PATH, *meta.unknown()]
    return sorted({path[len(prefix) :].split(".")[0] for path in paths if path.startswith(prefix)})


def _nearest(name: str, names: list[str], *, prefix: str = "") -> str:
    found = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {prefix}{found[0]}?" if found else ""


def _flatten(tree: Mapping, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of a nested mapping by dotted path."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{prefix}{name}"
        leaves.update(_flatten(value, f"{path}.") if isinstance(value, Mapping) and value else {path: value})
    return leaves


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tree of nested dicts that has `leaves` at their dotted paths."""
    tree: dict[str, Any] = {}
    for path, value in leaves.items():
        *branches, name = path.split(".")
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[name] = value
    return tree
