"""What is wrong with a header or with the set-up is said when planning, once, with keyword, file and cure."""

import subprocess
import sys

import pytest
from astropy.io import fits
from click.testing import CliRunner

from jwcore import models, planner
from jwcore.cli import root
from jwcore.errors import BadInput, JwcalError
from jwcore.testing import tiny_image, tiny_ramp


@pytest.mark.parametrize(
    ("stage", "keyword"),
    [("refpix", "FASTAXIS"), ("refpix", "NOUTPUTS"), ("clean_flicker_noise", "SLOWAXIS"), ("saturation", "GROUPGAP")],
)
def test_a_step_says_which_keyword_it_needs(tmp_path, stage, keyword):
    path = models.write(tiny_ramp(**{keyword: None}), tmp_path / "x_ramp.fits")
    with fits.open(tmp_path / "x_ramp.fits", mode="update") as hdus:
        hdus[0].header["FILENAME"] = "another_name.fits"
    plan = planner.plan(path, stage, references="none", params={stage: {"skip": False}})
    problems = [problem for problem in plan.problems if problem.exit_code == BadInput.exit_code]
    assert [problem.text for problem in problems] == [f"no {keyword} in the header of {path}"]
    assert f"'{keyword}'" in problems[0].cure
    assert "--skip" in problems[0].cure


@pytest.mark.parametrize(
    ("stage", "leaf", "keyword"), [("assign_wcs", "roll_ref", "ROLL_REF"), ("resample", "vparity", "VPARITY")]
)
def test_a_step_says_what_it_needs_to_know_of_the_pointing(tmp_path, stage, leaf, keyword):
    image = tiny_image()
    image.meta.set(f"wcsinfo.{leaf}", None)
    plan = planner.plan(models.write(image, tmp_path / "x_rate.fits"), stage, references="none")
    problem = next(problem for problem in plan.problems if keyword in problem.text)
    assert problem.exit_code == BadInput.exit_code
    assert "ext='SCI'" in problem.cure


def test_a_value_on_which_nothing_depends_is_one_line(tmp_path):
    path = models.write(tiny_image(), tmp_path / "x_rate.fits")
    fits.setval(path, "ENGQLPTG", value="GUESSED")
    code = f"from jwcore.cli import main; main(['plan', 'flat_field', {str(path)!r}, '--references', 'none'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if line.startswith("warning")] == done.stderr.splitlines()[:1]
    assert str(path) in done.stderr
    assert ".py" not in done.stderr


def test_a_skipped_step_needs_nothing(tmp_path):
    path = models.write(tiny_ramp(FASTAXIS=None), tmp_path / "x_ramp.fits")
    plan = planner.plan(path, "detector1", references="none", skip=["refpix"])
    assert not [problem for problem in plan.problems if "FASTAXIS" in problem.text]


def test_an_override_that_does_not_fit_is_refused_when_planning(tmp_path):
    flat = tmp_path / "flat.fits"
    header = fits.Header([("REFTYPE", "FLAT"), ("SUBSTRT1", 1), ("SUBSTRT2", 1), ("SUBSIZE1", 5), ("SUBSIZE2", 5)])
    fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(tiny_image().data[:5, :5], name="SCI")]).writeto(flat)
    path = models.write(tiny_image(), tmp_path / "x_rate.fits")
    with pytest.raises(BadInput, match=r"covers 5×5 at .*, the exposure 32×32 at"):
        planner.plan(path, "flat_field", references="none", overrides={"flat": str(flat)})
    with pytest.raises(BadInput, match=r"covers 5×5 at .*, the exposure 32×32 at"):
        planner.plan(path, "flat_field", references="none", params={"flat_field": {"user_supplied_flat": str(flat)}})


def test_what_stops_several_steps_is_said_once(tmp_path):
    path = models.write(tiny_ramp(TGROUP=None), tmp_path / "x_ramp.fits")
    plan = planner.plan(path, "detector1", references="none")
    lines = [line for line in str(plan).splitlines() if "no TGROUP" in line]
    assert [line.split(": ")[1] for line in lines] == ["jump, ramp_fit"]
    assert str(path) in lines[0]
    lines = [line for line in str(plan).splitlines() if "reference gain" in line]
    assert [line.split(": ")[1] for line in lines] == ["jump, ramp_fit"]
    with pytest.raises(JwcalError, match=r"jump, ramp_fit: no TGROUP in the header of .*setval"):
        plan.run()


class TestDoctor:
    def doctor(self, monkeypatch, tmp_path, **environment):
        for name in ("CRDS_PATH", "CRDS_CONTEXT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"NUMBA_CACHE_DIR": str(tmp_path), **environment}.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(root, ["doctor"])

    def line(self, done, word):
        return next(line for line in done.output.splitlines() if word in line)

    def test_no_cache_is_no_fault(self, monkeypatch, tmp_path):
        done = self.doctor(monkeypatch, tmp_path)
        assert self.line(done, "CRDS_PATH").startswith("not needed")

    def test_a_cache_that_is_not_there(self, monkeypatch, tmp_path):
        done = self.doctor(monkeypatch, tmp_path, CRDS_PATH="/nosuch")
        assert done.exit_code == 2
        assert self.line(done, "/nosuch").startswith("to mend")

    def test_a_context_that_is_none(self, monkeypatch, tmp_path):
        rules = tmp_path / "mappings/jwst"
        rules.mkdir(parents=True)
        (rules / "jwst_0001.pmap").touch()
        done = self.doctor(monkeypatch, tmp_path, CRDS_PATH=str(tmp_path), CRDS_CONTEXT="banana")
        line = self.line(done, "banana")
        assert line.startswith("to mend")
        assert "jwst_0001.pmap, which is there" in line
        done = self.doctor(monkeypatch, tmp_path, CRDS_PATH=str(tmp_path), CRDS_CONTEXT="jwst_0001.pmap")
        assert self.line(done, "CRDS cache").startswith("ok")
