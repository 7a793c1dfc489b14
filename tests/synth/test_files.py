"""Files of a simulated programme: raw, truth, references, rules and association."""

import ast
import hashlib
import json
import os
import subprocess
import sys

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from jwcore.algorithms import dq
from jwcore.synth import Effects, simulate, tiny_subarray
from jwcore.synth.compare import compare_catalog
from jwcore.synth.crds_cache import CrdsCache
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.sky import read_catalog
from jwcore.synth.wcs import Attitude

SETTINGS = {"n_dithers": 2, "subarray": tiny_subarray(64), "readpatt": "BRIGHT1", "ngroups": 5, "nints": 2}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("run"), pointing_error_mas=20.0, zeroframe=True, **SETTINGS)


def test_raw_file_has_the_official_layout(run):
    with fits.open(run.uncals[0]) as file:
        assert [hdu.name for hdu in file] == ["PRIMARY", "SCI", "ZEROFRAME", "GROUP", "INT_TIMES", "ASDF"]
        assert file["SCI"].data.dtype == np.uint16
        assert file["SCI"].data.shape == (2, 5, 64, 64)
        assert file["ZEROFRAME"].data.shape == (2, 64, 64)
        header = file[0].header
        assert (header["NFRAMES"], header["GROUPGAP"], header["FRMDIVSR"]) == (1, 1, 1)
        assert header["TGROUP"] == pytest.approx(2 * header["TFRAME"])
        assert (header["SUBSTRT1"], header["SUBSIZE1"], header["DETXCOR"]) == (1, 64, 2048 - 63)
        assert (header["FASTAXIS"], header["SLOWAXIS"]) == (-1, 2)
        assert header["DATAMODL"] == "Level1bModel"
        times = file["INT_TIMES"].data
        assert list(times["integration_number"]) == [1, 2]
        assert np.all(times["int_start_MJD_UTC"] < times["int_mid_MJD_UTC"])
        assert len(file["GROUP"].data) == 10
        assert len(file["GROUP"].columns) == 13
        assert header["EXPSTART"] < header["EXPMID"] < header["EXPEND"]


def test_headers_tell_the_nominal_pointing_and_the_truth_file_the_real_one(run):
    separations = []
    for uncal, truth in zip(run.uncals, run.truths, strict=True):
        nominal, real = fits.getheader(uncal, "SCI"), fits.getheader(truth)
        d_ra = (real["RA_TRUE"] - nominal["RA_REF"]) * np.cos(np.deg2rad(nominal["DEC_REF"]))
        separations.append(np.hypot(d_ra, real["DEC_TRUE"] - nominal["DEC_REF"]) * 3.6e6)
        attitude = Attitude.at(
            ra=nominal["RA_REF"], dec=nominal["DEC_REF"], roll=nominal["ROLL_REF"],
            v2=nominal["V2_REF"], v3=nominal["V3_REF"],
        )  # fmt: skip
        assert attitude.to_sky(0, 0) == pytest.approx((nominal["RA_V1"], nominal["DEC_V1"]))
        assert nominal["S_REGION"].startswith("POLYGON ICRS  ")
    assert 1 < min(separations) < max(separations) < 100


def test_truth_file(run):
    with fits.open(run.truths[0]) as file:
        assert np.all(file["RATE"].data[:4] == 0)
        ratio = file["RATE_E"].data[8:, 8:] / np.maximum(file["RATE"].data[8:, 8:], 1e-9)
        assert np.nanmedian(ratio) == pytest.approx(2.05, rel=0.02)
        assert file["SATGROUP"].data.shape == (2, 64, 64)
        assert {"integration", "frame", "group", "x", "y", "charge"} <= set(file["HITS"].columns.names)
    assert len(read_catalog(run.truth_catalog)) >= 40


def test_association_names_the_calibrated_files(run):
    association = json.loads(run.asn.read_text())
    members = association["products"][0]["members"]
    assert [m["expname"] for m in members] == [p.name.replace("uncal", "cal") for p in run.uncals]
    assert association["asn_type"] == "image3"


def test_references_hold_what_the_formats_ask_for(run):
    folder = run.cache / "references/jwst/nircam"
    found = {path.name.split("_")[2] for path in folder.iterdir()}
    assert found == (set(NIRCAM.types) | set(NIRCAM.mode.types)) - {"sirskernel"}, "kernels are for whole frames"
    for path in folder.glob("*.fits"):
        header = fits.getheader(path)
        assert header["TELESCOP"] == "JWST"
        assert header["REFTYPE"].lower() == path.name.split("_")[2]
        assert {"INSTRUME", "AUTHOR", "DESCRIP", "PEDIGREE", "USEAFTER", "DATAMODL"} <= set(header)
    with fits.open(folder / "jwst_nircam_mask_0001.fits") as file:
        standard = np.zeros(file["DQ"].data.shape, np.uint32)
        for row in file["DQ_DEF"].data:
            standard[file["DQ"].data & row["VALUE"] > 0] |= np.uint32(dq.PIXEL_FLAGS[row["NAME"].strip()])
        assert np.all(standard[:4] & np.uint32(dq.REFERENCE_PIXEL))
        assert not np.any(standard[4:, 4:] & np.uint32(dq.REFERENCE_PIXEL))
    with fits.open(folder / "jwst_nircam_dark_0001.fits") as file:
        assert file["SCI"].data.shape == (9, 64, 64)
        assert file[0].header["SUBARRAY"] == "SUB64P"
    with fits.open(folder / "jwst_nircam_apcorr_0001.fits") as file:
        rows = file["APCORR"].data
        assert np.all(np.diff(rows["radius"]) > 0)
        assert np.all(rows["apcorr"] * rows["eefraction"] == pytest.approx(1, abs=0.02))
    with asdf.open(folder / "jwst_nircam_distortion_0001.asdf") as file:
        assert file["model"].has_inverse()
        assert file["meta"]["reftype"] == "distortion"


