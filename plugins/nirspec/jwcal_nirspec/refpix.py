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

    Bad reference pixels are replaced first: those that stand out, then the others that the reference lists.
    """
    from jwcore.algorithms import dq, irs2_references
    from jwcore.algorithms.irs2 import LENGTH, Irs2Layout

    if exposure.shape[-2] != LENGTH:
        raise SkipStep(f"images of {exposure.shape[-2]} rows hold no interleaved reference pixels")
    transfer = _transfer(references["refpix"], exposure.shape[-1])
    layout = Irs2Layout(exposure.meta.subarray.fastaxis, exposure.meta.subarray.slowaxis)
    noisy = _flag_noisy_lines(exposure, layout, params)
    listed = _listed_lines(references["refpix"], layout)
    if params.irs2_mean_subtraction:
        unusable = exposure.pixeldq & dq.DO_NOT_USE != 0
        for groups in exposure.data:
            irs2_references.subtract_edge_means(
                groups, unusable, layout=layout, odd_even=params.odd_even_columns, siglimit=params.siglimit
            )
    irs2_references.replace_lines(exposure.data, noisy)
    irs2_references.replace_lines(exposure.data, listed, replaced=noisy)
    context.count(bad_reference_lines=len({*noisy, *listed}))
    _count_noise(exposure, layout.normal_lines, context, when="before")
    corrected = _corrected(exposure, layout, transfer, keep_references=params.preserve_irs2_refpix)
    _count_noise(corrected, layout.normal_lines if params.preserve_irs2_refpix else slice(None), context, when="after")
    return corrected


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


def _flag_noisy_lines(exposure: Ramp, layout: Irs2Layout, params: RefPixParams) -> np.ndarray:
    """Find and flag the interleaved reference pixels that stand out, or are flagged as bad ones by an earlier step."""
    import numpy as np

    from jwcore.algorithms import dq, irs2_references

    noisy = irs2_references.noisy_lines(
        exposure.data,
        layout=layout,
        limit=params.ovr_corr_mitigation_ftr,
        known=np.flatnonzero(np.any(exposure.pixeldq & np.uint32(dq.BAD_REF_PIXEL), axis=1)),
    )
    exposure.pixeldq[noisy] |= np.uint32(dq.BAD_REF_PIXEL | dq.DO_NOT_USE)
    return noisy


def _listed_lines(reference: Reference, layout: Irs2Layout) -> np.ndarray:
    """Read which interleaved reference pixels the reference calls bad."""
    from jwcore.algorithms import irs2_references

    table = reference.table("DQ")
    rows = () if table is None else ((int(r["OUTPUT"]), int(r["ODD_EVEN"]), int(r["MASK"])) for r in table)
    return irs2_references.listed_lines(rows, layout=layout)


def _corrected(exposure: Ramp, layout: Irs2Layout, transfer: Transfer, *, keep_references: bool) -> Ramp:
    """Correct all integrations; the pixels that are left move together in the memory of the ramp that is given up."""
    import numpy as np

    from jwcore.algorithms.irs2_refpix import correct_integration
    from jwcore.api import Ramp

    nints, ngroups, length, nx = exposure.shape
    kept = np.arange(length) if keep_references else layout.normal_lines
    memory = np.ascontiguousarray(exposure.data).reshape(-1)
    data = memory.reshape(exposure.shape)
    corrected = memory[: nints * ngroups * kept.size * nx].reshape(nints, ngroups, kept.size, nx)
    for groups, target in zip(data, corrected, strict=True):
        correct_integration(groups, target, layout=layout, transfer=transfer)
    arrays = {name: getattr(exposure, name) for name in exposure.arrays()}
    arrays |= {"data": corrected, "groupdq": exposure.groupdq[:, :, kept], "pixeldq": exposure.pixeldq[kept]}
    if exposure.zeroframe is not None:
        arrays["zeroframe"] = exposure.zeroframe[:, kept]
    return Ramp(meta=exposure.meta, **arrays)
