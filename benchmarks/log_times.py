"""Seconds of every step, as the log of a command tells them."""

import re
from datetime import datetime

PEER_LINE = re.compile(r"^(\S+ \S+,\d{3}) - .* - Step (\w+) (running with args|done)", re.MULTILINE)
OWN_LINE = re.compile(r"^(\w+) +\w+ \S+ +(\d+\.\d+) s", re.MULTILINE)


def peer_steps(log: str) -> dict[str, float]:
    """Return the seconds between the lines with which the peer's steps begin and end."""
    begun: dict[str, datetime] = {}
    seconds: dict[str, float] = {}
    for time, step, what in PEER_LINE.findall(log):
        moment = datetime.strptime(time, "%Y-%m-%d %H:%M:%S,%f")
        if what == "done" and step in begun:
            seconds[step] = (moment - begun[step]).total_seconds()
        else:
            begun[step] = moment
    return seconds


def own_steps(log: str) -> dict[str, float]:
    """Return the seconds that our log gives for each step."""
    return {step: float(seconds) for step, seconds in OWN_LINE.findall(log)}
