"""Generalised WCS (gWCS) of imaging exposures: detector -> v2v3 -> v2v3vacorr -> world.

The frame names and the transform name ``v23tosky`` are a convention among JWST tools: alignment looks the attitude up
by these names. All transforms are those of astropy and gwcs, hence every reader of gWCS can load the result.
gwcs and astropy.modeling take most of a second to import, so they are imported where they are used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Pointing",
    "attitude",
    "bounding_box",
    "detector_to_v2v3",
    "filter_offset",
    "imaging_wcs",
    "reference_box",
    "velocity_aberration",
]

Box = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Pointing:
    """Where the telescope looks: one point in the telescope frame and its image on the sky.

    Attributes
    ----------
    v2_ref, v3_ref : float
        Reference point, arcsec.
    ra_ref, dec_ref : float
        Its ICRS position, degrees.
    roll_ref : float
        Position angle of the V3 axis there, degrees east of north.
    """

    v2_ref: float
    v3_ref: float
    ra_ref: float
    dec_ref: float
    roll_ref: float


def velocity_aberration(*, scale: float | None, v2_ref: float = 0.0, v3_ref: float = 0.0) -> Any:
    """Differential velocity aberration: scale by ``VA_SCALE`` about the reference point.

    ``v' = s v + (1 - s) v_ref`` on both axes.

    Parameters
    ----------
    scale : float or None
        Factor s; None means 1.
    v2_ref, v3_ref : float
        The point that stays, arcsec.

    Returns
    -------
    astropy.modeling.Model
        The identity for a factor of 1.

    Raises
    ------
    ValueError
        For a factor that is not positive.
    """
    from astropy.modeling.models import Identity, Scale, Shift

    if scale is None or scale == 1.0:
        return Identity(2)
    if not scale > 0.0:
        raise ValueError(f"velocity aberration VA_SCALE = {scale} is not positive")
    scales = Scale(scale, name="dva_scale_v2") & Scale(scale, name="dva_scale_v3")
    shifts = Shift((1.0 - scale) * v2_ref, name="dva_v2_shift") & Shift((1.0 - scale) * v3_ref, name="dva_v3_shift")
    return (scales | shifts).rename("DVA_Correction")


def attitude(pointing: Pointing) -> Any:
    """Rotation from the telescope frame (arcsec) to the sky (degrees), with an exact inverse.

    Parameters
    ----------
    pointing : Pointing

    Returns
    -------
    astropy.modeling.Model
        Named ``v23tosky``. RA comes out in [0, 360).
    """
    from astropy.modeling.models import RotationSequence3D, Scale
    from gwcs.geometry import CartesianToSpherical, SphericalToCartesian

    p = pointing
    angles = [p.v2_ref / 3600.0, -p.v3_ref / 3600.0, p.roll_ref, p.dec_ref, -p.ra_ref]
    model = (
        (Scale(1.0 / 3600.0) & Scale(1.0 / 3600.0))
        | SphericalToCartesian(wrap_lon_at=180)
        | RotationSequence3D(angles, axes_order="zyxyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )
    return model.rename("v23tosky")


def filter_offset(
    filters: Sequence[Mapping[str, Any]], *, settings: Mapping[str, str | None]
) -> tuple[float, float] | None:
    """Look up the image displacement of a filter.

    Parameters
    ----------
    filters : sequence of mapping
        Rows of the FILTEROFFSET reference: ``column_offset``, ``row_offset`` (pixel) and selecting keys.
    settings : mapping
        Values that select the row, for example ``{"filter": "F480M", "pupil": "NRM"}``.

    Returns
    -------
    tuple of float or None
        Offsets (x, y) to add to pixel coordinates; None if no row matches.
    """
    for row in filters:
        if all(str(row.get(key)).strip().upper() == str(value).strip().upper() for key, value in settings.items()):
            x, y = row.get("column_offset"), row.get("row_offset")
            return None if {x, y} & {None, "N/A"} else (float(str(x)), float(str(y)))
    return None


def detector_to_v2v3(
    distortion: Any, *, origin: tuple[int, int] = (1, 1), offset: tuple[float, float] | None = None
) -> Any:
    """Chain sub-array shift, filter offset and distortion.

    Parameters
    ----------
    distortion : astropy.modeling.Model
        Full-frame pixel (from 0) to V2, V3 (arcsec); its own inverse is kept.
    origin : tuple of int
        (xstart, ystart) of the sub-array, counted from 1.
    offset : tuple of float, optional
        :func:`filter_offset`.

    Returns
    -------
    astropy.modeling.Model
        Not shared with `distortion` where a bounding box may be set on it.
    """
    from astropy.modeling.models import Shift

    model = distortion
    if offset is not None:
        model = Shift(offset[0]) & Shift(offset[1]) | model
    if tuple(origin) != (1, 1):
        model = Shift(float(origin[0] - 1)) & Shift(float(origin[1] - 1)) | model
    return model.copy() if model is distortion else model


def bounding_box(
    *,
    shape: tuple[int, int],
    reference: Box | None = None,
    subarray: bool = False,
    margins: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> Box:
    """Choose the pixel area in which the WCS is valid.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx) of the image.
    reference : pair of pairs, optional
        ((x_low, x_high), (y_low, y_high)) of the distortion reference, in full-frame pixels.
    subarray : bool
        The image is a sub-array: its whole area is taken.
    margins : tuple of int
        Columns and rows (left, right, bottom, top) outside the box of a full frame that has no reference box.

    Returns
    -------
    pair of pairs of float
        ((x_low, x_high), (y_low, y_high)), outer pixel edges.
    """
    ny, nx = shape
    whole = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    if subarray:
        return whole
    if reference is not None:
        return reference
    left, right, bottom, top = margins
    return (left - 0.5, nx - right - 0.5), (bottom - 0.5, ny - top - 0.5)


def reference_box(distortion: Any) -> Box | None:
    """Bounding box stored with a distortion model as ((x_low, x_high), (y_low, y_high)); None if there is none."""
    try:
        y, x = distortion.bounding_box.bounding_box(order="C")
    except NotImplementedError:
        return None
    return (float(x[0]), float(x[1])), (float(y[0]), float(y[1]))


def imaging_wcs(*, to_v2v3: Any, pointing: Pointing, va_scale: float | None, box: Box) -> Any:
    """Assemble the gWCS of an image.

    Parameters
    ----------
    to_v2v3 : astropy.modeling.Model
        :func:`detector_to_v2v3`.
    pointing : Pointing
        Attitude of the telescope.
    va_scale : float or None
        ``VA_SCALE``.
    box : pair of pairs of float
        :func:`bounding_box`; outside the forward transform gives NaN.

    Returns
    -------
    gwcs.WCS
        Frames ``detector``, ``v2v3``, ``v2v3vacorr``, ``world``.
    """
    import gwcs
    from astropy import units
    from astropy.coordinates import ICRS
    from gwcs.coordinate_frames import CelestialFrame, Frame2D

    def telescope(name: str) -> Any:
        return Frame2D(name=name, axes_order=(0, 1), unit=(units.arcsec, units.arcsec), axes_names=("v2", "v3"))

    aberration = velocity_aberration(scale=va_scale, v2_ref=pointing.v2_ref, v3_ref=pointing.v3_ref)
    steps = [
        (Frame2D(name="detector", axes_order=(0, 1), unit=(units.pix, units.pix)), to_v2v3),
        (telescope("v2v3"), aberration),
        (telescope("v2v3vacorr"), attitude(pointing)),
        (CelestialFrame(name="world", reference_frame=ICRS()), None),
    ]
    wcs = gwcs.WCS(steps)
    wcs.bounding_box = box
    return wcs
