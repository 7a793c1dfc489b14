"""From what the user hands in to jobs: one recipe on one exposure, or on one set of exposures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jwcore import models
from jwcore.associations import check_together, mosaic_key, mosaic_name, open_association
from jwcore.errors import BadInput, UsageError
from jwcore.params import unknown_name
from jwcore.plan_model import Source
from jwcore.plugins import Plugins
from jwcore.recipes import SCIENCE, Recipe, Step, suffixes_of

AUTO = "auto"
FIRST_RECIPE_BY_SUFFIX = {
    "uncal": 0, "ramp": 0, "rate": 1, "rateints": 1, "cal": 2, "calints": 2, "crf": 2, "crfints": 2,
}  # fmt: skip
"""How many recipes of the chain a product has behind it."""


@dataclass
class Job:
    """One plan node before its steps are decided.

    ``origin`` is the file whose header ``meta`` comes from; simulated exposures name their references relative to it.
    """

    id: str
    recipe: Recipe
    base: str
    inputs: dict[str, tuple[Source, ...]]
    meta: Any
    dimensions: int = 2
    after: tuple[str, ...] = ()
    association: dict[str, str] = field(default_factory=dict)
    origin: str = ""
    sizes: tuple[tuple[Any, int], ...] = ()
    """Metadata and dimensions of all members, from which memory is estimated."""
    to: str | None = None
    """The one product that is asked for; what makes others alone does not run."""


@dataclass(frozen=True)
class _Input:
    """One product with its role and what its header says."""

    source: Source
    meta: Any
    role: str = SCIENCE
    origin: str = ""

    @property
    def base(self) -> str:
        return models.strip_suffix(Path(self.source.path or self.source.label).stem)

    @property
    def dimensions(self) -> int:
        if self.source.node:
            return 3 if self.source.stream.endswith("ints") else 2
        if self.source.object is not None and self.source.object.shape:
            return len(self.source.object.shape)
        kind = str(self.meta.model_type or "")
        return {"RampModel": 4, "SuperstripeRampModel": 4, "Level1bModel": 4, "CubeModel": 3}.get(kind, 2)


@dataclass(frozen=True)
class _Group:
    """Inputs that belong to one output product."""

    name: str
    members: tuple[_Input, ...]
    association: dict[str, str] = field(default_factory=dict)

    @property
    def science(self) -> list[_Input]:
        return [member for member in self.members if member.role == SCIENCE]


def open_inputs(inputs: Any, *, recipe: str, to: str | None, plugins: Plugins) -> list[Job]:
    """Read the headers of all inputs and lay out the jobs, in processing order.

    Parameters
    ----------
    inputs : path, product, or sequence of them
        Files, a folder, an association, or loaded products.
    recipe : str
        Recipe, stage, or ``auto``.
    to : str or None
        Suffix at which ``auto`` stops.
    plugins : Plugins
        Where recipes and traits come from.

    Raises
    ------
    BadInput
        For files that are not what they should be.
    UsageError
        For an unknown recipe, or nothing to work on.
    """
    if to is not None and recipe != AUTO:
        raise UsageError(f"--to {to} is for auto alone", cure=f"write auto in place of {recipe}")
    groups = _gather(inputs, until=_position_of(recipe, plugins))
    if recipe == AUTO:
        return _auto_chain(groups, to=to, plugins=plugins)
    jobs = []
    for chosen, group in _per_recipe(groups, recipe, plugins):
        _check_kind(chosen, group.science[0], plugins)
        jobs.append(_job(chosen, group))
    return jobs


def _check_kind(recipe: Recipe, first: _Input, plugins: Plugins) -> None:
    """Refuse ramps where images are wanted, and the reverse, as far as header and hook spec tell."""
    traits = plugins.exposure_type(first.meta.keyword("EXP_TYPE"))
    chain = traits.recipes if traits else ()
    made = FIRST_RECIPE_BY_SUFFIX.get(models.suffix_of(Path(first.source.path).stem) or "")
    if made and recipe.name in chain and made < chain.index(recipe.name):
        what = f"{recipe.name} cannot take {first.source.label}, which has not been through {chain[made]}"
        raise BadInput(what, cure=f"run {chain[made]} first, or auto")
    stages = [plugins.stages[step.stage] for step in recipe.steps() if step.stage in plugins.stages]
    wanted = next((kind for stage in stages if (kind := stage.takes)), None)
    known = first.meta.model_type in ("Level1bModel", "RampModel", "SuperstripeRampModel", "ImageModel", "CubeModel")
    if wanted is None or not known:
        return
    if "Ramp" in wanted.split(" | ") if first.dimensions == 4 else wanted != "Ramp":
        return
    raw = "a ramp, not yet fitted" if first.dimensions == 4 else "no ramp"
    cure = "run detector1 first, or auto" if first.dimensions == 4 else "give the raw exposure (uncal), or run auto"
    raise BadInput(f"{recipe.name} cannot take {first.source.label}, which is {raw}", cure=cure)


def _position_of(name: str, plugins: Plugins) -> int:
    """Find how many recipes of a chain come before one; 0 for auto, which begins wherever its inputs are."""
    names = {name, *(recipe.name for recipe in plugins.recipes() if recipe.has(name))}
    chains = [traits.recipes for traits in plugins.exposure_types()]
    return max((number for chain in chains for number, one in enumerate(chain) if one in names), default=0)


def _gather(inputs: Any, *, until: int) -> list[_Group]:
    """Sort the inputs into association products and loose exposures."""
    items = list(inputs) if isinstance(inputs, Sequence) and not isinstance(inputs, str) else [inputs]
    loose: list[_Input] = []
    groups: list[_Group] = []
    for item in items:
        if not isinstance(item, (str, Path)):
            loose.append(_Input(Source(object=item), item.meta))
        elif Path(item).is_dir():
            loose += [_from_file(path) for path in _exposures_in(Path(item), until)]
        elif Path(item).suffix == ".json":
            groups += _from_association(Path(item))
        else:
            loose.append(_from_file(Path(item)))
    groups += [_Group(one.base, (one,)) for one in loose]
    if not groups:
        raise UsageError(
            "no exposures found", cure="name FITS files, a folder that holds some, or an association (.json)"
        )
    return groups


def _exposures_in(folder: Path, until: int) -> list[Path]:
    """Exposures of a folder, each once: the product that has ``until`` recipes behind it, or else the rawest.

    Products of the last stage (crf) must be named: they are the same exposures as the calibrated ones that they are made of.
    """
    chosen: dict[str, tuple[bool, int, Path]] = {}
    for path in sorted(folder.glob("*.fits")):
        suffix, base = models.suffix_of(path.stem), models.strip_suffix(path.stem)
        if suffix in FIRST_RECIPE_BY_SUFFIX and not suffix.startswith("crf"):
            made = FIRST_RECIPE_BY_SUFFIX[suffix]
            found = (made != until, made, path)
            chosen[base] = min(chosen.get(base, found), found)
    return [path for *_, path in chosen.values()]


def _from_file(path: Path, *, role: str = SCIENCE, extra: dict[str, Any] | None = None) -> _Input:
    meta = models.read_exposure_meta(path)
    return _Input(Source(path=str(path), extra=extra or {}), meta, role, origin=str(path))


def _from_association(path: Path) -> list[_Group]:
    association = open_association(path)
    groups = []
    for product in association.products:
        members = tuple(_from_file(Path(m.path), role=m.exptype.lower(), extra=dict(m.extra)) for m in product.members)
        facts = {"table": path.name, "pool": association.pool or "", "id": association.id or ""}
        group = _Group(product.name, members, facts)
        if not group.science:
            raise BadInput(
                f"product {product.name} has no science member", where=str(path), cure="give one the exptype science"
            )
        groups.append(group)
    return groups


def _per_recipe(groups: list[_Group], name: str, plugins: Plugins) -> Iterable[tuple[Recipe, _Group]]:
    """Pair every group with its recipe; loose exposures of an ensemble recipe become one set."""
    recipes = [(recipe_called(name, group.science[0].meta, plugins), group) for group in groups]
    loose = [group for recipe, group in recipes if recipe.takes == "exposures" and not group.association]
    if len(loose) > 1:
        members = [one for group in loose for one in group.members]
        paths = [one.source.path for one in members if one.source.path]
        check_together(name, paths, [group.science[0].meta for group in loose])
        merged = _Group(
            mosaic_name(loose[0].science[0].meta), tuple(member for group in loose for member in group.members)
        )
        recipe = next(r for r, g in recipes if g is loose[0])
        yield recipe, merged
    for recipe, group in recipes:
        if len(loose) <= 1 or all(group is not other for other in loose):
            yield recipe, group


def recipe_called(name: str, meta: Any, plugins: Plugins) -> Recipe:
    """Find a recipe, or make one of a single stage."""
    if any(recipe.has(name) for recipe in plugins.recipes()):
        return plugins.recipe(name, meta)
    if name in plugins.stages:
        stage = plugins.stages[name]
        saves = {product: product for product in stage.gives} or {SCIENCE: stage.suffix}
        takes = "exposures" if stage.ensemble else "exposure"
        return Recipe(name, entries=(Step(name),), saves=saves, takes=takes)
    known = {n for r in plugins.recipes() for n in (r.name, *r.aliases)} | set(plugins.stages) | {AUTO}
    raise unknown_name(name, name, known)


def _job(recipe: Recipe, group: _Group) -> Job:
    science = group.science
    by_role: dict[str, tuple[Source, ...]] = {}
    for member in group.members:
        by_role[member.role] = (*by_role.get(member.role, ()), member.source)
    if recipe.takes == "exposure" and len(science) > 1:
        raise BadInput(
            f"{group.name} lists {len(science)} science exposures but {recipe.name} takes one",
            where=group.association.get("table"), cure="make one product for each exposure",
        )  # fmt: skip
    models.require_alike([member.meta for member in science if not member.source.node], where=group.name)
    return Job(
        id=f"{recipe.name}:{group.name}", recipe=recipe, base=group.name, inputs=by_role, meta=science[0].meta,
        dimensions=science[0].dimensions, association=group.association, origin=science[0].origin,
        sizes=tuple((member.meta, member.dimensions) for member in group.members),
    )  # fmt: skip


def _auto_chain(groups: list[_Group], *, to: str | None, plugins: Plugins) -> list[Job]:
    """Lay out recipe after recipe of the exposure type, each fed by the one before."""
    jobs: list[Job] = []
    given = groups
    while groups:
        following: list[_Group] = []
        for recipe, group in _next_recipes(groups, plugins):
            job = _job(recipe, group)
            job.after = tuple({source.node for sources in job.inputs.values() for source in sources if source.node})
            jobs.append(job)
            following.append(_Group(job.base, (_upstream(job, group),)))
        groups = following
    if not jobs and given:
        first = given[0].science[0]
        raise UsageError(
            f"nothing follows {first.source.label} in the chain of {first.meta.keyword('EXP_TYPE')}",
            cure="name a recipe in place of auto (jwcal recipe lists them)",
        )
    return jobs if to is None else _leading_to(to, jobs)


def _leading_to(to: str, jobs: list[Job]) -> list[Job]:
    """Leave out what the last recipe that makes a product does not need."""
    needed: set[str] = set()
    for job in reversed(jobs):
        if job.id not in needed and to in _suffixes(job.recipe):
            job.to = to
            needed.add(job.id)
        if job.id in needed:
            needed |= set(job.after)
    if jobs and not needed:
        raise unknown_name(to, to, sorted({s for job in jobs for s in _suffixes(job.recipe)}), where="--to")
    return [job for job in jobs if job.id in needed]


def _suffixes(recipe: Recipe) -> set[str]:
    return {suffix for saved in recipe.saves.values() for suffix in suffixes_of(saved)}


def _next_recipes(groups: list[_Group], plugins: Plugins) -> Iterable[tuple[Recipe, _Group]]:
    """Pair every group with the next recipe of its chain; sets are grouped by what belongs on one mosaic."""
    sets: dict[tuple[str, ...], list[_Group]] = {}
    for group in groups:
        first = group.science[0]
        traits = plugins.exposure_type(first.meta.keyword("EXP_TYPE"))
        if traits is None:
            yield plugins.recipe("detector1", first.meta), group
            continue
        position = _position(first)
        if position >= len(traits.recipes):
            continue
        recipe = plugins.recipe(traits.recipes[position], first.meta)
        if recipe.takes == "exposures" and not group.association:
            sets.setdefault(mosaic_key(first.meta), []).append(group)
        else:
            yield recipe, group
    for key, members in sets.items():
        first = members[0].science[0]
        traits = plugins.exposure_type(first.meta.keyword("EXP_TYPE"))
        assert traits is not None
        recipe = plugins.recipe(traits.recipes[_position(first)], first.meta)
        name = "_".join(part for part in key if part) or members[0].name
        yield recipe, _Group(name, tuple(one for group in members for one in group.members))


def _position(member: _Input) -> int:
    if member.source.node:
        return int(member.source.extra["position"])
    suffix = models.suffix_of(Path(member.source.path or member.source.label).stem)
    if suffix not in FIRST_RECIPE_BY_SUFFIX:
        raise UsageError(
            f"cannot tell what {member.source.label} is from its name",
            cure=f"name the recipe instead of auto, or use a suffix out of {', '.join(FIRST_RECIPE_BY_SUFFIX)}",
        )
    return FIRST_RECIPE_BY_SUFFIX[suffix]


def _upstream(job: Job, group: _Group) -> _Input:
    """The main product of a job, as input of the next one."""
    position = _position(group.science[0]) + 1
    source = Source(node=job.id, stream=job.recipe.makes, extra={"position": position})
    return _Input(source, job.meta, origin=job.origin)
