"""Mosaics of flight data: the five dithers of two stars, taken for interferometry and combined as images."""

import numpy as np
import pytest
from astropy.io import fits

from jwcore import models, planner

pytestmark = pytest.mark.realdata


def relabelled(folder, target, real_data):
    """Copy the exposures of one star under the exposure type of direct imaging."""
    paths = []
    for path in sorted((real_data / "niriss_ami").glob("*_cal.fits")):
        if target not in fits.getheader(path)["TARGPROP"].upper().replace(" ", "").replace("-", ""):
            continue
        with fits.open(path) as hdus:
            hdus[0].header["EXP_TYPE"] = "NIS_IMAGE"
            hdus.writeto(folder / path.name)
        paths.append(folder / path.name)
    return paths


def centroid(image):
    """Flux-weighted centre of the brightest source, in pixels (x, y)."""
    data = np.where(np.isfinite(image), image, 0.0)
    y, x = np.unravel_index(np.argmax(data), data.shape)
    half = 6
    box = data[y - half : y + half + 1, x - half : x + half + 1].clip(min=0)
    rows, columns = np.mgrid[y - half : y + half + 1, x - half : x + half + 1]
    return (columns * box).sum() / box.sum(), (rows * box).sum() / box.sum()


@pytest.mark.parametrize("target", ["ABDOR", "HD37093"])
def test_five_dithers_make_one_star(tmp_path, real_data, target):
    paths = relabelled(tmp_path, target, real_data)
    assert len(paths) == 5
    result = planner.plan(
        [str(path) for path in paths], "image3", skip=("tweakreg", "source_catalog"), references="none",
        output_dir=tmp_path / "out",
    ).run()  # fmt: skip
    mosaic = result["i2d"]
    x, y = centroid(mosaic.data)
    sky = np.array(mosaic.wcs(x, y))
    places, pixels = [], []
    for path in paths:
        exposure = models.read(path)
        star = exposure.wcs(*centroid(exposure.data))
        places.append(star)
        pixels.append(mosaic.wcs.invert(*star))
    scatter = np.std(pixels, axis=0)
    assert np.all(scatter < 0.1), f"the star sits at one place in all dithers: {scatter} pixel"
    offset = (sky - np.mean(places, axis=0)) * [np.cos(np.radians(sky[1])), 1] * 3600
    assert np.hypot(*offset) < 0.1, f"offset {offset} arcsec"
    seen = mosaic.wht > 0
    assert mosaic.meta.bunit_data == models.read(paths[0]).meta.bunit_data
    assert np.array_equal(mosaic.con[0] != 0, seen)
    assert mosaic.con.max() < 2**5
    assert np.all(np.isfinite(mosaic.data) <= seen)
    assert {step["label"] for step in next(iter(result.outcomes.values())).steps} >= {
        "skymatch",
        "outlier_detection",
        "resample",
    }
