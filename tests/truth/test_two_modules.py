"""Two modules of a camera, far apart in the focal plane: one pointing error, one correction, at full size."""

import numpy as np
import pytest
from astropy.io import fits

from jwcore import planner
from jwcore.synth import simulate
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.programme import VA_SCALE
from jwcore.synth.references import filter_offset
from jwcore.synth.siaf import load_aperture
from jwcore.synth.wcs import Attitude, ImageWcs

DETECTORS = ("NRCA1", "NRCB1")


def sky_errors(exposure, truth):
    """Error of the world coordinates, mas east and north [2, point], on a grid over an exposure."""
    aperture = load_aperture(instrument=NIRCAM, detector=exposure.meta.instrument.detector, subarray="FULL")
    keywords = fits.getheader(truth)
    attitude = Attitude.at(
        ra=keywords["RA_TRUE"], dec=keywords["DEC_TRUE"], roll=keywords["ROLLTRUE"], v2=aperture.v2_ref, v3=aperture.v3_ref
    )  # fmt: skip
    offset = filter_offset(NIRCAM.bandpasses["F200W"])
    true = ImageWcs(aperture=aperture, attitude=attitude, filter_offset=offset, va_scale=VA_SCALE)
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(10, 2037, 9), np.linspace(10, 2037, 9)))
    ra, dec = true.pixel_to_sky(x, y)
    found_ra, found_dec = exposure.wcs(x, y)
    return np.stack([(found_ra - ra) * np.cos(np.deg2rad(dec)), found_dec - dec]) * 3.6e6


@pytest.mark.slow
def test_two_modules_at_full_size(tmp_path):
    """Errors of 15 mas per exposure: gone within 1 mas, between the exposures and against a catalogue."""
    made = simulate(
        tmp_path / "raw", detectors=DETECTORS, n_dithers=3, readpatt="BRIGHT1", ngroups=5, seed=5, pointing_error_mas=15.0
    )  # fmt: skip
    cals = planner.plan(made.uncals, "auto", to="cal", output_dir=tmp_path / "cal").run().paths()
    cals = sorted((path for path in cals if path.stem.endswith("_cal")), key=lambda path: path.name)
    truths = [next(t for t in made.truths if t.name.startswith(cal.name.removesuffix("_cal.fits"))) for cal in cals]
    params = {"tweakreg": {"sigma_radius": 2.5}}
    options = {
        "references": str(made.cache / "references"),
        "skip": ["outlier_detection", "resample", "source_catalog"],
    }

    def errors(**settings):
        products = planner.plan(cals, "image3", params={"tweakreg": params["tweakreg"] | settings}, **options).run()
        found = sorted(products["crf"], key=lambda made: made.meta.filename)
        return np.array([sky_errors(exposure, truth) for exposure, truth in zip(found, truths, strict=True)])

    relative = errors()
    reference = {detector: relative[k] for k, detector in enumerate(DETECTORS)}
    for k, left in enumerate(relative):
        shift = left - reference[DETECTORS[k % 2]]  # all exposures share the error of the first
        assert np.abs(shift).max() < 1.0
    assert np.abs(relative[:2]).max() > 5.0
    absolute = errors(abs_refcat=str(made.truth_catalog))
    assert np.abs(absolute).max() < 1.0
