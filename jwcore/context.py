"""What the runner offers to a step: counting, side products, nested stages, progress and log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from jwcore.declare import Detector, ExposureType
from jwcore.errors import PluginError

Item = TypeVar("Item")
RECORDED = frozenset({"label", "stage", "status", "reason", "seconds", "counts", "calls"})
"""What the runner writes into the record of a step."""


class Context:
    """Services for one step on one exposure. Works without a runner too, for steps that are called alone.

    Parameters
    ----------
    label : str
        Label of the step.
    detector, exposure_type : optional
        Traits that instrument plugins registered.
    products : tuple of str
        Side products that the step declared.
    rows : slice
        Rows of the exposure that count, where it is a piece of a larger one that overlaps with other pieces.
    survey : mapping, optional
        Answers to the questions about the whole exposure that the step declared.
    saver, nested, progress, namer : callables, optional
        What the runner does for ``save``, ``run``, ``progress`` and ``file_name``.
    record : dict, optional
        What the provenance says of this step.

    Attributes
    ----------
    counts : dict
        Figures that the step reported; they end up in the provenance.
    record : dict
        Tables that the step noted, by name.
    saved : dict
        Side products by name, when there is no runner to write them.
    survey : mapping
        What was found out about the whole exposure, of which this may be a piece; empty without a runner: the exposure
        at hand then is the whole one.
    unchanged : set of int
        Members of a set that the step left alone; see `leave_out`.
    log : logging.Logger
    """

    def __init__(
        self, label: str = "step", *, detector: Detector | None = None, exposure_type: ExposureType | None = None,
        products: tuple[str, ...] | None = None, rows: slice = slice(None), survey: Mapping[str, Any] | None = None,
        saver: Callable[[str, Any], None] | None = None, nested: Callable[..., Any] | None = None,
        progress: Callable[..., Iterable] | None = None, namer: Callable[[str, str], str] | None = None,
        record: dict[str, Any] | None = None,
    ):  # fmt: skip
        self.label = label
        self.detector = detector or Detector("", "")
        self.exposure_type = exposure_type or ExposureType("", "")
        self.counts: dict[str, float] = {}
        self.record = {} if record is None else record
        self.saved: dict[str, Any] = {}
        self.unchanged: set[int] = set()
        self.rows = rows
        self.survey = survey or {}
        self.log = logging.getLogger(f"jwcal.{label}")
        self._products = products
        self._saver = saver
        self._nested = nested
        self._progress = progress
        self._namer = namer

    def count(self, **figures: Any) -> None:
        """Report figures (pixels flagged, jumps found ...); repeated reports of one name are summed.

        A figure of every row, or of every pixel, of the exposure is summed over the rows that count: it may be an array
        of shape (ny,) or (ny, nx). Give such arrays where a step works on pieces of an exposure, so that pixels in two
        pieces are counted once.
        """
        for name, figure in figures.items():
            value = figure[self.rows].sum() if getattr(figure, "ndim", 0) else figure
            self.counts[name] = self.counts.get(name, 0) + (value.item() if hasattr(value, "item") else value)

    def note(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Leave a table in the provenance, one mapping of plain values for each row; it stays there when the step fails.

        Rows of a table named ``warnings``, each with a ``text``, are repeated in the last lines of the run.
        """
        cure = "give a list of dicts with the same names and plain values, under a name of its own"
        try:
            plain = [
                {key: value.item() if hasattr(value, "item") else value for key, value in row.items()} for row in rows
            ]
        except (AttributeError, TypeError, ValueError) as error:
            raise PluginError(f"{self.label} notes '{name}', which is no table: {error}", cure=cure) from None
        strange = [
            key for row in plain for key, value in row.items() if not isinstance(value, str | int | float | None)
        ]
        if name in RECORDED or strange or len({tuple(row) for row in plain}) > 1:
            what = (
                f"whose {strange[0]} is no plain value"
                if strange
                else "a name that is taken, or rows of different names"
            )
            raise PluginError(f"{self.label} notes '{name}', {what}", cure=cure)
        self.record[name] = plain

    def leave_out(self, index: int) -> None:
        """Say that a step could do nothing for one member of a set, whose status is then SKIPPED."""
        self.unchanged.add(index)

    def file_name(self, product: str, extension: str = "fits") -> str | None:
        """Name of the file that a product of this step will have, so that others can refer to it; None without a runner."""
        return None if self._namer is None else self._namer(product, extension)

    def save(self, name: str, product: Any) -> None:
        """Hand out a side product; its name is the file suffix and must be declared in ``@step(products=...)``."""
        if self._products is not None and name not in self._products:
            raise PluginError(
                f"{self.label} saves an undeclared product '{name}'", cure=f"add it to @step(products=({name!r},))"
            )
        if self._saver is None:
            self.saved[name] = product
        else:
            self._saver(name, product)

    def run(self, stage: str, product: Any, *, consume: bool = False, **params: Any) -> Any:
        """Run another stage, declared in ``@step(calls=...)``, on a copy of a product.

        Parameters
        ----------
        stage : str
            The stage.
        product : object
            What it works on.
        consume : bool
            Let it edit the product itself instead of a copy.
        **params
            Parameters that differ from the planned ones.
        """
        if self._nested is None:
            raise PluginError(f"{self.label} calls {stage} without a runner", cure="run it through a plan")
        return self._nested(stage, product, consume=consume, params=params)

    def progress(self, items: Iterable[Item], label: str = "") -> Iterator[Item]:
        """Iterate with a progress bar where there is a terminal."""
        yield from (items if self._progress is None else self._progress(items, label or self.label))
