"""ipc: undo the cross-talk between neighbouring pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import BadInput, step
from jwcore.builtin.detector1._exposure import detector_image, detector_start, normal_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.api import Context, Ramp, Reference


@step(stage="ipc", references=("ipc",), chunk="integrations")
def ipc(exposure: Ramp, references: Mapping[str, Reference], context: Context) -> Ramp:
    """Convolve every group with the deconvolution kernel; reference pixels, interleaved ones included, take no part."""
    from jwcore.algorithms import ipc as kernels

    lines = normal_lines(exposure, context.detector)
    area = kernels.active_area(
        shape=exposure.shape[-2:] if lines is None else (lines.size, exposure.shape[-1]),
        start=detector_start(exposure),
        detector_shape=context.detector.shape,
        reference_pixels=context.detector.reference_pixels,
    )
    kernels.convolve(exposure.data, _kernel(references["ipc"], exposure, lines), area=area, lines=lines)
    return exposure


def _kernel(reference: Reference, exposure: Ramp, lines: np.ndarray | None) -> np.ndarray:
    """Give the kernel: (ky, kx) for all pixels, or (ky, kx, ny, nx)."""
    kernel = reference.array("SCI")
    if kernel is None or kernel.ndim not in (2, 4):
        found = "no kernel" if kernel is None else f"a kernel with {kernel.ndim} axes"
        raise BadInput(f"the ipc reference has {found}", where=reference.name, cure="2 or 4 axes are understood")
    return kernel if kernel.ndim == 2 else detector_image(reference, "SCI", exposure, lines)
