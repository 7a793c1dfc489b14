"""References of simulated exposures, from the cache that the simulator wrote beside them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jwcore.references.crds_cache import CrdsCache
from jwcore.references.crds_provider import CrdsProvider
from jwcore.references.outcomes import Outcome
from jwcore.references.resolutions import ResolutionStore

__all__ = ["SyntheticProvider"]


class SyntheticProvider:
    """The cache that a simulated exposure names: keywords SIMCACHE (relative path) and SIMCTX (context).

    It has nothing to say about other exposures, so that invented references can never calibrate real data.

    Parameters
    ----------
    store : ResolutionStore, optional
        Answers of earlier runs.
    """

    name = "synthetic"
    context = ""  # differs from exposure to exposure: each outcome tells

    def __init__(self, *, store: ResolutionStore | None = None):
        self._store = store or ResolutionStore()

    def find(self, types: Sequence[str], parameters: Mapping[str, str]) -> dict[str, Outcome]:
        """Select one file per type for a simulated exposure; an empty answer for any other, and without its cache."""
        root, context = parameters.get("SIMCACHE"), parameters.get("SIMCTX")
        if not root or not context or not Path(root).is_dir():
            return {}
        cache = CrdsCache.at(Path(root), context=context)
        return CrdsProvider(cache, name=self.name, store=self._store).find(types, parameters)
