"""References by the official rules: the ``crds`` client on a cache, offline first."""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jwcore.models.keywords import BY_PATH
from jwcore.references.crds_cache import CrdsCache
from jwcore.references.outcomes import Found, Missing, NotApplicable, Outcome
from jwcore.references.parameters import describe
from jwcore.references.resolutions import Answers, ResolutionStore

__all__ = ["CrdsProvider"]

_NO_CACHE = "set CRDS_PATH to a CRDS cache (docs/start.md), or name a folder with --references DIR"

_UNSET = re.compile(r"'META\.([A-Z0-9_.]+)' (?:value='|is )UNDEFINED")


class CrdsProvider:
    """The rules of a CRDS context, evaluated by the ``crds`` client on files of the cache.

    `find` reads files alone: it never contacts a server. `fetch` downloads what `find` selected and did not find, when
    a server is configured.

    Parameters
    ----------
    cache : CrdsCache, optional
        The cache. Default: the one that CRDS_PATH and its companions name, looked up at every call.
    name : str
        Name under which files are recorded.
    store : ResolutionStore, optional
        Answers of earlier runs.
    """

    def __init__(self, cache: CrdsCache | None = None, *, name: str = "crds", store: ResolutionStore | None = None):
        self.name = name
        self._cache = cache
        self._store = store or ResolutionStore()

    @property
    def cache(self) -> CrdsCache | None:
        """The cache in use, None when none is configured."""
        return self._cache or CrdsCache.from_environment()

    @property
    def context(self) -> str:
        """Name of the context in use; empty when there is none."""
        cache = self.cache
        return cache.context if cache else ""

    def find(self, types: Sequence[str], parameters: Mapping[str, str]) -> dict[str, Outcome]:
        """Select one file per type.

        Raises
        ------
        UsageError, MissingReference
            When the cache that the environment names cannot be used: one mistake, whatever the number of types.
        """
        cache = self.cache
        if cache is None:
            return self._all_missing(types, "no CRDS cache is configured", _NO_CACHE)
        if problem := cache.problem():
            if self._cache is None:
                raise problem
            return self._all_missing(types, f"{problem.message} [{problem.where}]", problem.cure or "")
        answers = self._store.get(cache, types, parameters)
        if answers is None:
            answers, mappings = evaluate(cache, types, parameters)
            if mappings:
                self._store.put(cache, parameters, answers, mappings)
        return {type_: self._outcome(type_, answer, cache, parameters) for type_, answer in answers.items()}

    def _all_missing(self, types: Sequence[str], reason: str, cure: str) -> dict[str, Outcome]:
        return {type_: Missing(type_, reason, cure, provider=self.name) for type_ in types}

    def _outcome(self, type_: str, answer: str, cache: CrdsCache, parameters: Mapping[str, str]) -> Outcome:
        made_by: dict[str, Any] = {"provider": self.name, "context": cache.context}
        if answer.startswith("N/A"):
            return NotApplicable(type_, answer.removeprefix("N/A: "), **made_by)
        if answer.startswith("!"):
            return Missing(type_, *_failure(answer[1:], type_, parameters), **made_by)
        if answer in cache.bad_files and not cache.allow_bad:
            cure = f"--override {type_}=FILE, or CRDS_ALLOW_BAD_REFERENCES=1"
            return Missing(type_, f"{answer} is marked as scientifically invalid", cure, name=answer, **made_by)
        path = cache.locate(answer)
        if not path.is_file():
            reason = f"{answer} is not in the CRDS cache"
            return Missing(type_, reason, _fetching(cache.context, parameters), name=answer, **made_by)
        return Found(type_, path, answer, self.name, cache.context)

    def fetch(self, missing: Sequence[Missing]) -> dict[str, Outcome]:
        """Download selected files from the CRDS server into the cache.

        Parameters
        ----------
        missing : sequence of Missing
            Outcomes of `find` that name a file.

        Returns
        -------
        dict
            `Found`, or the `Missing` with the reason of the failure, by type.
        """
        cache = self.cache
        if cache is None or not _server():
            return {item.type: item for item in missing}
        from crds.client import api

        outcomes: dict[str, Outcome] = {}
        for item in missing:
            assert item.name is not None
            failure = "no such file after the download"
            try:
                with _quiet(), _pointing_at(cache):
                    api.dump_references(cache.context, [item.name])
            except (Exception, SystemExit) as error:  # the client raises its own kinds, and may try to leave
                failure = str(error)
            path = cache.locate(item.name)
            if path.is_file():
                outcomes[item.type] = Found(item.type, path, item.name, self.name, cache.context)
            else:
                reason = f"downloading {item.name} failed: {failure}"
                outcomes[item.type] = Missing(
                    item.type, reason, item.cure, name=item.name, provider=self.name, context=cache.context
                )
        return outcomes


