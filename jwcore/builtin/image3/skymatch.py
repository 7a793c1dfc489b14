"""skymatch: sky levels that make overlapping exposures agree."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from pydantic import field_validator, model_validator

from jwcore.api import BadInput, Params, SkipStep, UsageError, param, step
from jwcore.builtin.image3._mosaic import image_at, known_flags, shape_of
from jwcore.builtin.named_files import existing

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from jwcore.algorithms.sky_statistics import SkyStatistic
    from jwcore.algorithms.skymatch import Overlap
    from jwcore.api import Context, ExposureSet, Image, Meta


class SkymatchParams(Params):
    """Parameters of skymatch."""

    skymethod: Literal["local", "global", "match", "global+match", "user"] = param(
        "match", "Each on its own, the lowest for all, agreement in the overlaps, agreement over the lowest, or a list"
    )
    match_down: bool = param(True, "With match: lower all to the lowest; False raises all to the highest")
    subtract: bool = param(False, "Subtract the level from the data; False only records it")
    skylist: str | None = param(None, "File with a line `image level` for every exposure, for the method user")
    stepsize: int | None = param(
        None, "Distance of the vertices of the footprints; None: corners only", unit="px", gt=0
    )
    skystat: Literal["median", "midpt", "mean", "mode"] = param("mode", "Statistic of the clipped sky pixels")
    dqbits: str | None = param("~DO_NOT_USE+NON_SCIENCE", "Flags that a sky pixel may have; ~ means all but these")
    lower: float | None = param(None, "Smallest usable value", unit="data")
    upper: float | None = param(None, "Largest usable value", unit="data")
    nclip: int = param(5, "Rounds of clipping", ge=0)
    lsigma: float = param(4.0, "Clipping limit below the mean", unit="sigma", gt=0.0)
    usigma: float = param(4.0, "Clipping limit above the mean", unit="sigma", gt=0.0)
    binwidth: float = param(0.1, "Histogram bin for mode and midpt", unit="sigma", gt=0.0)
    in_memory: bool = param(True, "False keeps one exposure at a time in memory, the others in scratch files")

    _files = field_validator("skylist")(existing)
    _flags = field_validator("dqbits")(known_flags)

    @model_validator(mode="after")
    def _check(self) -> SkymatchParams:
        """Refuse the method ``user`` without levels of the user."""
        if self.skymethod == "user" and not self.skylist:
            raise UsageError("skymatch.skymethod = user needs levels", cure="name a file with skymatch.skylist")
        return self


@step(stage="skymatch", params=SkymatchParams, sets=("BKGMETH", "BKGLEVEL", "BKGSUB"), scratch=1.5)
def skymatch(exposures: ExposureSet, params: SkymatchParams, context: Context) -> ExposureSet:
    """Find one sky level for every exposure group, record it, and subtract it if asked to.

    An exposure without a level, because it overlaps with no other, is left as it is. A level that an earlier run recorded for
    it is forgotten: it agreed with other exposures, and must not be subtracted with the new ones.
    """
    import numpy as np

    exposures.require_alike()
    _remark_filters(exposures, context)
    _refuse_mixture(exposures, params)
    if params.skymethod == "user":
        levels = _levels_from_file(exposures, params)
    else:
        groups = list(exposures.groups().values())
        if params.skymethod == "match" and len(groups) < 2:
            raise SkipStep("a single exposure group has nothing to be matched with")
        of_groups = _measure(exposures, groups, params)
        levels = np.empty(len(exposures))
        for members, level in zip(groups, of_groups, strict=True):
            levels[members] = level
    if not np.isfinite(levels).any():
        raise SkipStep("no exposure has a valid sky level: they do not overlap, or have no usable pixels")
    warnings = []
    for index, exposure in enumerate(exposures.each()):
        level = float(levels[index])
        if not np.isfinite(level):
            remark = _forget(exposure.meta)
            warnings.append({"text": f"{exposure.meta.filename}: no sky level found{remark}"})
            context.log.warning("%s", warnings[-1]["text"])
            context.leave_out(index)
            continue
        if params.subtract:
            image = cast("Image", exposure)
            image.data -= np.float32(level)
        _record(exposure.meta, level, params)
    if warnings:
        context.note("warnings", warnings)
    context.count(matched=int(np.isfinite(levels).sum()))
    return exposures


def _record(meta: Meta, level: float, params: SkymatchParams) -> None:
    """Write the keywords; levels that were subtracted add up."""
    if params.subtract and meta.background.subtracted:
        level += meta.background.level or 0.0
    meta.background.level = level
    meta.background.subtracted = params.subtract
    meta.background.method = params.skymethod


def _forget(meta: Meta) -> str:
    """Remove a level that an earlier run only recorded, and say so."""
    background = meta.background
    if background.level is None or background.subtracted:
        return ""
    remark = f"; the recorded level {background.level:g} of an earlier run no longer counts"
    background.level = background.subtracted = background.method = None
    return remark


def _remark_filters(exposures: ExposureSet, context: Context) -> None:
    """Say when an association mixes filters: some stack them on purpose, but their skies and fluxes do not agree."""
    for keyword in ("FILTER", "PUPIL"):
        found = {str(meta.keyword(keyword)) for meta in exposures.metas() if meta.keyword(keyword)}
        if len(found) > 1:
            context.log.warning("exposures of different %s are combined: %s", keyword, ", ".join(sorted(found)))


def _refuse_mixture(exposures: ExposureSet, params: SkymatchParams) -> None:
    """Refuse to subtract after only recording, or the other way round: the data would not be what the keywords say."""
    for meta in exposures.metas():
        done = meta.background.subtracted
        if done is not None and meta.background.level is not None and done != params.subtract:
            raise UsageError(
                f"an earlier run has {'subtracted' if done else 'recorded but not subtracted'} a sky level",
                where=meta.filename,
                cure=f"use skymatch.subtract={str(done).lower()}, or start again from the cal files",
            )


def _measure(exposures: ExposureSet, groups: list[list[int]], params: SkymatchParams) -> np.ndarray:
    """Measure the exposures, each loaded once, and combine them to one level for every group."""
    import numpy as np

    from jwcore.algorithms import skymatch as matching

    wanted = params.skymethod
    overlaps, whole = _statistics(exposures, groups, params)
    if wanted in ("local", "global"):
        levels = matching.local_levels(whole)
        return matching.global_levels(levels) if wanted == "global" else levels
    levels = matching.match_levels(overlaps, count=len(groups), lower_all=params.match_down)
    if wanted == "global+match":
        offsets = np.nan_to_num(levels)
        levels = offsets + matching.global_levels(matching.local_levels(whole) - offsets)
    return levels


def _statistics(
    exposures: ExposureSet, groups: list[list[int]], params: SkymatchParams
) -> tuple[dict[tuple[int, int], Overlap], list[list[float]]]:
    """Level of every pair of overlapping groups, and of every exposure as a whole, as far as the method needs them."""
    from jwcore.algorithms.footprint import footprint
    from jwcore.algorithms.skymatch import measure_overlaps

    polygons = [footprint(image_at(exposures, k).wcs, step=params.stepsize) for k in range(len(exposures))]
    group_of = {member: group for group, members in enumerate(groups) for member in members}
    overlaps: dict[tuple[int, int], Overlap] = {}
    whole: list[list[float]] = [[] for _ in groups]
    statistic = _statistic(params)
    for index, exposure in enumerate(exposures.each(edit=False)):
        image, group = cast("Image", exposure), group_of[index]
        usable = _usable(image, params)
        if params.skymethod != "match":
            whole[group].append(statistic(usable())[0])
        if "match" not in params.skymethod:
            continue
        others = {k: polygons[k] for k in group_of if group_of[k] != group}
        found = measure_overlaps(
            usable,
            footprint=polygons[index],
            others=others,
            to_pixels=functools.partial(image.wcs.invert, with_bounding_box=False),
            statistic=statistic,
            shape=shape_of(image),
        )
        for other, overlap in found.items():
            pair = group, group_of[other]
            overlaps[pair] = overlaps[pair] + overlap if pair in overlaps else overlap
    return overlaps, whole


def _statistic(params: SkymatchParams) -> SkyStatistic:
    from jwcore.algorithms.sky_statistics import SkyStatistic

    return SkyStatistic(
        kind=params.skystat,
        iterations=params.nclip,
        lower_sigma=params.lsigma,
        upper_sigma=params.usigma,
        bin_width=params.binwidth,
    )


def _usable(image: Image, params: SkymatchParams) -> Callable[..., np.ndarray]:
    """Return a function ``(area=None) -> values`` that collects the sky pixels of an exposure."""
    import numpy as np

    from jwcore.algorithms.good_bits import bad_bits
    from jwcore.algorithms.sky_statistics import usable_values

    dq = np.zeros(image.shape, dtype=np.uint32) if image.dq is None else image.dq
    return functools.partial(
        usable_values, image.data, dq, bad_bits=bad_bits(params.dqbits), lower=params.lower, upper=params.upper
    )


def _levels_from_file(exposures: ExposureSet, params: SkymatchParams) -> np.ndarray:
    """Read the levels of the method ``user``."""
    import numpy as np

    try:
        lines = [line.split() for line in Path(params.skylist or "").read_text().splitlines()]
        pairs = [(_stem(words[0]), float(words[1])) for words in lines if words and not words[0].startswith("#")]
    except (OSError, ValueError, IndexError) as error:
        raise BadInput(f"skylist cannot be read: {error}", cure="write lines `image level`") from None
    listed = dict(pairs)
    names = [_stem(meta.filename or "") for meta in exposures.metas()]
    if len(listed) != len(pairs) or set(listed) != set(names) or len(set(names)) != len(names):
        odd = sorted(set(listed) ^ set(names)) or sorted({name for name, _ in pairs})
        raise BadInput(
            f"skylist and exposures do not match: {', '.join(odd)}",
            where=params.skylist,
            cure="list every exposure exactly once, by its file name",
        )
    return np.array([listed[name] for name in names])


def _stem(name: str) -> str:
    """File name without folder, extension and product suffix."""
    return Path(name).stem.rsplit("_", 1)[0]
