"""refpix for read-outs with interleaved reference pixels (IRS2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from jwcore.api import Params, SkipStep, param, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from jwcore.algorithms.irs2 import Irs2Layout
    from jwcore.algorithms.irs2_refpix import Transfer
    from jwcore.api import Context, Ramp, Reference

WHERE = {"INSTRUME": "NIRSPEC", "READPATT": ("NRSIRS2", "NRSIRS2RAPID")}
OUTPUTS = 4
_OTHER = "No effect (other read-outs)"


class RefPixParams(Params):
    """Parameters of refpix; those of other read-outs are accepted, because delivered settings hold them."""

    ovr_corr_mitigation_ftr: float = param(
        3.0, "Limit for bad interleaved reference pixels, in the scatter of all", unit="sigma", gt=0
    )
    preserve_irs2_refpix: bool = param(False, "Keep the interleaved reference pixels in the result")
    irs2_mean_subtraction: bool = param(False, "Subtract the means of the reference rows at both ends first")
    odd_even_columns: bool = param(True, "Treat odd and even samples apart (irs2_mean_subtraction)")
    siglimit: float = param(3.0, "Clipping limit of the means (irs2_mean_subtraction)", unit="sigma", gt=0)
    use_side_ref_pixels: bool = param(True, _OTHER)
    side_smoothing_length: int = param(11, _OTHER, unit="pixel", ge=1)
    side_gain: float = param(1.0, _OTHER)
    odd_even_rows: bool = param(True, _OTHER)
    refpix_algorithm: Literal["median", "sirs"] = param("median", _OTHER)
    sigreject: float = param(4.0, _OTHER, unit="sigma", gt=0)
    gaussmooth: float = param(1.0, _OTHER, unit="pixel", gt=0)
    halfwidth: int = param(30, _OTHER, unit="pixel", ge=1)


@step(
    stage="refpix",
    needs=("FASTAXIS", "SLOWAXIS"),
    where=WHERE,
    references=("refpix",),
    params=RefPixParams,
    scratch=0.3,
)
def refpix(exposure: Ramp, references: Mapping[str, Reference], params: RefPixParams, context: Context) -> Ramp:
    """Remove the noise that interleaved reference pixels and the reference output record, and take these out.

    Bad reference pixels are replaced first: those that the reference lists, and those that stand out.
    """
    from jwcore.algorithms import dq, irs2_references
    from jwcore.algorithms.irs2 import LENGTH, Irs2Layout

    if exposure.shape[-2] != LENGTH:
        raise SkipStep(f"images of {exposure.shape[-2]} rows hold no interleaved reference pixels")
    transfer = _transfer(references["refpix"], exposure.shape[-1])
    layout = Irs2Layout(exposure.meta.subarray.fastaxis, exposure.meta.subarray.slowaxis)
    bad = _bad_lines(exposure, references["refpix"], layout, params)
    if params.irs2_mean_subtraction:
        unusable = exposure.pixeldq & dq.DO_NOT_USE != 0
        for groups in exposure.data:
            irs2_references.subtract_edge_means(
                groups, unusable, layout=layout, odd_even=params.odd_even_columns, siglimit=params.siglimit
            )
    irs2_references.replace_lines(exposure.data, bad)
    context.count(bad_reference_lines=bad.size)
    _count_noise(exposure, layout.normal_lines, context, when="before")
    _correct(exposure, layout, transfer, keep_references=params.preserve_irs2_refpix)
    _count_noise(exposure, layout.normal_lines if params.preserve_irs2_refpix else slice(None), context, when="after")
    return exposure


def _count_noise(exposure: Ramp, lines: np.ndarray | slice, context: Context, *, when: str) -> None:
    """Report the correlated noise between the first and the last group of the first integration."""
    from jwcore.algorithms.noise_figures import noise_figures

    groups, flags = (
        array[0, :: max(1, exposure.shape[1] - 1)][:, lines] for array in (exposure.data, exposure.groupdq)
    )
    context.count(**noise_figures(groups, flags, exposure.pixeldq[lines]).counts(when))


def _transfer(reference: Reference, nrows: int) -> Transfer:
    """Read the transfer functions, whose real and imaginary parts alternate.

    Raises
    ------
    SkipStep
        When they do not have the length of the time line of a frame.
    """
    import numpy as np

    from jwcore.algorithms.irs2 import ROW_CLOCKS
    from jwcore.algorithms.irs2_refpix import Transfer, real_part

    table, length = reference.table("IRS2"), 2 * ROW_CLOCKS * nrows
    if table is None or len(table) != length:
        found = "no table of transfer functions" if table is None else f"transfer functions of {len(table)} rows"
        raise SkipStep(f"the reference has {found}, {length} are needed")
    alpha, beta = (
        np.stack([real_part(table[f"{name}_{k}"][0::2] + 1j * table[f"{name}_{k}"][1::2]) for k in range(OUTPUTS)])
        for name in ("alpha", "beta")
    )
    return Transfer(alpha, beta)


def _bad_lines(exposure: Ramp, reference: Reference, layout: Irs2Layout, params: RefPixParams) -> np.ndarray:
    """Find the bad interleaved reference pixels, and flag those that stand out."""
    import numpy as np

    from jwcore.algorithms import dq, irs2_references

    noisy = irs2_references.noisy_lines(exposure.data, layout=layout, limit=params.ovr_corr_mitigation_ftr)
    exposure.pixeldq[noisy] |= np.uint32(dq.BAD_REF_PIXEL | dq.DO_NOT_USE)
    table = reference.table("DQ")
    rows = () if table is None else ((int(r["OUTPUT"]), int(r["ODD_EVEN"]), int(r["MASK"])) for r in table)
    return np.union1d(noisy, irs2_references.listed_lines(rows, layout=layout))


def _correct(exposure: Ramp, layout: Irs2Layout, transfer: Transfer, *, keep_references: bool) -> None:
    """Correct all integrations; the pixels that are left move together in the memory of the ramp."""
    import numpy as np

    from jwcore.algorithms.irs2_refpix import correct_integration

    nints, ngroups, length, nx = exposure.shape
    kept = np.arange(length) if keep_references else layout.normal_lines
    memory = np.ascontiguousarray(exposure.data).reshape(-1)
    data = memory.reshape(exposure.shape)
    corrected = memory[: nints * ngroups * kept.size * nx].reshape(nints, ngroups, kept.size, nx)
    for groups, target in zip(data, corrected, strict=True):
        correct_integration(groups, target, layout=layout, transfer=transfer)
    groupdq, pixeldq = exposure.groupdq[:, :, kept], exposure.pixeldq[kept]
    exposure.data, exposure.groupdq, exposure.pixeldq = corrected, groupdq, pixeldq
    if exposure.zeroframe is not None:
        exposure.zeroframe = exposure.zeroframe[:, kept]
