"""jump: flag the groups in which a cosmic ray hit a pixel, and those that a snowball or a shower disturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jwcore.api import Params, SkipStep, copied, param, significant, step
from jwcore.builtin.detector1._exposure import detector_image, frame_averaging, read_time, usable_groups
from jwcore.builtin.detector1._superstripes import joined_groups

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.algorithms.jump import JumpCount
    from jwcore.api import Context, Meta, Ramp, Reference

FEWEST_GROUPS = 3


class JumpParams(Params):
    """Parameters of jump."""

    rejection_threshold: float = param(
        4.0, "Threshold with four or more usable differences, and in a single pass", unit="sigma", ge=0
    )
    four_group_rejection_threshold: float = param(
        5.0, "Threshold with three usable differences (four groups)", unit="sigma", ge=0
    )
    three_group_rejection_threshold: float = param(
        6.0, "Threshold with two usable differences (three groups)", unit="sigma", ge=0
    )
    maximum_cores: str = param("1", "No effect: -j divides the cores")
    flag_4_neighbors: bool = param(True, "Flag the four neighbours of a jump too")
    max_jump_to_flag_neighbors: float = param(1000.0, "Highest jump whose neighbours are flagged", unit="sigma")
    min_jump_to_flag_neighbors: float = param(10.0, "Lowest jump whose neighbours are flagged", unit="sigma")
    after_jump_flag_dn1: float = param(0.0, "Height from which the groups after a jump are flagged", unit="DN")
    after_jump_flag_time1: float = param(0.0, "For how long they are flagged", unit="s", ge=0)
    after_jump_flag_dn2: float = param(0.0, "The same, second pair of height", unit="DN")
    after_jump_flag_time2: float = param(0.0, "and time", unit="s", ge=0)
    expand_large_events: bool = param(False, "Find snowballs and enlarge them (near infrared)")
    min_sat_area: float = param(1.0, "Smallest saturated core of a snowball", unit="pixel", ge=0)
    min_jump_area: float = param(5.0, "Smallest region of jumps that is a snowball", unit="pixel", ge=0)
    expand_factor: float = param(2.0, "Factor on the minor axis of a snowball; the major axis grows by as much", ge=0)
    use_ellipses: bool = param(False, "No effect: events are always ellipses")
    sat_required_snowball: bool = param(True, "A snowball needs a saturated core, unless the edge cuts it")
    core_charge_ratio: float = param(
        3.0,
        "Least charge of a core over that which the stars there deliver in a group; 0: any saturation is a core",
        ge=0,
    )
    min_sat_radius_extend: float = param(2.5, "Cores with a longer minor axis are enlarged", unit="pixel", ge=0)
    sat_expand: int = param(2, "What is added to the radius of a core", unit="pixel", ge=0)
    edge_size: int = param(25, "Border in which a snowball needs no core", unit="pixel", ge=0)
    mask_snowball_core_next_int: bool = param(True, "Flag enlarged cores in the next integration too")
    snowball_time_masked_next_int: int = param(4000, "For how long", unit="s", ge=0)
    find_showers: bool = param(False, "Find showers and flag them (mid infrared)")
    max_shower_amplitude: float = param(
        4.0, "Flags of a shower are taken back in pixels whose rate they change by more", unit="DN/s", ge=0
    )
    extend_snr_threshold: float = param(1.2, "Least mean significance around a pixel of a shower", unit="sigma", ge=0)
    extend_min_area: int = param(90, "Smallest shower", unit="pixel", ge=0)
    extend_inner_radius: float = param(1.0, "Inner radius of the ring of pixels that is averaged", unit="pixel", ge=0)
    extend_outer_radius: float = param(2.6, "Width of the ring", unit="pixel", ge=0)
    extend_ellipse_expand_ratio: float = param(1.1, "Factor on the minor axis of a shower", ge=0)
    time_masked_after_shower: float = param(15.0, "For how long groups after a shower are flagged", unit="s", ge=0)
    min_diffs_single_pass: int = param(10, "Fewest differences in an integration for the single pass", ge=0)
    max_extended_radius: int = param(200, "Largest half axis of a snowball or shower", unit="pixel", ge=0)
    minimum_groups: int = param(3, "Fewest usable groups in an integration", ge=2)
    minimum_sigclip_groups: int = param(100, "Fewest integrations (or groups) for the sigma clip", ge=1)
    only_use_ints: bool = param(True, "Clip over integrations; otherwise over all groups of the exposure")


def too_few_groups(meta: Meta) -> str | None:
    """Say why jumps cannot be found."""
    return _too_few(joined_groups(meta) or FEWEST_GROUPS)


def _too_few(ngroups: int) -> str | None:
    return f"{ngroups} groups give no two differences to compare" if ngroups < FEWEST_GROUPS else None


def flooded_groups(exposure: Ramp, references: Mapping[str, Reference], params: JumpParams) -> np.ndarray:
    """Tell which groups are disturbed in every pixel, where jumps are found by a sigma clip; asked of whole exposures."""
    from jwcore.algorithms.jump import flooded_groups as flooded

    return flooded(
        data=exposure.data,
        groupdq=exposure.groupdq,
        gain=detector_image(references["gain"], "SCI", exposure),
        threshold=params.rejection_threshold,
        minimum_sigclip_groups=params.minimum_sigclip_groups,
        only_use_ints=params.only_use_ints,
        read=copied,
    )


def smallest_piece(params: JumpParams) -> str:
    """Say what must be seen at once: neighbouring rows, or all pixels that a large event may touch."""
    return "exposure" if params.expand_large_events or params.find_showers else "rows"


def working_memory(params: JumpParams) -> float:
    """Give the size of the maps of jumps, and of large events."""
    return 0.25 if params.expand_large_events or params.find_showers else 0.05


@step(
    stage="jump", needs=("TGROUP", "NFRAMES", "GROUPGAP"),
    references=("gain", "readnoise"), params=JumpParams, chunk=smallest_piece, halo=1,
    scratch=working_memory, sets=("PRIMECRS", "EXTNCRS"), applies=too_few_groups,
    survey={"usable": usable_groups, "flooded": flooded_groups},
)  # fmt: skip
def jump(exposure: Ramp, references: Mapping[str, Reference], params: JumpParams, context: Context) -> Ramp:
    """Flag jumps by the two-point difference method, with their neighbours and, if asked, the groups after them.

    Pixels without a positive gain are flagged NO_GAIN_VALUE and DO_NOT_USE. With ``expand_large_events`` snowballs are
    flagged as far as they reach, with ``find_showers`` showers. PRIMECRS and EXTNCRS, the rates of jumps and of both
    kinds of large events, are left alone when too few groups are usable for a search.
    """
    from jwcore.algorithms.jump import flag_bad_gain

    if reason := _too_few(exposure.shape[1]):
        raise SkipStep(reason)
    group_time = read_time(exposure, "group_time")
    images = {name: detector_image(references[name], "SCI", exposure) for name in ("gain", "readnoise")}
    bad_gain = flag_bad_gain(exposure.pixeldq, images["gain"])
    found = _detect(exposure, images, params, group_time, context.survey)
    context.count(jumps=found.jumps, pixels_without_gain=bad_gain)
    if found.method == "none":
        return exposure
    events: dict[str, int] = {}
    if params.expand_large_events:
        events["snowballs"] = _flag_snowballs(exposure, params, group_time)
    if params.find_showers:
        events["showers"] = _flag_showers(exposure, images, params, group_time)
    _set_rates(exposure, found, sum(events.values()), group_time, context.rows)
    context.count(**events)
    return exposure


def _detect(
    exposure: Ramp, images: Mapping[str, np.ndarray], params: JumpParams, group_time: float, survey: Mapping[str, Any]
) -> JumpCount:
    """Flag the jumps of single pixels."""
    from jwcore.algorithms.jump import JumpThresholds, detect_jumps

    after_jumps = (
        (params.after_jump_flag_dn1, int(params.after_jump_flag_time1 // group_time)),
        (params.after_jump_flag_dn2, int(params.after_jump_flag_time2 // group_time)),
    )
    limits = params.min_jump_to_flag_neighbors, params.max_jump_to_flag_neighbors
    return detect_jumps(
        data=exposure.data,
        groupdq=exposure.groupdq,
        **images,
        nframes=frame_averaging(exposure)[0],
        thresholds=JumpThresholds(
            four_or_more=params.rejection_threshold,
            three=params.four_group_rejection_threshold,
            two=params.three_group_rejection_threshold,
        ),
        min_diffs_single_pass=params.min_diffs_single_pass,
        minimum_groups=params.minimum_groups,
        minimum_sigclip_groups=params.minimum_sigclip_groups,
        only_use_ints=params.only_use_ints,
        neighbour_limits=limits if params.flag_4_neighbors else None,
        after_jumps=[(height, groups) for height, groups in after_jumps if groups > 0],
        usable=survey.get("usable"),
        flooded=survey.get("flooded"),
    )


def _flag_snowballs(exposure: Ramp, params: JumpParams, group_time: float) -> int:
    """Flag snowballs; return their number."""
    from jwcore.algorithms.jump_snowballs import SnowballSettings, flag_snowballs

    nframes, groupgap = frame_averaging(exposure)
    masked = params.snowball_time_masked_next_int // group_time if params.mask_snowball_core_next_int else 0
    settings = SnowballSettings(
        min_sat_area=params.min_sat_area,
        min_jump_area=params.min_jump_area,
        expand_factor=params.expand_factor,
        sat_required=params.sat_required_snowball,
        min_sat_radius_extend=params.min_sat_radius_extend,
        sat_expand=params.sat_expand,
        edge_size=params.edge_size,
        max_extended_radius=params.max_extended_radius,
        masked_groups=int(masked),
        core_charge_ratio=params.core_charge_ratio,
        first_group=(nframes + 1) / 2 / (nframes + groupgap),
    )
    return flag_snowballs(data=exposure.data, groupdq=exposure.groupdq, settings=settings)


def _flag_showers(exposure: Ramp, images: Mapping[str, np.ndarray], params: JumpParams, group_time: float) -> int:
    """Flag showers; return their number."""
    from jwcore.algorithms.jump_showers import ShowerSettings, flag_showers

    settings = ShowerSettings(
        snr_threshold=params.extend_snr_threshold,
        min_area=params.extend_min_area,
        inner_radius=params.extend_inner_radius,
        ring_width=params.extend_outer_radius,
        expand_ratio=params.extend_ellipse_expand_ratio,
        masked_groups=int(params.time_masked_after_shower // group_time),
        max_amplitude=params.max_shower_amplitude * group_time,
        max_extended_radius=params.max_extended_radius,
        minimum_sigclip_groups=params.minimum_sigclip_groups,
    )
    return flag_showers(
        data=exposure.data,
        groupdq=exposure.groupdq,
        pixeldq=exposure.pixeldq,
        **images,
        nframes=frame_averaging(exposure)[0],
        settings=settings,
    )


def _set_rates(exposure: Ramp, found: JumpCount, events: int, group_time: float, rows: slice) -> None:
    """Set the number of jumps per 1000 pixels and second in the rows that count, and of large events per million."""
    nints, ngroups, ny, nx = exposure.shape
    seconds = group_time * (nints * ngroups - found.unusable_groups - nints)
    if seconds > 0:
        jumps = found.jumps[rows]
        rate = 1000 * float(jumps.sum()) / (seconds * jumps.size * nx)
        # that of a piece is rounded when it has been joined with the others
        exposure.meta.exposure.primary_cosmic_rays = rate if rows != slice(None) else significant(rate)
        exposure.meta.exposure.extended_emission_events = 1e6 * events / (seconds * ny * nx)
