"""Stored answers of the CRDS rules, so that a repeated plan needs neither the client nor the rules.

Importing the ``crds`` client takes half a second, more than all the rest of planning. An answer is kept under the
context and the parameters of the exposure, and holds as long as the rules files that gave it have not changed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jwcore.references.cache_files import cache_folder, load, save
from jwcore.references.crds_cache import CrdsCache

__all__ = ["ResolutionStore"]

Answers = dict[str, str]
"""Reference type -> file name, ``N/A: reason``, or ``!reason`` for a failure."""


class ResolutionStore:
    """Answers by context and exposure.

    Parameters
    ----------
    folder : pathlib.Path, optional
        Where to keep them. Default: the user's cache folder.
    """

    def __init__(self, folder: Path | None = None):
        self._folder = folder or cache_folder()

    def get(self, cache: CrdsCache, types: Sequence[str], parameters: Mapping[str, str]) -> Answers | None:
        """Return the answers for all the types, None when one is unknown or its rules have changed."""
        entry = self._entry(cache, parameters)
        answers = entry.get("answers", {})
        if not all(type_ in answers for type_ in types) or entry.get("stamps") != _stamps(
            cache, entry.get("stamps", {})
        ):
            return None
        return {type_: answers[type_] for type_ in types}

    def put(self, cache: CrdsCache, parameters: Mapping[str, str], answers: Answers, mappings: Sequence[str]) -> None:
        """Keep answers together with the rules files that gave them."""
        entry = self._entry(cache, parameters)
        if entry.get("stamps") != _stamps(cache, entry.get("stamps", {})):
            entry = {}
        stamps = {**entry.get("stamps", {}), **_stamps(cache, mappings)}
        save(self._path(cache, parameters), {"stamps": stamps, "answers": {**entry.get("answers", {}), **answers}})

    def _entry(self, cache: CrdsCache, parameters: Mapping[str, str]) -> dict[str, Any]:
        return load(self._path(cache, parameters))

    def _path(self, cache: CrdsCache, parameters: Mapping[str, str]) -> Path:
        try:
            rules = hashlib.sha1((cache.mappings / cache.context).read_bytes()).hexdigest()
        except OSError:
            rules = "absent"
        facts = sorted(item for item in parameters.items() if item[0].startswith("META."))
        key = hashlib.sha1(json.dumps([str(cache.mappings), facts]).encode()).hexdigest()
        return self._folder / f"{cache.context}-{rules[:12]}" / f"{key}.json"


def _stamps(cache: CrdsCache, names: Any) -> dict[str, list[int]]:
    """Return size and time of rules files; a file that is gone has no stamp."""
    stamps = {}
    for name in names:
        try:
            status = (cache.mappings / name).stat()
        except OSError:
            continue
        stamps[name] = [status.st_size, status.st_mtime_ns]
    return stamps
