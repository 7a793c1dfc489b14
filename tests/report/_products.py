"""Small products with a record, for the tests of the report."""

import numpy as np

from jwcore import models
from jwcore.algorithms import dq
from jwcore.testing.exposures import tiny_meta
from tests.builtin._images import image

WCS = {"wcsinfo__ctype1": "RA---TAN", "wcsinfo__cdelt1": 1e-5, "wcsinfo__cdelt2": 1e-5, "wcsinfo__pc1_1": -0.6,
       "wcsinfo__pc1_2": 0.8, "wcsinfo__pc2_1": 0.8, "wcsinfo__pc2_2": 0.6}  # fmt: skip
"""Pixels of 0.036 arcsec; up is 0.6 north and 0.8 east."""
BASE = "jw00001001001_02101_00001_nrca1"
ODD = '<b>&"$x'
"""Characters that mean something else in HTML, or to those who draw."""
NAME = f"a{ODD}_cal.fits"
UNIT = r"MJy/sr $\bad{$"


def described(exposure, **keywords):
    for path, value in tiny_meta(**keywords).items():
        exposure.meta.set(path, value)
    return exposure


def calibrated(folder, shape=(40, 48)):
    """Write an image that grows to the top and less to the right, with a star at the upper left, and its steps.

    Flagged are 3 saturated pixels, 5 outliers, a reference pixel and one that must not be used and is brighter than the
    star; one has no finite value.
    """
    exposure = described(
        image(shape, bunit_data=UNIT, cal_step__photom="COMPLETE", cal_step__dark_sub="COMPLETE", target__proposer_name=ODD,
              **WCS)
    )  # fmt: skip
    y, x = np.indices(shape)
    exposure.data[:], exposure.err[:] = 5 + y + 0.02 * x, 0.1 + 0.01 * y
    exposure.data[30, 7], exposure.data[20, 20], exposure.data[21, 20] = 500, 1e6, np.inf
    exposure.dq[20, 20] = dq.DO_NOT_USE
    exposure.dq[0, :3] = dq.SATURATED
    exposure.dq[1, :5] = dq.OUTLIER | dq.DO_NOT_USE
    exposure.dq[2, 0] = dq.REFERENCE_PIXEL
    exposure.data[1, :5] = np.nan
    exposure.provenance = record(
        "image2",
        steps=[
            step("photom", calls=[step("photom.inner")]),
            step("flux<cal>", status="FAILED", reason=f"no {ODD} flux"),
            step("idle", status="SKIPPED", reason="not wanted"),
        ],
    )
    return models.write(exposure, folder / NAME)


def mosaic(folder, shape=(50, 45)):
    """Write a mosaic of two exposures of 30 x 30 pixels, and its catalogue of 30 sources; one exposure lacks the jumps."""
    exposure = described(image(shape, bunit_data="MJy/sr", resample__pointings=2, background__method="match",
                               background__subtracted=False, **WCS))  # fmt: skip
    exposure.dq = None
    exposure.wht = np.ones(shape)
    exposure.con = np.full((1, *shape), 3, np.int32)
    exposure.con[0, :10] = 1
    exposure.hdrtab = np.array(
        [(f"jw1_0000{k}_nrca1_cal.fits", 0.1 * k, 30, 30) for k in (1, 2)],
        dtype=[("FILENAME", "U30"), ("BKGLEVEL", "f8"), ("SUBSIZE1", "i8"), ("SUBSIZE2", "i8")],
    )
    exposure.meta.source_catalog = "field_cat.ecsv"
    failed = record("detector1", steps=[step("jump", status="FAILED", reason="too long")], digest="of another")
    detector1 = [
        step("refpix", counts={"row_noise_before": 12.34, "row_noise_after": 1.5}),
        step("jump", counts={"jumps": 4321}),
    ]
    rows = [
        {"exposure": f"jw1_0000{k}_nrca1_cal", "group": f"jw1_0000{k}", "detector": "nrca1", "n_matches": n, "dx_mas": dx,
         "dy_mas": 0.5, "rms_mas": rms, "status": status}
        for k, n, dx, rms, status in ((1, 0, None, 3.1, "reference"), (2, 87, -1.25, 4.2, "aligned"))
    ]  # fmt: skip
    image3 = [
        step("tweakreg", counts={"groups": 2, "aligned": 1, "unaligned": 0}, alignment=rows),
        step("outlier_detection", counts={"outliers": 180, "outliers_in_sources": 45}),
    ]
    exposure.provenance = [*failed, *record("detector1", steps=detector1), *record("image3", steps=image3)]
    write_catalog(folder / "field_cat.ecsv")
    return models.write(exposure, folder / "field_i2d.fits")


def write_catalog(path, number=30):
    from astropy import units
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable

    rng = np.random.default_rng(3)
    magnitudes = np.append(rng.permutation(np.linspace(18, 26, number - 1)), np.nan)
    table = QTable(
        {
            "label": np.arange(1, number + 1), "xcentroid": rng.uniform(0, 40, number),
            "ycentroid": rng.uniform(0, 40, number),
            "sky_centroid": SkyCoord(rng.uniform(80, 80.1, number), rng.uniform(-69, -68.9, number), unit="deg"),
            "aper_total_abmag": magnitudes, "aper_total_abmag_err": np.full(number, 0.1),
            "is_extended": np.arange(number) % 3 == 0, "nn_dist": np.ones(number) * units.pix,
        }
    )  # fmt: skip
    return models.write(models.Catalog(table), path)


def step(label, *, status="COMPLETE", **more):
    return {"label": label, "status": status, "seconds": 0.5, **more}


def record(recipe, *, steps, digest="run of"):
    entries = [
        {"label": one["label"], "stage": one["label"], "implementation": f"builtin:{one['label']}", "version": "9.8",
         "action": "run", "params": {"sigma": 7.5, "n": 1}, "origins": {"sigma": "command line"}, "wrappers": [],
         "references": {"photom": {"name": "photom_0001.fits"}},
         "calls": [{"label": called["label"], "stage": "x", "implementation": "else:x", "version": "1",
                    "references": {"gain": {"name": "gain_0002.fits"}}} for called in one.get("calls", [])]}
        for one in steps
    ]  # fmt: skip
    settings = {"kind": "configuration", "digest": f"settings of {recipe}", "jwcal": "9.8", "recipe": recipe, "context": "c",
                "entries": entries, "plugins": {}, "selection": {}}  # fmt: skip
    run = {"kind": "run", "digest": f"{digest} {recipe}", "configuration": settings["digest"], "recipe": recipe, "base": BASE,
           "inputs": {"science": [{"name": "x.fits"}]}, "steps": steps}  # fmt: skip
    return [settings, run]
