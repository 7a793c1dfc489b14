import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Distance, SkyCoord
from astropy.time import Time

from jwcore.algorithms.proper_motion import moved_stars, year_of


def test_stars_move_as_astropy_moves_them():
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 20), rng.uniform(-89, 89, 20)
    pm_ra, pm_dec = rng.normal(0, 300, (2, 20))
    start = SkyCoord(
        ra * u.deg, dec * u.deg, distance=Distance(np.full(20, 1e3), u.pc), pm_ra_cosdec=pm_ra * u.mas / u.yr,
        pm_dec=pm_dec * u.mas / u.yr, obstime=Time(2016.0, format="jyear"), frame="icrs",
    )  # fmt: skip
    expected = start.apply_space_motion(new_obstime=Time(2024.3, format="jyear"))
    found = SkyCoord(*moved_stars(ra, dec, pm_ra=pm_ra, pm_dec=pm_dec, years=8.3), unit="deg")
    assert found.separation(expected).mas.max() < 0.01
    assert found.separation(SkyCoord(ra, dec, unit="deg")).mas.max() > 2000


def test_missing_motions_stay_missing():
    ra, dec = moved_stars([10.0, 359.9999], [0.0, 0.0], pm_ra=[np.nan, 1e6], pm_dec=[0.0, 0.0], years=[1.0, 1.0])
    assert np.isnan(ra[0])
    assert ra[1] == pytest.approx(359.9999 + 1e3 / 3600 - 360, abs=1e-5)
    assert dec[1] == 0.0


def test_years():
    assert year_of(51544.5) == 2000.0
    assert year_of(60370.0) == pytest.approx(Time(60370.0, format="mjd").jyear, abs=1e-9)
