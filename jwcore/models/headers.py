"""Headers of products: from cards to metadata and back, with a fixed order and everything unknown preserved."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from jwcore.errors import JwcalError
from jwcore.models.keywords import BY_CARD, KEYWORDS
from jwcore.models.meta import InvalidMetadata, Meta

if TYPE_CHECKING:
    from astropy.io import fits

_STRUCTURE = frozenset(
    {"SIMPLE", "XTENSION", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "TFIELDS", "THEAP"}
    | {"EXTNAME", "EXTVER", "BSCALE", "BZERO", "CHECKSUM", "DATASUM", "END"}
)
"""Cards that say how the data are stored; written anew with the data."""

COLUMN_CARDS = ("TTYPE", "TUNIT", "TDISP")
"""Beginnings of the cards that describe columns and are kept with a table."""

_NUMBERED = ("NAXIS", "TFORM", "TDIM", "TNULL", "TSCAL", "TZERO", "TBCOL")
_CARD = 80
_VALUE = 10


class Cards:
    """The cards of one HDU, split into keywords of the dictionary and all others.

    Parameters
    ----------
    hdu : str
        EXTNAME, ``PRIMARY`` for the first.
    header : astropy.io.fits.Header
    """

    def __init__(self, hdu: str, header: "fits.Header"):
        from astropy.io import fits

        self.values: dict[str, Any] = {}
        self.known: dict[str, fits.Card] = {}
        self.unknown: list[fits.Card] = []
        for card in header.cards:
            keyword = BY_CARD.get((hdu, card.keyword))
            if keyword is None:
                if not is_structural(card.keyword) and card.keyword:
                    self.unknown.append(card)
                continue
            try:
                self.values[keyword.path] = keyword.coerce(card.value)
                self.known[keyword.path] = card
            except (ValueError, fits.VerifyError) as error:
                self.unknown.append(card)
                if card.image[_VALUE:].partition("/")[0].strip():  # a card without a value says nothing
                    warnings.warn(f"{hdu} {keyword.name}: {error}; left out of meta", InvalidMetadata, stacklevel=5)


def is_structural(name: str) -> bool:
    """Tell whether a card describes the storage of the data."""
    return name in _STRUCTURE or (name.startswith(_NUMBERED) and name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ").isdigit())


def compose(
    hdu: str,
    structure: Iterable[tuple[str, Any, str]],
    meta: Meta,
    *,
    known: Mapping[str, "fits.Card"],
    unknown: Iterable["fits.Card"],
) -> "fits.Header":
    """Return the header of one HDU: structure, keywords by section, then the unknown cards in their old order.

    A card that was read and whose value is still the same is written as it was, with its comment and format.
    """
    from astropy.io import fits

    header = fits.Header([fits.Card(*card) for card in structure])
    section = None
    written = set(header)
    for keyword in KEYWORDS:
        if keyword.hdu != hdu or (value := meta.get(keyword.path)) is None:
            continue
        if keyword.section != section:
            section = keyword.section
            _title(header, section)
        card = known.get(keyword.path)
        if card is None or not _same(card, value, keyword.coerce):
            card = make_card(keyword.name, value, keyword.comment if card is None else card.comment, path=keyword.path)
        header.append(card, end=True)
        written.add(keyword.name)
    rest = [card for card in unknown if card.keyword not in written]
    if rest and section is not None:
        _title(header, "Other")
    for card in rest:
        header.append(card, end=True)
    return header


def _same(card: "fits.Card", value: Any, coerce: Any) -> bool:
    try:
        return coerce(card.value) == value
    except ValueError:
        return False


def _title(header: "fits.Header", text: str) -> None:
    """Append the title of a section as blank cards."""
    for line in ("", text, ""):
        header.append(("", line), end=True)


def make_card(name: str, value: Any, comment: str, *, path: str) -> "fits.Card":
    """Return a card; a comment that does not fit in one line is cut.

    Raises
    ------
    JwcalError
        When FITS cannot hold the value.
    """
    from astropy.io import fits

    try:
        card = fits.Card(name, value)
        if isinstance(value, float) and card.value != fits.Card.fromstring(str(card)).value:
            card = fits.Card.fromstring(f"{name:8}= {repr(value).upper():>20}")  # all digits, beyond the fixed format
        room = _CARD - len(str(card).rstrip()) - 3
    except ValueError as error:
        raise JwcalError(
            f"cannot write {name}: {error}", where=f"meta.{path}", cure="set it to None or to plain text"
        ) from None
    if room > 0:
        card.comment = comment[:room].rstrip()
    return card


def image_structure(hdu: str, version: int, dtype: Any, shape: tuple[int, ...]) -> Iterator[tuple[str, Any, str]]:
    """Yield the structural cards of an image extension."""
    bits = 8 * dtype.itemsize
    yield "XTENSION", "IMAGE", "image extension"
    yield "BITPIX", -bits if dtype.kind == "f" else bits, "bits of a number, negative for real numbers"
    yield "NAXIS", len(shape), "number of axes"
    yield from ((f"NAXIS{axis}", size, "") for axis, size in enumerate(reversed(shape), start=1))
    yield "PCOUNT", 0, ""
    yield "GCOUNT", 1, ""
    if dtype.kind == "u" and bits > 8:
        yield "BSCALE", 1, ""
        yield "BZERO", 1 << (bits - 1), "unsigned integers"
    yield "EXTNAME", hdu, "name of the extension"
    yield "EXTVER", version, "number among extensions of this name"


def bytes_structure(hdu: str, column: str, size: int) -> list[tuple[str, Any, str]]:
    """Return the structural cards of a table with one row and one column of `size` bytes."""
    return [
        ("XTENSION", "BINTABLE", "table extension"),
        ("BITPIX", 8, ""),
        ("NAXIS", 2, "number of axes"),
        ("NAXIS1", size, "bytes of a row"),
        ("NAXIS2", 1, "number of rows"),
        ("PCOUNT", 0, ""),
        ("GCOUNT", 1, ""),
        ("TFIELDS", 1, "number of columns"),
        ("TTYPE1", column, ""),
        ("TFORM1", f"{size}B", ""),
        ("EXTNAME", hdu, "name of the extension"),
    ]


PRIMARY_STRUCTURE: tuple[tuple[str, Any, str], ...] = (
    ("SIMPLE", True, "conforms to FITS standard"),
    ("BITPIX", 8, ""),
    ("NAXIS", 0, "no data in this HDU"),
    ("EXTEND", True, ""),
)
"""Structural cards of the primary HDU."""
