"""A synthetic field of stars and galaxies with its truth table."""

from pathlib import Path
from typing import Any

import numpy as np

from jwcore.synth._random import generator

__all__ = ["CATALOG_DTYPE", "make_catalog", "read_catalog", "write_catalog"]

CATALOG_DTYPE = np.dtype(
    [
        ("id", "i4"),
        ("type", "U6"),
        ("ra", "f8"),
        ("dec", "f8"),
        ("abmag", "f8"),
        ("flux_ujy", "f8"),
        ("sersic_n", "f4"),
        ("half_light_radius", "f4"),
        ("axis_ratio", "f4"),
        ("position_angle", "f4"),
    ]
)
"""Columns of the truth catalogue: deg, AB mag, uJy, arcsec (major axis), deg east of north."""

_UNITS = {
    "ra": "deg",
    "dec": "deg",
    "abmag": "mag",
    "flux_ujy": "uJy",
    "half_light_radius": "arcsec",
    "position_angle": "deg",
}


def _power_law_magnitudes(rng: np.random.Generator, number: int, bright: float, faint: float, slope: float) -> Any:
    """Magnitudes with counts proportional to ``10**(slope * m)``."""
    low, high = 10 ** (slope * bright), 10 ** (slope * faint)
    return np.log10(low + rng.random(number) * (high - low)) / slope


def make_catalog(
    *,
    ra: float,
    dec: float,
    width: float,
    density: float = 300.0,
    galaxy_fraction: float = 0.3,
    magnitudes: tuple[float, float] = (15.0, 26.0),
    minimum: int = 40,
    seed: int = 1,
) -> np.ndarray:
    """Draw a field of stars and galaxies.

    Parameters
    ----------
    ra, dec : float
        Centre of the field, deg.
    width : float
        Side of the square field, arcsec.
    density : float
        Sources per square arcminute.
    galaxy_fraction : float
        Part of the sources that are galaxies with a Sersic profile (Sersic 1963).
    magnitudes : (float, float)
        Brightest and faintest magnitude of the stars (AB); galaxies start four magnitudes fainter than the brightest star.
    minimum : int
        Least number of sources, for small fields.
    seed : int
        The same seed gives the same field.

    Returns
    -------
    ndarray
        Structured array of `CATALOG_DTYPE`, brightest first.
    """
    bright, faint = magnitudes
    rng = generator(seed, "sky")
    number = max(minimum, round(density * (width / 60) ** 2))
    n_galaxies = round(galaxy_fraction * number)
    catalog = np.zeros(number, CATALOG_DTYPE)
    catalog["type"] = np.where(np.arange(number) < n_galaxies, "galaxy", "star")
    x, y = rng.uniform(-width / 2, width / 2, (2, number)) / 3600
    catalog["dec"] = dec + y
    catalog["ra"] = (ra + x / np.cos(np.deg2rad(catalog["dec"]))) % 360
    catalog["abmag"] = _power_law_magnitudes(rng, number, bright, faint, 0.2)
    galaxies = catalog[:n_galaxies]
    galaxies["abmag"] = _power_law_magnitudes(rng, n_galaxies, min(bright + 4.0, faint - 1.0), faint, 0.35)
    galaxies["sersic_n"] = rng.choice([1.0, 1.5, 2.5, 4.0], n_galaxies, p=[0.5, 0.25, 0.15, 0.1])
    galaxies["half_light_radius"] = np.clip(rng.lognormal(np.log(0.25), 0.45, n_galaxies), 0.08, 1.0)
    galaxies["axis_ratio"] = rng.uniform(0.3, 1.0, n_galaxies)
    galaxies["position_angle"] = rng.uniform(0, 180, n_galaxies)
    catalog["flux_ujy"] = 10 ** (0.4 * (23.9 - catalog["abmag"]))
    catalog = catalog[np.argsort(catalog["abmag"])]
    catalog["id"] = np.arange(1, number + 1)
    return catalog


def write_catalog(catalog: np.ndarray, path: Path) -> Path:
    """Write a truth catalogue as an ECSV table with units."""
    from astropy.table import Table

    table = Table(catalog)
    for name, unit in _UNITS.items():
        table[name].unit = unit
    table.meta["description"] = "Injected sources; position angles are east of north, sizes along the major axis"
    table.write(path, format="ascii.ecsv", overwrite=True)
    return path


def read_catalog(path: Path) -> np.ndarray:
    """Read a truth catalogue back into a structured array."""
    from astropy.table import Table

    table = Table.read(path, format="ascii.ecsv")
    catalog = np.zeros(len(table), CATALOG_DTYPE)
    for name in CATALOG_DTYPE.names or ():
        catalog[name] = np.asarray(table[name])
    return catalog
