"""What goes wrong ends with one line that names the cure, the documented exit code, and no partial product."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jwcore import models
from jwcore.testing import tiny_image, tiny_ramp

ACCIDENTS = str(Path(__file__).parent / "toys" / "accidents.py")
SHAPES = str(Path(__file__).parent / "toys" / "shapes.py")


LISTENING = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)"
"""What is started in the background ignores Ctrl-C, and tests may be."""


def jwcal(*words, preamble=""):
    code = f"{LISTENING}\n{preamble}\nimport sys; from jwcore.cli import main; main({list(map(str, words))!r})"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRDS_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def last_line(done):
    return done.stderr.strip().splitlines()[-1]


@pytest.fixture
def rate(tmp_path):
    path = tmp_path / "jw00001001001_02101_00001_nrca1_rate.fits"
    models.write(tiny_image(), path)
    return path


def damaged(tmp_path, kind, rate):
    path = tmp_path / f"{kind.replace(' ', '_')}_rate.fits"
    content = rate.read_bytes()
    if kind == "truncated":
        path.write_bytes(content[: len(content) // 3])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("this is not FITS\n" * 300)
    elif kind == "no SCI":
        image = models.read(rate)
        image.data = None
        from astropy.io import fits

        with fits.open(rate) as hdus:
            del hdus["SCI"]
            hdus.writeto(path)
    elif kind == "missing":
        pass
    return path


DAMAGES = ("truncated", "empty", "text", "no SCI", "missing")
MISTAKES = [
    (["run", "toy_ad", "X"], 2, "did you mean 'toy_add'"),
    (["run", "toy_add", "X", "-s", "toy_add.valu=3"], 2, "did you mean 'value'"),
    (["run", "toy_add", "X", "-s", "toy_add.value=-3"], 2, ">= 0"),
    (["run", "toy_add", "X", "-s", "value=3"], 2, "-s step.param=value"),
    (["run", "toy_add", "X", "--use", "toy_ad=acme"], 2, "did you mean 'toy_add'"),
    (["run", "toy_add", "X", "--use", "toy_add"], 2, "--use STAGE=PLUGIN"),
    (["run", "toy_add", "X", "--max-memory", "lots"], 2, "4G"),
    (["run", "toy_add", "X", "--executor", "magic"], 2, "processes"),
    (["run", "toy_add", "X", "-p", "nowhere"], 2, "installed: builtin"),
    (["run", "toy_add", "X", "-c", "no.toml"], 2, "check the path after -c"),
    (["run", "flat_field", "X", "--references", "none"], 3, "--override flat=FILE"),
    (["runn", "toy_add"], 2, "did you mean 'run'"),
    (["run", "toy_add", "X", "-o", "/proc/no"], 2, "choose another folder"),
]
ONE_BY_ONE = """
import json, os, sys
import jwcore.planner, jwcore.runner
from jwcore.cli import main
folder, commands = json.load(sys.stdin)
for number, words in enumerate(commands):
    child = os.fork()
    if child == 0:
        written = os.open(f"{folder}/{number}.txt", os.O_CREAT | os.O_WRONLY)
        os.dup2(written, 1), os.dup2(written, 2)
        main(words)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""Commands as children of one process that has imported the program; what each writes goes to a file of its own."""


def one_by_one(folder, commands):
    """Run commands; give exit code and last line of each."""
    plain = json.dumps([str(folder), [[str(word) for word in words] for words in commands]])
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRDS_")}
    done = subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE], input=plain, capture_output=True, text=True, check=True, env=environment
    )
    written = [(folder / f"{number}.txt").read_text() for number in range(len(commands))]
    assert not any("Traceback" in text for text in written), written
    lasts = [text.strip().splitlines()[-1] for text in written]
    return list(zip(map(int, done.stdout.split()), lasts, strict=True))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Exit code and last line of what goes wrong, by what is wrong."""
    folder = tmp_path_factory.mktemp("told")
    rate = models.write(tiny_image(), folder / "jw00001001001_02101_00001_nrca1_rate.fits")
    commands = [
        ["run", "toy_add", damaged(folder, kind, rate), "-p", SHAPES, "-o", folder / "out", "--references", "none"]
        for kind in DAMAGES
    ]
    for given, *_ in MISTAKES:
        words = [rate if word == "X" else word for word in given]
        if words[0] == "run":
            words += ["-p", SHAPES, *([] if "-o" in words else ["-o", folder / "out"])]
        commands.append(words)
    answers = one_by_one(folder, commands)
    return folder / "out", dict(zip([*DAMAGES, *(" ".join(words) for words, *_ in MISTAKES)], answers, strict=True))


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_input_is_exit_code_4(told, kind):
    out, answers = told
    code, last = answers[kind]
    assert (code, f"{kind.replace(' ', '_')}_rate.fits" in last, "—" in last) == (4, True, True), last
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize(("words", "code", "expected"), MISTAKES)
def test_mistakes_are_named_with_their_cure(told, words, code, expected):
    given, last = told[1][" ".join(words)]
    assert (given, expected in last) == (code, True), last


