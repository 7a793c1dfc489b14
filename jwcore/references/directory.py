"""References from a plain folder of files, selected by the keywords that they carry."""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jwcore.errors import BadInput
from jwcore.references.cache_files import cache_folder, load, save
from jwcore.references.headers import PATHS, identify
from jwcore.references.matching import Rule, normalised_date, select
from jwcore.references.outcomes import Found, Missing, NotApplicable, Outcome
from jwcore.references.parameters import condition, describe
from jwcore.references.subarray import DETECTOR_PLANES

__all__ = ["DirectoryProvider"]

SUFFIXES = (".fits", ".asdf", ".json")
SETTINGS = "references.toml"
PATTERNS = {
    "DETECTOR": "P_DETECT",
    "MODULE": "P_MODULE",
    "CHANNEL": "P_CHANNE",
    "BAND": "P_BAND",
    "FILTER": "P_FILTER",
    "PUPIL": "P_PUPIL",
    "GRATING": "P_GRATIN",
    "CORONMSK": "P_CORONM",
    "EXP_TYPE": "P_EXP_TY",
    "READPATT": "P_READPA",
    "SUBARRAY": "P_SUBARR",
}
"""Keywords of references that list several values in place of the plain keyword: ``F200W|F210M|``."""

_SELECTORS = (*PATTERNS, "LAMP", "OPMODE", "NOUTPUTS", "TSOVISIT", "VISITYPE", "CROWDFLD")


class DirectoryProvider:
    """A folder of reference files.

    A file applies when its REFTYPE and INSTRUME agree, its USEAFTER is not later than the exposure, and the keywords
    by which its type is selected agree; see `jwcore.references.matching` for patterns and weights. A full-frame image
    stands in for a sub-array that has no file of its own: it is cut out.

    An optional file ``references.toml`` in the folder may give ``context = "NAME"``, the name that products record, and
    ``not_applicable = ["ipc"]`` for types that the folder leaves out on purpose.

    Parameters
    ----------
    folder : str or pathlib.Path
        The folder; sub-folders are searched too.
    cache : pathlib.Path, optional
        Where the index of headers is kept between runs. Default: the user's cache folder.
    """

    name = "directory"

    def __init__(self, folder: str | Path, *, cache: Path | None = None):
        self.folder = Path(folder).expanduser().absolute()
        self._cache = cache or cache_folder()
        self._settings = _settings(self.folder / SETTINGS)
        self.context = str(self._settings.get("context", self.folder.name))

    def find(self, types: Sequence[str], parameters: Mapping[str, str]) -> dict[str, Outcome]:
        """Select one file per type."""
        index = self._index()
        return {type_: self._find(type_, index, parameters) for type_ in types}

    def _find(self, type_: str, index: Mapping[str, Mapping[str, Any]], parameters: Mapping[str, str]) -> Outcome:
        if type_ in self._settings.get("not_applicable", ()):
            return NotApplicable(type_, f"{SETTINGS} of the folder says so", provider=self.name, context=self.context)
        rules = [
            rule
            for name, facts in index.items()
            if str(facts.get("REFTYPE", "")).lower() == type_
            for rule in rules_of(name, type_, facts)
        ]
        chosen = select(rules, parameters)
        if chosen is not None:
            path = self.folder / chosen.name
            return Found(type_, path, path.name, self.name, self.context)
        reason = f"none of the {len(rules)} files in {self.folder} fits" if rules else f"none in {self.folder}"
        cure = f"--override {type_}=FILE, or list it under not_applicable in {self.folder / SETTINGS}"
        if rules:
            reason += f" {describe(parameters)}".rstrip()
        return Missing(type_, reason, cure, provider=self.name, context=self.context)

    def _index(self) -> dict[str, dict[str, Any]]:
        """Return the keywords of every file, read again only where size or time of a file changed."""
        store = self._cache / f"{hashlib.sha1(str(self.folder).encode()).hexdigest()}.json"
        known = load(store)
        current: dict[str, dict[str, Any]] = {}
        for path in sorted(self.folder.rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            status = path.stat()
            stamp = [status.st_size, status.st_mtime_ns]
            name = path.relative_to(self.folder).as_posix()
            entry = known.get(name)
            current[name] = entry if entry and entry["stamp"] == stamp else {"stamp": stamp, "facts": _facts(path)}
        if current != known:
            save(store, current)
        return {name: entry["facts"] for name, entry in current.items()}


def rules_of(name: str, type_: str, facts: Mapping[str, Any]) -> list[Rule]:
    """Return the rules that the keywords of one file stand for.

    Parameters
    ----------
    name : str
        The file.
    type_ : str
        Reference type.
    facts : mapping
        Keywords of the file.

    Returns
    -------
    list of Rule
        One rule; for a full-frame image a second, lighter one that accepts any sub-array.
    """
    instrument = condition(facts.get("INSTRUME", "N/A"))
    patterns = {"META.INSTRUMENT.NAME": instrument}
    for keyword in _selectors(type_, instrument):
        stated = str(facts.get(PATTERNS.get(keyword, "")) or facts.get(keyword, "N/A")).strip("| ").upper()
        patterns[f"META.{PATHS[keyword].upper()}"] = condition(stated)
    subarray = "META.SUBARRAY.NAME"
    if patterns.get(subarray) == "GENERIC":
        patterns[subarray] = "N/A"
    useafter = normalised_date(str(facts.get("USEAFTER", "")))
    rules = [Rule(name, patterns, useafter)]
    if patterns.get(subarray) == "FULL" and (type_ in DETECTOR_PLANES or "SUBSIZE1" in facts):
        rules.append(Rule(name, {**patterns, subarray: "N/A"}, useafter))
    return rules


def _selectors(type_: str, instrument: str) -> Sequence[str]:
    table = _selection_table()
    chosen = table.get(f"{type_}-{instrument}", table.get(type_))
    return _SELECTORS if chosen is None else chosen.split()


@cache
def _selection_table() -> dict[str, str]:
    return tomllib.loads((files("jwcore.references") / "selection.toml").read_text())


def _facts(path: Path) -> dict[str, Any]:
    """Return the keywords of a file; a file that is no reference has none."""
    try:
        return identify(path)
    except BadInput:
        return {}


def _settings(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"not valid TOML: {error}", where=str(path), cure="correct the file") from error
