"""Layout of a CRDS cache on disk, and which context it is to be used with."""

import ast
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jwcore.errors import JwcalError, MissingReference, UsageError

__all__ = ["CrdsCache"]

_SYMBOLIC = {"jwst-operational": "operational_context", "jwst-latest": "latest_context", "jwst-edit": "edit_context"}


@dataclass(frozen=True)
class CrdsCache:
    """The folders of a CRDS cache for JWST.

    Attributes
    ----------
    mappings, references, config : pathlib.Path
        Folders of the rules, the reference files, and the configuration.
    requested : str
        Context that the user asks for (CRDS_CONTEXT); empty for the default of the cache.
    allow_bad : bool
        Whether files that the archive calls scientifically invalid may be used.
    """

    mappings: Path
    references: Path
    config: Path
    requested: str = ""
    allow_bad: bool = False

    @classmethod
    def at(cls, root: Path, *, context: str = "") -> "CrdsCache":
        """Return the cache below a root folder (CRDS_PATH)."""
        return cls(root / "mappings/jwst", root / "references/jwst", root / "config/jwst", requested=context)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "CrdsCache | None":
        """Return the cache that the CRDS_ variables name, None when they name none.

        The variables are those of the ``crds`` client: CRDS_PATH and CRDS_MAPPATH, CRDS_REFPATH, CRDS_CFGPATH, each
        also with ``_SINGLE`` for a path that has no ``jwst`` level; CRDS_CONTEXT; CRDS_ALLOW_BAD_REFERENCES.
        """
        names = (("CRDS_MAPPATH", "mappings"), ("CRDS_REFPATH", "references"), ("CRDS_CFGPATH", "config"))
        folders = [_folder(environment, name, part) for name, part in names]
        mappings, references, config = folders
        if mappings is None or references is None:
            return None
        return cls(
            mappings,
            references,
            config or mappings,
            requested=environment.get("CRDS_CONTEXT", ""),
            allow_bad=environment.get("CRDS_ALLOW_BAD_REFERENCES", "0").lower() in ("1", "true", "yes", "t", "y"),
        )

    @cached_property
    def _server_config(self) -> dict[str, Any]:
        """What the server last said about itself: a Python literal."""
        try:
            content = ast.literal_eval((self.config / "server_config").read_text())
        except (OSError, ValueError, SyntaxError):
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def context(self) -> str:
        """Name of the top-level rules file to use; empty when neither user nor cache name one."""
        requested = self.requested
        if requested.endswith((".pmap", ".imap")):
            return requested
        key = _SYMBOLIC.get(requested.lower(), "" if requested else "operational_context")
        return str(self._server_config.get(key, "")) if key else ""

    @property
    def newest(self) -> str:
        """The latest context whose rules are in the cache; empty when there is none."""
        return max((path.name for path in self.mappings.glob("jwst_*.pmap")), default="")

    def problem(self) -> JwcalError | None:
        """Return what keeps the cache from being used at all, None when it can select references."""
        root = self.mappings.parent.parent
        if not root.is_dir():
            cure = "correct CRDS_PATH, or fill a cache there (docs/start.md), or --references DIR"
            return UsageError("the folder of the CRDS cache does not exist", where=str(root), cure=cure)
        there = f", such as {self.newest}, which is there" if self.newest else ""
        if not self.context:
            asked = f"CRDS_CONTEXT={self.requested} is" if self.requested else "CRDS_CONTEXT is not set, and there is"
            cure = f"set CRDS_CONTEXT=jwst_NNNN.pmap{there}"
            return UsageError(f"{asked} no context that can be resolved offline", where=str(root), cure=cure)
        if not (self.mappings / self.context).is_file():
            cure = f"while online, crds sync --contexts {self.context}; or another CRDS_CONTEXT{there}"
            return MissingReference(f"no rules {self.context} in the CRDS cache", where=str(root), cure=cure)
        return None

    @cached_property
    def bad_files(self) -> frozenset[str]:
        """Files that the archive calls scientifically invalid."""
        listed = self._server_config.get("bad_files_list") or str(self._server_config.get("bad_files", "")).split()
        return frozenset(listed)

    def locate(self, name: str) -> Path:
        """Return where a reference file is, or would be."""
        nested = self.references / _instrument(name) / name
        return self.references / name if self._is_flat else nested

    @cached_property
    def _is_flat(self) -> bool:
        try:
            return (self.config / "ref_cache_subdir_mode").read_text().strip() == "flat"
        except OSError:
            return False


def _folder(environment: Mapping[str, str], name: str, part: str) -> Path | None:
    if single := environment.get(f"{name}_SINGLE"):
        return Path(single).expanduser()
    if shared := environment.get(name):
        return Path(shared).expanduser() / "jwst"
    if single := environment.get("CRDS_PATH_SINGLE"):
        return Path(single).expanduser() / part
    if shared := environment.get("CRDS_PATH"):
        return Path(shared).expanduser() / part / "jwst"
    return None


def _instrument(name: str) -> str:
    match = re.match(r"jwst_([a-z]+)_", name.lower())
    return match[1] if match else ""
