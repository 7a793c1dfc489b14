"""From pixels to the sky and back, as the imaging pipeline defines it.

``detector -> v2v3 -> v2v3vacorr -> world``: distortion polynomial, differential velocity aberration, attitude rotation.
The simulator evaluates the chain with the *true* attitude, while the headers hold the nominal one; the difference is
the pointing error that alignment has to find.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jwcore.synth.siaf import Aperture

__all__ = ["Attitude", "ImageWcs", "distortion_model", "pixel_area", "pixel_to_v2v3", "v2v3_to_pixel"]

ARCSEC = np.pi / 180 / 3600
"""One arcsecond in radian."""


def _powers(x: np.ndarray, y: np.ndarray, degree: int) -> np.ndarray:
    """Terms ``x**(i-j) * y**j`` in SIAF order, shape (nterms, ...)."""
    return np.stack([x ** (i - j) * y**j for i in range(degree + 1) for j in range(i + 1)])


def _gradient_powers(x: np.ndarray, y: np.ndarray, degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the derivatives of the terms of `_powers` by x and by y."""
    by_x, by_y = [], []
    for i in range(degree + 1):
        for j in range(i + 1):
            p = i - j
            by_x.append(p * x ** max(p - 1, 0) * y**j if p else np.zeros_like(x))
            by_y.append(x**p * j * y ** max(j - 1, 0) if j else np.zeros_like(x))
    return np.stack(by_x), np.stack(by_y)


def _idl_rotation(aperture: Aperture) -> np.ndarray:
    """Matrix that takes (x_idl, y_idl) to (v2, v3) minus the reference point."""
    angle = np.deg2rad(aperture.v3_idl_yangle)
    parity = aperture.v_idl_parity
    return np.array([[parity * np.cos(angle), np.sin(angle)], [-parity * np.sin(angle), np.cos(angle)]])


