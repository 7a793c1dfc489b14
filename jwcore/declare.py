"""Declarations by which the core and the plugins describe stages, steps, wrappers, exposure types and detectors.

A *stage* is a hook spec: the documented signature of one place in a calibration recipe. A *step* is an implementation
of a stage. Decorating a function records facts about it and returns the function itself, so that every step stays a
plain function that can be called alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jwcore.errors import PluginError
from jwcore.params import Params, check_defaults

STAGE_MARK = "__jwcal_stage__"
STEP_MARK = "__jwcal_step__"
WRAPPER_MARK = "__jwcal_wrapper__"

CHUNKS = ("exposure", "integrations", "rows", "pixels")
STEP_ARGUMENTS = ("exposure", "exposures", "members", "references", "params", "state", "context")

Where = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Stage:
    """The contract of one calibration stage.

    Attributes
    ----------
    name : str
        Name of the stage; recipes and parameters use it.
    function : callable
        The hook spec: its signature says what a stage offers, its docstring what an implementation must do.
    gives : tuple of str
        Names of the products when the stage returns a mapping; empty when it returns one bare product.
    status : str or None
        Leaf of ``meta.cal_step`` that records COMPLETE, SKIPPED or FAILED.
    suffix : str
        File suffix of the result when the stage runs alone.
    essential : bool
        The stage means nothing without its references: a reference that the rules call not applicable is an error
        instead of a reason to skip.
    off_by_default : bool
        Runs only when switched on; a plan is complete without an implementation.
    repeatable : bool
        May run on what has been through it. A plan refuses every other stage that the input says is COMPLETE.
    dispensable : bool
        What it makes is an extra: where a reference is missing a recipe does without it.
    after, before, instead_of : str or None
        Where a stage that a plugin adds goes into every recipe that holds the named stage.
    """

    name: str
    function: Callable
    gives: tuple[str, ...] = ()
    status: str | None = None
    suffix: str = ""
    essential: bool = False
    off_by_default: bool = False
    repeatable: bool = False
    dispensable: bool = False
    after: str | None = None
    before: str | None = None
    instead_of: str | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of the arguments that the stage offers to an implementation."""
        return tuple(inspect.signature(self.function).parameters)

    @property
    def ensemble(self) -> bool:
        """Whether the stage works on a set of exposures."""
        return "exposures" in self.arguments

    @property
    def takes(self) -> str:
        """Kind of product that the stage works on, as its hook spec annotates it; empty when it does not say."""
        given = inspect.signature(self.function).parameters.get("exposures" if self.ensemble else "exposure")
        return "" if given is None or given.annotation is given.empty else str(given.annotation)

    @property
    def summary(self) -> str:
        """First line of the documentation."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]


@dataclass(frozen=True)
class StepInfo:
    """What one implementation of a stage declares; see :func:`step` for the meaning of the fields.

    ``switches`` maps side products to the parameters, or functions of them, that switch them on.
    """

    stage: str
    name: str
    function: Callable
    where: Where = field(default_factory=dict)
    references: tuple[str, ...] = ()
    optional_references: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    switches: Mapping[str, str | Callable[[Any], object]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    chunk: str | Callable[[Any], str] = "exposure"
    halo: int | Callable[[Any], int] = 0
    scratch: float | Callable[..., float] = 0.0
    survey: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    params: type[Params] = Params
    alternative: bool = False
    undoes: str = ""
    applies: Callable[..., str | None] | None = None
    wants: Callable[..., Collection[str]] | None = None

    def saved_for(self, params: Params) -> list[str]:
        """Return the side products that are known to be saved with these parameters."""
        return [
            product
            for product, switch in self.switches.items()
            if (getattr(params, switch) if isinstance(switch, str) else switch(params))
        ]

    def answers(self, offered: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the questions of the survey, which take by name what is offered."""
        return {
            name: question(**{argument: offered[argument] for argument in inspect.signature(question).parameters})
            for name, question in self.survey.items()
        }

    def chunk_for(self, params: Params) -> str:
        """Return the smallest piece of an exposure on which the step gives the same answer with these parameters."""
        chunk = self.chunk if isinstance(self.chunk, str) else self.chunk(params)
        _check_chunk(self.function, chunk)
        return chunk

    def halo_for(self, params: Params) -> int:
        """Return the rows needed on both sides of a chunk of rows with these parameters."""
        return self.halo(params) if callable(self.halo) else self.halo

    def scratch_for(self, params: Params, *, exposures: int = 1) -> float:
        """Return the working memory with these parameters and exposures, in units of one chunk's science array."""
        if not callable(self.scratch):
            return self.scratch
        return self.scratch(*(params, exposures)[: len(inspect.signature(self.scratch).parameters)])


