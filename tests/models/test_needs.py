"""What a header must say before a calibration begins."""

import warnings

import numpy as np
import pytest
from astropy.io import fits

from jwcore import models
from jwcore.errors import BadInput
from jwcore.testing import tiny_image, tiny_ramp
from jwcore.testing.exposures import tiny_meta


def written(tmp_path, *, product=None, **cards):
    """Write a tiny exposure with some cards of its primary header changed, or removed (None)."""
    path = models.write(tiny_ramp() if product is None else product, tmp_path / "x_ramp.fits")
    with fits.open(path, mode="update") as hdus:
        for name, value in cards.items():
            keyword = name.replace("_OBS", "-OBS")
            if value is None:
                del hdus[0].header[keyword]
            else:
                hdus[0].header[keyword] = value
    return path


def refused(path, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BadInput, match=words) as caught:
            models.read_exposure_meta(path)
    assert str(path) in str(caught.value)
    assert "—" in str(caught.value)
    assert len(str(caught.value)) - len(str(path)) < 250


def test_a_complete_header(tmp_path):
    assert models.read_exposure_meta(written(tmp_path)).exposure.ngroups == 6


@pytest.mark.parametrize(
    "name", ["TELESCOP", "INSTRUME", "DETECTOR", "EXP_TYPE", "DATE_OBS", "TIME_OBS", "SUBARRAY", "SUBSTRT1", "NGROUPS"]
)
def test_missing_keywords(tmp_path, name):
    refused(written(tmp_path, **{name: None}), f"no {name.replace('_OBS', '-OBS')} in the header of .*add it")


def test_all_missing_keywords_are_named_together(tmp_path):
    refused(written(tmp_path, DETECTOR=None, DATE_OBS=None), "no DETECTOR, DATE-OBS in the header")


def test_images_need_no_counts_of_groups(tmp_path):
    models.read_exposure_meta(written(tmp_path, product=tiny_image(), NGROUPS=None))


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({"EXP_TYPE": "NRC_IMGE"}, "EXP_TYPE = 'NRC_IMGE' is not one of .*; did you mean NRC_IMAGE\\?"),
        ({"INSTRUME": "NIRCAMM"}, "INSTRUME = 'NIRCAMM' is not one of .*; did you mean NIRCAM\\?"),
        ({"FILTER": "f200"}, "FILTER = 'f200' is not one of .*; did you mean F200W\\?"),
        ({"NGROUPS": "six"}, "NGROUPS = 'six' is not of type int"),
        ({"TELESCOP": "HST"}, "TELESCOP is HST, not JWST"),
        ({"NGROUPS": 99}, "counts 99 groups .NGROUPS., SCI has 6"),
        ({"NINTS": 7}, "counts 7 integrations .NINTS., SCI has 2"),
        ({"SUBSIZE1": 64}, "SUBSIZE1, SUBSIZE2 are 64, 32, SCI has 32×32 pixels"),
        ({"SUBSTRT2": 0}, "SUBSTRT1, SUBSTRT2 are 1, 0, but count from 1"),
    ],
)
def test_wrong_values(tmp_path, cards, words):
    refused(written(tmp_path, **cards), words)


def test_a_reference_file_is_no_exposure(tmp_path):
    refused(written(tmp_path, product=tiny_image(), REFTYPE="FLAT", EXP_TYPE=None), "this is a reference file")


def test_a_segment_holds_some_of_the_integrations(tmp_path):
    models.read_exposure_meta(written(tmp_path, NINTS=10, EXSEGTOT=5, INTSTART=3, INTEND=4))
    refused(written(tmp_path, NINTS=10, EXSEGTOT=5, INTSTART=3, INTEND=5), "counts 3 integrations")


def test_frames_with_interleaved_reference_pixels(tmp_path):
    ramp = models.Ramp(data=np.zeros((1, 1, 3200, 2048), "f4"))
    ramp.meta = tiny_meta(NINTS=1, NGROUPS=1, SUBSIZE1=2048, SUBSIZE2=2048)
    models.check_exposure(ramp)


def test_a_wrong_value_on_which_nothing_depends_is_a_warning(tmp_path):
    path = written(tmp_path, ENGQLPTG="GUESSED")
    with pytest.warns(models.InvalidMetadata, match="ENGQLPTG") as caught:
        models.read_exposure_meta(path)
    assert len(caught) == 1


def test_what_a_step_needs():
    meta = tiny_meta(FASTAXIS=None)
    with pytest.raises(BadInput, match=r"no FASTAXIS in the header of x.fits — add it .*, or --skip refpix"):
        models.require(meta, ("FASTAXIS", "SLOWAXIS"), where="x.fits", cure="or --skip refpix")
    models.require(meta, ("SLOWAXIS",))
