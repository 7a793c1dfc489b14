"""The output grid of a mosaic: a tangent-plane (TAN) image that covers a set of exposures.

A grid is what FITS calls an imaging WCS: reference pixel, PC rotation, scale, gnomonic projection about the reference
point (Calabretta & Greisen 2002, A&A 395, 1077). Its orientation is that of the first exposure unless asked otherwise,
so that little is rotated.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "OutputGrid",
    "fiducial_point",
    "grid_from_file",
    "grid_from_footprints",
    "mean_pixel_scale",
    "pc_matrix",
    "pixel_scale_at",
]

ARCSEC = 3600.0
SPARSEST = 100.0
"""A mosaic may be this many times larger than all its exposures together before it is refused."""
WIDEST = 60.0
"""Exposures may lie so many degrees from the reference point; nothing projects what is 90 degrees away."""


@dataclass(frozen=True)
class OutputGrid:
    """A tangent-plane output grid.

    Attributes
    ----------
    wcs : gwcs.WCS
        From pixels (x, y), counted from 0, to ICRS right ascension and declination in degrees.
    shape : tuple of int
        (ny, nx).
    pixel_scale : float
        Side of an output pixel in arcsec.
    scale_ratio : float
        Output pixel size over input pixel size.
    keywords : dict
        The FITS keywords of the grid (CRPIX1 counted from 1 ...); empty for a grid that is not a plain TAN projection.
    """

    wcs: Any
    shape: tuple[int, int]
    pixel_scale: float
    scale_ratio: float
    keywords: dict[str, float | str]

    @property
    def pixel_area(self) -> float:
        """Area of an output pixel in steradians."""
        return math.radians(self.pixel_scale / ARCSEC) ** 2

    @cached_property
    def _inverse(self) -> Any:
        return self.wcs.backward_transform  # costly to derive, and every exposure needs it

    def to_pixels(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixel coordinates (x, y) of sky positions in degrees, also outside the grid."""
        return self._inverse(ra, dec, with_bounding_box=False)

    def to_sky(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return right ascension in [0, 360) and declination of pixels in degrees, also outside the grid."""
        ra, dec = self.wcs(x, y, with_bounding_box=False)
        return np.mod(ra, 360.0), dec


def fiducial_point(vertices: np.ndarray) -> tuple[float, float]:
    """Point in the middle of the ranges that the vertices span in the three components of their unit vectors.

    Parameters
    ----------
    vertices : ndarray of float [n, 2]
        Right ascension and declination in degrees.

    Returns
    -------
    ra, dec : float
        In degrees, ra in [0, 360).
    """
    vectors = _vectors(vertices)
    x, y, z = 0.5 * (vectors.min(axis=0) + vectors.max(axis=0))
    return math.degrees(math.atan2(y, x)) % 360.0, math.degrees(math.atan2(z, math.hypot(x, y)))


def _vectors(vertices: np.ndarray) -> np.ndarray:
    """Unit vectors [n, 3] of right ascensions and declinations in degrees."""
    ra, dec = np.radians(np.asarray(vertices, dtype=float).T)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def pc_matrix(*, position_angle: float, parity: int) -> np.ndarray:
    """PC matrix of an image whose y axis has the given position angle.

    Parameters
    ----------
    position_angle : float
        Angle of the y axis east of north, in degrees.
    parity : int
        -1 where x runs against right ascension when y points north (VPARITY of the ideal frame), else 1.

    Returns
    -------
    ndarray of float64 [2, 2]
    """
    c, s = math.cos(math.radians(position_angle)), math.sin(math.radians(position_angle))
    return np.array([[parity * c, s], [-parity * s, c]])


def pixel_scale_at(wcs: Any, *, ra: float, dec: float) -> float:
    """Pixel scale in arcsec at a sky position: geometric mean of the lengths of one-pixel steps along x and y.

    Parameters
    ----------
    wcs : gwcs.WCS
        Pixel to sky.
    ra, dec : float
        Position in degrees.
    """
    x, y = wcs.invert(ra, dec, with_bounding_box=False)
    ra_steps, dec_steps = wcs(np.array([x, x + 1.0, x]), np.array([y, y, y + 1.0]), with_bounding_box=False)
    steps = np.hypot(*_tangent_plane(ra_steps[1:], dec_steps[1:], ra0=ra_steps[0], dec0=dec_steps[0]))
    return float(np.sqrt(steps[0] * steps[1])) * ARCSEC


def mean_pixel_scale(wcs: Any, *, shape: tuple[int, int], samples: int = 33) -> float:
    """Square root of the mean pixel area of an image in arcsec.

    The area is that of the polygon through `samples` points along every side of the image.
    """
    ny, nx = shape
    t, rest = np.linspace(0.0, 1.0, samples)[:-1], np.ones(samples - 1)
    x = np.concatenate([t, rest, 1.0 - t, 0.0 * rest]) * nx - 0.5
    y = np.concatenate([0.0 * rest, t, rest, 1.0 - t]) * ny - 0.5
    ra, dec = wcs(x, y, with_bounding_box=False)
    ra0, dec0 = wcs(0.5 * nx - 0.5, 0.5 * ny - 0.5, with_bounding_box=False)
    u, v = _tangent_plane(ra, dec, ra0=ra0, dec0=dec0)
    area = 0.5 * abs(np.sum(u * np.roll(v, -1) - v * np.roll(u, -1)))
    return math.sqrt(area / (nx * ny)) * ARCSEC


def _tangent_plane(ra: np.ndarray, dec: np.ndarray, *, ra0: float, dec0: float) -> tuple[np.ndarray, np.ndarray]:
    """Gnomonic coordinates in degrees."""
    ra, dec, ra0, dec0 = np.radians(ra), np.radians(dec), np.radians(ra0), np.radians(dec0)
    towards = np.sin(dec) * np.sin(dec0) + np.cos(dec) * np.cos(dec0) * np.cos(ra - ra0)
    x = np.cos(dec) * np.sin(ra - ra0) / towards
    y = (np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra - ra0)) / towards
    return np.degrees(x), np.degrees(y)


def _tan_grid(
    *, crpix: tuple[float, float], crval: tuple[float, float], scale: float, pc: np.ndarray, shape: tuple[int, int]
) -> tuple[Any, dict[str, float | str]]:
    """Build the gwcs of a TAN image and its FITS keywords."""
    import gwcs
    from astropy import coordinates, units
    from astropy.modeling.projections import Pix2Sky_Gnomonic
    from gwcs import coordinate_frames

    degrees = scale / ARCSEC
    transform = gwcs.FITSImagingWCSTransform(
        Pix2Sky_Gnomonic(), crpix=crpix, crval=crval, cdelt=(degrees, degrees), pc=pc
    )
    detector = coordinate_frames.Frame2D(name="detector", axes_order=(0, 1), unit=(units.pix, units.pix))
    world = coordinate_frames.CelestialFrame(
        name="world", axes_order=(0, 1), reference_frame=coordinates.ICRS(), unit=(units.deg, units.deg)
    )
    wcs = gwcs.WCS([(detector, transform), (world, None)])
    ny, nx = shape
    wcs.array_shape = shape
    wcs.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    keywords: dict[str, float | str] = {
        "WCSAXES": 2,
        "CRPIX1": crpix[0] + 1.0, "CRPIX2": crpix[1] + 1.0,
        "CRVAL1": crval[0], "CRVAL2": crval[1],
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg", "CUNIT2": "deg",
        "CDELT1": degrees, "CDELT2": degrees,
        "PC1_1": float(pc[0, 0]), "PC1_2": float(pc[0, 1]), "PC2_1": float(pc[1, 0]), "PC2_2": float(pc[1, 1]),
    }  # fmt: skip
    return wcs, keywords


def grid_from_footprints(
    *,
    footprints: Sequence[np.ndarray],
    names: Sequence[str],
    scale: float,
    scale_ratio: float,
    pc: np.ndarray,
    crval: tuple[float, float] | None = None,
    crpix: tuple[float, float] | None = None,
    shape: tuple[int, int] | None = None,
) -> OutputGrid:
    """Lay the smallest grid that holds all footprints.

    Parameters
    ----------
    footprints : sequence of ndarray of float [n, 2]
        Polygon of every exposure, right ascension and declination in degrees.
    names : sequence of str
        Name of every exposure, for error messages.
    scale : float
        Side of an output pixel in arcsec.
    scale_ratio : float
        Output over input pixel size; recorded.
    pc : ndarray of float [2, 2]
        Orientation, see :func:`pc_matrix`.
    crval : tuple of float, optional
        Reference point (ra, dec) in degrees; default the fiducial point of the footprints.
    crpix : tuple of float, optional
        Pixel (x, y), counted from 0, of the reference point; default such that the footprints begin at pixel 0.
    shape : tuple of int, optional
        (ny, nx); default such that the footprints end inside.

    Returns
    -------
    OutputGrid

    Raises
    ------
    ValueError
        If a side is shorter than two pixels, or if the grid would be more than a hundred times larger than its
        exposures together or reach beyond what can be projected (one of them lies far from the others; the message names
        it).
    """
    vertices = np.concatenate([np.asarray(f, dtype=float) for f in footprints])
    crval = crval or fiducial_point(vertices)
    if crpix is None or shape is None:
        _refuse_scattered(footprints, names, crval)
    plane, _ = _tan_grid(crpix=(0.0, 0.0), crval=crval, scale=scale, pc=pc, shape=(2, 2))
    every = np.stack(plane.invert(*vertices.T, with_bounding_box=False), axis=1)
    places = np.split(every, np.cumsum([len(f) for f in footprints])[:-1])
    if crpix is None:
        crpix = (float(-every[:, 0].min()), float(-every[:, 1].min()))
    if shape is None:
        extent = every.max(axis=0) + crpix
        shape = (int(extent[1] + 0.5), int(extent[0] + 0.5))
        _refuse_sparse(shape, places, names)
    if min(shape) < 2:
        raise ValueError(f"the output grid would have the shape {shape}: a side needs two pixels at least")
    wcs, keywords = _tan_grid(crpix=crpix, crval=crval, scale=scale, pc=pc, shape=shape)
    return OutputGrid(wcs, shape, scale, scale_ratio, keywords)


def _refuse_scattered(footprints: Sequence[np.ndarray], names: Sequence[str], crval: tuple[float, float]) -> None:
    """Raise ValueError when an exposure is too far from the reference point to be projected, and name it."""
    centres = np.array([_vectors(polygon).mean(axis=0) for polygon in footprints])
    if np.all(centres @ _vectors(np.array([crval]))[0] > math.cos(math.radians(WIDEST))):
        return
    angles = np.degrees(np.arccos(np.clip(centres @ centres.T, -1.0, 1.0)))
    distances = np.median(angles, axis=1) if len(names) > 2 else angles.max(axis=1)
    farthest = int(np.argmax(distances))
    raise ValueError(f"{names[farthest]} lies {distances[farthest]:.0f} degrees from the others: no mosaic holds them")


def _refuse_sparse(shape: tuple[int, int], places: Sequence[np.ndarray], names: Sequence[str]) -> None:
    """Raise ValueError when the grid is mostly empty, and name the exposure that is far from the others."""
    areas = [0.5 * abs(np.sum(p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1))) for p in places]
    size = float(shape[0]) * shape[1]
    if len(places) == 1 or size <= SPARSEST * max(sum(areas), 1.0):
        return
    centres = np.array([p.mean(axis=0) for p in places])
    distances = np.hypot(*(centres - np.median(centres, axis=0)).T)
    farthest = int(np.argmax(distances))
    raise ValueError(
        f"the mosaic would have {shape[1]} x {shape[0]} pixels ({4 * size / 1e9:.1f} GB a plane), {size / sum(areas):.0f} "
        f"times its exposures; {names[farthest]} lies {distances[farthest]:.0f} pixels from the others"
    )


def grid_from_file(path: str | Path, *, input_scale: float) -> OutputGrid:
    """Read a grid from an ASDF file.

    Parameters
    ----------
    path : str or Path
        File whose tree has the key ``wcs`` and optionally ``pixel_area`` (sr or arcsec2), ``pixel_scale`` (arcsec),
        ``pixel_shape`` (nx, ny), ``array_shape`` (ny, nx) and ``bounding_box``, which win over those of the WCS.
    input_scale : float
        Pixel scale of the exposures in arcsec.

    Returns
    -------
    OutputGrid

    Raises
    ------
    ValueError
        If the file holds no WCS or does not say how large the grid is.
    """
    from jwcore.algorithms._asdf import asdf

    with asdf.open(path, lazy_load=False, memmap=False) as file:
        tree = file.tree
        if "wcs" not in tree:
            raise ValueError(f"{path}: no key 'wcs' in the ASDF tree")
        wcs = tree["wcs"]
        shape, box = _shape_in(tree, wcs), tree.get("bounding_box")
        if box is not None:
            wcs.bounding_box = tuple(map(tuple, box))
        scale = tree.get("pixel_scale")
        if scale is None and tree.get("pixel_area") is not None:
            scale = _side(tree["pixel_area"])
    if shape is None:
        raise ValueError(f"{path}: the size of the grid is missing; give 'array_shape' or a bounding box")
    scale = float(scale or mean_pixel_scale(wcs, shape=shape))
    grid = OutputGrid(wcs, shape, scale, scale / input_scale, {})
    return replace(grid, keywords=_keywords_of(wcs))


def _side(area: float) -> float:
    """Side in arcsec of a pixel whose area is given in steradians or in square arcsec: they differ by 10^10."""
    return math.degrees(math.sqrt(area)) * ARCSEC if area < 1e-8 else math.sqrt(area)


def _shape_in(tree: dict, wcs: Any) -> tuple[int, int] | None:
    """Shape (ny, nx) of a stored grid, from the file's keys or the WCS itself."""
    if tree.get("array_shape") is not None:
        ny, nx = tree["array_shape"]
    elif tree.get("pixel_shape") is not None:
        nx, ny = tree["pixel_shape"]
    elif wcs.pixel_shape is not None:
        nx, ny = wcs.pixel_shape
    elif tree.get("bounding_box") is not None or wcs.bounding_box is not None:
        box = tree.get("bounding_box") or wcs.bounding_box.bounding_box(order="F")
        (_, x_stop), (_, y_stop) = box
        nx, ny = x_stop + 0.5, y_stop + 0.5
    else:
        return None
    return int(ny), int(nx)


def _keywords_of(wcs: Any) -> dict[str, float | str]:
    """FITS keywords of a stored grid, if it is a single TAN imaging transform."""
    transform = wcs.forward_transform
    names = getattr(transform, "param_names", ())
    if set(names) != {"crpix", "crval", "cdelt", "pc"}:
        return {}
    crpix, crval, cdelt, pc = (np.asarray(getattr(transform, name).value) for name in ("crpix", "crval", "cdelt", "pc"))
    keywords: dict[str, float | str] = {"WCSAXES": 2}
    for axis, ctype in ((0, "RA---TAN"), (1, "DEC--TAN")):
        keywords |= {
            f"CRPIX{axis + 1}": float(crpix[axis]) + 1.0,
            f"CRVAL{axis + 1}": float(crval[axis]),
            f"CTYPE{axis + 1}": ctype,
            f"CUNIT{axis + 1}": "deg",
            f"CDELT{axis + 1}": float(cdelt[axis]),
        }
    return keywords | {f"PC{i + 1}_{j + 1}": float(pc[i, j]) for i in (0, 1) for j in (0, 1)}
