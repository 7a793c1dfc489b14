"""Ordered sets of exposures for the stages that look at several exposures together."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jwcore.models.blend import blend, header_table
from jwcore.models.exposure import Exposure
from jwcore.models.facts import group_id
from jwcore.models.meta import Meta
from jwcore.models.naming import strip_suffix
from jwcore.models.needs import require_alike
from jwcore.models.reader import read_exposure, read_meta
from jwcore.models.writer import write_exposure


class ExposureSet:
    """Exposures in a fixed order, in memory or on disk.

    Parameters
    ----------
    items : iterable of Exposure or path-like
        The members.
    in_memory : bool
        Keep loaded members. False: one member at a time is in memory while iterating with `each`; edits go to scratch.
    name : str, optional
        Base name of the product; by default that of the first member.
    asn : object, optional
        Association that the set came from.
    members_info : sequence of mapping, optional
        Further keys of each association member, such as ``tweakreg_catalog`` or ``group_id``.
    scratch : path-like, optional
        Folder for the scratch files; by default the temporary folder of the system.
    """

    def __init__(
        self,
        items: Iterable[Exposure | str | Path],
        *,
        in_memory: bool = True,
        name: str | None = None,
        asn: Any = None,
        members_info: Sequence[Mapping[str, Any]] | None = None,
        scratch: str | Path | None = None,
    ):
        self._items: list[Exposure | Path] = [i if isinstance(i, Exposure) else Path(i) for i in items]
        self._metas: dict[int, Meta] = {}
        self.in_memory = in_memory
        self.asn = asn
        self.members_info: list[dict[str, Any]] = [dict(info) for info in members_info or [{}] * len(self._items)]
        if len(self.members_info) != len(self._items):
            raise ValueError(f"members_info has {len(self.members_info)} entries for {len(self._items)} members")
        self._name = name
        self._scratch_parent = scratch
        self._scratch: tempfile.TemporaryDirectory | None = None

    # ---- members
    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Exposure:
        """Return one member, loaded; kept when the set is in memory."""
        item = self._items[index]
        if isinstance(item, Exposure):
            return item
        exposure = read_exposure(item)
        if self.in_memory:
            self[index] = exposure
        return exposure

    def __setitem__(self, index: int, exposure: Exposure) -> None:
        """Replace one member; a set that is not in memory writes it to a scratch file."""
        index = range(len(self))[index]
        if self.in_memory:
            self._items[index] = exposure
            self._metas.pop(index, None)
            return
        self._metas[index] = exposure.meta
        self._items[index] = self._spill(index, exposure)

    def __iter__(self) -> Iterator[Exposure]:
        return (self[index] for index in range(len(self)))

    def each(self, *, edit: bool = True) -> Iterator[Exposure]:
        """Iterate over the members; what the loop changes is kept.

        Parameters
        ----------
        edit : bool
            False: the loop only looks, so nothing is written to scratch files.
        """
        for index in range(len(self)):
            exposure = self[index]
            try:
                yield exposure
            finally:
                if edit and not self.in_memory:
                    self[index] = exposure

    def loaded(self) -> list[Exposure]:
        """Return the members that are in memory."""
        return [item for item in self._items if isinstance(item, Exposure)]

    def paths(self) -> list[Path | None]:
        """Return the file of each member, None for one that has none."""
        return [item.path if isinstance(item, Exposure) else item for item in self._items]

    # ---- facts
    def require_alike(self) -> None:
        """Refuse members of different instruments or units, see `jwcore.models.require_alike`."""
        require_alike(self.metas(), where=self.name)

    def metas(self) -> list[Meta]:
        """Return the metadata of all members without loading arrays."""
        found = []
        for index, item in enumerate(self._items):
            if isinstance(item, Exposure):
                found.append(item.meta)
                continue
            if index not in self._metas:
                self._metas[index] = read_meta(item)
            found.append(self._metas[index])
        return found

    @property
    def name(self) -> str:
        """Base name of the product of the set."""
        if self._name is None and self._items:
            first = self._items[0]
            return strip_suffix(
                (first.meta.filename or first.path or "product") if isinstance(first, Exposure) else first
            )
        return self._name or "product"

    @property
    def group_ids(self) -> list[str]:
        """Group of each member: all detectors of one exposure share it; a member key ``group_id`` overrides it."""
        pairs = enumerate(zip(self.metas(), self.members_info, strict=True))
        return [str(info.get("group_id") or group_id(meta, index=index)) for index, (meta, info) in pairs]

    def groups(self) -> dict[str, list[int]]:
        """Return the indices of the members of each group, in order of first appearance."""
        found: dict[str, list[int]] = {}
        for index, identifier in enumerate(self.group_ids):
            found.setdefault(identifier, []).append(index)
        return found

    def blended_meta(self) -> Meta:
        """Return the metadata of a product that combines the members; see `jwcore.models.blend`."""
        return blend(self.metas())

    def header_table(self) -> np.ndarray:
        """Return the HDRTAB table of a product that combines the members, one row each."""
        return header_table(self.metas())

    def __repr__(self) -> str:
        return f"<ExposureSet {self.name}: {len(self)} exposures, {'in memory' if self.in_memory else 'on disk'}>"

    # ---- scratch
    def _spill(self, index: int, exposure: Exposure) -> Path:
        """Write a member to its scratch file, under the name it has."""
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="jwcal-", dir=self._scratch_parent)
        folder = Path(self._scratch.name) / f"{index:04d}"
        folder.mkdir(exist_ok=True)
        path = folder / Path(exposure.meta.filename or "exposure.fits").name
        write_exposure(exposure, path)
        return path

    def close(self) -> None:
        """Remove the scratch files; members that were edited are gone then."""
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None
