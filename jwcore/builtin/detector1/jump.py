"""jump: flag the groups in which a cosmic ray hit a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import Params, UsageError, param, step
from jwcore.builtin.detector1._exposure import detector_image, frame_averaging, read_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwcore.algorithms.jump import JumpCount
    from jwcore.api import Context, Meta, Ramp, Reference


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
    expand_large_events: bool = param(False, "Find and enlarge snowballs (near infrared); not available yet")
    min_sat_area: float = param(1.0, "Smallest saturated core of a snowball", unit="pixel", ge=0)
    min_jump_area: float = param(5.0, "Smallest snowball", unit="pixel", ge=0)
    expand_factor: float = param(2.0, "Enlargement of a snowball", ge=0)
    use_ellipses: bool = param(False, "No effect")
    sat_required_snowball: bool = param(True, "A snowball needs a saturated core")
    min_sat_radius_extend: float = param(2.5, "Smallest core that is enlarged", unit="pixel", ge=0)
    sat_expand: int = param(2, "Enlargement of a core", unit="pixel", ge=0)
    edge_size: int = param(25, "Border in which a snowball needs no core", unit="pixel", ge=0)
    mask_snowball_core_next_int: bool = param(True, "Flag cores in the next integration")
    snowball_time_masked_next_int: int = param(4000, "For how long", unit="s", ge=0)
    find_showers: bool = param(False, "Find showers (mid infrared); not available yet")
    max_shower_amplitude: float = param(4.0, "Highest rate of a shower", unit="DN/s", ge=0)
    extend_snr_threshold: float = param(1.2, "Threshold of a shower", unit="sigma", ge=0)
    extend_min_area: int = param(90, "Smallest shower", unit="pixel", ge=0)
    extend_inner_radius: float = param(1.0, "Inner radius of the ring filter", unit="pixel", ge=0)
    extend_outer_radius: float = param(2.6, "Outer radius of the ring filter", unit="pixel", ge=0)
    extend_ellipse_expand_ratio: float = param(1.1, "Enlargement of a shower", ge=0)
    time_masked_after_shower: float = param(15.0, "For how long groups after a shower are flagged", unit="s", ge=0)
    min_diffs_single_pass: int = param(10, "Fewest differences in an integration for the single pass", ge=0)
    max_extended_radius: int = param(200, "Largest radius of a snowball or shower", unit="pixel", ge=0)
    minimum_groups: int = param(3, "Fewest usable groups in an integration", ge=2)
    minimum_sigclip_groups: int = param(100, "Fewest integrations (or groups) for the sigma clip", ge=1)
    only_use_ints: bool = param(True, "Clip over integrations; otherwise over all groups of the exposure")


def too_few_groups(meta: Meta, params: JumpParams, references: object) -> str | None:
    """Say why jumps cannot be found; refuse what is not available yet before anything runs."""
    refuse_extended_events(params)
    if (meta.exposure.ngroups or 3) < 3:
        return f"{meta.exposure.ngroups} groups give no two differences to compare"
    return None


def refuse_extended_events(params: JumpParams) -> None:
    """Refuse the search for snowballs and showers.

    Raises
    ------
    UsageError
        When either is asked for.
    """
    for name, what in (("expand_large_events", "snowballs"), ("find_showers", "showers")):
        if getattr(params, name):
            raise UsageError(f"the search for {what} is not available yet", where="jump", cure=f"set jump.{name}=false")


@step(
    stage="jump", references=("gain", "readnoise"), params=JumpParams, chunk="rows", halo=1, scratch=0.05,
    sets=("PRIMECRS", "EXTNCRS"), applies=too_few_groups,
)  # fmt: skip
def jump(exposure: Ramp, references: Mapping[str, Reference], params: JumpParams, context: Context) -> Ramp:
    """Flag jumps by the two-point difference method, with their neighbours and, if asked, the groups after them.

    Pixels without a positive gain are flagged NO_GAIN_VALUE and DO_NOT_USE. PRIMECRS is left alone when too few groups
    are usable for a search. Snowballs (``expand_large_events``) and showers (``find_showers``) are later work and are
    refused; their parameters are there so that parameter references are understood.
    """
    from jwcore.algorithms.jump import JumpThresholds, detect_jumps, flag_bad_gain

    refuse_extended_events(params)
    nframes, _ = frame_averaging(exposure)
    group_time = read_time(exposure, "group_time")
    gain = detector_image(references["gain"], "SCI", exposure)
    readnoise = detector_image(references["readnoise"], "SCI", exposure)
    after_jumps = [
        (height, int(time // group_time))
        for height, time in (
            (params.after_jump_flag_dn1, params.after_jump_flag_time1),
            (params.after_jump_flag_dn2, params.after_jump_flag_time2),
        )
    ]
    limits = params.min_jump_to_flag_neighbors, params.max_jump_to_flag_neighbors
    bad_gain = flag_bad_gain(exposure.pixeldq, gain)
    found = detect_jumps(
        data=exposure.data,
        groupdq=exposure.groupdq,
        gain=gain,
        readnoise=readnoise,
        nframes=nframes,
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
    )
    _set_rate_of_jumps(exposure, found, group_time)
    context.count(jumps=found.jumps, pixels_without_gain=bad_gain)
    return exposure


def _set_rate_of_jumps(exposure: Ramp, found: JumpCount, group_time: float) -> None:
    """Set the number of jumps per 1000 pixels and second."""
    nints, ngroups, ny, nx = exposure.shape
    seconds = group_time * (nints * ngroups - found.unusable_groups - nints)
    if found.method != "none" and seconds > 0:
        exposure.meta.exposure.primary_cosmic_rays = 1000 * found.jumps / (seconds * ny * nx)
        exposure.meta.exposure.extended_emission_events = 0.0  # the search for large events is off