def pixel_to_v2v3(aperture: Aperture, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """V2, V3 (arcsec) of full-frame pixels (0-based) of the detector of an aperture."""
    full = aperture.detector_frame
    dx, dy = np.asarray(x, float) - (full.x_ref - 1), np.asarray(y, float) - (full.y_ref - 1)
    terms = _powers(dx, dy, full.degree)
    idl = np.stack([np.tensordot(full.x_coefficients, terms, 1), np.tensordot(full.y_coefficients, terms, 1)])
    v2, v3 = np.tensordot(_idl_rotation(full), idl, 1)
    return v2 + full.v2_ref, v3 + full.v3_ref


def _pixel_jacobian(full: Aperture, dx: np.ndarray, dy: np.ndarray) -> tuple[np.ndarray, ...]:
    by_x, by_y = _gradient_powers(dx, dy, full.degree)
    return tuple(
        np.tensordot(coefficients, terms, 1)
        for coefficients in (full.x_coefficients, full.y_coefficients)
        for terms in (by_x, by_y)
    )


def v2v3_to_pixel(aperture: Aperture, v2: Any, v3: Any) -> tuple[np.ndarray, np.ndarray]:
    """Full-frame pixels (0-based) of V2, V3 (arcsec): exact inverse of `pixel_to_v2v3` by Newton's method."""
    full = aperture.detector_frame
    offset = np.stack([np.asarray(v2, float) - full.v2_ref, np.asarray(v3, float) - full.v3_ref])
    x_idl, y_idl = np.tensordot(np.linalg.inv(_idl_rotation(full)), offset, 1)
    dx, dy = x_idl / full.x_scale, y_idl / full.y_scale
    limit = 2.0 * full.subarray.xsize
    for _ in range(6):  # quadratic convergence: 1e-10 pixel after four steps within the detector
        dx, dy = np.clip(dx, -limit, limit), np.clip(dy, -limit, limit)
        terms = _powers(dx, dy, full.degree)
        rx = np.tensordot(full.x_coefficients, terms, 1) - x_idl
        ry = np.tensordot(full.y_coefficients, terms, 1) - y_idl
        a, b, c, d = _pixel_jacobian(full, dx, dy)
        determinant = a * d - b * c
        dx, dy = dx - (d * rx - b * ry) / determinant, dy - (a * ry - c * rx) / determinant
    return dx + full.x_ref - 1, dy + full.y_ref - 1


def pixel_area(aperture: Aperture) -> np.ndarray:
    """Area of every pixel of the sub-array relative to the nominal pixel, float64 [ny, nx].

    The nominal pixel is the product of the two scales at the reference point of the full frame.
    """
    full = aperture.detector_frame
    (row, column), (ny, nx) = aperture.subarray.origin, aperture.subarray.shape
    # the Jacobian is smooth: evaluate it on a coarse grid and interpolate
    y_grid, x_grid = np.linspace(0, ny - 1, min(ny, 33)), np.linspace(0, nx - 1, min(nx, 33))
    dy, dx = np.meshgrid(y_grid + row - full.y_ref + 1, x_grid + column - full.x_ref + 1, indexing="ij")
    a, b, c, d = _pixel_jacobian(full, dx, dy)
    coarse = np.abs(a * d - b * c) / (full.x_scale * full.y_scale)
    from scipy.interpolate import RectBivariateSpline

    spline = RectBivariateSpline(y_grid, x_grid, coarse, kx=3, ky=3)
    return spline(np.arange(ny), np.arange(nx))


def _rotation(axis: int, angle: float) -> np.ndarray:
    """Right-handed rotation matrix about axis 0, 1 or 2 by an angle in radian."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.eye(3)
    i, j = ((1, 2), (2, 0), (0, 1))[axis]
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def _unit(longitude: Any, latitude: Any) -> np.ndarray:
    """Convert to unit vectors from spherical coordinates in radian, shape (3, ...)."""
    longitude, latitude = np.broadcast_arrays(longitude, latitude)
    return np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])


def _spherical(vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude in radian of vectors of shape (3, ...)."""
    return np.arctan2(vector[1], vector[0]), np.arctan2(vector[2], np.hypot(vector[0], vector[1]))


@dataclass(frozen=True, kw_only=True)
class Attitude:
    """Orientation of the telescope: a rotation that takes V-frame unit vectors to the sky."""

    matrix: np.ndarray

    @classmethod
    def at(cls, *, ra: float, dec: float, roll: float, v2: float = 0.0, v3: float = 0.0) -> "Attitude":
        r"""Attitude in which (v2, v3) (arcsec) sees (ra, dec) (deg) with V3 at position angle ``roll`` (deg) there.

        :math:`M = R_z(\alpha) R_y(-\delta) R_x(-\rho) R_y(v_3) R_z(-v_2)`.
        """
        ra, dec, roll = np.deg2rad([ra, dec, roll])
        matrix = _rotation(2, ra) @ _rotation(1, -dec) @ _rotation(0, -roll)
        return cls(matrix=matrix @ _rotation(1, v3 * ARCSEC) @ _rotation(2, -v2 * ARCSEC))

    def to_sky(self, v2: Any, v3: Any) -> tuple[np.ndarray, np.ndarray]:
        """RA, Dec (deg) of telescope directions (arcsec)."""
        vector = np.tensordot(self.matrix, _unit(np.asarray(v2) * ARCSEC, np.asarray(v3) * ARCSEC), 1)
        ra, dec = _spherical(vector)
        return np.rad2deg(ra) % 360, np.rad2deg(dec)

    def to_v2v3(self, ra: Any, dec: Any) -> tuple[np.ndarray, np.ndarray]:
        """V2, V3 (arcsec) of sky positions (deg)."""
        v2, v3 = _spherical(np.tensordot(self.matrix.T, _unit(np.deg2rad(ra), np.deg2rad(dec)), 1))
        return v2 / ARCSEC, v3 / ARCSEC

    def roll(self, v2: float, v3: float) -> float:
        """Position angle of V3 (deg, east of north) seen at a telescope direction (arcsec)."""
        m = self.matrix
        c2, s2, c3, s3 = np.cos(v2 * ARCSEC), np.sin(v2 * ARCSEC), np.cos(v3 * ARCSEC), np.sin(v3 * ARCSEC)
        x = -(m[2, 0] * c2 + m[2, 1] * s2) * s3 + m[2, 2] * c3
        y = (m[0, 0] * m[1, 2] - m[1, 0] * m[0, 2]) * c2 + (m[0, 1] * m[1, 2] - m[1, 1] * m[0, 2]) * s2
        return float(np.rad2deg(np.arctan2(y, x)) % 360)


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageWcs:
    """World coordinates of one exposure: pixels of the sub-array (0-based) to ICRS (deg).

    ``filter_offset`` are the column and row offsets (pixel) that the pipeline adds for a filter, ``va_scale`` the
    velocity-aberration scale about the reference point of the aperture.
    """

    aperture: Aperture
    attitude: Attitude
    filter_offset: tuple[float, float] = (0.0, 0.0)
    va_scale: float = 1.0

    def pixel_to_sky(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """RA, Dec (deg) of pixels."""
        row, column = self.aperture.subarray.origin
        v2, v3 = pixel_to_v2v3(
            self.aperture, np.asarray(x) + column + self.filter_offset[0], np.asarray(y) + row + self.filter_offset[1]
        )
        s = self.va_scale
        return self.attitude.to_sky(s * v2 + (1 - s) * self.aperture.v2_ref, s * v3 + (1 - s) * self.aperture.v3_ref)

    def sky_to_pixel(self, ra: Any, dec: Any) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of RA, Dec (deg); positions far from the detector are only roughly placed, but outside of it."""
        v2, v3 = self.attitude.to_v2v3(ra, dec)
        s = self.va_scale
        x, y = v2v3_to_pixel(
            self.aperture,
            (v2 - (1 - s) * self.aperture.v2_ref) / s,
            (v3 - (1 - s) * self.aperture.v3_ref) / s,
        )
        row, column = self.aperture.subarray.origin
        return x - column - self.filter_offset[0], y - row - self.filter_offset[1]

    def with_attitude(self, attitude: Attitude) -> "ImageWcs":
        """Point the same optics elsewhere."""
        return replace(self, attitude=attitude)

    @property
    def reference_point(self) -> tuple[float, float, float]:
        """RA, Dec and roll (deg) at the reference point of the aperture: RA_REF, DEC_REF, ROLL_REF."""
        v2, v3 = self.aperture.v2_ref, self.aperture.v3_ref
        ra, dec = self.attitude.to_sky(v2, v3)
        return float(ra), float(dec), self.attitude.roll(v2, v3)


def _inverse_coefficients(aperture: Aperture) -> tuple[np.ndarray, np.ndarray]:
    """Polynomials of (x_idl, y_idl) that give (dx, dy), fitted over the detector with a margin."""
    full = aperture.detector_frame
    half = 0.52 * full.subarray.xsize
    dy, dx = np.meshgrid(np.linspace(-half, half, 41), np.linspace(-half, half, 41), indexing="ij")
    terms = _powers(dx.ravel(), dy.ravel(), full.degree)
    x_idl, y_idl = full.x_coefficients @ terms, full.y_coefficients @ terms
    scale = np.abs(x_idl).max()
    design = _powers(x_idl / scale, y_idl / scale, full.degree)
    unscale = np.array([scale**-i for i in range(full.degree + 1) for _ in range(i + 1)])
    solutions = [np.linalg.lstsq(design.T, target.ravel(), rcond=None)[0] * unscale for target in (dx, dy)]
    return solutions[0], solutions[1]


def distortion_model(aperture: Aperture) -> Any:
    """Make the distortion as an invertible `astropy.modeling` model from full-frame pixels (0-based) to V2V3.

    This is the content of the DISTORTION reference. The forward direction is exact; the inverse is a polynomial fit
    (errors below 1e-3 pixel).
    """
    from astropy.modeling.models import AffineTransformation2D, Mapping, Polynomial2D, Shift

    full = aperture.detector_frame
    names = [f"c{i - j}_{j}" for i in range(full.degree + 1) for j in range(i + 1)]

    def polynomials(x_coefficients: np.ndarray, y_coefficients: np.ndarray) -> Any:
        return Mapping((0, 1, 0, 1)) | Polynomial2D(
            full.degree, **dict(zip(names, map(float, x_coefficients), strict=True))
        ) & Polynomial2D(full.degree, **dict(zip(names, map(float, y_coefficients), strict=True)))

    rotation = _idl_rotation(full)
    to_centre = Shift(1 - full.x_ref) & Shift(1 - full.y_ref)
    to_pointing = Shift(full.v2_ref) & Shift(full.v3_ref)
    forward = (
        to_centre
        | polynomials(full.x_coefficients, full.y_coefficients)
        | AffineTransformation2D(matrix=rotation)
        | to_pointing
    )
    forward.inverse = (
        to_pointing.inverse
        | AffineTransformation2D(matrix=np.linalg.inv(rotation))
        | polynomials(*_inverse_coefficients(full))
        | to_centre.inverse
    )
    return forward
