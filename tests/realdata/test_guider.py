"""The flight acquisition exposure of a guider, against the official pipeline with the same reference files."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from astropy.io import fits

from jwcore import planner
from jwcore.algorithms import dq
from tests.parity import peer

pytestmark = pytest.mark.realdata

FULL = (2048, 2048)
KINDS = ("mask", "gain", "readnoise", "flat")
STEP_OF = {"mask": "dq_init", "gain": "guider_cds", "readnoise": "guider_cds", "flat": "flat_field"}
RUN_PEER = """
import sys
from jwst.pipeline import GuiderPipeline
exposure, output, *overrides = sys.argv[1:]
steps = {}
for step, kind, path in (text.split("=") for text in overrides):
    steps.setdefault(step, {})[f"override_{kind}"] = path
GuiderPipeline.call(exposure, steps=steps, output_dir=output, save_results=True)
"""


def write_reference(path, *, kind, arrays, flags=()):
    """Write a full-frame reference in the official layout."""
    subarray = {"SUBARRAY": "GENERIC", "SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": FULL[1], "SUBSIZE2": FULL[0]}
    whose = {"TELESCOP": "JWST", "INSTRUME": "FGS", "DETECTOR": "GUIDER2", "REFTYPE": kind.upper()}
    header = fits.Header({**whose, **subarray, "FASTAXIS": 2, "SLOWAXIS": -1})
    hdus = [fits.PrimaryHDU(header=header), *(fits.ImageHDU(array, name=name) for name, array in arrays.items())]
    if flags:
        table = np.array([(k, 1 << k, name, "") for k, name in enumerate(flags)],
                         dtype=[("BIT", "i4"), ("VALUE", "i4"), ("NAME", "S20"), ("DESCRIPTION", "S8")])  # fmt: skip
        hdus.append(fits.BinTableHDU(table, name="DQ_DEF"))
    fits.HDUList(hdus).writeto(path)


@pytest.fixture(scope="module")
def exposure(real_data):
    (path,) = (real_data / "fgs_guider").glob("*_uncal.fits")
    return path


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """Uneven references, with flagged, empty and missing pixels."""
    rng, folder = np.random.default_rng(1), tmp_path_factory.mktemp("references")
    noise = rng.standard_normal((4, *FULL)).astype(np.float32)
    bad = (rng.random(FULL) < 0.02).astype(np.uint32) * 3
    flat = 1 + 0.05 * noise[0]
    flat[::37, ::11], flat[5::41, ::13] = np.nan, 0
    no_flat = np.zeros(FULL, np.uint32)
    no_flat[3::29, ::7] = 2
    paths = {kind: folder / f"{kind}.fits" for kind in KINDS}
    write_reference(paths["mask"], kind="mask", arrays={"DQ": bad}, flags=("DO_NOT_USE", "DEAD"))
    write_reference(paths["gain"], kind="gain", arrays={"SCI": 1.5 + 0.1 * noise[1]})
    write_reference(paths["readnoise"], kind="readnoise", arrays={"SCI": 12 + noise[2]})
    arrays = {"SCI": flat, "ERR": np.abs(0.01 * noise[3]), "DQ": no_flat}
    write_reference(paths["flat"], kind="flat", arrays=arrays, flags=("DO_NOT_USE", "NO_FLAT_FIELD"))
    return paths


@pytest.fixture(scope="module")
def official(exposure, references, real_data, tmp_path_factory):
    """The product of the official pipeline."""
    if "JWCAL_PEER" not in os.environ and not (peer.REPOSITORY / ".peer").is_dir():
        pytest.skip("no environment with the official pipeline: run make parity-quick, or set JWCAL_PEER")
    folder = tmp_path_factory.mktemp("official")
    shutil.copytree(real_data / "crds_mappings", folder / "crds")
    (context,) = (folder / "crds").rglob("*.pmap")
    crds = {"CRDS_PATH": str(folder / "crds"), "CRDS_CONTEXT": context.name, "CRDS_READONLY_CACHE": "0"}
    crds["CRDS_SERVER_URL"] = "https://jwst-serverless-mode.stsci.edu"
    overrides = [f"{STEP_OF[kind]}={kind}={path}" for kind, path in references.items()]
    subprocess.run(
        [peer.peer_environment() / "bin/python", "-c", RUN_PEER, exposure, folder, *overrides],
        env={**os.environ, **crds, "STPIPE_DISABLE_CRDS_STEPPARS": "true"}, check=True, capture_output=True,
    )  # fmt: skip
    (path,) = folder.glob("*_cal.fits")
    with fits.open(path, memmap=False) as hdus:
        return {name: hdus[name].data for name in ("SCI", "ERR", "DQ")}


def run(exposure, references, **options):
    overrides = {kind: str(path) for kind, path in references.items()}
    return planner.plan(str(exposure), "guider", references="none", overrides=overrides, **options).run()["cal"]


def predicted_error(official, exposure, references, window):
    """Correct the official error for its declared differences: a time too many, and an error that skips the flat."""
    header = fits.getheader(exposure)
    seconds = header["TGROUP"]
    gain, flat, sigma = (fits.getdata(references[k], name)[window] for k, name in
                         (("gain", "SCI"), ("flat", "SCI"), ("flat", "ERR")))  # fmt: skip
    usable = official["DQ"] & dq.NO_FLAT_FIELD == 0
    factor = np.where(usable, flat, 1)
    rate = official["SCI"] * factor
    of_flat = (official["SCI"] / factor * sigma) ** 2
    photons = np.maximum(rate, 0) / gain
    read = official["ERR"].astype(float) ** 2 - of_flat - photons
    return np.sqrt(
        (photons / seconds + read) / factor**2 + np.where(usable, (official["SCI"] * sigma / factor) ** 2, 0)
    )


def test_acquisition_equals_the_official_product(exposure, references, official):
    cal = run(exposure, references)
    np.testing.assert_array_equal(cal.dq, official["DQ"])
    np.testing.assert_allclose(cal.data, official["SCI"], rtol=1e-6)
    y, x = cal.meta.subarray.ystart - 1, cal.meta.subarray.xstart - 1
    window = np.s_[y : y + cal.shape[-2], x : x + cal.shape[-1]]
    np.testing.assert_allclose(cal.err, predicted_error(official, exposure, references, window), rtol=2e-5)


def test_acquisition_tells_its_story(exposure, references):
    cal = run(exposure, references)
    assert type(cal).__name__ == "GuiderCal"
    assert [getattr(cal.meta.cal_step, step) for step in ("dq_init", "guider_cds", "flat_field")] == ["COMPLETE"] * 3
    assert cal.meta.bunit_data == "DN/s"
    assert cal.shape == (6, 128, 128)
