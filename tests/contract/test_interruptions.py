"""Ctrl-C, and what batch systems send: the run ends at once, leaves nothing half-written, and says so in its exit code."""

import signal
import time

import pytest

from jwcore import models
from jwcore.testing import tiny_image
from tests.contract.test_accidents import ACCIDENTS, SHAPES, jwcal, last_line

STOP_WHILE_WRITING = """
import os, signal, threading, time
from jwcore.models import writer
plain = writer._write_array
def slow(*args):
    if not stopped.is_set():
        stopped.set()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
    plain(*args)
stopped = threading.Event()
writer._write_array = slow
"""


@pytest.fixture
def rate(tmp_path):
    return models.write(tiny_image(), tmp_path / "jw00001001001_02101_00001_nrca1_rate.fits")


@pytest.mark.parametrize("executor", ["serial", "processes"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_in_good_order(tmp_path, rate, number, executor):
    started = time.monotonic()
    words = (
        "run",
        "toy_stopped",
        rate,
        "-p",
        ACCIDENTS,
        "-s",
        f"toy_stopped.signal={number:d}",
        "--executor",
        executor,
    )
    done = jwcal(*words, "-o", tmp_path / "out")
    assert done.returncode == 128 + number
    assert last_line(done) == "stopped; finished products are complete, nothing half-written is left"
    assert not list((tmp_path / "out").iterdir())
    assert time.monotonic() - started < 50, "running steps are interrupted, in workers too"


def test_a_file_that_is_being_written_becomes_complete(tmp_path, rate):
    done = jwcal("run", "toy_add", rate, "-p", SHAPES, "-o", tmp_path / "out", preamble=STOP_WHILE_WRITING)
    assert done.returncode == 130
    (written,) = (tmp_path / "out").iterdir()
    assert models.read(written).data.shape == tiny_image().shape


def test_what_the_caller_ignores_stays_ignored(tmp_path, rate):
    ignored = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    done = jwcal("run", "toy_interrupted", rate, "-p", ACCIDENTS, "-o", tmp_path / "out", preamble=ignored)
    assert done.returncode == 0, done.stderr
