"""What the demonstration says about sources: why one was missed, where a detection comes from, which stars saturate."""

import numpy as np
import pytest

from jwcore import models
from jwcore.errors import UsageError
from jwcore.report import demo, pictures
from jwcore.synth.reasons import explain_extra, explain_missed
from jwcore.synth.sky import CATALOG_DTYPE


def test_detections_are_explained_by_what_is_near():
    sources = np.array([[0.0, 0.0], [10.0, 0.0]])
    places = np.array([[0.6, 0.0], [10.3, 0.0], [20.0, 20.0]])
    assert explain_extra(places, sources, np.array([17.0, 22.0])) == {
        "knots in the diffraction pattern of stars brighter than 19 mag": 1,
        "pieces of a source nearer than 0.5 arcsec": 1,
        "noise": 1,
    }
    assert explain_extra(places[:0], sources, np.array([17.0, 22.0])) == {}


def test_missed_sources_count_once_each():
    catalog = np.zeros(6, CATALOG_DTYPE)
    catalog["type"] = ["star", "star", "galaxy", "star", "star", "star"]
    catalog["abmag"] = [20, 25.5, 23, 22, 24.5, 25.2]
    places = np.array([[0.0, 0], [5, 0], [10, 0], [0.3, 0], [20, 0], [30, 0]])
    found = np.array([True, False, False, False, False, True])
    assert explain_missed(catalog, places, found, {"20-21": 1.0, "24-25": 0.6, "25-26": 0.4}) == {
        "fainter than 25 mag, where less than half is found": 1,
        "galaxies of low surface brightness": 1,
        "nearer than 0.5 arcsec to a brighter source": 1,
        "near the limit": 1,
    }


def test_saturated_pixels_are_counted_in_the_exposure_that_has_most(monkeypatch):
    class Flagged:
        dq = np.zeros((9, 9), "u4")

        class wcs:
            @staticmethod
            def invert(ra, dec):
                return np.array([4.2, 8.0, np.nan]), np.array([3.9, 0.0, 1.0])

    Flagged.dq[3:5, 4] = 2
    monkeypatch.setattr(models, "read", lambda path: Flagged)
    pairs = np.zeros(3, [("ra", "f8"), ("dec", "f8")])
    assert demo.saturated_pixels(pairs, ["x"]).tolist() == [2, 0, 0]


def test_the_demonstration_wants_room_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "DISK", 1e18)
    with pytest.raises(UsageError, match=r"writes .* GB are free .*jwcal demo -o DIR"):
        demo.check_disk(tmp_path / "not" / "yet")


def test_large_images_are_averaged_before_they_are_drawn():
    image = np.ones((1601, 1600))
    image[:2, :2] = np.nan
    small = pictures.binned(image)
    assert small.shape == (801, 800), "the last row is drawn, too"
    assert np.isnan(small[0, 0])
    assert small[1:].min() == small[1:].max() == 1
    assert pictures.binned(image[:50, :50]).shape == (50, 50)