@dataclass(frozen=True)
class WrapperInfo:
    """What a wrapper declares: the stage it surrounds, where it applies and how it tolerates chunks."""

    stage: str
    name: str
    function: Callable
    where: Where = field(default_factory=dict)
    chunk: str = "exposure"


@dataclass(frozen=True)
class ExposureType:
    """Traits of one exposure type, asked by shared code in place of comparing names.

    Attributes
    ----------
    name, instrument, family : str
        ``EXP_TYPE``, ``INSTRUME`` and the observing mode family (imaging, slit, ifu, mos, wfss, ami, coronagraphy,
        guider, calibration; lamp for spectra of a lamp through any of the optics).
    recipes : tuple of str
        Names of the recipes that follow one another for this type, stage 1 first.
    always_tso : bool
        A time series whatever ``TSOVISIT`` says.
    direct_image : bool
        Plain imaging, for which stage 2 makes a rectified quick-look image.
    wcs : bool
        Whether assign_wcs builds a WCS.
    filter_offset_keys : tuple of str
        Which instrument settings select a row of the FILTEROFFSET reference; empty for none.
    photom_cubes : bool
        Whether integrations of this type are flux calibrated.
    whole_lines : bool
        Whether stripes that are joined are completed to the whole length of the detector across them.
    member_roles : tuple of str
        Roles of the association members that belong to an exposure of this type.
    raw : str
        Container of its raw files, which all have the same DATAMODL.
    """

    name: str
    instrument: str
    family: str = "imaging"
    recipes: tuple[str, ...] = ()
    always_tso: bool = False
    direct_image: bool = False
    wcs: bool = True
    filter_offset_keys: tuple[str, ...] = ()
    photom_cubes: bool = True
    whole_lines: bool = False
    member_roles: tuple[str, ...] = ("science",)
    raw: str = "Ramp"


@dataclass(frozen=True)
class Detector:
    """Geometry and read-out traits of one detector.

    Attributes
    ----------
    name, instrument : str
        ``DETECTOR`` and ``INSTRUME``.
    shape : tuple of int
        Full-frame size (ny, nx) in science orientation.
    readout : str
        ``near-infrared`` or ``mid-infrared``.
    amplifiers : int
        Number of outputs in a full-frame read-out.
    reference_pixels : tuple of int
        Reference columns and rows on the (left, right, bottom, top) edges.
    wcs_margins : tuple of int
        Columns and rows (left, right, bottom, top) outside the bounding box of a full-frame WCS.
    unlit_columns : mapping
        Sub-array that holds no reference pixels -> columns at either end that see no light and stand in for them.
    """

    name: str
    instrument: str
    shape: tuple[int, int] = (2048, 2048)
    readout: str = "near-infrared"
    amplifiers: int = 4
    reference_pixels: tuple[int, int, int, int] = (4, 4, 4, 4)
    wcs_margins: tuple[int, int, int, int] = (0, 0, 0, 0)
    unlit_columns: Mapping[str, int] = field(default_factory=dict)


def stage(
    *positional: Any,
    gives: Sequence[str] = (),
    status: str | None = None,
    suffix: str | None = None,
    essential: bool = False,
    off_by_default: bool = False,
    repeatable: bool = False,
    dispensable: bool = False,
    after: str | None = None,
    before: str | None = None,
    instead_of: str | None = None,
) -> Callable[[Callable], Callable]:
    """Declare a hook spec: one place in a recipe, with the arguments that an implementation may ask for.

    Parameters are those of :class:`Stage`. The function's name is the stage's name; its arguments must be names out of
    ``exposure`` or ``exposures``, ``members``, ``references``, ``params``, ``state`` and ``context``, without defaults.
    """
    if positional:
        raise PluginError(
            "@api.stage takes keywords alone", cure="write @api.stage() above a function named like the stage"
        )

    def mark(function: Callable) -> Callable:
        _check_arguments(function, role="stage")
        name = function.__name__
        declared = Stage(
            name, function, tuple(gives), status, suffix or name, essential, off_by_default, repeatable, dispensable,
            after, before, instead_of,
        )  # fmt: skip
        setattr(function, STAGE_MARK, declared)
        return function

    return mark


