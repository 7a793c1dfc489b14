"""Running steps on pieces of a ramp, so that an exposure larger than the memory cap can be processed.

The arrays of the ramp lie in scratch files that are mapped into memory. Consecutive steps that declare the same kind of
chunk (rows, or whole integrations) share one pass over the pieces; where the kind changes the next pass cuts the
same scratch arrays the other way. Pieces carry metadata of the sub-array or integrations that they are, so that
references are cut to them by the ordinary rules. What a step must know about the whole exposure is found out before its
pass. Arrays do not depend on the size of the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jwcore import memory, models
from jwcore.models.mapped import Scratch, assign, copied, release
from jwcore.plan_model import Node, PlannedEntry, PlannedStep
from jwcore.recipes import SCIENCE

GEOMETRY = ("subarray.ystart", "subarray.ysize", "exposure.integration_start", "exposure.integration_end")
"""Keywords that say which part of an exposure a piece is."""


def needed(node: Node, max_memory: int | None) -> bool:
    """Tell whether a node would exceed the cap with all its arrays in memory."""
    return not node.ensemble and memory.exceeds(node.peak_bytes, max_memory)


def to_scratch(exposure: Any, scratch: Scratch) -> None:
    """Move the large arrays of a ramp to scratch files."""
    for name in exposure.arrays():
        spec = exposure.declared()[name]
        if not _framed(exposure, name) or spec.ndim != len(exposure.shape):
            continue
        mapped = scratch.zeros(exposure.shape, spec.dtype)
        if exposure.shape_of(name) is None:
            setattr(exposure, name, mapped)  # not in the file: a new scratch file reads as zeros
        else:
            exposure.load_into(name, mapped)


def passes(
    entries: Sequence[PlannedEntry], questions: Callable[[Any], Mapping[str, Callable]]
) -> Iterator[list[PlannedEntry]]:
    """Group consecutive steps that can share one pass over the same kind of pieces.

    Questions of a step about the whole exposure are asked before a pass: it begins one, unless the step before it has
    asked the same.
    """
    group: list[PlannedEntry] = []
    kind = ""
    known: Mapping[str, Callable] = {}
    for entry in entries:
        own = _kind(entry)
        skipped = isinstance(entry, PlannedStep) and not entry.runs and entry.on == (SCIENCE,) and kind
        asked = questions(entry) if own else {}
        fits = own and kind and (own == kind or "pixels" in (own, kind)) and asked.items() <= known.items()
        if group and not skipped and not fits:
            yield group
            group = []
        if not group or (not skipped and own != "pixels"):
            kind = own
        known = asked if own else known
        group.append(entry)
        if own and entry.params.get("save_results"):  # type: ignore[union-attr]
            yield group  # what is saved is the whole exposure as it is after this step
            group = []
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
    scratch : Scratch
        Takes the products, which grow as large as the exposure.
    """

    steps: Sequence[PlannedStep]
    exposure: Any
    max_memory: int
    scratch: Scratch
    results: dict[str, Any] = field(default_factory=dict)
    """Products of the last step, by name, when it makes such."""
    sides: dict[str, Any] = field(default_factory=dict)
    """Side products of all steps, by name; see `keep`."""
    own_rows: slice = field(default_factory=lambda: slice(None))
    """Rows of the present piece whose figures count: neither halo, nor rows that the piece before has counted."""
    _survey: dict[str, Any] | None = None
    _span: tuple[int, int, int] = (0, 0, 0)
    _before: dict[str, Any] = field(default_factory=dict)
    _changes: dict[str, list[tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    _above: dict[str, np.ndarray] = field(default_factory=dict)

    def run(self, run_step: Callable[[PlannedStep, Any], Any]) -> Any:
        """Run all steps on all pieces.

        Returns
        -------
        Exposure or dict
            The ramp, or the mapping of products when the last step makes such.
        """
        for lo, hi in self.pieces():
            self._run_piece(lo, hi, run_step)
            self._release()
        self._merge_keywords("", self.exposure.meta)
        for products in (self.results, self.sides):
            for name, whole in products.items():
                if isinstance(whole, models.Exposure):
                    self._merge_keywords(name, whole.meta)
        return self.results or self.exposure

    def _run_piece(self, lo: int, hi: int, run_step: Callable[[PlannedStep, Any], Any]) -> None:
        """Run all steps on one piece, of which nothing is left in memory afterwards, and join what they make."""
        halo = self.halo
        first, last = max(0, lo - halo), min(self.length, hi + halo)
        piece = self._cut(first, last)
        self._remember(piece, lo, hi, first)
        self._span = lo, hi, first
        self.own_rows = slice(lo - first, hi - first) if self._rows else slice(None) if lo == 0 else slice(0)
        self._before = dict(piece.meta.items())
        product: Any = piece
        for planned in self.steps:
            product = run_step(planned, product)
        if isinstance(product, Mapping):
            for name, part in product.items():
                self._join(self.results, name, part)
        else:
            self._fill("", self.exposure, product)

    def keep(self, name: str, part: Any) -> None:
        """Take a side product that a step made from the present piece, and join it with those of other pieces."""
        self._join(self.sides, name, part)

    def surveyed(self, answers: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Tell what the first step finds out about the whole exposure, before the first piece is changed."""
        if self._survey is None:
            self._survey = answers(self.exposure)
        return self._survey

    @property
    def axis(self) -> int:
        """Axis that is cut, counted from the end for rows and from the start for integrations."""
        return -2 if self._rows else 0

    @property
    def _rows(self) -> bool:
        kinds = {step.chunk for step in self.steps if step.runs}
        return "integrations" not in kinds

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
        height = max(1, int((self.max_memory - memory.LIBRARIES - memory.COMPILING) / one) - 2 * self.halo)
        for lo in range(0, self.length, height):
            yield lo, min(self.length, lo + height)

    def _release(self) -> None:
        """Give back the memory through which scratch files were seen."""
        for product in (self.exposure, *self.results.values(), *self.sides.values()):
            if isinstance(product, models.Exposure):
                for name in product.arrays():
                    release(getattr(product, name))

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
                along = array.ndim == len(whole.shape) or name == "zeroframe"
                setattr(piece, name, copied(array[first:last]) if along else array.copy())
        self._describe(piece, first, last)
        return piece

    def _rows_of(self, name: str, array: np.ndarray, first: int, last: int) -> np.ndarray:
        """Copy rows as they were before this pass: those above the piece have been overwritten meanwhile."""
        rows = copied(array[..., first:last, :])
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

    def _join(self, products: dict[str, Any], name: str, part: Any) -> None:
        """Fill the present piece of a product that is made piece by piece."""
        if isinstance(part, models.Catalog):
            from astropy.table import vstack

            tables = [known.table for known in (products.get(name), part) if known is not None]
            products[name] = models.Catalog(vstack(tables, metadata_conflicts="silent"))
            return
        if name not in products:
            products[name] = type(part)(meta=part.meta.copy())
            products[name].meta.update(_geometry(self.exposure.meta))
        self._fill(name, products[name], part)

    def _fill(self, name: str, whole: Any, part: Any) -> None:
        """Write a piece without its halo to its place, and note the keywords that have changed."""
        lo, hi, first = self._span
        for attribute in part.arrays():
            array = getattr(part, attribute)
            if not _framed(part, attribute):
                setattr(whole, attribute, array)
            elif self._rows:
                own = array[..., lo - first : hi - first, :]
                target = self._room(whole, attribute, (*own.shape[:-2], self.length, own.shape[-1]), own.dtype)
                assign(target[(*map(slice, own.shape[:-2]), slice(lo, hi))], own)
            elif array.ndim > 2:
                target = self._room(whole, attribute, (self.length, *array.shape[1:]), array.dtype)
                assign(target[(slice(lo, hi), *map(slice, array.shape[1:]))], array)
            else:  # all integrations have one image: flags add up, of the rest the last counts
                target = self._room(whole, attribute, array.shape, array.dtype)
                target[...] = target | array if array.dtype.kind == "u" else array
        changed = {key: value for key, value in part.meta.items() if self._before.get(key) != value}
        self._changes.setdefault(name, []).append((hi - lo, changed))

    def _room(self, whole: Any, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return the array of a product, made or enlarged with zeros where a piece has more planes than those before."""
        known = getattr(whole, name)
        if known is not None:
            shape = tuple(map(max, shape, known.shape))
        if known is None or known.shape != shape:
            room = self.scratch.zeros(shape, dtype)
            if known is not None:
                room[tuple(map(slice, known.shape))] = known
            setattr(whole, name, room)
        return getattr(whole, name)

    def _merge_keywords(self, name: str, meta: Any) -> None:
        """Decide keywords once: figures that differ between pieces are averaged by the size of the piece."""
        changes = self._changes.get(name, [])
        for key in sorted({key for _, changed in changes for key in changed} - set(GEOMETRY)):
            all_values = [(size, changed.get(key, self._before.get(key))) for size, changed in changes]
            values = [(size, value) for size, value in all_values if value is not None]
            last = next((changed[key] for _, changed in reversed(changes) if key in changed), None)
            if isinstance(last, float) and any(value != last for _, value in values):
                last = models.significant(sum(n * value for n, value in values) / sum(n for n, _ in values))
            meta.set(key, last)


def _framed(exposure: Any, name: str) -> bool:
    """Tell whether an array has the rows and columns of the exposure."""
    spec = exposure.declared()[name]
    return spec.framed and not isinstance(spec, models.Table)


def _geometry(meta: Any) -> Any:
    """Metadata that differ between a piece and the whole."""
    return models.Meta({name: meta.get(name) for name in GEOMETRY if meta.get(name) is not None})
