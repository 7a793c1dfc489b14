"""FITS-SIP approximation of an image WCS by vectorised least squares.

With pixel offsets (u, v) from the reference pixel and tangent-plane coordinates (xi, eta) about the reference value,

    (xi, eta) = CD (u + f(u, v), v + g(u, v)),        (u, v) = (U + F(U, V), V + G(U, V)),  (U, V) = CD^-1 (xi, eta)

where f, g, F and G are polynomials that start at order 2. CD, f and g come out of one linear fit of the exact
coordinates; F and G out of a second. Shupe et al. 2005, ASP Conf. Ser. 347, 491. As F and G have no linear terms,
everything fits into the keywords that JWST products declare (A_p_q with 2 <= p + q <= 6).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["MAX_DEGREE", "SipFit", "fit_sip"]

MAX_DEGREE = 6

ToSky = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
Terms = dict[tuple[int, int], float]
Keywords = dict[str, float | int | str]


@dataclass(frozen=True)
class SipFit:
    """A tangent-plane WCS with SIP polynomials.

    Attributes
    ----------
    crpix : tuple of float
        Reference pixel (x, y), counted from 1.
    crval : tuple of float
        RA, Dec of the reference pixel, degrees.
    cd : ndarray of float64 [2, 2]
        Degrees per pixel.
    a, b : dict
        Forward terms ``(p, q) -> coefficient of u^p v^q`` of f and g; empty for a linear WCS.
    ap, bp : dict or None
        Inverse terms of F and G; None if no inverse was asked for.
    degree, inverse_degree : int
        Orders of the polynomials.
    error, inverse_error : float
        Largest errors found on a grid finer than that of the fit, pixels.
    """

    crpix: tuple[float, float]
    crval: tuple[float, float]
    cd: np.ndarray
    a: Terms
    b: Terms
    ap: Terms | None
    bp: Terms | None
    degree: int
    inverse_degree: int
    error: float
    inverse_error: float | None

    def keywords(self) -> Keywords:
        """FITS keywords in lower case: CRPIX, CRVAL, CTYPE, CUNIT, CD, and the SIP orders and terms."""
        suffix = "-SIP" if self.degree > 1 else ""
        words: Keywords = {"wcsaxes": 2, "cunit1": "deg", "cunit2": "deg"}
        words |= {"crpix1": self.crpix[0], "crpix2": self.crpix[1], "crval1": self.crval[0], "crval2": self.crval[1]}
        words |= {"ctype1": "RA---TAN" + suffix, "ctype2": "DEC--TAN" + suffix}
        words |= {f"cd{i + 1}_{j + 1}": float(self.cd[i, j]) for i in (0, 1) for j in (0, 1)}
        if self.degree > 1:
            words |= _polynomial_keywords("a", self.degree, self.a) | _polynomial_keywords("b", self.degree, self.b)
            if self.ap is not None and self.bp is not None:
                words |= _polynomial_keywords("ap", self.inverse_degree, self.ap)
                words |= _polynomial_keywords("bp", self.inverse_degree, self.bp)
        return words


def _polynomial_keywords(name: str, degree: int, terms: Terms) -> Keywords:
    return {f"{name}_order": degree, **{f"{name}_{p}_{q}": value for (p, q), value in terms.items()}}


def _powers(lowest: int, degree: int) -> list[tuple[int, int]]:
    """Exponents (p, q) of all terms with lowest <= p + q <= degree, by order."""
    return [(p, order - p) for order in range(lowest, degree + 1) for p in range(order, -1, -1)]


def _terms(degree: int, coefficients: np.ndarray) -> list[Terms]:
    """Turn coefficients [2, terms] into one dictionary per axis."""
    return [dict(zip(_powers(2, degree), map(float, row), strict=True)) for row in coefficients]


def _design(base: np.ndarray, powers: list[tuple[int, int]]) -> np.ndarray:
    """Matrix [points, terms] of the monomials u^p v^q of `base` [2, points]."""
    u, v = base
    return np.stack([u**p * v**q for p, q in powers], axis=1)


def _tangent_plane(ra: np.ndarray, dec: np.ndarray, crval: tuple[float, float]) -> np.ndarray:
    """Gnomonic projection [2, points] in degrees about `crval`."""
    d_ra, dec = np.deg2rad(ra - crval[0]), np.deg2rad(dec)
    sin0, cos0 = np.sin(np.deg2rad(crval[1])), np.cos(np.deg2rad(crval[1]))
    depth = np.sin(dec) * sin0 + np.cos(dec) * cos0 * np.cos(d_ra)
    xi = np.cos(dec) * np.sin(d_ra) / depth
    eta = (np.sin(dec) * cos0 - np.cos(dec) * sin0 * np.cos(d_ra)) / depth
    return np.rad2deg(np.stack([xi, eta]))


def _grid(box: tuple[tuple[float, float], tuple[float, float]], points: int) -> tuple[np.ndarray, np.ndarray]:
    """Chebyshev-Lobatto points, edges included: least squares on them is close to the minimax fit."""
    nodes = 0.5 * (1.0 - np.cos(np.pi * np.arange(points) / (points - 1)))
    x, y = np.meshgrid(*(low + (high - low) * nodes for low, high in box))
    return x.ravel(), y.ravel()


@dataclass(frozen=True)
class _Sample:
    """Exact coordinates on a grid: pixel offsets [2, n] from the reference pixel and tangent-plane degrees [2, n]."""

    offsets: np.ndarray
    plane: np.ndarray


def _sample(to_sky: ToSky, box, crpix: tuple[float, float], crval: tuple[float, float], points: int) -> _Sample:
    x, y = _grid(box, points)
    return _Sample(np.stack([x - crpix[0] + 1.0, y - crpix[1] + 1.0]), _tangent_plane(*to_sky(x, y), crval))


def _solve(base: np.ndarray, values: np.ndarray, powers: list[tuple[int, int]]) -> np.ndarray:
    """Least-squares coefficients [2, terms] of `values` [2, n] in monomials of `base` [2, n]."""
    scale = np.abs(base).max()  # of order one: high powers of pixels would ruin the conditioning
    design = _design(base / scale, powers)
    solution = np.linalg.lstsq(design, values.T, rcond=None)[0]
    return solution.T / np.array([scale ** (p + q) for p, q in powers])


def _evaluate(base: np.ndarray, coefficients: np.ndarray, powers: list[tuple[int, int]]) -> np.ndarray:
    return coefficients @ _design(base, powers).T if powers else np.zeros_like(base)


def _largest(difference: np.ndarray) -> float:
    return float(np.hypot(*difference).max())


def _forward(fine: _Sample, coarse: _Sample, degree: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Fit CD and the forward terms of one degree; return them with the largest error in pixels."""
    powers = _powers(1, degree)
    coefficients = _solve(coarse.offsets, coarse.plane, powers)
    cd = coefficients[:, :2]
    residual = _evaluate(fine.offsets, coefficients, powers) - fine.plane
    return cd, np.linalg.solve(cd, coefficients[:, 2:]), _largest(np.linalg.solve(cd, residual))


