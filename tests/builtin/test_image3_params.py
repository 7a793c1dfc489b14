"""Parameters of the imaging steps that cannot work are refused while a run is planned, by name."""

import pytest

from jwcore.api import UsageError
from jwcore.builtin.image2.bkg_subtract import BkgSubtractParams
from jwcore.builtin.image3.outlier_detection import OutlierDetectionParams
from jwcore.builtin.image3.resample import ResampleParams
from jwcore.builtin.image3.skymatch import SkymatchParams
from jwcore.builtin.image3.tweakreg import TweakregParams
from jwcore.params import Layer, resolve


def resolved(model, **values):
    return resolve(model, label="step", layers=[Layer("command line", {"step": values})])[0]


@pytest.mark.parametrize(
    ("model", "name", "value", "message"),
    [
        (OutlierDetectionParams, "snr", "five", "two numbers"),
        (OutlierDetectionParams, "scale", "1 2 3", "two numbers"),
        (OutlierDetectionParams, "kernel_size", "", "two numbers"),
        (OutlierDetectionParams, "fillval", "abc", "a number, NAN or INDEF"),
        (OutlierDetectionParams, "good_bits", "FOO", "'FOO' is no DQ flag"),
        (SkymatchParams, "dqbits", "~DO_NOT_USE+BAD", "'BAD' in .* is no DQ flag"),
        (ResampleParams, "fillval", "many", "a number, NAN or INDEF"),
    ],
)
def test_texts_that_mean_nothing(model, name, value, message):
    with pytest.raises(UsageError, match=rf"step\.{name} = '.*' is not allowed: .*{message}.*command line") as refused:
        resolved(model, **{name: value})
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (ResampleParams, "output_wcs"),
        (SkymatchParams, "skylist"),
        (TweakregParams, "abs_refcat"),
        (TweakregParams, "catfile"),
        (BkgSubtractParams, "bkg_list"),
        (BkgSubtractParams, "wfss_mask"),
    ],
)
def test_files_that_are_not_there(tmp_path, model, name):
    there = tmp_path / "there"
    there.write_text("RA,DEC\n1.0,2.0\n")
    resolved(model, **{name: str(there)})
    with pytest.raises(UsageError, match=rf"step\.{name} = .* there is no file .*gone"):
        resolved(model, **{name: f"{there},{tmp_path / 'gone'}" if name == "bkg_list" else str(tmp_path / "gone")})


def test_texts_that_mean_something():
    assert resolved(ResampleParams, fillval="INDEF", output_wcs="").output_wcs == ""
    assert resolved(ResampleParams, fillval="-1.5").fill == -1.5
    assert resolved(OutlierDetectionParams, snr="7", good_bits="none").good_bits is None
    assert resolved(TweakregParams, abs_refcat="", catfile="None").catfile is None


def test_levels_of_the_user_need_a_list():
    with pytest.raises(UsageError, match=r"skymatch\.skymethod = user needs levels"):
        resolved(SkymatchParams, skymethod="user")
