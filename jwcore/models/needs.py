"""Whether the header of an exposure says what a calibration needs: nothing missing, nothing wrong, no contradiction.

A product can be read and written without these checks; a plan makes them, so that a mistake in a header is reported
before the first step and not by the step that stumbles over it.
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jwcore.errors import BadInput
from jwcore.models.containers import Ramp
from jwcore.models.exposure import Exposure
from jwcore.models.facts import INTERLEAVED, NORMAL
from jwcore.models.keywords import BY_CARD, named
from jwcore.models.meta import InvalidMetadata, Meta
from jwcore.models.reader import read_exposure

IDENTITY = ("TELESCOP", "INSTRUME", "DETECTOR", "EXP_TYPE", "DATE-OBS", "TIME-OBS")
"""Needed of every exposure: plugins, steps and references are chosen by them."""

READOUT = ("SUBARRAY", "SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2", "NINTS", "NGROUPS")
"""Needed of ramps: references are cut to the pixels that were read out."""

STEERING = frozenset({"Instrument", "Exposure", "Subarray"})
"""Sections of the dictionary in which a value that is not allowed is an error: the calibration depends on them."""


def read_exposure_meta(path: str | Path) -> Meta:
    """Return the metadata of an exposure that is to be calibrated, from its headers alone.

    Raises
    ------
    BadInput
        When the file is damaged, is no product, or its header lacks a keyword, has a wrong one, or contradicts the data.
    """
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        exposure = read_exposure(Path(path))
    check_exposure(exposure)
    for remark in remarks:  # about values on which nothing depends
        warnings.warn(f"{path}: {remark.message}", InvalidMetadata, stacklevel=2)
    return exposure.meta


def check_exposure(exposure: Exposure) -> None:
    """Refuse an exposure whose header lacks a keyword that every calibration needs, has a wrong one, or contradicts the data.

    Raises
    ------
    BadInput
        Naming keyword and file.
    """
    where = str(exposure.path or exposure.meta.get("filename") or "exposure in memory")
    if any(card.keyword == "REFTYPE" for card in exposure.header_cards.get("PRIMARY", ())):
        raise BadInput("this is a reference file", where=where, cure="give an exposure")
    for message in _wrong_values(exposure):
        cure = "give an exposure of JWST" if message.startswith("TELESCOP") else "correct the header"
        raise BadInput(message, where=where, cure=cure)
    ramp = isinstance(exposure, Ramp)
    require(exposure.meta, (*IDENTITY, *(READOUT if ramp else ())), where=where)
    for message in _contradictions(exposure.meta, exposure.shape) if ramp else ():
        raise BadInput(message, where=where, cure="correct the header, or get the file again")


def require(meta: Meta, keywords: Iterable[str], *, where: str = "", cure: str = "") -> None:
    """Refuse metadata in which keywords are unset.

    Parameters
    ----------
    meta : Meta
    keywords : iterable of str
        FITS keywords that are needed.
    where : str
        File for the message; by default the FILENAME of the metadata.
    cure : str
        What else can be done than to add the keywords.

    Raises
    ------
    BadInput
        Naming all missing keywords and the file.
    """
    missing = [name for name in keywords if meta.keyword(name) is None]
    if missing:
        file = where or str(meta.get("filename") or "exposure in memory")
        place = ", ext='SCI'" if named(missing[0])[-1].hdu == "SCI" else ""
        add = f"add it with astropy.io.fits.setval(FILE, '{missing[0]}', value=...{place})"
        raise BadInput(f"no {', '.join(missing)} in the header of {file}", cure=f"{add}, {cure}" if cure else add)


def require_alike(metas: Iterable[Meta], *, where: str) -> None:
    """Refuse exposures that cannot be combined, because their instruments or units (BUNIT) differ.

    No sky level, median or mosaic of rates and surface brightnesses means anything.

    Parameters
    ----------
    metas : iterable of Meta
        Those that do not tell are taken to be like the others.
    where : str
        Name of the set for the message.

    Raises
    ------
    BadInput
        Naming the exposure that differs from most.
    """
    known = list(metas)
    for what in ("instrument.name", "bunit_data"):
        values = [(str(value).strip(), meta) for meta in known if (value := meta.get(what))]
        usual = Counter(value for value, _ in values).most_common(1)
        for value, meta in values:
            if value != usual[0][0]:
                name = meta.get("filename") or "an exposure in memory"
                cure = "leave it out, or calibrate all of them alike"
                raise BadInput(f"{where} combines {name} ({value}) with others ({usual[0][0]})", cure=cure)


def _wrong_values(exposure: Exposure) -> Iterator[str]:
    """Describe the keywords that were left out of meta although the calibration depends on them."""
    if (exposure.meta.get("telescope") or "JWST") != "JWST":
        yield f"TELESCOP is {exposure.meta.telescope}, not JWST"
    for hdu, cards in exposure.header_cards.items():
        for card in cards:
            keyword = BY_CARD.get((hdu, card.keyword))
            if keyword is None or keyword.section not in STEERING or not str(card.value).strip():
                continue
            try:
                keyword.coerce(card.value)
            except ValueError as error:
                yield f"{keyword.name} = {error}"


def _contradictions(meta: Meta, shape: tuple[int, ...]) -> Iterator[str]:
    """Describe where the header of a ramp disagrees with the shape of its data."""
    nints, ngroups = shape[:2]
    info: Any = meta.exposure
    expected = info.nints
    if (info.segment_total or 1) > 1 and info.integration_start and info.integration_end:
        expected = info.integration_end - info.integration_start + 1
    if expected != nints:
        yield f"the header counts {expected} integrations (NINTS), SCI has {nints}"
    if info.ngroups != ngroups:
        yield f"the header counts {info.ngroups} groups (NGROUPS), SCI has {ngroups}"
    window: Any = meta.subarray
    if window.xstart < 1 or window.ystart < 1:
        yield f"SUBSTRT1, SUBSTRT2 are {window.xstart}, {window.ystart}, but count from 1"
    rows, columns = NORMAL if shape[-2:] == INTERLEAVED else shape[-2:]
    striped = window.multistripe_reads1 is not None or window.num_superstripe
    if (window.xsize, window.ysize) != (columns, rows) and not striped:
        yield f"SUBSIZE1, SUBSIZE2 are {window.xsize}, {window.ysize}, SCI has {columns}×{rows} pixels"