def _inverse(fine: _Sample, coarse: _Sample, cd: np.ndarray, degree: int) -> tuple[np.ndarray, float]:
    """Fit the inverse terms of one degree; return them with the largest error in pixels."""
    powers = _powers(2, degree)
    linear = np.linalg.solve(cd, coarse.plane)
    coefficients = _solve(linear, coarse.offsets - linear, powers) if powers else np.zeros((2, 0))
    linear = np.linalg.solve(cd, fine.plane)
    return coefficients, _largest(linear + _evaluate(linear, coefficients, powers) - fine.offsets)


def _lowest_degree(fit: Callable, degree: int | None, limit: float, candidates: range) -> tuple[int, tuple]:
    """Fit with a fixed degree, or with rising degrees until the error (last item) is within the limit.

    Falls back to the degree of the smallest error.
    """
    if degree is not None:
        return degree, fit(degree)
    best: tuple[int, tuple] | None = None
    for trial in candidates:
        result = fit(trial)
        if best is None or result[-1] < best[1][-1]:
            best = trial, result
        if result[-1] <= limit:
            break
    assert best is not None
    return best


def fit_sip(
    *,
    to_sky: ToSky,
    box: tuple[tuple[float, float], tuple[float, float]],
    crpix: tuple[float, float] | None = None,
    max_error: float = 0.01,
    degree: int | None = None,
    max_inverse_error: float | None = 0.01,
    inverse_degree: int | None = None,
    points: int = 12,
) -> SipFit:
    """Approximate an image WCS by a tangent plane with SIP polynomials.

    Parameters
    ----------
    to_sky : callable
        Pixel coordinates (x, y), counted from 0, to RA, Dec in degrees; vectorised, no bounding box.
    box : pair of pairs of float
        ((x_low, x_high), (y_low, y_high)): the pixel area to approximate.
    crpix : tuple of float, optional
        Reference pixel, counted from 1 (default: centre of the box).
    max_error, max_inverse_error : float
        Errors in pixels below which no higher degree is tried; ``max_inverse_error=None`` leaves the inverse out.
    degree, inverse_degree : int, optional
        Fixed degrees, 1 to 6 (default: the lowest within the error, else the best).
    points : int
        Samples per axis; the error is taken on more than twice as many.

    Returns
    -------
    SipFit
        Its errors may exceed the limits; the caller decides what to make of that.

    Raises
    ------
    ValueError
        For a box with non-finite sky positions, or a degree that the samples cannot determine.
    """
    if max(degree or 0, inverse_degree or 0) >= points:
        raise ValueError(f"{points} samples per axis do not determine a polynomial of degree {degree}")
    if crpix is None:
        crpix = (0.5 * sum(box[0]) + 1.0, 0.5 * sum(box[1]) + 1.0)
    ra, dec = to_sky(np.array([crpix[0] - 1.0]), np.array([crpix[1] - 1.0]))
    crval = float(ra[0]), float(dec[0])
    coarse, fine = (_sample(to_sky, box, crpix, crval, n) for n in (points, 2 * points + 1))
    if not (np.isfinite(coarse.plane).all() and np.isfinite(fine.plane).all()):
        raise ValueError("the WCS has undefined sky positions inside its bounding box")

    highest = min(MAX_DEGREE, points - 1)
    degree, (cd, forward, error) = _lowest_degree(
        lambda d: _forward(fine, coarse, d), degree, max_error, range(1, highest + 1)
    )
    a, b = _terms(degree, forward)
    if max_inverse_error is None or degree == 1:
        return SipFit(crpix, crval, cd, a, b, None, None, degree, 0, error, None)
    inverse_degree, (inverse, inverse_error) = _lowest_degree(
        lambda d: _inverse(fine, coarse, cd, d), inverse_degree, max_inverse_error, range(2, highest + 1)
    )
    ap, bp = _terms(inverse_degree, inverse)
    return SipFit(crpix, crval, cd, a, b, ap, bp, degree, inverse_degree, error, inverse_error)
