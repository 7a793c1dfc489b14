"""flat_field: divide by the response of the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import BadInput, Params, param, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.api import Context, Cube, Image, Reference


class FlatFieldParams(Params):
    """Parameters of flat_field."""

    save_interpolated_flat: bool = param(False, "Save the flat that was used (NIRSpec spectra only)")
    user_supplied_flat: str | None = param(
        None, "File of a flat field to use instead of the reference", replaces="flat"
    )
    inverse: bool = param(False, "Multiply instead of divide, to undo the correction")


@step(
    stage="flat_field",
    needs=("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2"),
    references=("flat",),
    params=FlatFieldParams,
    undoes="inverse",
    chunk="integrations",
)
def flat_field(
    exposure: Image | Cube, references: Mapping[str, Reference], params: FlatFieldParams, context: Context
) -> Image | Cube:
    """Divide an image, or every integration, by the flat; errors follow, pixels without a usable flat become NaN."""
    import numpy as np

    from jwcore.algorithms.flat_field import apply_flat

    reference = references["flat"]
    flat, flat_err, flat_dq = reference.array("SCI"), reference.array("ERR"), reference.dq()
    shape = exposure.shape[-2:]
    if flat is None or flat.shape != shape:
        found = "no flat" if flat is None else f"a flat of the shape {flat.shape}"
        raise BadInput(f"{reference.name} holds {found}, the exposure has {shape}", cure="--override flat=FILE")
    err, var_poisson, var_rnoise = _errors(exposure)
    if exposure.dq is None:
        exposure.dq = np.zeros(exposure.shape, np.uint32)
    exposure.var_flat, no_flat = apply_flat(
        data=exposure.data,
        err=err,
        var_poisson=var_poisson,
        var_rnoise=var_rnoise,
        dq=exposure.dq,
        flat=flat,
        flat_err=_read_only_zeros(shape, np.float32) if flat_err is None else flat_err,
        flat_dq=_read_only_zeros(shape, np.uint32) if flat_dq is None else flat_dq,
        inverse=params.inverse,
    )
    exposure.err = err
    context.count(pixels_without_flat=no_flat)
    return exposure


def _errors(exposure: Image | Cube) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return error and variances to correct; an exposure without variances has its whole error in the first of them."""
    import numpy as np

    err = np.zeros(exposure.shape, np.float32) if exposure.err is None else exposure.err
    if exposure.var_poisson is not None and exposure.var_rnoise is not None:
        return err, exposure.var_poisson, exposure.var_rnoise
    return err, err * err, np.zeros_like(err)


def _read_only_zeros(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Stand for an extension that the flat lacks: read-only like all references, so that one compiled kernel serves."""
    import numpy as np

    zeros: np.ndarray = np.zeros(shape, dtype)
    zeros.flags.writeable = False
    return zeros
