"""ipc: undo the cross-talk between neighbouring pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jwcore.api import BadInput, StripeReadout, is_striped, step
from jwcore.builtin.detector1._exposure import detector_image, detector_start, normal_lines
from jwcore.builtin.detector1._superstripes import by_stripe

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.api import Context, Ramp, Reference


@step(stage="ipc", references=("ipc",), chunk="integrations")
@by_stripe
def ipc(exposure: Ramp, references: Mapping[str, Reference], context: Context) -> Ramp:
    """Convolve every group with the deconvolution kernel; reference pixels, interleaved ones included, take no part."""
    from jwcore.algorithms import ipc as kernels

    lines = normal_lines(exposure, context.detector)
    kernel = _kernel(references["ipc"], exposure, lines)
    if is_striped(exposure.meta):
        _convolve_blocks(exposure, kernel, context)
        return exposure
    shape = exposure.shape[-2:] if lines is None else (lines.size, exposure.shape[-1])
    area = _area(shape, detector_start(exposure), context)
    kernels.convolve(exposure.data, kernel, area=area, lines=lines)
    return exposure


def _area(shape: tuple[int, ...], start: tuple[int, int], context: Context) -> tuple[int, int, int, int]:
    """Find the pixels of an image at a place on the detector that are no reference pixels."""
    from jwcore.algorithms.ipc import active_area

    detector = context.detector
    return active_area(
        shape=shape, start=start, detector_shape=detector.shape, reference_pixels=detector.reference_pixels
    )  # fmt: skip


def _convolve_blocks(exposure: Ramp, kernel: np.ndarray, context: Context) -> None:
    """Convolve the blocks of a read-out in stripes one by one: lines that are stored side by side are no neighbours.

    The lines that a block lacks were not read; those at its edges stand in for them.
    """
    import numpy as np

    from jwcore.algorithms import ipc as kernels

    readout, whole = StripeReadout.of(exposure.meta), slice(None)
    axis = 1 if readout.along_x else 0
    margin = kernel.shape[axis] // 2
    borders = [(margin, margin) if n == axis else (0, 0) for n in (-2, -1, 0, 1)]
    y, x = detector_start(exposure)
    for place, line in readout.pieces:
        inner = slice(margin, margin + place.stop - place.start)
        block, kept = ((whole, place), (whole, inner)) if readout.along_x else ((place, whole), (inner, whole))
        start = (y, line - margin) if readout.along_x else (line - margin, x)
        data = np.pad(exposure.data[..., *block], borders, mode="edge")
        own = kernel if kernel.ndim == 2 else np.pad(kernel[..., *block], borders, mode="edge")
        kernels.convolve(data, own, area=_area(data.shape[-2:], start, context))
        exposure.data[..., *block] = data[..., *kept]


def _kernel(reference: Reference, exposure: Ramp, lines: np.ndarray | None) -> np.ndarray:
    """Give the kernel: (ky, kx) for all pixels, or (ky, kx, ny, nx)."""
    kernel = reference.array("SCI")
    if kernel is None or kernel.ndim not in (2, 4):
        found = "no kernel" if kernel is None else f"a kernel with {kernel.ndim} axes"
        raise BadInput(f"the ipc reference has {found}", where=reference.name, cure="2 or 4 axes are understood")
    return kernel if kernel.ndim == 2 else detector_image(reference, "SCI", exposure, lines)