def evaluate(cache: CrdsCache, types: Sequence[str], parameters: Mapping[str, str]) -> tuple[Answers, list[str]]:
    """Evaluate the rules of a context with the ``crds`` client.

    Parameters
    ----------
    cache : CrdsCache
        Cache with the rules of its context.
    types : sequence of str
        Reference types.
    parameters : mapping of str
        Conditioned parameters of the exposure.

    Returns
    -------
    answers : dict of str
        By type: file name, ``N/A: reason``, or ``!reason``.
    mappings : list of str
        Rules files that were used; empty when they could not be read.
    """
    header = {name: value for name, value in parameters.items() if name.startswith("META.")}
    try:
        with _quiet():
            from crds.core import rmap

            context = rmap.load_mapping(cache.context, path=str(cache.mappings))
            instrument = context.get_imap(context.get_instrument(header))
            rules = {type_.lower(): str(entry) for type_, entry in instrument.selector.items()}
            known = [type_ for type_ in types if rules.get(type_, "").endswith(".rmap")]
            wanted = instrument.minimize_header(header)
            best = instrument.get_best_references(wanted, include=known) if known else {}
    except (Exception, SystemExit) as error:  # the client raises its own kinds, and may try to leave
        return dict.fromkeys(types, f"!the rules cannot be evaluated: {error}"), []
    answers = {type_: _answer(best.get(type_)) for type_ in known}
    answers |= {type_: "N/A: the context has no rules for it" for type_ in types if type_ not in known}
    return answers, [cache.context, Path(instrument.filename).name, *(rules[type_] for type_ in known)]


def _answer(best: Any) -> str:
    if best is None:
        return "N/A: the rules omit this type"
    if not isinstance(best, str):
        return f"!the rules give {best!r}, not one file"
    if best.lower() == "not found n/a":
        return "N/A: the rules say so"
    if best.startswith("NOT FOUND"):
        return f"!no rule matches: {best.removeprefix('NOT FOUND').strip()}"
    return best


def _failure(reason: str, type_: str, parameters: Mapping[str, str]) -> tuple[str, str]:
    """Return why the rules select no file, and the cure; the client names metadata, people know keywords."""
    unset = _UNSET.search(reason)
    if unset and (keyword := BY_PATH.get(unset[1].lower())):
        file = parameters.get("FILE") or "the exposure"
        return (
            f"no {keyword.name} in the header of {file}, by which it is selected",
            f"add {keyword.name} to the header",
        )
    return f"{reason} ({describe(parameters)})", f"--override {type_}=FILE, or another CRDS_CONTEXT"


def _fetching(context: str, parameters: Mapping[str, str]) -> str:
    """Return the command that fetches what one exposure needs; whole contexts are terabytes."""
    command = f"crds bestrefs --jwst --new-context {context} --files {parameters.get('FILE', 'EXPOSURE')}"
    return f"while online, {command} --sync-references 1; or --references DIR"


def _server() -> bool:
    """Whether a CRDS server is configured."""
    url = os.environ.get("CRDS_SERVER_URL", "")
    return bool(url) and "serverless" not in url


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client's own log lines off the terminal: what matters comes back as an outcome."""
    logger = logging.getLogger("CRDS")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _pointing_at(cache: CrdsCache) -> Iterator[None]:
    """Make the client write into this cache: it takes its folders from the environment alone."""
    folders = {
        "CRDS_MAPPATH_SINGLE": cache.mappings,
        "CRDS_REFPATH_SINGLE": cache.references,
        "CRDS_CFGPATH_SINGLE": cache.config,
    }
    before = {name: os.environ.get(name) for name in folders}
    os.environ.update({name: str(folder) for name, folder in folders.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