def test_every_mapping_carries_its_own_checksum(run):
    mappings = list((run.cache / "mappings/jwst").iterdir())
    assert len(mappings) == 17
    for path in mappings:
        lines = path.read_text().splitlines(keepends=True)
        stated = next(line for line in lines if "sha1sum" in line).split("'")[3]
        rest = "".join(line for line in lines if "sha1sum" not in line)
        assert stated == hashlib.sha1(rest.encode()).hexdigest()


def test_official_client_selects_the_references(run):
    program = """
import sys, json, crds
from astropy.io import fits
header = fits.getheader(sys.argv[1])
pars = {"META.INSTRUMENT.NAME": "INSTRUME", "META.INSTRUMENT.DETECTOR": "DETECTOR", "META.INSTRUMENT.FILTER": "FILTER",
        "META.INSTRUMENT.PUPIL": "PUPIL", "META.INSTRUMENT.CHANNEL": "CHANNEL", "META.INSTRUMENT.MODULE": "MODULE",
        "META.EXPOSURE.TYPE": "EXP_TYPE", "META.EXPOSURE.READPATT": "READPATT", "META.EXPOSURE.NOUTPUTS": "NOUTPUTS",
        "META.SUBARRAY.NAME": "SUBARRAY", "META.OBSERVATION.DATE": "DATE-OBS", "META.OBSERVATION.TIME": "TIME-OBS"}
types = ["mask", "dark", "superbias", "flat", "distortion", "apcorr", "filteroffset", "resol", "pars-jumpstep"]
found = crds.getreferences({k: header[v] for k, v in pars.items()}, reftypes=types, observatory="jwst")
print(found)
"""
    environment = {**os.environ, **run.environment}
    done = subprocess.run(
        [sys.executable, "-c", program, str(run.uncals[0])], env=environment, capture_output=True, text=True, check=True
    )
    found = ast.literal_eval(done.stdout.strip().splitlines()[-1])
    assert found["dark"].endswith("jwst_nircam_dark_0001.fits")
    assert found["distortion"].endswith("jwst_nircam_distortion_0001.asdf")
    assert "N/A" in found["resol"].upper()
    assert "N/A" in found["pars-jumpstep"].upper()
    assert all(found[t].endswith(("fits", "asdf")) for t in ("mask", "superbias", "flat", "apcorr", "filteroffset"))


def test_rules_refuse_types_that_an_instrument_does_not_have(tmp_path):
    cache = CrdsCache(root=tmp_path, instrument="NIRCAM")
    with pytest.raises(ValueError, match="NIRCAM has no rules for 'rscd'; it has mask"):
        cache.add("rscd", tmp_path / "x.fits", useafter="2022-01-01T00:00:00", detector="NRCA1")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"detectors": ("NRCZ",)}, "NRCALONG"),
        ({"readpatt": "FAST"}, "BRIGHT1"),
        ({"filter": "F444W"}, "F200W"),
        ({"detectors": ("NRCA1", "NRCALONG")}, "does not go with"),
    ],
)
def test_unknown_settings_name_the_valid_ones(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        simulate(tmp_path, **{**SETTINGS, **wrong})


def test_parallel_detectors_share_the_pointing(tmp_path):
    run = simulate(
        tmp_path, detectors=("NRCA1", "NRCB4"), effects=Effects.none(), with_references=False,
        **{**SETTINGS, "n_dithers": 1, "nints": 1},
    )  # fmt: skip
    headers = [fits.getheader(path, "SCI") for path in run.uncals]
    assert headers[0]["RA_V1"] == pytest.approx(headers[1]["RA_V1"])
    assert headers[0]["V2_REF"] != headers[1]["V2_REF"]
    assert run.cache is None


def test_comparison_finds_shift_scale_and_losses(run):
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    truth = read_catalog(run.truth_catalog)
    seen = truth[truth["abmag"] < 25]
    ra = seen["ra"] + 0.02 / 3600 / np.cos(np.deg2rad(seen["dec"]))
    table = Table(
        {
            "sky_centroid": SkyCoord(ra * u.deg, (seen["dec"] - 0.01 / 3600) * u.deg),
            "aper_total_flux": 1.01e-6 * seen["flux_ujy"] * u.Jy,
            "aper_total_flux_err": 1e-9 * seen["flux_ujy"] * u.Jy,
        }
    )
    result = compare_catalog(table, truth, bright=(15, 26))
    assert result.shift == pytest.approx((20, -10), abs=0.5)
    assert result.flux_ratio == pytest.approx(1.01, abs=1e-3)
    assert result.position_rms < 0.1
    assert result.completeness["25-26"] == 0
    assert result.recovered + result.spurious == len(seen)
    assert "recovered" in str(result)
