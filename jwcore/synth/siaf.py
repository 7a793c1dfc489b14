"""Science apertures: where a detector looks, and its distortion.

The numbers come from the Science Instrument Aperture File (SIAF) of the mission, kept as a compact table in ``data/``
(``tools/make_siaf_table.py`` writes it).
Frames: *Sci* pixels (1-based, science orientation), *Idl* arcsec on a plane tangent at the reference point,
*V2V3* arcsec in the telescope frame (Cox & Lallo 2016, JWST-STScI-001550).
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from jwcore.synth.instruments import Instrument, Subarray

__all__ = ["Aperture", "is_standard", "load_aperture", "subarray_names"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Aperture:
    """A science aperture with the Sci -> Idl polynomial of its detector.

    ``x_ref``, ``y_ref`` are 1-based Sci pixels of the sub-array; ``full`` is the full-frame aperture of the detector,
    whose polynomial holds for all its sub-arrays.
    """

    name: str
    subarray: Subarray
    v2_ref: float
    v3_ref: float
    v3_idl_yangle: float
    v_idl_parity: int
    x_ref: float
    y_ref: float
    x_scale: float
    y_scale: float
    degree: int
    x_coefficients: np.ndarray
    y_coefficients: np.ndarray
    full: "Aperture | None" = None

    @property
    def pixel_scale(self) -> float:
        """Geometric mean of the pixel scales at the reference point, arcsec/pixel."""
        return float(np.sqrt(self.x_scale * self.y_scale))

    @property
    def detector_frame(self) -> "Aperture":
        """The aperture that carries the distortion: the full frame of the detector."""
        return self.full or self


@cache
def _table(file_name: str) -> dict:
    text = resources.files("jwcore.synth").joinpath("data", file_name).read_text(encoding="utf-8")
    return json.loads(text)["detectors"]


def subarray_names(*, instrument: Instrument, detector: str) -> list[str]:
    """List the sub-arrays that a detector offers, FULL included."""
    more = [subarray.name for subarray in instrument.subarrays.get(detector, ())]
    return [*_table(instrument.aperture_table)[detector]["apertures"], *more]


def is_standard(subarray: Subarray, *, instrument: Instrument, detector: str) -> bool:
    """Tell a sub-array of the mission from an invented rectangle."""
    if subarray in instrument.subarrays.get(detector, ()):
        return True
    entry = _table(instrument.aperture_table)[detector]["apertures"].get(subarray.name)
    return entry is not None and all(
        entry[name] == getattr(subarray, name) for name in ("xstart", "ystart", "xsize", "ysize")
    )


def load_aperture(*, instrument: Instrument, detector: str, subarray: "str | Subarray" = "FULL") -> Aperture:
    """Read an aperture from the table.

    Parameters
    ----------
    instrument : Instrument
        The instrument, which names the table.
    detector : str
        Detector name, such as ``NRCA1``.
    subarray : str or Subarray
        Name of a sub-array of the mission, or any rectangle. Where the SIAF has no aperture for it, the reference point
        is its centre.

    Returns
    -------
    Aperture
        Reference point, scales and distortion.

    Raises
    ------
    ValueError
        If the detector has no sub-array of that name; the message lists those it has.
    """
    entry = _table(instrument.aperture_table)[detector]
    rectangles = {rectangle.name: rectangle for rectangle in instrument.subarrays.get(detector, ())}
    if isinstance(subarray, Subarray) or subarray in rectangles:
        rectangle = subarray if isinstance(subarray, Subarray) else rectangles[subarray]
        return _custom(load_aperture(instrument=instrument, detector=detector), rectangle)
    if subarray not in entry["apertures"]:
        known = subarray_names(instrument=instrument, detector=detector)
        raise ValueError(f"{detector} has no sub-array {subarray!r}; it has {', '.join(known)}")
    row = entry["apertures"][subarray]
    is_full = subarray == "FULL"
    all_outputs = is_full or instrument.detectors[detector].interleaved
    return Aperture(
        name=row["name"],
        subarray=Subarray(
            name=subarray,
            noutputs=instrument.amplifiers if all_outputs else 1,
            **{key: row[key] for key in ("xstart", "ystart", "xsize", "ysize")},
        ),
        v2_ref=row["v2_ref"],
        v3_ref=row["v3_ref"],
        v3_idl_yangle=row["v3_idl_yangle"],
        v_idl_parity=row["v_idl_parity"],
        x_ref=row["x_sci_ref"],
        y_ref=row["y_sci_ref"],
        x_scale=row["x_sci_scale"],
        y_scale=row["y_sci_scale"],
        degree=entry["degree"],
        x_coefficients=np.array(entry["sci2idl_x"]),
        y_coefficients=np.array(entry["sci2idl_y"]),
        full=None if is_full else load_aperture(instrument=instrument, detector=detector),
    )


def _custom(full: Aperture, subarray: Subarray) -> Aperture:
    """Make an aperture for any rectangle of the detector, with its reference point at the centre."""
    from jwcore.synth.wcs import pixel_to_v2v3

    x_ref, y_ref = (subarray.xsize + 1) / 2, (subarray.ysize + 1) / 2
    row, column = subarray.origin
    v2, v3 = pixel_to_v2v3(full, x_ref - 1 + column, y_ref - 1 + row)
    return Aperture(
        name=f"{full.name.split('_')[0]}_{subarray.name}",
        subarray=subarray,
        v2_ref=float(v2),
        v3_ref=float(v3),
        v3_idl_yangle=full.v3_idl_yangle,
        v_idl_parity=full.v_idl_parity,
        x_ref=x_ref,
        y_ref=y_ref,
        x_scale=full.x_scale,
        y_scale=full.y_scale,
        degree=full.degree,
        x_coefficients=full.x_coefficients,
        y_coefficients=full.y_coefficients,
        full=full,
    )
