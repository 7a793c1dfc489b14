"""charge_migration: leave out the groups in which bright pixels spill charge into their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import Params, SkipStep, param, step
from jwcore.builtin.detector1._superstripes import joined_groups

if TYPE_CHECKING:
    from jwcore.api import Context, Meta, Ramp

FEWEST_GROUPS = 3


class ChargeMigrationParams(Params):
    """Parameters of charge_migration."""

    skip: bool = param(True, "Do not run this step")
    signal_threshold: float = param(25000.0, "Signal above which charge migrates", unit="DN")


def too_few_groups(meta: Meta) -> str | None:
    """Say why no group can be left out."""
    return _too_few(joined_groups(meta) or FEWEST_GROUPS)


def _too_few(ngroups: int) -> str | None:
    return f"{ngroups} groups are too few to leave any out" if ngroups < FEWEST_GROUPS else None


@step(stage="charge_migration", params=ChargeMigrationParams, chunk="rows", halo=1, applies=too_few_groups)
def charge_migration(exposure: Ramp, params: ChargeMigrationParams, context: Context) -> Ramp:
    """Flag groups above the threshold, and all after them, in the pixel and its four neighbours.

    CHARGELOSS lets ramp_fit tell these groups from those that are bad: the read noise of the rate is then that of the whole
    ramp, so that weights by it do not depend on brightness.
    """
    from jwcore.algorithms.charge_migration import flag_charge_migration

    if reason := _too_few(exposure.shape[1]):
        raise SkipStep(reason)
    flagged = flag_charge_migration(data=exposure.data, groupdq=exposure.groupdq, threshold=params.signal_threshold)
    context.count(flagged_pixels=flagged)
    return exposure
