"""Reference files: who selects them (`Provider`), what was selected (`Outcome`), how steps see them (`References`)."""

from jwcore.references.collection import References
from jwcore.references.crds_cache import CrdsCache
from jwcore.references.crds_provider import CrdsProvider
from jwcore.references.directory import DirectoryProvider
from jwcore.references.outcomes import Found, Missing, NotApplicable, Outcome
from jwcore.references.parameters import parameters_of
from jwcore.references.pars import parameter_layers
from jwcore.references.providers import Chain, OverrideProvider, Provider, chain_from_options
from jwcore.references.read_ahead import ReadAhead
from jwcore.references.recorded import RecordedProvider
from jwcore.references.reference import Reference
from jwcore.references.subarray import Window
from jwcore.references.synthetic import SyntheticProvider

__all__ = [
    "Chain",
    "CrdsCache",
    "CrdsProvider",
    "DirectoryProvider",
    "Found",
    "Missing",
    "NotApplicable",
    "Outcome",
    "OverrideProvider",
    "Provider",
    "ReadAhead",
    "RecordedProvider",
    "Reference",
    "References",
    "SyntheticProvider",
    "Window",
    "chain_from_options",
    "parameter_layers",
    "parameters_of",
]
