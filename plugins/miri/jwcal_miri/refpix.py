"""refpix for interleaved amplifiers: remove the drifts of the read-out electronics within an integration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from jwcal_miri._exposure import WHERE
from jwcore.api import Params, SkipStep, param, step

if TYPE_CHECKING:
    from jwcore.api import Context, Ramp


class RefPixParams(Params):
    """Parameters of refpix; those of the near-infrared detectors are accepted, because delivered settings hold them."""

    odd_even_rows: bool = param(True, "Treat odd and even rows apart")
    siglimit: float = param(3.0, "Clipping limit of the means", unit="sigma", gt=0)
    odd_even_columns: bool = param(True, "No effect (near infrared)")
    use_side_ref_pixels: bool = param(True, "No effect (near infrared)")
    side_smoothing_length: int = param(11, "No effect (near infrared)", unit="pixel", ge=1)
    side_gain: float = param(1.0, "No effect (near infrared)")
    ovr_corr_mitigation_ftr: float = param(3.0, "No effect (near infrared)", unit="sigma", gt=0)
    preserve_irs2_refpix: bool = param(False, "No effect (near infrared)")
    irs2_mean_subtraction: bool = param(False, "No effect (near infrared)")
    refpix_algorithm: Literal["median", "sirs"] = param("median", "No effect (near infrared)")
    sigreject: float = param(4.0, "No effect (near infrared)", unit="sigma", gt=0)
    gaussmooth: float = param(1.0, "No effect (near infrared)", unit="pixel", gt=0)
    halfwidth: int = param(30, "No effect (near infrared)", unit="pixel", ge=1)


@step(stage="refpix", where=WHERE, params=RefPixParams, chunk="integrations")
def refpix(exposure: Ramp, params: RefPixParams, context: Context) -> Ramp:
    """Subtract the change of the reference pixels since the first group, amplifier by amplifier.

    Only full frames hold the reference columns on both sides. A zero frame is the first read-out itself: it has not drifted.
    """
    from jwcore.algorithms import dq
    from jwcore.algorithms.noise_figures import noise_figures
    from jwcore.algorithms.refpix_interleaved import correct_interleaved

    if exposure.shape[-2:] != context.detector.shape:
        raise SkipStep("a sub-array does not hold the reference columns on both sides")
    bad = exposure.pixeldq & dq.DO_NOT_USE != 0
    first = exposure.data[0], exposure.groupdq[0], exposure.pixeldq
    context.count(**noise_figures(*first).counts("before"))
    for groups in exposure.data:
        correct_interleaved(
            groups,
            bad,
            amplifiers=context.detector.amplifiers,
            odd_even_rows=params.odd_even_rows,
            siglimit=params.siglimit,
        )
    context.count(**noise_figures(*first).counts("after"))
    return exposure