def step(
    *positional: Any,
    stage: str = "",
    name: str | None = None,
    where: Mapping[str, str | Sequence[str]] | None = None,
    references: Sequence[str] = (),
    optional_references: Sequence[str] = (),
    images: Sequence[str] = (),
    members: Sequence[str] = (),
    state: Sequence[str] = (),
    calls: Sequence[str] = (),
    products: Sequence[str] | Mapping[str, str | Callable[[Any], object]] = (),
    needs: Sequence[str] = (),
    sets: Sequence[str] = (),
    chunk: str | Callable[[Any], str] = "exposure",
    halo: int | Callable[[Any], int] = 0,
    scratch: float | Callable[..., float] = 0.0,
    survey: Mapping[str, Callable[..., Any]] | None = None,
    params: type[Params] = Params,
    alternative: bool = False,
    undoes: str = "",
    applies: Callable[..., str | None] | None = None,
    wants: Callable[..., Collection[str]] | None = None,
) -> Callable[[Callable], Callable]:
    """Mark a function as an implementation of a stage.

    Parameters
    ----------
    stage : str
        The stage that is implemented.
    name : str, optional
        Name of the implementation inside its plugin (default: the stage's name).
    where : mapping, optional
        FITS keyword -> value or values for which the step applies; the most specific match wins.
    references : sequence of str, optional
        Reference types that the step cannot do without; one that the rules call not applicable skips the step.
    optional_references : sequence of str, optional
        Reference types that the step uses when there is one.
    images : sequence of str, optional
        Those of the reference types, of the plugin's own making, whose arrays are images of the detector: they are cut to
        the sub-array, and a file that does not hold the pixels of the exposure is refused while planning.
    members : sequence of str, optional
        Roles of association members that the step reads.
    state : sequence of str, optional
        Names of the state that the step hands from one exposure to the next of the same detector in time order.
    calls : sequence of str, optional
        Stages that the step runs itself through ``context.run``.
    products : sequence of str or mapping, optional
        Side products that the step may save through ``context.save``; as a mapping, each with the name of the parameter
        that switches it on (or a function of the parameters), so that the plan can tell.
    needs : sequence of str, optional
        FITS keywords without which the step cannot run; a plan refuses an exposure whose header lacks one.
    sets : sequence of str, optional
        FITS keywords that the step writes.
    chunk : {"exposure", "integrations", "rows", "pixels"} or callable
        Smallest piece of an exposure on which the step gives the same answer; "pixels" where it is the same on rows and
        on integrations. Like the next two, a constant or a function of the parameters.
    halo : int or callable, optional
        Rows needed on both sides of a chunk of rows.
    scratch : float or callable, optional
        Working memory in units of the chunk's science array; a function takes the parameters and, if it has a second
        argument, the number of exposures.
    survey : mapping, optional
        Questions about the whole exposure, which a piece of it cannot answer: name -> function of ``exposure``,
        ``references`` and ``params``, those that it wants. They are asked before the step starts, and the answers are in
        ``context.survey``. The step must leave the answers as they are: one that follows may share them.
    params : type, optional
        The step's parameters, a subclass of :class:`jwcore.params.Params`.
    alternative : bool, optional
        Runs only when named with ``--use``.
    undoes : str, optional
        Parameter that, when true, makes the step take back what it did in an earlier run. A plan refuses that for
        exposures which have not been through the stage; afterwards they have no status of it.
    applies : callable, optional
        Asked while planning for a reason to skip, or None; takes ``meta``, ``params``, ``references``, ``members`` and
        ``exposure_type`` by name, those that it wants.
    wants : callable, optional
        Asked while planning which of the optional references and of the called stages are needed this time (default: all
        of them); takes ``meta``, ``params``, ``members`` and ``exposure_type`` by name, those that it wants.
    """
    _require_stage("step", stage, positional)
    switches = dict(products) if isinstance(products, Mapping) else {}

    def mark(function: Callable) -> Callable:
        _check_arguments(function, role="step")
        _check_name(function)
        _check_chunk(function, chunk)
        _check_params(function, params, switches | ({"what undoes the step": undoes} if undoes else {}))
        if stray := set(_names(images)) - {*_names(references), *_names(optional_references)}:
            raise PluginError(
                f"images= names {min(stray)}, which is no reference of the step", cure="add it to references="
            )
        info = StepInfo(
            stage=stage, name=name or stage, function=function, where=normalise_where(where),
            references=_names(references), optional_references=_names(optional_references), images=_names(images),
            members=_names(members), state=_names(state), calls=_names(calls), products=_names(products),
            switches=switches, sets=_names(sets), chunk=chunk, halo=halo, scratch=scratch, survey=dict(survey or {}),
            params=params, alternative=alternative, applies=applies, wants=wants, needs=_names(needs), undoes=undoes,
        )  # fmt: skip
        setattr(function, STEP_MARK, info)
        return function

    return mark


