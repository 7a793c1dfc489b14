"""The table form of a source catalogue: order, units, formats and descriptions of its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.table import QTable

__all__ = ["Column", "catalog_columns", "catalog_table"]

CORNERS = {"ll": "lower left", "ul": "upper left", "lr": "lower right", "ur": "upper right"}


class Column(NamedTuple):
    """Name, unit, number format and meaning of a column; coordinates have the unit ``sky``."""

    name: str
    unit: str
    format: str | None
    description: str


def catalog_columns(percent: tuple[int, int, int]) -> list[Column]:
    """Describe the columns of a catalogue in their order.

    Parameters
    ----------
    percent : tuple of int
        Encircled energies of the three apertures.
    """
    small, middle, large = percent
    apertures = [(f"aper{p}", f"within the aperture of {p}% encircled energy") for p in percent]
    apertures.append(("aper_total", f"of a point source, from the aperture of {large}% and its correction"))
    isophotal = [("isophotal", "within the segment")]
    return [
        Column("label", "", None, "Number of the source"),
        Column("xcentroid", "", ".4f", "Centroid along x, pixels from 0"),
        Column("ycentroid", "", ".4f", "Centroid along y, pixels from 0"),
        Column("sky_centroid", "sky", None, "Centroid on the sky, ICRS"),
        *_with_error("aper_bkg_flux", "Jy", ".6e", "Local background per pixel, clipped median in an annulus"),
        *(c for name, what in apertures for c in _with_error(f"{name}_flux", "Jy", ".6e", f"Flux {what}")),
        *_magnitudes(apertures),
        *(
            Column(f"CI_{a}_{b}", "", ".4f", f"Concentration: aper{a}_flux / aper{b}_flux")
            for a, b in ((middle, small), (large, middle), (large, small))
        ),
        Column("is_extended", "", None, "Less concentrated than a point source"),
        Column("sharpness", "", ".6f", "DAOFIND sharpness"),
        Column("roundness", "", ".6f", "DAOFIND roundness"),
        Column("nn_label", "", None, "Number of the nearest neighbour, -1 for none"),
        Column("nn_dist", "pix", ".6f", "Distance of the nearest neighbour"),
        *(c for name, what in isophotal for c in _with_error(f"{name}_flux", "Jy", ".6e", f"Flux {what}")),
        *_magnitudes(isophotal),
        Column("isophotal_area", "pix2", None, "Area of the segment"),
        Column("semimajor_sigma", "pix", ".6f", "Standard deviation along the major axis, from second moments"),
        Column("semiminor_sigma", "pix", ".6f", "Standard deviation along the minor axis, from second moments"),
        Column("ellipticity", "", ".6f", "1 - semiminor_sigma / semimajor_sigma"),
        Column("orientation", "deg", ".6f", "Angle of the major axis from the x axis, counter-clockwise"),
        Column("sky_orientation", "deg", ".6f", "Position angle of the major axis, from north to east"),
        *(
            Column(f"sky_bbox_{c}", "sky", None, f"Box around the segment, {what} corner")
            for c, what in CORNERS.items()
        ),
    ]


def _with_error(name: str, unit: str, form: str, what: str) -> list[Column]:
    return [Column(name, unit, form, what), Column(f"{name}_err", unit, form, f"Error (1 sigma): {what}")]


def _magnitudes(fluxes: list[tuple[str, str]]) -> list[Column]:
    return [
        column
        for system, label in (("abmag", "AB"), ("vegamag", "Vega"))
        for name, what in fluxes
        for column in _with_error(f"{name}_{system}", "", ".6f", f"{label} magnitude {what}")
    ]


def catalog_table(values: dict[str, NDArray[Any] | tuple], *, percent: tuple[int, int, int]) -> QTable:
    """Build the table of a source catalogue.

    Parameters
    ----------
    values : dict
        Values of each column of `catalog_columns`; a pair of arrays (RA, Dec in degrees) for coordinates.
    percent : tuple of int
        Encircled energies of the three apertures.

    Returns
    -------
    astropy.table.QTable
        Lengths, angles and fluxes are quantities, coordinates `SkyCoord` (ICRS).
    """
    from astropy import units
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable

    table = QTable()
    for name, unit, form, description in catalog_columns(percent):
        value = values[name]
        if unit == "sky":
            table[name] = SkyCoord(*value, unit="deg", frame="icrs")
        else:
            table[name] = np.asarray(value) * units.Unit(unit) if unit else np.asarray(value)
            table[name].info.format = form
        table[name].info.description = description
    return table
