"""Recipes as data: which stages run in which order on which products.

A recipe works on named *streams* of products. It starts with the stream ``science`` and one stream for every member role
of an association. A step that returns one product replaces the stream it ran on, or fills the stream named by ``gives``. A
step that returns a mapping ends its stream and starts one stream for each name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jwcore.declare import Stage, normalise_where
from jwcore.errors import PluginError, UsageError
from jwcore.params import Params

SCIENCE = "science"
Conditions = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One labelled stage of a recipe.

    Attributes
    ----------
    stage, label : str
        The stage, and the name under which parameters, ``--from`` and provenance know this place (default: the stage).
    on : tuple of str
        Streams that the step runs on, one after the other. A stream that does not exist is left out.
    gives : str or None
        Stream for the result when it must not replace its input.
    when, unless : mapping
        Conditions on keywords (upper case) or facts (``tso``, ``moving_target``, ``members``, ``dimensions``,
        ``direct_image``), evaluated while planning.
    params : mapping
        Parameter values of the recipe layer.
    only_if_applies : bool
        A step that finds while planning that it does not apply counts as not attempted: it leaves no status keyword.
    """

    stage: str
    label: str = ""
    on: tuple[str, ...] = (SCIENCE,)
    gives: str | None = None
    when: Conditions = field(default_factory=dict)
    unless: Conditions = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    only_if_applies: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.stage)
        object.__setattr__(self, "on", (self.on,) if isinstance(self.on, str) else tuple(self.on))


@dataclass(frozen=True)
class Split:
    """Send the parts of one product down different branches and join them again.

    Attributes
    ----------
    by : str
        Stage that takes the product and returns a mapping of branch name to part.
    branches : mapping
        Branch name -> entries that run on that part. Labels are prefixed with the branch's name.
    merge : str
        Stage that takes the members (branch name -> part) and returns the joined product.
    """

    by: str
    branches: Mapping[str, tuple[Step, ...]]
    merge: str
    on: str = SCIENCE

    @property
    def label(self) -> str:
        """Label of the splitting place."""
        return self.by


@dataclass(frozen=True)
class ForEach:
    """Run entries once for every item of a collection that is known only at run time (sources, slits).

    Attributes
    ----------
    source : str
        Stage that takes the stream and returns a mapping of item name to product.
    steps : tuple of Step
        What runs on every item.
    gives : str
        Stream that collects the mapping of item name to result.
    """

    source: str
    steps: tuple[Step, ...]
    gives: str
    on: str = SCIENCE

    @property
    def label(self) -> str:
        """Label of the fan-out."""
        return self.source


@dataclass(frozen=True)
class Save:
    """Write a stream in the middle of a recipe when the recipe's option says so."""

    stream: str
    suffix: str
    option: str

    @property
    def label(self) -> str:
        """Label of the saving place."""
        return f"save {self.suffix}"


Entry = Step | Split | ForEach | Save


@dataclass(frozen=True)
class Recipe:
    """An ordered list of entries that turns one kind of product into another.

    Attributes
    ----------
    name : str
        Short name (``detector1``); the official alias is in ``aliases``.
    entries : tuple
        What runs, in order.
    saves : mapping
        Stream -> suffix of the product that is written at the end; the suffix may be a mapping of container name to suffix.
    where : mapping
        FITS keyword -> values for which this recipe is meant; of several with one name the most specific wins.
    takes : {"exposure", "exposures"}
        Whether one plan node works on one exposure or on a set.
    makes : str
        Stream that the next recipe of a chain takes up.
    params : type
        Parameters of the recipe itself.
    switches : mapping
        Parameter of the recipe -> (label, parameter) of a step that it switches on.
    pars_class : str
        Class name under which parameter references know the recipe.
    """

    name: str
    entries: tuple[Entry, ...]
    saves: Mapping[str, Any]
    where: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    takes: str = "exposure"
    makes: str = SCIENCE
    params: type[Params] = Params
    switches: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    pars_class: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", normalise_where(self.where))
        labels = [step.label for step in self.steps()]
        doubles = {label for label in labels if labels.count(label) > 1}
        if doubles:
            raise UsageError(
                f"recipe {self.name} uses the label {sorted(doubles)[0]} twice", cure="give each Step a label"
            )

    @property
    def is_single(self) -> bool:
        """Whether this is one step under its own name, outside of any recipe."""
        return [entry.label for entry in self.entries] == [self.name]

    def steps(self) -> Iterator[Step]:
        """Iterate over all steps, inside branches and fan-outs too, in order."""
        for entry in self.entries:
            yield from steps_of(entry)

    def idle(self, suffix: str, stages: Mapping[str, Stage]) -> set[str]:
        """Labels of the steps that make nothing but streams which the product of this suffix does without."""
        needed = {stream for stream, saved in self.saves.items() if suffix in suffixes_of(saved)}
        idle = set()
        for entry in reversed(self.entries):
            if isinstance(entry, Step):
                makes = {entry.gives} if entry.gives else set(stages[entry.stage].gives)
                if makes and not makes & needed:
                    idle.add(entry.label)
                else:
                    needed |= set(entry.on)
        return idle

    def has(self, name: str) -> bool:
        """Tell whether ``name`` is one of the recipe's names."""
        return name in (self.name, *self.aliases)

    def with_stage(self, stage: Stage) -> Recipe:
        """Return the recipe with a plugin's own stage put where the stage asks to be."""
        anchor = stage.after or stage.before or stage.instead_of
        if {stage.name, anchor} <= {step.stage for step in self.steps()}:
            cure = f"leave it out of the recipe, or declare {stage.name} with @api.stage() alone"
            raise PluginError(f"recipe {self.name} names {stage.name}, which stands beside {anchor} anyway", cure=cure)
        entries: list[Entry] = []
        for entry in self.entries:
            if not (isinstance(entry, Step) and entry.stage == anchor):
                entries.append(entry)
                continue
            new = Step(stage.name, on=entry.on) if entry.gives is None else Step(stage.name, on=(entry.gives,))
            if stage.before:
                entries += [new, entry]
            elif stage.after:
                entries += [entry, new]
            else:
                entries.append(replace(new, gives=entry.gives))
        return replace(self, entries=tuple(entries))


def suffixes_of(saved: str | Mapping[str, str]) -> tuple[str, ...]:
    """Suffixes under which a stream may be saved."""
    return (saved,) if isinstance(saved, str) else tuple(saved.values())


def steps_of(entry: Entry) -> Iterator[Step]:
    """Iterate over the steps that an entry stands for."""
    if isinstance(entry, Step):
        yield entry
    elif isinstance(entry, Split):
        yield Step(entry.by, on=(entry.on,))
        for name, branch in entry.branches.items():
            for step in branch:
                yield replace(step, label=f"{name}.{step.label}")
        yield Step(entry.merge, on=(entry.on,))
    elif isinstance(entry, ForEach):
        yield Step(entry.source, on=(entry.on,))
        yield from entry.steps


def holds(conditions: Conditions, *, meta: Any, facts: Mapping[str, Any]) -> str | None:
    """Check conditions of a recipe entry.

    Returns
    -------
    str or None
        The first condition that does not hold, in words; None when all hold.
    """
    for key, wanted in conditions.items():
        actual = meta.keyword(key, None) if key.isupper() else facts.get(key)
        if isinstance(actual, (set, frozenset)):
            if wanted not in actual:
                return f"no {key} of role {wanted}"
        elif isinstance(wanted, (tuple, list, set)):
            if actual not in wanted:
                return f"{key} is {actual}"
        elif actual != wanted:
            return f"{key.replace('_', ' ')} is {actual}"
    return None
