"""The reference of refpix_algorithm=sirs: kernels that turn the side pixels into the drift of every amplifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import BadInput, UsageError

if TYPE_CHECKING:
    from jwcore.algorithms.sirs import SideKernels
    from jwcore.api import Detector, Reference


def read_side_kernels(
    reference: Reference, detector: Detector, *, halfwidth: int, gaussmooth: float, sigreject: float
) -> SideKernels | None:
    """Read the kernels of a detector; None when the reference has none of it.

    Raises
    ------
    BadInput
        When the reference does not hold two transfer functions of the same shape.
    UsageError
        When the kernels are to be longer than the reference has them.
    """
    import numpy as np

    from jwcore.algorithms.sirs import SideKernels, real_kernels

    functions = reference.tree.get(detector.name.lower())
    if functions is None:
        return None
    try:
        left, right = (np.array(functions[name], np.complex128) for name in ("gamma", "zeta"))
    except (KeyError, TypeError, ValueError) as error:
        raise _useless(reference, f"no transfer functions gamma and zeta of {detector.name}") from error
    if left.ndim != 2 or left.shape != right.shape or len(left) != detector.amplifiers:
        found = (
            f"gamma and zeta of {detector.name} have not one shape that begins with {detector.amplifiers} amplifiers"
        )
        raise _useless(reference, found)
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise _useless(reference, f"gamma and zeta of {detector.name} are not finite")
    try:
        left, right = (real_kernels(one, halfwidth=halfwidth, gaussmooth=gaussmooth) for one in (left, right))
    except ValueError as error:
        raise UsageError(str(error), where="refpix", cure="set a smaller halfwidth") from error
    return SideKernels(left, right, limit=sigreject)


def _useless(reference: Reference, found: str) -> BadInput:
    return BadInput(found, where=reference.name, cure="fetch the reference again, or name another one with --override")
