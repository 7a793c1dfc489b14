"""Superstripes: steps run on one stripe after the other, until refpix joins them."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any

from jwcore.api import BadInput, Ramp, StripeReadout, SuperstripeRamp, of_one_stripe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from jwcore.api import Meta

_CURE = "check NINTS, SSTR_NST and the MSTR keywords of the file"


def by_stripe(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a step that edits ramps take superstripes too, as if each stripe were an exposure of its own.

    One stripe at a time is copied; references are cut to it.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def step(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        exposure = given["exposure"]
        if not isinstance(exposure, SuperstripeRamp):
            return function(*args, **kwargs)
        for number, stripe in enumerate(_stripes(exposure)):
            changed: dict[str, Any] = {"exposure": stripe}
            if "references" in given:
                changed["references"] = {name: one.cut_to(stripe) for name, one in given["references"].items()}
            _put_back(exposure, number, function(**given | changed))
        return exposure

    return step


def _stripes(exposure: SuperstripeRamp) -> Iterator[Ramp]:
    """Take out the stripes, in turn."""
    import numpy as np

    nstripes = exposure.meta.subarray.num_superstripe
    if exposure.shape[0] % nstripes:
        found = f"{exposure.shape[0]} integrations are no whole number of cycles of {nstripes} stripes"
        raise BadInput(found, where=str(exposure.path or ""), cure=_CURE)
    if exposure.groupdq.shape != exposure.data.shape:
        exposure.groupdq = np.zeros(exposure.shape, np.uint8)
    if exposure.pixeldq is None or exposure.pixeldq.shape != (nstripes, *exposure.shape[-2:]):
        exposure.pixeldq = np.zeros((nstripes, *exposure.shape[-2:]), np.uint32)
    for number in range(nstripes):
        own = slice(number, None, nstripes)
        yield Ramp(
            meta=of_one_stripe(exposure.meta, number),
            data=exposure.data[own].copy(),
            groupdq=exposure.groupdq[own].copy(),
            pixeldq=exposure.pixeldq[number].copy(),
            zeroframe=None if exposure.zeroframe is None else exposure.zeroframe[own].copy(),
        )


def _put_back(exposure: SuperstripeRamp, number: int, stripe: Ramp) -> None:
    own = slice(number, None, exposure.meta.subarray.num_superstripe)
    exposure.data[own], exposure.groupdq[own], exposure.pixeldq[number] = stripe.data, stripe.groupdq, stripe.pixeldq
    if exposure.zeroframe is not None:
        exposure.zeroframe[own] = stripe.zeroframe


def join_stripes(exposure: SuperstripeRamp, *, whole_lines: bool) -> Ramp:
    """Join the stripes into a ramp of the sub-array that they cover together.

    Lines that no stripe reads have no data and are flagged REFERENCE_PIXEL; the block that every stripe reads again is left
    out. Reads of the same lines within a frame become groups of their own, with the times at which they were made.

    Parameters
    ----------
    exposure : SuperstripeRamp
    whole_lines : bool
        Complete the sub-array to the whole length of the detector across the stripes.
    """
    import numpy as np

    from jwcore.algorithms import dq
    from jwcore.algorithms.superstripes import join

    nstripes = exposure.meta.subarray.num_superstripe
    readouts = [StripeReadout.of(of_one_stripe(exposure.meta, number)) for number in range(nstripes)]
    blocks = [readout.repeats for readout in readouts]
    start = 0 if whole_lines else min(stripe[0].line for stripe in blocks)
    stop = readouts[0].length if whole_lines else max(stripe[0].line + stripe[0].size for stripe in blocks)

    def joined(frames: np.ndarray, fill: float) -> np.ndarray:
        pieces = [[(block.place, block.line - start, block.size) for block in stripe] for stripe in blocks]
        return join(
            frames, pieces, size=stop - start, along_x=readouts[0].along_x, backwards=readouts[0].slowaxis < 0, fill=fill
        )  # fmt: skip

    flags = np.bitwise_or.reduce(joined(exposure.pixeldq[:, None], dq.REFERENCE_PIXEL)[0])
    ramp = Ramp(
        meta=_joined_meta(exposure, readouts[0], slice(start, stop)),
        data=joined(exposure.data, np.nan),
        groupdq=joined(exposure.groupdq, 0),
        pixeldq=flags,
        zeroframe=None if exposure.zeroframe is None else joined(exposure.zeroframe[:, None], np.nan)[:, 0],
        group=exposure.group,
    )
    if exposure.int_times is not None:
        ramp.int_times_stripe, ramp.int_times = _joined_times(exposure.int_times, nstripes)
    return ramp


def _joined_meta(exposure: SuperstripeRamp, readout: StripeReadout, lines: slice) -> Meta:
    """Count integrations and groups of the joined ramp, and say which lines it covers."""
    meta = exposure.meta.copy()
    info, subarray = meta.exposure, meta.subarray
    nstripes, repeats = subarray.num_superstripe, len(readout.repeats)
    for name in ("nints", "integration_start", "integration_end"):
        number = getattr(info, name)
        setattr(info, name, None if number is None else -(-number // nstripes))
    if repeats > 1:
        meta.set("exposure.read_times", _read_times(exposure, readout))
        info.ngroups = exposure.shape[1] * repeats
    first = lines.start if readout.slowaxis > 0 else readout.length - lines.stop
    axis = "x" if readout.along_x else "y"
    setattr(subarray, f"{axis}start", first + 1)
    setattr(subarray, f"{axis}size", lines.stop - lines.start)
    for name in ("reads1", "skips1", "reads2", "skips2"):
        setattr(subarray, f"multistripe_{name}", None)
    for name in ("repeat_stripe", "interleave_reads1", "superstripe_step", "num_superstripe"):
        setattr(subarray, name, None)
    return meta


def _read_times(exposure: SuperstripeRamp, readout: StripeReadout) -> list[list[float]]:
    from jwcore.algorithms.superstripes import read_times

    info = exposure.meta.exposure
    return read_times(
        ngroups=exposure.shape[1],
        nframes=info.nframes or 1,
        groupgap=info.groupgap or 0,
        pixels=exposure.shape[-2 if readout.along_x else -1],
        noutputs=info.noutputs or 1,
        first=readout.reads1 + readout.reads2,
        repeats=len(readout.repeats),
    )


def joined_groups(meta: Meta) -> int | None:
    """Count the groups that ramps have once stripes are joined: reads of the same lines become groups of their own."""
    ngroups = meta.exposure.ngroups
    if not (ngroups and meta.subarray.num_superstripe):
        return ngroups
    return ngroups * len(StripeReadout.of(of_one_stripe(meta, 0)).repeats)


def _joined_times(table: np.ndarray, nstripes: int) -> tuple[np.ndarray, np.ndarray]:
    """Number the stripes in a table of the times of integrations, and make one of the joined integrations."""
    import numpy as np

    cycle, stripe = np.divmod(table["integration_number"] - 1, nstripes)
    names = list(table.dtype.names or ())
    stripes = np.zeros(
        len(table), [("integration_number", "i4"), ("stripe_number", "i4"), *((n, "f8") for n in names[1:])]
    )
    for name in names[1:]:
        stripes[name] = table[name]
    stripes["integration_number"], stripes["stripe_number"] = cycle + 1, stripe + 1
    whole = np.zeros(len(np.unique(cycle)), table.dtype)
    for row, number in zip(whole, np.unique(cycle), strict=True):
        own = table[cycle == number]
        row["integration_number"] = number + 1
        for scale in ("MJD_UTC", "BJD_TDB"):
            start, end = own[f"int_start_{scale}"][0], own[f"int_end_{scale}"][-1]
            row[f"int_start_{scale}"], row[f"int_end_{scale}"] = start, end
            row[f"int_mid_{scale}"] = 0.5 * (start + end)
    return stripes, whole
