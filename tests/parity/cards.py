"""Comparison of header keywords: what a step writes into a header, and what it must leave alone."""

import re
from collections.abc import Collection
from pathlib import Path

from astropy.io import fits

from tests.parity.compare import Comparison

RTOL = 1e-6
LOOSE = {"PRIMECRS": 1e-2, "EXTNCRS": 1e-2}
"""Tolerance of keywords that count flagged pixels, that of the flags."""
OWN = frozenset(
    {"DATE", "FILENAME", "CAL_VER", "CAL_VCS", "CRDS_VER", "CHECKSUM", "DATASUM", "EXTEND", "HISTORY", "COMMENT", ""}
)
"""Keywords that tell who wrote the file, or that every writer orders as it likes."""
SIP = re.compile(r"[AB]P?_\d_\d|CD\d_\d|[AB]P?_ORDER")
"""Terms of a polynomial fit that many sets of numbers serve equally well; the sky coordinates are compared instead."""
STRUCTURE = frozenset({"SIMPLE", "XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "BSCALE", "BZERO"})


def compare_headers(step: str, ours: Path, peer: Path, *, ignore: Collection[str] = ()) -> Comparison:
    """Compare the keywords of PRIMARY and of SCI (named ``SCI:KEYWORD``); numbers to six digits."""
    a, b = ({key: value for key, value in _cards(path).items() if key not in ignore} for path in (ours, peer))
    lacking = [f"{key} lacks" for key, value in b.items() if key not in a and value != "N/A"]
    extra = [f"{key} extra" for key, value in a.items() if key not in b and key != "CRDS_CTX" and value != "SKIPPED"]
    different = [f"{key} {a[key]!r}≠{b[key]!r}" for key in b if key in a and not _same(key, a[key], b[key])]
    faults = [*different, *lacking, *extra]
    outside = len(faults) / max(1, len(b))
    return Comparison(
        step, "header", "equal", float(len(faults)), outside, not faults, note="; ".join(faults[:12])[:400]
    )


def _cards(path: Path) -> dict[str, object]:
    """Return the keywords of the first two headers, those of SCI with a mark."""
    cards: dict[str, object] = {}
    with fits.open(path, memmap=True) as hdus:
        for mark, hdu in zip(("", "SCI:"), hdus, strict=False):
            for card in hdu.header.cards:
                name = card.keyword
                if name in OWN or name in STRUCTURE or SIP.fullmatch(name) or name.startswith(("NAXIS", "SIMC")):
                    continue
                cards[mark + name] = card.value
    return cards


def _same(key: str, ours: object, peer: object) -> bool:
    if isinstance(ours, str) and isinstance(peer, str) and ours.startswith("POLYGON") and peer.startswith("POLYGON"):
        return _vertices(ours) == _vertices(peer)
    if isinstance(ours, float | int) and isinstance(peer, float | int):
        return abs(ours - peer) <= LOOSE.get(key, RTOL) * max(abs(ours), abs(peer))
    return ours == peer


def _vertices(region: str) -> set[tuple[float, float]]:
    """Return the corners of a region, in no order, to a few milliarcseconds."""
    numbers = [round(float(word), 6) for word in region.split()[2:]]
    return set(zip(numbers[::2], numbers[1::2], strict=True))
