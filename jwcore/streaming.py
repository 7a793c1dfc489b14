"""Running steps on pieces of a ramp, so that an exposure larger than the memory cap can be processed.

The arrays of the ramp lie in scratch files that are mapped into memory. Consecutive steps that declare the same kind of
chunk (rows, or whole integrations) share one pass over the pieces; where the kind changes the next pass cuts the
same scratch arrays the other way. Pieces carry metadata of the sub-array or integrations that they are, so that
references are cut to them by the ordinary rules. Arrays do not depend on the size of the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jwcore import models
from jwcore.plan_model import Node, PlannedEntry, PlannedStep
from jwcore.recipes import SCIENCE

BASE_BYTES = 350_000_000
"""What the interpreter, the libraries and one compiled kernel take before any array."""


def needed(node: Node, max_memory: int | None) -> bool:
    """Tell whether a node would exceed the cap with all its arrays in memory."""
    return max_memory is not None and not node.ensemble and node.peak_bytes + BASE_BYTES > max_memory


def to_scratch(exposure: Any, folder: str | Path) -> None:
    """Move the large arrays of a ramp to mapped scratch files."""
    for name in exposure.arrays():
        spec = exposure.declared()[name]
        if not _framed(exposure, name) or spec.ndim != len(exposure.shape):
            continue
        mapped = np.memmap(Path(folder) / f"{name}.raw", dtype=spec.dtype, mode="w+", shape=exposure.shape)
        if exposure.shape_of(name) is None:
            setattr(exposure, name, mapped)  # not in the file: a new scratch file reads as zeros
        else:
            exposure.load_into(name, mapped)


def passes(entries: Sequence[PlannedEntry]) -> Iterator[list[PlannedEntry]]:
    """Group consecutive steps that can share one pass over the same kind of pieces."""
    group: list[PlannedEntry] = []
    kind = ""
    for entry in entries:
        own = _kind(entry)
        skipped = isinstance(entry, PlannedStep) and not entry.runs and kind
        if group and not skipped and (own != kind or not own):
            yield group
            group = []
        if not (group and skipped):
            kind = own
        group.append(entry)
    if group:
        yield group


def chunked(group: Sequence[PlannedEntry]) -> bool:
    """Tell whether a group of entries runs on pieces."""
    return any(_kind(entry) for entry in group)


def _kind(entry: PlannedEntry) -> str:
    """Kind of pieces of an entry; empty where it wants the whole exposure."""
    plain = isinstance(entry, PlannedStep) and entry.runs and entry.on == (SCIENCE,) and entry.gives is None
    return entry.chunk if plain and entry.chunk != "exposure" else ""  # type: ignore[union-attr]


@dataclass
class Pass:
    """One pass of a group of steps over the pieces of a ramp.

    Parameters
    ----------
    steps : sequence of PlannedStep
        What runs on every piece.
    exposure : Ramp
        The whole; edited in place.
    max_memory : int
        The cap in bytes.
    """

    steps: Sequence[PlannedStep]
    exposure: Any
    max_memory: int
    results: dict[str, Any] = field(default_factory=dict)
    _changes: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    _above: dict[str, np.ndarray] = field(default_factory=dict)

    def run(self, run_step: Callable[[PlannedStep, Any], Any]) -> Any:
        """Run all steps on all pieces.

        Returns
        -------
        Exposure or dict
            The ramp, or the mapping of products when the last step makes such.
        """
        for lo, hi in self.pieces():
            halo = self.halo
            first, last = max(0, lo - halo), min(self.length, hi + halo)
            piece = self._cut(first, last)
            self._remember(piece, lo, hi, first)
            before = dict(piece.meta.items())
            product: Any = piece
            for planned in self.steps:
                product = run_step(planned, product)
            if isinstance(product, Mapping):
                for name, part in product.items():
                    self._collect(name, part, lo, hi, first)
            else:
                self._put_back(product, lo, hi, first)
                changed = {k: v for k, v in product.meta.items() if before.get(k) != v}
                self._changes.append((hi - lo, changed))
        self._merge_keywords()
        return self.results or self.exposure

    @property
    def axis(self) -> int:
        """Axis that is cut, counted from the end for rows and from the start for integrations."""
        return -2 if self._rows else 0

    @property
    def _rows(self) -> bool:
        return next(step.chunk for step in self.steps if step.runs) == "rows"

    @property
    def length(self) -> int:
        """Length of the axis that is cut."""
        return self.exposure.shape[self.axis]

    @property
    def halo(self) -> int:
        """Rows that the steps together look beyond a piece."""
        return sum(step.halo for step in self.steps if step.runs) if self._rows else 0

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Iterate over the limits of pieces that keep the run under the cap."""
        size = sum(
            getattr(self.exposure, name).nbytes for name in self.exposure.arrays() if _framed(self.exposure, name)
        )
        factor = 2.0 + max((step.scratch for step in self.steps), default=0.0)
        one = max(1.0, size * factor / self.length)
        height = max(1, int((self.max_memory - BASE_BYTES) / one) - 2 * self.halo)
        for lo in range(0, self.length, height):
            yield lo, min(self.length, lo + height)

    def _cut(self, first: int, last: int) -> Any:
        whole = self.exposure
        piece = type(whole)(meta=whole.meta.copy())
        for name in whole.arrays():
            array = getattr(whole, name)
            if not _framed(whole, name):
                setattr(piece, name, array)
            elif self._rows:
                setattr(piece, name, self._rows_of(name, array, first, last))
            else:
                setattr(
                    piece,
                    name,
                    np.array(array[first:last])
                    if array.ndim == len(whole.shape) or name == "zeroframe"
                    else array.copy(),
                )
        self._describe(piece, first, last)
        return piece

    def _rows_of(self, name: str, array: np.ndarray, first: int, last: int) -> np.ndarray:
        """Copy rows as they were before this pass: those above the piece have been overwritten meanwhile."""
        rows = np.array(array[..., first:last, :])
        above = self._above.get(name)
        if above is not None and above.shape[-2]:
            rows[..., : above.shape[-2], :] = above
        return rows

    def _remember(self, piece: Any, lo: int, hi: int, first: int) -> None:
        """Keep the rows that the next piece needs above it, before they are overwritten."""
        if not self._rows or not self.halo:
            return
        for name in piece.arrays():
            if _framed(piece, name):
                upto = getattr(piece, name)[..., : hi - first, :]
                self._above[name] = upto[..., max(0, upto.shape[-2] - self.halo) :, :].copy()

    def _describe(self, piece: Any, first: int, last: int) -> None:
        """Give a piece the keywords of the sub-array or the integrations that it is."""
        if self._rows:
            piece.meta.set("subarray.ystart", (piece.meta.get("subarray.ystart") or 1) + first)
            piece.meta.set("subarray.ysize", last - first)
        else:
            start = (piece.meta.get("exposure.integration_start") or 1) + first
            piece.meta.set("exposure.integration_start", start)
            piece.meta.set("exposure.integration_end", start + last - first - 1)

    def _put_back(self, piece: Any, lo: int, hi: int, first: int) -> None:
        whole = self.exposure
        for name in piece.arrays():
            array = getattr(piece, name)
            if not _framed(piece, name):
                continue
            target = getattr(whole, name)
            if target is None:
                setattr(whole, name, np.zeros(self._full(array.shape, name), array.dtype))
                target = getattr(whole, name)
            if self._rows:
                target[..., lo:hi, :] = array[..., lo - first : hi - first, :]
            elif array.ndim == len(whole.shape) or name == "zeroframe":
                target[lo:hi] = array
            elif array.dtype.kind == "u":
                target |= array
            else:
                target[...] = array

    def _full(self, shape: tuple[int, ...], name: str) -> tuple[int, ...]:
        if self._rows:
            return (*shape[:-2], self.length, shape[-1])
        return (self.length, *shape[1:]) if len(shape) == len(self.exposure.shape) else shape

    def _collect(self, name: str, part: Any, lo: int, hi: int, first: int) -> None:
        """Fill the rows of a product that the last step made from a piece."""
        if name not in self.results:
            whole = type(part)(meta=part.meta.copy())
            whole.meta.update(_geometry(self.exposure.meta))
            self.results[name] = whole
        whole = self.results[name]
        for array_name in part.arrays():
            array = getattr(part, array_name)
            if not _framed(part, array_name):
                setattr(whole, array_name, array)
                continue
            if getattr(whole, array_name) is None or getattr(whole, array_name).shape[-2] != self.length:
                setattr(whole, array_name, np.zeros((*array.shape[:-2], self.length, array.shape[-1]), array.dtype))
            getattr(whole, array_name)[..., lo:hi, :] = array[..., lo - first : hi - first, :]

    def _merge_keywords(self) -> None:
        """Decide keywords once: figures that differ between pieces are averaged by the size of the piece."""
        geometry = set(dict(_geometry(self.exposure.meta).items())) | {"subarray.ystart", "subarray.ysize"}
        geometry |= {"exposure.integration_start", "exposure.integration_end"}
        names = {name for _, changed in self._changes for name in changed} - geometry
        total = sum(size for size, _ in self._changes)
        for name in names:
            values = [(size, changed[name]) for size, changed in self._changes if name in changed]
            if isinstance(values[0][1], float):
                self.exposure.meta.set(name, sum(size * value for size, value in values) / total)
            else:
                self.exposure.meta.set(name, values[-1][1])


def _framed(exposure: Any, name: str) -> bool:
    """Tell whether an array has the rows and columns of the exposure."""
    spec = exposure.declared()[name]
    return spec.framed and not isinstance(spec, models.Table)


def _geometry(meta: Any) -> Any:
    """Metadata that differ between a piece and the whole."""
    names = ("subarray.ystart", "subarray.ysize", "exposure.integration_start", "exposure.integration_end")
    return models.Meta({name: meta.get(name) for name in names if meta.get(name) is not None})
