"""The references that the record inside a product names, for making the product again."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jwcore.references.crds_cache import CrdsCache
from jwcore.references.outcomes import Found, Missing, NotApplicable, Outcome, content_digest

__all__ = ["RecordedProvider"]


class RecordedProvider:
    """The files of a record and no others, whatever rules and settings say today.

    A file is looked for where it was, then in the cache of a simulated exposure and in the user's CRDS cache, since
    those may have moved.

    Parameters
    ----------
    records : mapping of str
        Reference type -> what `Found.described` and `NotApplicable.described` said.
    """

    name = "recorded"
    context = ""  # each outcome tells the one that selected it

    def __init__(self, records: Mapping[str, Any]):
        self.records = dict(records)

    def find(self, types: Sequence[str], parameters: Mapping[str, str]) -> dict[str, Outcome]:
        """Give the recorded file of every type, or say why that cannot be."""
        return {type_: self._outcome(type_, parameters) for type_ in types}

    def _outcome(self, type_: str, parameters: Mapping[str, str]) -> Outcome:
        one = self.records.get(type_)
        cure = f"--override {type_}=FILE, or --references crds|DIR to choose anew"
        if one is None:
            return Missing(type_, "the record names none", cure, provider=self.name)
        if isinstance(one, str):
            return NotApplicable(type_, "so says the record", provider=self.name)
        places = list(_places(one, parameters))
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            reason, cure = f"{one['name']} is not at {places[0]} any more", f"bring it back, or {cure}"
        elif "sha256" in one and content_digest(path) != one["sha256"]:
            reason, cure = f"{path} has changed since", f"bring back the file that was used then, or {cure}"
        else:
            return Found(type_, path, one["name"], one["provider"], one.get("context", ""))
        return Missing(type_, reason, cure, name=one["name"], provider=self.name)


def _places(one: Mapping[str, Any], parameters: Mapping[str, str]) -> Iterator[Path]:
    yield Path(one.get("path", one["record"]))
    simulated = parameters.get("SIMCACHE")
    for cache in (CrdsCache.at(Path(simulated)) if simulated else None, CrdsCache.from_environment()):
        if cache is not None:
            yield cache.locate(one["name"])
