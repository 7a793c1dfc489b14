"""Questions about a ramp exposure, and about references for it, that several of the steps ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import BadInput, SkipStep

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from jwcore.api import Meta, Params, Ramp, Reference

WHERE = {"INSTRUME": "MIRI"}


def first_integration(exposure: Ramp) -> int:
    """Give the zero-based number of the first integration of this file within its exposure."""
    return (exposure.meta.exposure.integration_start or 1) - 1


def needs_groups(fewest: int) -> Callable[..., str | None]:
    """Make the predicate that skips a step while planning when the header tells of fewer groups."""

    def too_few_groups(meta: Meta, params: Params, references: object) -> str | None:
        """Say that there are too few groups."""
        return _too_few(meta.exposure.ngroups or fewest, fewest)

    return too_few_groups


def check_groups(exposure: Ramp, fewest: int) -> None:
    """Skip a step when the exposure has fewer groups.

    Raises
    ------
    SkipStep
        For such an exposure.
    """
    if reason := _too_few(exposure.shape[1], fewest):
        raise SkipStep(reason)


def _too_few(ngroups: int, fewest: int) -> str | None:
    return f"integrations of {ngroups} groups are too short, it takes {fewest}" if ngroups < fewest else None


def detector_flags(reference: Reference, exposure: Ramp) -> np.ndarray:
    """Combine the pixel flags of all planes of a reference, uint32 (ny, nx); zeros where it has none.

    Raises
    ------
    BadInput
        When the reference does not cover the pixels of the exposure.
    """
    import numpy as np

    flags = reference.dq()
    if flags is None:
        return np.zeros(exposure.shape[-2:], np.uint32)
    check_size(flags.shape, "DQ", reference, exposure)
    return np.bitwise_or.reduce(flags.reshape(-1, *flags.shape[-2:]), axis=0)


def check_size(shape: tuple[int, ...], key: str, reference: Reference, exposure: Ramp) -> None:
    """Refuse an array of a reference that does not cover the exposure's pixels in its last two axes."""
    if shape[-2:] != exposure.shape[-2:]:
        raise BadInput(
            f"{key} of the {reference.type} reference covers {shape[-2:]} pixels, the exposure {exposure.shape[-2:]}",
            where=reference.name,
            cure="check the file, or name another one with --override",
        )
