"""Comparison of two products, extension by extension."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits

from jwcore.algorithms.dq import PIXEL_FLAGS

FLAG_EXTENSIONS = ("DQ", "PIXELDQ", "GROUPDQ")
EXACT_EXTENSIONS = ("CON",)
ERROR_FRACTION = 1e-3
"""Part of a pixel's error that may separate two values."""
ALLOWED_OUTSIDE = 1e-3
"""Part of the pixels that may lie outside the tolerance, unless a step says less."""
ALLOWED_FLAGS = 0.01
"""Part of the pixels with a flag in either product that may have it in one alone."""


@dataclass(frozen=True)
class Comparison:
    """The outcome for one array.

    Attributes
    ----------
    step, array : str
        What was compared.
    tolerance : str
        The rule, for people.
    worst : float
        Largest difference, in units of the tolerance (floats) or as the largest part of differing flags.
    outside : float
        Part of the pixels outside the tolerance.
    passed : bool
        Whether the rule holds.
    flags : dict
        Flag name -> (only in ours, only in the peer's, in either).
    """

    step: str
    array: str
    tolerance: str
    worst: float
    outside: float
    passed: bool
    flags: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    note: str = ""


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the image extensions of a product by name, native."""
    with fits.open(path, memmap=False) as hdus:
        images = {hdu.name: hdu.data for hdu in hdus[1:] if isinstance(hdu, fits.ImageHDU) and hdu.data is not None}
    return {name: array.astype(array.dtype.newbyteorder("=")) for name, array in images.items()}


def compare(
    step: str,
    ours: dict[str, np.ndarray],
    peer: dict[str, np.ndarray],
    *,
    rtol: float,
    noise: float,
    allowed: float = ALLOWED_OUTSIDE,
    excluded: dict[str, np.ndarray] | None = None,
) -> list[Comparison]:
    """Compare all arrays of two products.

    Parameters
    ----------
    step : str
        Step that made them.
    ours, peer : dict of ndarray
        Arrays by extension name.
    rtol : float
        Relative tolerance of floats.
    noise : float
        Error of a pixel where the product has no ERR extension, in its unit.
    allowed : float
        Part of the floats that may lie outside the tolerance.
    excluded : dict of ndarray, optional
        Pixels that a declared deviation takes out of the comparison, by extension name.

    Returns
    -------
    list of Comparison
        One per extension of either product.
    """
    results = []
    for name in dict.fromkeys([*peer, *ours]):
        if name not in ours or name not in peer:
            who = "ours" if name in ours else "the peer"
            results.append(Comparison(step, name, "present in both", np.nan, 1.0, False, note=f"only in {who}"))
            continue
        a, b = ours[name], peer[name]
        if a.shape != b.shape:
            note = f"shape {a.shape}, peer {b.shape}"
            results.append(Comparison(step, name, "same shape", np.nan, 1.0, False, note=note))
            continue
        keep = None if excluded is None or name not in excluded else ~excluded[name]
        if name in FLAG_EXTENSIONS:
            results.append(compare_flags(step, name, a, b, keep=keep))
        elif name in EXACT_EXTENSIONS:
            results.append(compare_exactly(step, name, a, b, keep=keep))
        else:
            error = _error(name, peer, noise)
            results.append(compare_floats(step, name, a, b, rtol=rtol, error=error, allowed=allowed, keep=keep))
    return results


def _error(name: str, peer: dict[str, np.ndarray], noise: float) -> np.ndarray | float:
    """Return the error against which differences of an extension are judged."""
    sigma = peer.get("ERR", noise)
    if name.startswith("VAR_"):
        sigma = np.square(sigma)
    elif name not in ("SCI", "ERR", "ZEROFRAME"):
        return 0.0
    return np.nan_to_num(sigma) if np.shape(sigma) in ((), peer[name].shape) else noise


def compare_floats(step, array, ours, peer, *, rtol, error, allowed=ALLOWED_OUTSIDE, keep=None) -> Comparison:
    """Compare values: within max(rtol |peer|, error / 1000), not-a-numbers in the same places."""
    tolerance = np.maximum(rtol * np.abs(peer), ERROR_FRACTION * error)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.abs(ours.astype("f8") - peer) / tolerance
    ratio[ours == peer] = 0.0
    ratio[np.isnan(ours) & np.isnan(peer)] = 0.0
    ratio[np.isnan(ours) != np.isnan(peer)] = np.inf
    ratio = ratio if keep is None else ratio[np.broadcast_to(keep, ratio.shape)]
    outside = float(np.mean(ratio > 1.0)) if ratio.size else 0.0
    finite = ratio[np.isfinite(ratio)]
    worst = float(finite.max()) if finite.size else 0.0
    lost = int(np.count_nonzero(~np.isfinite(ratio)))
    note = f"{lost} NaN differ" if lost else ""
    return Comparison(step, array, f"{rtol:g}, err/1000", worst, outside, outside <= allowed, note=note)


def compare_flags(step, array, ours, peer, *, keep=None) -> Comparison:
    """Compare every quality bit: the part of flagged pixels that only one product has must be small."""
    if keep is not None:
        keep = np.broadcast_to(keep, ours.shape)
        ours, peer = ours[keep], peer[keep]
    flags = {}
    for name, value in PIXEL_FLAGS.items():
        if value > np.iinfo(ours.dtype).max:
            break
        a, b = ((array & array.dtype.type(value)) != 0 for array in (ours, peer))
        either = int(np.count_nonzero(a | b))
        if either:
            flags[name] = (int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a)), either)
    worst = max(((a + b) / either for a, b, either in flags.values()), default=0.0)
    outside = float(np.mean(ours != peer)) if ours.size else 0.0
    return Comparison(step, array, "each bit 1 %", worst, outside, worst <= ALLOWED_FLAGS, flags=flags)


def compare_exactly(step, array, ours, peer, *, keep=None) -> Comparison:
    """Compare integers that have no tolerance."""
    different = ours != peer
    different = different if keep is None else different[np.broadcast_to(keep, different.shape)]
    outside = float(np.mean(different)) if different.size else 0.0
    return Comparison(step, array, "equal", float(different.any()), outside, outside <= ALLOWED_OUTSIDE)