def wrapper(
    *positional: Any, stage: str = "", name: str | None = None, where: Mapping[str, str | Sequence[str]] | None = None,
    chunk: str = "exposure",
) -> Callable[[Callable], Callable]:  # fmt: skip
    """Mark a generator function that surrounds a stage: code before ``result = yield``, code after, return the result."""
    _require_stage("wrapper", stage, positional)

    def mark(function: Callable) -> Callable:
        if not inspect.isgeneratorfunction(function):
            raise PluginError(
                f"wrapper {function.__name__} does not yield", cure="write `result = yield` where the step runs"
            )
        _check_arguments(function, role="wrapper")
        _check_name(function)
        _check_chunk(function, chunk)
        info = WrapperInfo(stage, name or function.__name__, function, normalise_where(where), chunk)
        setattr(function, WRAPPER_MARK, info)
        return function

    return mark


def normalise_where(where: Mapping[str, str | Sequence[str]] | None) -> Where:
    """Bring a ``where`` mapping into its one form: upper-case keywords, tuples of upper-case values."""
    return {
        key.upper(): tuple(str(v).upper() for v in ((values,) if isinstance(values, str) else values))
        for key, values in (where or {}).items()
    }


def matches(where: Mapping[str, Any], meta: Any) -> bool:
    """Tell whether all keywords of ``where`` have one of their values in ``meta``, or in all of several headers."""
    if isinstance(meta, tuple):
        return all(matches(where, one) for one in meta)
    return all(str(meta.keyword(key, None) or "").upper() in values for key, values in where.items())


def specificity(where: Mapping[str, Any]) -> tuple[int, int]:
    """Rank of a ``where`` mapping: exposure type before any other keyword, then the number of keywords."""
    return int("EXP_TYPE" in where), len(where)


def where_text(where: Mapping[str, Any]) -> str:
    """Write a ``where`` mapping for people: ``INSTRUME=NIRCAM, FILTER=F200W|F210M``."""
    return ", ".join(f"{key}={'|'.join(values)}" for key, values in where.items()) or "any exposure"


def _names(words: Iterable[str]) -> tuple[str, ...]:
    """A tuple of names; a bare string is one name, not its letters."""
    return (words,) if isinstance(words, str) else tuple(words)


def _require_stage(decorator: str, stage: str, positional: tuple[Any, ...]) -> None:
    """Refuse a decorator without parentheses, or with the stage in the wrong place."""
    if positional or not stage:
        meant = positional[0] if positional and isinstance(positional[0], str) else "flat_field"
        raise PluginError(
            f"@api.{decorator} needs its stage by keyword", cure=f'write @api.{decorator}(stage="{meant}")'
        )


def _check_name(function: Callable) -> None:
    """Refuse a function that hides an import of the same name: its body would call itself in place of the library."""
    name = function.__name__
    hidden = function.__globals__.get(name)
    if hidden is not None and getattr(hidden, "__module__", None) != function.__module__:
        raise PluginError(
            f"the function {name} hides what was imported as {name}",
            cure="rename the function; its name is free, stage= says what it implements",
        )


def _check_params(function: Callable, params: Any, switches: Mapping[str, str | Callable[[Any], object]]) -> None:
    """Refuse what is no declaration of parameters, wrong defaults, and switches that are no parameters."""
    if not (isinstance(params, type) and issubclass(params, Params)):
        raise PluginError(f"{function.__name__}: params={params!r}", cure="give a class derived from api.Params")
    check_defaults(params)
    for what, switch in switches.items():
        if isinstance(switch, str) and switch not in params.model_fields:
            raise PluginError(
                f"{function.__name__}: '{what}' is switched on by '{switch}', which is no parameter",
                cure=f"declare it in {params.__name__}",
            )


def _check_arguments(function: Callable, *, role: str) -> None:
    """Refuse argument names outside the contract and, because pluggy would drop them silently, defaults."""
    for argument in inspect.signature(function).parameters.values():
        if argument.name not in STEP_ARGUMENTS and role == "stage":
            raise PluginError(
                f"stage {function.__name__} offers an unknown argument '{argument.name}'",
                cure=f"use names out of: {', '.join(STEP_ARGUMENTS)}",
            )
        if argument.default is not inspect.Parameter.empty:
            raise PluginError(
                f"{role} {function.__name__} gives its argument '{argument.name}' a default",
                cure="remove the default: the runner always passes the argument",
            )


def _check_chunk(function: Callable, chunk: str | Callable[[Any], str]) -> None:
    if not callable(chunk) and chunk not in CHUNKS:
        raise PluginError(f"{function.__name__} declares chunk={chunk!r}", cure=f"use one of {', '.join(CHUNKS)}")
