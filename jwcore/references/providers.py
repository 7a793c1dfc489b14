"""Reference providers: who answers which file applies, in which order."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from jwcore.errors import UsageError
from jwcore.references.fitness import check_fit
from jwcore.references.outcomes import Found, Missing, NotApplicable, Outcome

__all__ = ["Chain", "OverrideProvider", "Provider", "chain_from_options"]


class Provider(Protocol):
    """Selects reference files.

    Attributes
    ----------
    name : str
        Shown in plans and recorded in products.
    """

    name: str

    @property
    def context(self) -> str:
        """The set of rules in use, such as ``jwst_1364.pmap``; empty when there is none."""

    def find(self, types: Sequence[str], parameters: Mapping[str, str]) -> dict[str, Outcome]:
        """Select one file per type.

        Parameters
        ----------
        types : sequence of str
            Reference types, lower case.
        parameters : mapping of str
            Conditioned parameters of the exposure (`jwcore.references.parameters_of`).

        Returns
        -------
        dict
            An outcome for each type. Types about which the provider has nothing to say may be left out.
        """


class OverrideProvider:
    """Files that the user names, used without any selection.

    Parameters
    ----------
    overrides : mapping of str
        Reference type -> path, or ``N/A`` to declare a type not applicable.
    """

    name = "override"
    context = ""

    def __init__(self, overrides: Mapping[str, str | Path]):
        self.overrides = {type_.lower(): str(target) for type_, target in overrides.items()}

    def find(self, types: Sequence[str], parameters: Mapping[str, str]) -> dict[str, Outcome]:
        """Answer for the overridden types alone.

        Raises
        ------
        BadInput
            For a file that does not fit the exposure.
        """
        return {
            type_: self._outcome(type_, self.overrides[type_], parameters) for type_ in types if type_ in self.overrides
        }

    def _outcome(self, type_: str, target: str, parameters: Mapping[str, str]) -> Outcome:
        if target.upper() == "N/A":
            return NotApplicable(type_, "overridden as N/A", provider=self.name)
        path = Path(target).expanduser().absolute()
        if not path.is_file():
            cure = f"correct the path {target}"
            return Missing(type_, f"{path} does not exist", cure, name=path.name, provider=self.name)
        found = Found(type_, path, path.name, self.name)
        check_fit(found, parameters)
        return found


class Chain:
    """Providers in order: for each type the first one that finds a file, or knows that none applies, has the word.

    Parameters
    ----------
    providers : sequence of Provider
        The first is asked first.
    """

    name = "chain"

    def __init__(self, providers: Sequence[Provider]):
        self.providers = tuple(providers)

    @property
    def context(self) -> str:
        """Rules of the first provider that has any."""
        return next((provider.context for provider in self.providers if provider.context), "")

    def find(self, types: Sequence[str], parameters: Mapping[str, str]) -> dict[str, Outcome]:
        """Select one file per type; every type gets an outcome."""
        settled: dict[str, Outcome] = {}
        failures: dict[str, list[Missing]] = {type_: [] for type_ in types}
        for provider in self.providers:
            open_types = [type_ for type_ in failures if type_ not in settled]
            if not open_types:
                break
            for type_, outcome in provider.find(open_types, parameters).items():
                if not isinstance(outcome, Missing):
                    settled[type_] = outcome
                elif provider.name == OverrideProvider.name:
                    settled[type_] = outcome  # a wrong path is a mistake to report, not a reason to look elsewhere
                else:
                    failures[type_].append(outcome)
        return {type_: settled.get(type_) or _summary(type_, failures[type_]) for type_ in failures}

    def fetch(self, missing: Sequence[Missing]) -> dict[str, Outcome]:
        """Download the selected but absent files, where their provider can.

        Parameters
        ----------
        missing : sequence of Missing
            Outcomes of `find`.

        Returns
        -------
        dict
            New outcome by type.
        """
        outcomes: dict[str, Outcome] = {item.type: item for item in missing}
        for provider in self.providers:
            own = [item for item in missing if item.provider == provider.name and item.name]
            fetch = getattr(provider, "fetch", None)
            if own and fetch is not None:
                outcomes.update(fetch(own))
        return outcomes


def _summary(type_: str, failures: Sequence[Missing]) -> Missing:
    """Return one answer for a type that nobody found: the one that at least selected a file, else all reasons."""
    if not failures:
        return Missing(type_, "no source of references is in use", f"--references crds|DIR, or --override {type_}=FILE")
    for failure in failures:
        if failure.name:
            return failure
    reasons = "; ".join(dict.fromkeys(failure.reason for failure in failures))
    return Missing(type_, reasons, failures[-1].cure, provider=failures[-1].provider, context=failures[-1].context)


def chain_from_options(
    references: str | Path | Provider | None = None,
    *,
    overrides: Mapping[str, str | Path] | None = None,
    providers: Mapping[str, type] | None = None,
) -> Chain:
    """Return the providers that the options of a run name, in order.

    Overrides come first, then a folder; a simulated exposure then uses the cache that it names itself; the user's CRDS
    cache comes last.

    Parameters
    ----------
    references : str or Provider, optional
        ``crds``: the CRDS cache alone. A folder: its files, and for the rest the usual sources. ``none``: overrides
        alone. The name of a provider of a plugin. A provider: that one alone. None: the usual sources.
    overrides : mapping, optional
        Reference type -> path or ``N/A``.
    providers : mapping, optional
        Providers that plugins bring, by name.

    Returns
    -------
    Chain

    Raises
    ------
    UsageError
        When `references` is neither a known name nor a folder.
    """
    from jwcore.references.crds_provider import CrdsProvider
    from jwcore.references.directory import DirectoryProvider
    from jwcore.references.synthetic import SyntheticProvider

    first: list[Provider] = [OverrideProvider(overrides)] if overrides else []
    if references is not None and not isinstance(references, str | Path):
        return Chain([*first, references])
    usual: list[Provider] = [SyntheticProvider(), CrdsProvider()]
    text = str(references) if references is not None else ""
    if not text:
        return Chain([*first, *usual])
    if text == "none":
        return Chain(first)
    if text == "crds":
        return Chain([*first, CrdsProvider()])
    if providers and text in providers:
        return Chain([*first, providers[text](), *usual])
    if Path(text).expanduser().is_dir():
        return Chain([*first, DirectoryProvider(text), *usual])
    known = ", ".join(["crds", "none", *(providers or ())])
    raise UsageError(f"no folder of references {text!r}", cure=f"--references DIR, or one of: {known}")
