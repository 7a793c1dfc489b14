"""Facts about an exposure that follow from its metadata alone."""

from jwcore.models.meta import Meta

INTERLEAVED, NORMAL = (3200, 2048), (2048, 2048)
"""Shapes of a frame with interleaved reference pixels (NIRSpec IRS2), and of its normal pixels, which the keywords count."""


def is_tso(meta: Meta, *, always: bool) -> bool:
    """Tell whether an exposure is a time series.

    Parameters
    ----------
    meta : Meta
    always : bool
        Trait of the exposure type: it is used for time series only.
    """
    nints = meta.exposure.nints
    return (bool(meta.visit.tsovisit) or always) and (nints is None or nints > 1)


def is_moving_target(meta: Meta) -> bool:
    """Tell whether the target is a body of the solar system, tracked by the telescope."""
    return (meta.target.type or "").strip().lower() == "moving"


def group_id(meta: Meta, *, index: int) -> str:
    """Return the identifier shared by all detectors of one exposure, ``jwPPPPPOOOVVV_GGSAA_EEEEE``.

    Parameters
    ----------
    meta : Meta
    index : int
        Place in the set, 0-based; an exposure whose metadata lack a part is a group of its own.
    """
    observation = meta.observation
    parts = [
        (observation.program_number, 5),
        (observation.observation_number, 3),
        (observation.visit_number, 3),
        (observation.visit_group, 2),
        (observation.sequence_id, 1),
        (observation.activity_id, 2),
        (observation.exposure_number, 5),
    ]
    if not all(value for value, _ in parts):
        return f"exposure{index + 1:04d}"
    program, number, visit, group, sequence, activity, exposure = (value.strip().zfill(width) for value, width in parts)
    return f"jw{program}{number}{visit}_{group}{sequence}{activity}_{exposure}"


def significant(figure: float) -> float:
    """Round a figure to ten digits, so that sums that were formed in another order give the same keyword."""
    return float(f"{figure:.10g}")
