"""The benchmarks read times from logs."""

import pytest

from benchmarks.log_times import own_steps, peer_steps

PEER = """\
2026-01-02 10:00:00,100 - stpipe.pipeline - INFO - Step jump running with args (<RampModel>,).
2026-01-02 10:00:01,000 - jwst.jump - INFO - The Step size
2026-01-02 10:00:12,350 - stpipe.step - INFO - Step jump done
2026-01-02 10:00:12,400 - stpipe.step - INFO - Step ramp_fit running with args (<RampModel>,).
"""
OWN = """\
detector1:jw01_nrca1
group_scale          skipped: off
jump                 builtin 0.1.0     0.15 s  gain=gain.fits jumps=3
clean_flicker_noise.ramp_fit builtin 0.1.0     9.56 s  gain=gain.fits
ramp_fit             builtin 0.1.0    10.29 s  gain=gain.fits
done in 12.1 s: 2 products
"""


def test_seconds_of_the_peers_steps():
    assert peer_steps(PEER) == {"jump": pytest.approx(12.25)}


def test_seconds_of_our_steps():
    assert own_steps(OWN) == {"jump": 0.15, "ramp_fit": 10.29}