def test_a_crashing_step_names_itself_and_how_to_go_on(tmp_path, rate):
    done = jwcal("run", "toy_crash", rate, "-p", ACCIDENTS, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "toy_crash (accidents:toy_crash, accidents.py:45) failed: AttributeError" in last_line(done)
    assert "--resume" in last_line(done)
    assert not list((tmp_path / "out").iterdir())


def test_a_killed_worker_is_an_error_not_a_hang(tmp_path, rate):
    done = jwcal("run", "toy_killed", rate, "-p", ACCIDENTS, "-o", tmp_path / "out", "--executor", "processes")
    assert done.returncode == 1
    assert "a worker process died" in last_line(done)
    assert not list((tmp_path / "out").iterdir())


def test_a_full_disk_is_named_and_leaves_no_partial_product(tmp_path, rate):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))"
    done = jwcal("run", "toy_add", rate, "-p", SHAPES, "-o", tmp_path / "out", preamble=limit)
    assert done.returncode == 1
    assert "_added.fits" in last_line(done)
    assert not list((tmp_path / "out").iterdir())


def test_an_unwritable_folder_is_refused_before_anything_runs(tmp_path, rate):
    (tmp_path / "file").write_text("")
    done = jwcal("run", "toy_add", rate, "-p", SHAPES, "-o", tmp_path / "file")
    assert done.returncode == 2
    assert "cannot write to" in last_line(done)


def test_a_file_in_place_of_a_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for words in (("new-plugin", "mine"), ("simulate", "-n", "1", "--ngroups", "2", "--subarray", "sub160")):
        done = jwcal(*words, "-o", tmp_path / "file")
        assert (done.returncode, "check path, permissions" in last_line(done)) == (1, True), done.stderr


@pytest.mark.slow
def test_the_doctor_compiles():
    done = jwcal("doctor", "--compile")
    assert (done.returncode, "compiled in" in done.stdout) == (0, True), done.stdout


def test_a_missing_keyword_or_another_instrument(tmp_path):
    ramp = tmp_path / "x_uncal.fits"
    models.write(tiny_ramp(EXP_TYPE=None, INSTRUME=None), ramp)
    done = jwcal("run", "detector1", ramp, "-o", tmp_path)
    assert (done.returncode, "no INSTRUME, EXP_TYPE in the header" in last_line(done)) == (4, True)
    models.write(tiny_ramp(INSTRUME="MIRI", DETECTOR="MIRIMAGE", EXP_TYPE="MIR_IMAGE", CHANNEL=None), ramp)
    done = jwcal("plan", "detector1", ramp)
    assert done.returncode == 3, "the plan knows the instrument and wants its references"
    assert "reset" in done.stdout


def test_zero_groups_are_refused(tmp_path):
    from astropy.io import fits

    path = tmp_path / "x_uncal.fits"
    models.write(tiny_ramp(), path)
    with fits.open(path) as hdus:
        hdus["SCI"].data = np.zeros((1, 0, 32, 32), "f4")
        hdus.writeto(path, overwrite=True)
    done = jwcal("run", "detector1", path, "-o", tmp_path)
    assert done.returncode == 4
    assert "empty" in last_line(done) or "groups" in last_line(done)


IDLE = """
import os, time
from jwcore.process_executor import ProcessesExecutor
if __name__ == "__main__":
    pool = ProcessesExecutor(1)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells a process that its parent has died")
def test_an_idle_worker_ends_with_its_parent(tmp_path):
    script = tmp_path / "idle.py"
    script.write_text(IDLE)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}/status").exists() and "Z (zombie)" not in Path(f"/proc/{worker}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
