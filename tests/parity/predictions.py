"""How declared deviations change the peer's arrays. Each function is named by an entry of ``deviations.toml``."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jwcore import models
from jwcore.references import Reference, References, chain_from_options, parameters_of


@dataclass(frozen=True)
class Scene:
    """What predictions may look at.

    Attributes
    ----------
    uncal : pathlib.Path
        The raw exposure.
    peer : pathlib.Path
        Folder with the peer's product of every step.
    """

    uncal: Path
    peer: Path

    def reference(self, kind: str) -> Reference:
        """Return a reference, cut to the exposure."""
        meta = models.read_meta(self.uncal)
        outcomes = chain_from_options("crds").find([kind], parameters_of(meta))
        return References(outcomes, meta)[kind]

    @property
    def noise(self) -> float:
        """Typical noise of one read, DN."""
        array = self.reference("readnoise").array()
        assert array is not None
        return float(np.nanmedian(array)) / np.sqrt(2)


Arrays = dict[str, np.ndarray]
